// An answer of the service as a reader meets it: in words, numbers and pictures.

import { chanceOf, drawKey, drawScale, drawWaterfall, percent, signed } from "./drawing.js";
import { html } from "./elements.js";

const DRAWN = 10; // contributions with a bar each; more would not be looked at
const NEXT_TO_NOTHING = 0.005; // log-odds: shown as 0.00
// Where letters are large the table scrolls by itself, also by the keyboard.
const SCROLLED = { class: "wide", role: "region", tabindex: "0", "aria-label": "All contributions" };
const ofHundred = (chance) => `${Math.round(100 * chance)} of 100`;

// Which total a severity is made of, so that it is told as it was typed.
const TOTALS = { depression_severity: "depression_total", anxiety_severity: "anxiety_total" };

function valueInWords({ feature, value, unit }, { inputs }) {
  if (value === null) {
    return "unknown";
  }
  const typed = inputs.find(({ name, known }) => known && name === TOTALS[feature]);
  if (typed) {
    return typed.words;
  }
  if (unit === "1 yes, 0 no") {
    return value ? "yes" : "no";
  }
  const short = (number) => String(Number(number.toPrecision(3)));
  if (unit === "log(1 + months)") {
    return `${short(Math.expm1(value))} months`;
  }
  if (unit.startsWith("share of the ")) {
    return `${percent(value)} ${unit.slice("share ".length)}`;
  }
  return `${short(value)} ${unit.split(",")[0]}`.trim();
}

// Draws anew when its place becomes wider or narrower, so that letters keep their size.
function drawnToFit(draw) {
  const place = html("div", { class: "picture" });
  let drawnWidth = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.floor(contentRect.width);
    if (width > 0 && width !== drawnWidth) {
      drawnWidth = width;
      place.replaceChildren(draw(width));
    }
  }).observe(place);
  return place;
}

function againstBase({ response_probability: probability, base_rate: base, interval }) {
  const points = Math.round(100 * probability) - Math.round(100 * base);
  const far = points === 0
    ? "the same as"
    : `${Math.abs(points)} ${Math.abs(points) === 1 ? "point" : "points"} ` +
      `${points > 0 ? "above" : "below"}`;
  const sentence = `That is ${far} the base rate, ${ofHundred(base)} in the training cohort`;
  if (!interval) {
    return `${sentence}.`;
  }
  return interval.lower <= base && base <= interval.upper
    ? `${sentence}, which lies within the interval: the model does not tell this patient from the ` +
        "average one."
    : `${sentence}, which lies outside the interval.`;
}

// When in the course of treatment the answer is given; nothing for one before treatment.
function theWeek({ model: { week } }) {
  if (week === undefined || week === null) {
    return [];
  }
  const sentence = `At the end of week ${week} of treatment, from the scores until then.`;
  return [html("p", {}, html("strong", {}, sentence))];
}

function theNumber(answer, first) {
  const { response_probability: probability, interval, base_rate: base } = answer;
  const key = (kind, text) => html("li", {}, drawKey(kind), text);
  const keys = [key("now", `this answer, ${percent(probability)}`)];
  if (first !== null) {
    keys.push(key("first", `first answer, ${percent(first)}`));
  }
  keys.push(key("base", `base rate, ${percent(base)}`));
  const parts = [];
  if (interval) {
    const { lower, upper, level, method } = interval;
    const span = `${percent(lower)} to ${percent(upper)}`;
    keys.push(key("interval", `stability interval, ${span}`));
    parts.push(
      html(
        "p", {}, html("strong", {}, `Stability interval (${percent(level)}): ${span}. `),
        `How the probability moves when the training cohort is drawn again (${method}); not the ` +
          "uncertainty of this patient\u2019s own outcome.",
      ),
    );
  }
  const drawing = { probability, interval, base, first };
  return [
    html("p", { class: "big" }, percent(probability)),
    ...theWeek(answer),
    html(
      "p", {},
      `Of 100 patients with these inputs the model expects ${Math.round(100 * probability)} to ` +
        `reach the outcome: ${answer.outcome.definition}.`,
    ),
    html("p", {}, againstBase(answer)),
    drawnToFit((width) => drawScale(drawing, width)),
    html("ul", { class: "legend" }, ...keys),
    ...parts,
  ];
}

function theNotices(notices) {
  const items = notices.map(({ message }) => html("li", {}, message));
  return [html("h3", {}, "Read this with it"), html("ul", { class: "notices" }, ...items)];
}

const isNothing = ({ log_odds: logOdds }) => Math.abs(logOdds) < 0.0005; // 0.000 in the table

// Where each contribution begins and ends, in log-odds, from before any input to this patient.
function stepsOf({ baseline_log_odds: baseline, contributions }, asked) {
  let end = baseline;
  return contributions.map((contribution) => {
    const start = end;
    end += contribution.log_odds;
    return { ...contribution, words: valueInWords(contribution, asked), start, end };
  });
}

function waterfallOf(steps, baseline) {
  const large = steps.filter((step) => Math.abs(step.log_odds) >= NEXT_TO_NOTHING).length;
  const shown = steps.slice(0, Math.min(large, DRAWN));
  const bars = shown.map((step) => ({ ...step, label: `${step.label}: ${step.words}` }));
  if (shown.length < steps.length) {
    const label = `The other ${steps.length - shown.length} inputs together`;
    bars.push({ label, start: shown.at(-1)?.end ?? baseline, end: steps.at(-1).end });
  }
  const { end } = steps.at(-1);
  return [
    { label: "Before any input", start: baseline, end: baseline },
    ...bars,
    { label: "This patient", start: end, end },
  ];
}

