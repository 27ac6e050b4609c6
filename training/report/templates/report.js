"use strict";
// Values under the pointer, tables that sort and filter. The page is complete without this script.
(() => {
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    return node;
  };
  const note = make("div", "told", "");
  note.setAttribute("aria-hidden", "true"); // the table beside each picture says the same
  note.hidden = true;
  document.body.append(note);
  const REACH = 28;
  const tell = (picture, values) => (event) => {
    const box = picture.getBoundingClientRect();
    let nearest = null;
    let least = REACH;
    for (const [x, y, text] of values) {
      const dx = event.clientX - box.left - (x * box.width) / 100;
      const dy = event.clientY - box.top - (y * box.height) / 100;
      const distance = Math.hypot(dx, dy);
      if (distance < least) [nearest, least] = [text, distance];
    }
    note.hidden = nearest === null;
    if (nearest === null) return;
    note.textContent = nearest;
    const room = document.documentElement.clientWidth - note.offsetWidth - 8;
    note.style.left = `${Math.max(4, Math.min(event.clientX + 14, room))}px`;
    note.style.top = `${event.clientY + 18}px`;
  };
  for (const picture of document.querySelectorAll("img[data-values]")) {
    const values = JSON.parse(picture.dataset.values);
    if (!values.length) continue;
    picture.addEventListener("pointermove", tell(picture, values));
    picture.addEventListener("pointerleave", () => { note.hidden = true; });
  }

  const cell = (row, column) => row.cells[column].textContent.trim();
  const number = (text) => {
    const found = text.match(/^(?:\d+\. )?([-+]?\d[\d.]*)/);
    return found ? Number(found[1]) : NaN;
  };
  const compare = (one, other) => {
    const [a, b] = [number(one), number(other)];
    if (isNaN(a) !== isNaN(b)) return isNaN(a) ? 1 : -1;
    return isNaN(a) ? one.localeCompare(other) : a - b;
  };
  const sortBy = (table, column, header) => {
    const rising = header.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => (rising ? 1 : -1) * compare(cell(a, column), cell(b, column)));
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 4) continue;
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = make("button", "sort", "\u2195");
      button.type = "button";
      const name = header.textContent.trim() || "the first column";
      button.setAttribute("aria-label", `Sort by ${name}`);
      button.addEventListener("click", () => sortBy(table, column, header));
      header.append(" ", button);
    });
    if (rows.length < 12) continue;
    const label = make("label", "filter", "Show rows with ");
    const field = make("input", "", "");
    field.type = "search";
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    label.append(field);
    table.before(label);
  }
  // Paper cannot be unfolded.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const each of folded) each.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });
})();
