// The two pictures of an answer. Both are drawn from numbers that stand beside them as text.

import { svg } from "./elements.js";

const LETTER = 6.9; // mean width in px of a letter of the 13 px text
const LINE = 17;
const BAR = 12;

export const chanceOf = (logOdds) => 1 / (1 + Math.exp(-logOdds));
export const logOddsOf = (chance) => Math.log(chance / (1 - chance));
export const percent = (chance) => `${Math.round(100 * chance)} %`;

export function signed(number, digits) {
  const text = Math.abs(number).toFixed(digits);
  const sign = number < 0 ? "\u2212" : "+";
  return Number(text) === 0 ? text : sign + text;
}

function picture(width, height, description, ...drawn) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" };
  return svg("svg", { ...attributes, "aria-label": description }, ...drawn);
}

function line(x1, y1, x2, y2, kind) {
  return svg("line", { x1, y1, x2, y2, class: kind });
}

function words(x, y, text, kind = "", anchor = "start") {
  return svg("text", { x, y, class: kind, "text-anchor": anchor }, text);
}

// The probability, its interval and the base rate on one scale; `first` is what it is compared with.
export function drawScale({ probability, interval, base, first }, width) {
  const inset = 14;
  const at = (chance) => inset + chance * (width - 2 * inset);
  const middle = 22;
  const drawn = [line(at(0), middle, at(1), middle, "axis")];
  for (let tick = 0; tick <= 10; tick += 2) {
    const anchor = tick === 0 ? "start" : tick === 10 ? "end" : "middle";
    const x = tick === 0 ? 0 : tick === 10 ? width : at(tick / 10);
    drawn.push(line(at(tick / 10), middle - 4, at(tick / 10), middle + 4, "axis"));
    drawn.push(words(x, 56, `${10 * tick} %`, "small", anchor));
  }
  if (interval) {
    const [x, end] = [at(interval.lower), at(interval.upper)];
    const size = { x, y: middle - 7, width: Math.max(end - x, 1), height: 14, rx: 3 };
    drawn.push(svg("rect", { ...size, class: "interval" }));
  }
  drawn.push(line(at(base), 4, at(base), 40, "base"));
  if (first !== null) {
    drawn.push(svg("circle", { cx: at(first), cy: middle, r: 6, class: "first" }));
  }
  drawn.push(svg("circle", { cx: at(probability), cy: middle, r: 6, class: "now" }));
  return picture(width, 62, "The probability on a scale from 0 to 100 %, as said below.", ...drawn);
}

// What explains a sign of the scale.
export function drawKey(kind) {
  const shapes = {
    now: () => svg("circle", { cx: 9, cy: 8, r: 5, class: "now" }),
    first: () => svg("circle", { cx: 9, cy: 8, r: 5, class: "first" }),
    base: () => line(9, 0, 9, 16, "base"),
    interval: () => svg("rect", { x: 0, y: 3, width: 18, height: 10, rx: 3, class: "interval" }),
  };
  return svg("svg", { width: 18, height: 16, "aria-hidden": "true" }, shapes[kind]());
}

function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length * LETTER > width && lines.at(-1)) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = longer;
    }
  }
  return lines;
}

// Round percentages, as many as stand at least 44 px apart.
function ticksOf(lowest, highest, at) {
  for (const apart of [1, 2, 5, 10, 20]) {
    const ticks = [];
    for (let percentage = apart; percentage < 100; percentage += apart) {
      const logOdds = logOddsOf(percentage / 100);
      if (logOdds >= lowest && logOdds <= highest) {
        ticks.push({ x: at(logOdds), label: `${percentage} %` });
      }
    }
    if (ticks.every(({ x }, place) => place === 0 || x - ticks[place - 1].x >= 44)) {
      return ticks;
    }
  }
  return [];
}

// `steps` hold label, start and end in log-odds; the first and the last stand still. The axis holds
// all of the interval, so that a small change does not look like a large one.
export function drawWaterfall(steps, interval, width) {
  const uncertain = interval ? [interval.lower, interval.upper].map(logOddsOf) : [];
  const ends = [...steps.flatMap(({ start, end }) => [start, end]), ...uncertain];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const margin = Math.max(0.08 * (high - low), 0.05);
  const [lowest, highest] = [low - margin, high + margin];
  const at = (logOdds) => ((logOdds - lowest) / (highest - lowest)) * width;
  const drawn = [];
  let y = 0;
  steps.forEach(({ label, start, end }, number) => {
    const still = number === 0 || number === steps.length - 1;
    const reached = percent(chanceOf(end));
    const said = still ? reached : `${signed(end - start, 2)}  \u2192 ${reached}`;
    const lines = wrapped(label, width - 8 - said.length * LETTER);
    lines.forEach((text, place) => drawn.push(words(0, y + 13 + place * LINE, text)));
    drawn.push(words(width, y + 13, said, "number", "end"));
    const top = y + lines.length * LINE + 3;
    y = top + BAR + 9;
    if (interval && number === steps.length - 1) {
      const [from, to] = uncertain.map(at);
      const size = { x: from, y: top, width: Math.max(to - from, 1), height: BAR, rx: 3 };
      drawn.push(svg("rect", { ...size, class: "interval" }));
    }
    const x = still ? at(end) - 2 : Math.min(at(start), at(end));
    const size = { x, y: top, width: still ? 4 : Math.max(Math.abs(at(end) - at(start)), 1) };
    const kind = still ? "still" : end > start ? "towards" : "away";
    drawn.push(svg("rect", { ...size, height: BAR, class: kind }));
    if (number < steps.length - 1) {
      drawn.push(line(at(end), top + BAR, at(end), y + LINE - 3, "step"));
    }
  });
  const grid = ticksOf(lowest, highest, at).flatMap(({ x, label }) => [
    line(x, 0, x, y, "grid"),
    words(x, y + 13, label, "small", "middle"),
  ]);
  const description = "Waterfall of the contributions; the table below holds its numbers.";
  return picture(width, y + 20, description, ...grid, ...drawn);
}