function theTable(steps, baseline) {
  const row = (kind, label, ...cells) =>
    html(
      "tr", { class: kind }, html("th", { scope: "row" }, label), ...cells.map((text) => html("td", {}, text)),
    );
  const head = ["Input", "Value used", "Log-odds", "Probability after it"];
  const caption =
    "Log-odds as the model adds them up, largest contribution first. The order matters to the " +
    "last column alone.";
  return html(
    "table", {},
    html("caption", {}, caption),
    html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))),
    html(
      "tbody", {},
      row("whole", "Before any input", "", signed(baseline, 3), percent(chanceOf(baseline))),
      ...steps.map((step) =>
        row(
          isNothing(step) ? "nothing" : "something", step.label, step.words,
          signed(step.log_odds, 3), percent(chanceOf(step.end)),
        ),
      ),
      row("whole", "This patient", "", signed(steps.at(-1).end, 3), percent(chanceOf(steps.at(-1).end))),
    ),
  );
}

function theReasons(answer, asked) {
  if (!answer.contributions.length) {
    return [];
  }
  const steps = stepsOf(answer, asked);
  const baseline = answer.baseline_log_odds;
  const bars = waterfallOf(steps, baseline);
  const unmoved = steps.filter(isNothing).length;
  return [
    html("h3", {}, "What moved it"),
    html(
      "p", {},
      "Each bar begins where the one above it ended. Right and green: towards the outcome; left " +
        "and purple: away from it; the band around this patient: the stability interval. Beside each " +
        "bar stand its step in log-odds and the probability that it leads to. These are " +
        "associations in the training cohort, not effects.",
    ),
    drawnToFit((width) => drawWaterfall(bars, answer.interval, width)),
    html(
      "details", { class: "contributions" },
      html("summary", {}, `All ${steps.length} contributions as a table`),
      html("div", SCROLLED, theTable(steps, baseline)),
      html("p", { class: "on-paper" }, `${unmoved} inputs that moved nothing are left out here.`),
    ),
  ];
}

function theInputs({ inputs }) {
  const known = inputs.filter((input) => input.known);
  const unknown = inputs.filter((input) => !input.known).map(({ label }) => label);
  const pairs = known.flatMap(({ label, words }) => [
    html("dt", {}, label), html("dd", {}, words),
  ]);
  const rest = unknown.length ? [html("p", {}, `Unknown: ${unknown.join("; ")}.`)] : [];
  return html(
    "details", { class: "asked-with" },
    html("summary", {}, `The ${known.length} inputs that were asked with`),
    html("dl", {}, ...pairs), ...rest,
  );
}

function theOrigin({ model, prediction_id: id }) {
  return html(
    "p", { class: "soft" },
    `Model ${model.name} ${model.version}, trained on ${model.trained_on}. Answer ${id}.`,
  );
}

// What changed since the first answer, in probability and in the inputs.
export function comparison(answer, asked, first) {
  const before = new Map(first.asked.inputs.map(({ name, words }) => [name, words]));
  const changes = asked.inputs
    .filter(({ name, words }) => before.get(name) !== words)
    .map(({ name, label, words }) =>
      html("li", {}, `${label}: ${before.get(name) ?? "unknown"} \u2192 ${words}`),
    );
  const [was, is] = [first.answer.response_probability, answer.response_probability];
  const rounded = (chance) => Math.round(100 * chance);
  const moved = was === null || is === null
    ? "One of the two has no probability, so that there is no difference to show."
    : `${percent(was)} \u2192 ${percent(is)}: a difference of ` +
      `${signed(rounded(is) - rounded(was), 0)} points.`;
  return html(
    "div", { class: "what-if" },
    html("h3", {}, "What if: compared with the first answer"),
    html("p", {}, html("strong", {}, moved)),
    html("ul", {}, ...changes),
    html(
      "p", {},
      "This is an association, not an effect: it compares two kinds of patients in the training " +
        "cohort, and does not say what a change would do to this one.",
    ),
  );
}

// Returns an answer as a sentence, for those who hear the page.
export function inOneSentence({ abstained, response_probability: probability, interval, model }) {
  const when = model.week ? ` of week ${model.week}` : "";
  if (abstained) {
    return `The model${when} does not answer for this patient.`;
  }
  const span = interval
    ? `, stability interval ${percent(interval.lower)} to ${percent(interval.upper)}`
    : "";
  return `The model${when} answers ${percent(probability)}${span}.`;
}

// Returns an answer as HTML; `first` is the probability that it is compared with, or null.
export function describeAnswer(answer, asked, first) {
  if (answer.abstained) {
    return [
      html("p", { class: "big none" }, "No probability"),
      ...theWeek(answer),
      html("p", {}, "The model declines to answer for this patient; the reasons stand below."),
      ...theNotices(answer.notices),
      theInputs(asked),
      theOrigin(answer),
    ];
  }
  const whatIf = html(
    "p", { class: "hint" },
    html("strong", {}, "What if? "),
    "Change an input, ask again, and see the difference. It shows associations, not effects.",
  );
  const unmoved = [
    html("h3", {}, "What moved it"),
    html("p", {}, "Nothing: no input of this patient moved the probability."),
  ];
  return [
    ...theNumber(answer, first),
    ...theNotices(answer.notices),
    ...(answer.contributions.every(isNothing) ? unmoved : [whatIf, ...theReasons(answer, asked)]),
    theInputs(asked),
    theOrigin(answer),
  ];
}
