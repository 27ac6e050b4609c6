// The page: asks the service about the patient in the form, and shows what it answers.
// What is typed and answered lives in this page alone; nothing is stored.

import { comparison, describeAnswer, inOneSentence } from "./answer.js";
import { ask, download } from "./asking.js";
import { html } from "./elements.js";
import {
  clearProblems,
  countKnown,
  keepForm,
  readForm,
  setUnknownToNo,
  showProblems,
  showRanges,
} from "./form.js";

const form = document.getElementById("patient");
const send = document.getElementById("send");
const status = document.getElementById("status");
const body = document.getElementById("answer-body");
const key = document.getElementById("key");

let first = null; // what later answers are compared with
let shown = null; // the answer on the page
let turn = 0; // an answer that comes after its patient was cleared is thrown away

const typedKey = () => key?.value.trim() ?? "";

// Said again, the same sentence would be heard again.
function say(sentence) {
  if (status.textContent !== sentence) {
    status.textContent = sentence;
  }
}

const sameInputs = (one, other) =>
  one.file === other.file && JSON.stringify(one.inputs) === JSON.stringify(other.inputs);

function button(text, act) {
  const made = html("button", { type: "button", class: "quiet" }, text);
  made.addEventListener("click", act);
  return made;
}

function whatIf() {
  if (shown === first) {
    return [];
  }
  return [
    comparison(shown.answer, shown.asked, first),
    html(
      "p", { class: "choices" },
      button("Back to the first inputs", () => {
        first.putBack();
        show(first);
      }),
      button("Compare with this answer from now on", () => {
        first = shown;
        show(first);
      }),
    ),
  ];
}

function show(found) {
  shown = found;
  const { answer, asked } = found;
  const before = shown === first ? null : first.answer.response_probability;
  body.replaceChildren(...whatIf(), ...describeAnswer(answer, asked, before));
  noteChange();
  send.textContent = hasNumber(first) ? "Ask what if" : "Ask the model";
}

function hasNumber(found) {
  return found !== null && found.answer.response_probability !== null;
}

function showNone(sentence) {
  shown = null;
  body.replaceChildren();
  status.classList.remove("heard");
  say(sentence);
}

function noteChange() {
  document.getElementById("known").textContent = countKnown(form);
  showRanges(form);
  if (shown) {
    const stale = !sameInputs(shown.asked, readForm(form));
    status.classList.toggle("heard", !stale);
    say(
      stale
        ? "The inputs have changed since this answer. Ask again."
        : inOneSentence(shown.answer),
    );
  }
}

async function askAndShow() {
  clearProblems();
  const asked = readForm(form);
  const putBack = keepForm(form);
  turn += 1;
  const mine = turn;
  send.disabled = true;
  showNone("Asking the model\u2026");
  const { answer, refusal } = await ask(asked, typedKey());
  if (mine !== turn) {
    return;
  }
  send.disabled = false;
  if (refusal) {
    showNone("No answer; the problem is said above the form.");
    showProblems(form, refusal);
    return;
  }
  const found = { answer, asked, putBack };
  // An abstention is nothing to compare with: what is asked after it is a first question again.
  first = hasNumber(first) ? first : found;
  show(found);
  const { top } = status.getBoundingClientRect();
  if (top < 0 || top > window.innerHeight) {
    document.getElementById("answer").scrollIntoView();
  }
}

function startAnew() {
  turn += 1;
  first = null;
  send.disabled = false;
  send.textContent = "Ask the model";
  clearProblems();
  showNone("There is no answer yet.");
  noteChange();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!send.disabled) {
    askAndShow();
  }
});
form.addEventListener("input", noteChange);
form.addEventListener("reset", () => setTimeout(startAnew)); // the fields are empty only then
document.getElementById("clear").addEventListener("click", () => {
  setTimeout(() => form.querySelector("input, select").focus());
});
for (const one of form.querySelectorAll(".rest-no")) {
  one.addEventListener("click", () => {
    setUnknownToNo(one.closest(".group"));
    noteChange();
  });
}

// The filled card is open to everybody; that of `GET /model` wants the key, which no link can send.
const card = document.getElementById("card");
if (key && card.getAttribute("href") === "model") {
  card.addEventListener("click", async (event) => {
    event.preventDefault();
    clearProblems();
    const { refusal } = await download(card.href, typedKey());
    if (refusal) {
      showProblems(form, refusal);
    }
  });
}

// Paper cannot be unfolded.
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((each) => each.setAttribute("open", ""));
});
window.addEventListener("afterprint", () => folded.forEach((each) => each.removeAttribute("open")));

// A browser may bring back what stood here before: the page begins empty, and is left empty.
function forget() {
  form.reset();
  if (key) {
    key.value = "";
  }
}
window.addEventListener("pagehide", forget);
forget();
