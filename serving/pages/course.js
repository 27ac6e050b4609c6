// Scores during treatment: rows of a session and a score, where the page has them.

const rowsIn = (form) => [...form.querySelectorAll(".visit")];
const typedIn = (row, name) => row.querySelector(`[name=${name}]`).value.trim();
const isFilled = (row) => typedIn(row, "session") !== "" || typedIn(row, "score") !== "";

export const courseRows = rowsIn;
const filledRows = (form) => rowsIn(form).filter(isFilled);

// Returns the entries to send and all of them in words; null where the page asks for none.
export function readCourse(form, asNumber) {
  if (!rowsIn(form).length) {
    return null;
  }
  const visits = filledRows(form).map((row) => ({
    session: asNumber(typedIn(row, "session")),
    score: asNumber(typedIn(row, "score")),
  }));
  const words = visits.map(({ session, score }) => `session ${session ?? "?"}: ${score ?? "?"}`);
  return {
    visits,
    input: {
      name: "course", label: "Scores during treatment", part: "patient",
      words: words.join("; ") || "none", known: visits.length > 0,
    },
  };
}

// A problem names an entry as it was sent, such as course.1.score; empty rows were not sent.
export function rowNamed(form, name) {
  const [field, number] = name.split(".");
  if (field !== "course" && field !== "session") {
    return undefined;
  }
  return filledRows(form)[Number(number) || 0] ?? rowsIn(form)[0];
}
