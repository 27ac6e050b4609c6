// The form: what was typed becomes a record, and what the service refuses is said beside its field.

import { courseRows, readCourse, rowNamed } from "./course.js";
import { html } from "./elements.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)$/;

const fieldsOf = (form) => [...form.querySelectorAll("[data-field]")];
const controlsOf = (field) => [...field.querySelectorAll("input, select")];

// What stands in a field: a list of texts, all of them empty where it is unknown.
function typedIn(field) {
  if (field.dataset.kind === "yes_no") {
    return [field.querySelector("input:checked").value];
  }
  return controlsOf(field).map((control) => control.value.trim());
}

const isKnown = (field) => typedIn(field).some((text) => text !== "");

// What is no number goes to the service as it is, which says what is wrong with it.
function asNumber(text) {
  if (text === "") {
    return null;
  }
  return NUMBER.test(text) ? Number(text) : text;
}

function answerIn(field) {
  const texts = typedIn(field);
  switch (field.dataset.kind) {
    case "yes_no":
      return texts[0] === "true";
    case "number":
      return asNumber(texts[0]);
    case "coordinates":
      return texts.map(asNumber);
    default:
      return texts[0];
  }
}

function wordsIn(field) {
  const { kind, unit } = field.dataset;
  if (!isKnown(field)) {
    return "unknown";
  }
  if (kind === "file") {
    return "a file";
  }
  if (kind === "yes_no") {
    return typedIn(field)[0] === "true" ? "yes" : "no";
  }
  if (kind === "choice") {
    return controlsOf(field)[0].selectedOptions[0].text;
  }
  return `${typedIn(field).join(", ")} ${unit}`.trim();
}

// Returns the record to send, the file and what is known of it, and all inputs in words.
export function readForm(form) {
  const asked = { record: {}, quality: {}, file: null, inputs: [] };
  for (const field of fieldsOf(form)) {
    const { field: name, kind, part, label, fixedField, fixedValue } = field.dataset;
    asked.inputs.push({ name, label, part, words: wordsIn(field), known: isKnown(field) });
    if (!isKnown(field)) {
      continue;
    }
    if (kind === "file") {
      asked.file = controlsOf(field)[0].files[0];
    } else if (part === "quality") {
      asked.quality[name] = answerIn(field);
    } else if (name.startsWith("extra.")) {
      // A further measurement is a number, also where it is a yes or no.
      const answer = kind === "yes_no" ? Number(answerIn(field)) : answerIn(field);
      asked.record.extra = { ...asked.record.extra, [name.slice("extra.".length)]: answer };
    } else {
      asked.record[name] = answerIn(field);
      if (fixedField) {
        asked.record[fixedField] = fixedValue;
      }
    }
  }
  // What is known of a scan is nothing without the scan.
  asked.inputs = asked.inputs.filter(({ part }) => part === "patient" || asked.file);
  const course = readCourse(form, asNumber);
  if (course) {
    asked.inputs.push(course.input);
    if (course.visits.length) {
      asked.record.course = course.visits;
    }
  }
  return asked;
}

// Returns a function that puts back what stands in the form now.
export function keepForm(form) {
  const kept = [...fieldsOf(form), ...courseRows(form)].flatMap((field) =>
    controlsOf(field).map((control) => {
      const { checked, value, files } = control;
      return () => {
        if (control.type === "radio") {
          control.checked = checked;
        } else if (control.type === "file") {
          control.files = files;
        } else {
          control.value = value;
        }
      };
    }),
  );
  return () => kept.forEach((putBack) => putBack());
}

// Of what can move the prediction.
export function countKnown(form) {
  const counts = (field) => field.dataset.part === "patient" && !field.closest("details");
  return fieldsOf(form).filter((field) => counts(field) && isKnown(field)).length;
}

export function setUnknownToNo(group) {
  for (const field of fieldsOf(group)) {
    if (field.dataset.kind === "yes_no" && !isKnown(field)) {
      field.querySelector("input[value=false]").checked = true;
    }
  }
}

// The range of a total is that of the scale that is chosen.
export function showRanges(form) {
  for (const field of fieldsOf(form)) {
    if (field.dataset.kind === "choice" && field.querySelector("[data-range]")) {
      const range = controlsOf(field)[0].selectedOptions[0].dataset.range;
      const help = document.getElementById(`help-${field.dataset.field}`);
      help.textContent = range ? `Its totals are ${range} points.` : "The scale of the total.";
    }
  }
}

// A problem may name a part of a field, or the scale that the page adds to a total.
function fieldNamed(form, name) {
  const row = rowNamed(form, name);
  if (row) {
    return row;
  }
  const fields = fieldsOf(form);
  for (let path = name; path; path = path.slice(0, Math.max(path.lastIndexOf("."), 0))) {
    const found = fields.find(
      ({ dataset }) => dataset.field === path || dataset.fixedField === path,
    );
    if (found) {
      return found;
    }
  }
  return undefined;
}

function sayBeside(field, sentence) {
  field.closest("details")?.setAttribute("open", "");
  const place = field.querySelector(".error");
  place.textContent = place.hidden ? sentence : `${place.textContent} ${sentence}`;
  place.hidden = false;
  for (const control of controlsOf(field)) {
    control.setAttribute("aria-invalid", "true");
  }
}

function listed(field, name, sentence) {
  if (!field) {
    return html("li", {}, `${name}: ${sentence}`);
  }
  const control = controlsOf(field)[0];
  const label = field.dataset.label ?? "Access key";
  const link = html("a", { href: `#${control.id}` }, `${label}: ${sentence}`);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    control.focus();
  });
  return html("li", {}, link);
}

// Shows a refusal: in a list that takes the focus, and beside each field that it names.
export function showProblems(form, { message, problems }) {
  const summary = document.getElementById("problems");
  summary.querySelector("p").textContent = message;
  const items = problems.map(({ field: name, problem, allowed }) => {
    const field =
      name === "key" ? document.querySelector(".key") : fieldNamed(form, name);
    const sentence = `${problem}${allowed ? `; allowed: ${allowed}` : ""}.`;
    if (field) {
      sayBeside(field, sentence[0].toUpperCase() + sentence.slice(1));
    }
    return listed(field, name, sentence);
  });
  summary.querySelector("ul").replaceChildren(...items);
  summary.hidden = false;
  summary.focus();
}

export function clearProblems() {
  document.getElementById("problems").hidden = true;
  for (const place of document.querySelectorAll(".error")) {
    place.hidden = true;
    place.textContent = "";
  }
  for (const control of document.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
  }
}
