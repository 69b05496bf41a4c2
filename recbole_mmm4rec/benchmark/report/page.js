// Tables: click a heading to sort the rows of each group (ascending, descending, as written), and say which scroll.
"use strict";

function sortValue(cell) {
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/−/g, "-").replace(/[,<\s]/g, ""));
  const below = text.startsWith("<") ? 0.999 : 1; // "< 0.001" comes before 0.001
  return { text, number: /^[-+−<\s]*[\d.]/.test(text) ? number * below : NaN };
}

function compareCells(first, second) {
  if (!isNaN(first.number) && !isNaN(second.number)) return first.number - second.number;
  if (isNaN(first.number) !== isNaN(second.number)) return isNaN(first.number) ? 1 : -1;
  return first.text.localeCompare(second.text);
}

function sortTable(table, column, order) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.forEach((row, place) => { row.dataset.place ??= place; });
    rows.sort((first, second) => {
      if (order === "none") return first.dataset.place - second.dataset.place;
      const cells = [first, second].map((row) => sortValue(row.cells[column]));
      const missing = cells.map((cell) => cell.text === "–");
      if (missing[0] || missing[1]) return missing[0] - missing[1];
      return compareCells(...cells) * (order === "descending" ? -1 : 1);
    });
    body.append(...rows);
  }
}

for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" }[heading.ariaSort] ?? "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next !== "none") heading.setAttribute("aria-sort", next);
      sortTable(table, column, next);
    });
  });
}

const watcher = new ResizeObserver((boxes) => {
  for (const { target } of boxes) {
    target.parentElement.classList.toggle("overflows", target.scrollWidth > target.clientWidth + 1);
  }
});
document.querySelectorAll(".scroll").forEach((box) => watcher.observe(box));
