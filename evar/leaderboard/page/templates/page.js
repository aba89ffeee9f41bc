"use strict";
// What the page does: dark mode, sorting, filtering, and opening the run that a link leads to. Without it, all is there.

const THEME = "evar-theme";
const MOST_ROWS = 100; // of a table at first: a browser lays out thousands too slowly to sort them at once
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

// A page opened from a file may be refused its storage.
function remembered() {
  try { return localStorage.getItem(THEME); } catch { return null; }
}

function remember(theme) {
  try { localStorage.setItem(THEME, theme); } catch { /* then it is forgotten */ }
}

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
}

if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  for (const table of document.querySelectorAll("table.sortable")) setUpSorting(table);
  setUpFilters();
  addEventListener("hashchange", openTarget);
  openTarget();
});

function setUpTheme() {
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    show();
  });
  dark.addEventListener("change", show);
  show();
}

// A cell's value: the number that it begins with, else its text; empty cells stay last in either direction.
function valueOf(cell) {
  const text = cell.textContent.trim();
  const number = /^[+-]?\d+(\.\d+)?/.exec(text);
  return number ? Number(number[0]) : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}

function setUpSorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("button")?.parentElement;
    if (head) sort(table, heads, heads.indexOf(head));
  });
}

function sort(table, heads, column) {
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
  const numbers = keyed.some(({ value }) => typeof value === "number");
  const before = heads[column].getAttribute("aria-sort");
  const ascending = before === "none" ? !numbers : before === "descending";
  keyed.sort((one, other) => {
    if (one.value === "" || other.value === "") return (one.value === "") - (other.value === "");
    return ascending ? compare(one.value, other.value) : compare(other.value, one.value);
  });
  body.replaceChildren(...keyed.map(({ row }) => row));
  table.dispatchEvent(new Event("sorted"));
  for (const head of heads) head.setAttribute("aria-sort", "none");
  heads[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

function setUpFilters() {
  const form = document.getElementById("filters");
  if (!form) return; // the page of one run
  const text = document.getElementById("filter-text");
  const task = document.getElementById("filter-task");
  const probe = document.getElementById("filter-probe");
  const blocks = [...document.querySelectorAll(".block")].map(readBlock);
  const runs = [...document.querySelectorAll("details.run")].map(readRun);
  const figures = [...document.querySelectorAll("figure")];
  const sections = [...document.querySelectorAll("main > section")];
  const count = document.getElementById("count");

  function apply() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = { task: task.value, probe: probe.value, has: (name) => words.every((word) => name.includes(word)) };
    const kept = blocks.map((block) => filterBlock(block, wanted));
    for (const run of runs) run.element.hidden = !fits(run.element, wanted) || !wanted.has(run.text);
    for (const figure of figures) figure.hidden = !fits(figure, wanted);
    for (const section of sections) {
      const parts = section.querySelectorAll(":scope > .block, :scope > .run, figure");
      section.hidden = parts.length > 0 && [...parts].every((part) => part.hidden);
    }
    const filtered = words.length > 0 || task.value || probe.value;
    count.textContent = filtered ? `${kept.reduce((sum, rows) => sum + rows, 0)} rows fit` : "";
  }

  form.hidden = false;
  text.addEventListener("input", apply);
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply)); // the fields are empty only after the event
  if (text.value || task.value || probe.value) apply(); // kept by the browser over a reload
}

function nameOf(element) {
  return element.textContent.toLowerCase();
}

function readRun(element) {
  return { element, text: `${nameOf(element.querySelector("summary"))} ${element.dataset.weights.toLowerCase()}` };
}

function fits(element, wanted) {
  const { task, probe } = element.dataset;
  return (!wanted.task || !task || task === wanted.task) && (!wanted.probe || !probe || probe === wanted.probe);
}

function readBlock(element) {
  const table = element.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, name: nameOf(row.cells[0]) }));
  const block = { element, heads, body, rows, tasks: heads.map((head) => head.dataset.task), excluded: new Set(), most: MOST_ROWS };
  if (rows.length > MOST_ROWS) setUpMore(block, table);
  return block;
}

// A long table shows its first rows and a button for all of them.
function setUpMore(block, table) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet more";
  button.addEventListener("click", () => {
    block.most = block.most === MOST_ROWS ? Infinity : MOST_ROWS;
    showRows(block);
  });
  block.more = button;
  block.element.append(button);
  table.addEventListener("sorted", () => showRows(block));
  showRows(block);
}

// Shows, in their present order, the first rows that no filter excludes.
function showRows({ body, rows, excluded, most, more }) {
  let shown = 0;
  for (const row of body.rows) {
    row.hidden = excluded.has(row) || shown >= most;
    shown += row.hidden ? 0 : 1;
  }
  if (!more) return;
  const left = rows.length - excluded.size;
  more.hidden = left <= MOST_ROWS;
  more.textContent = most === MOST_ROWS ? `Show all ${left} rows` : `Show the first ${MOST_ROWS} rows`;
}

// Hides the columns of other tasks, and rows without a score in what is left. Gives how many rows fit.
function filterBlock(block, wanted) {
  const { element, heads, rows, tasks, excluded } = block;
  const ofTask = tasks.some(Boolean);
  const column = tasks.indexOf(wanted.task);
  const here = fits(element, wanted) && !(wanted.task && ofTask && column < 0);
  const hides = tasks.map((task) => Boolean(wanted.task && task && task !== wanted.task));
  const changes = heads.map((head, k) => k).filter((k) => heads[k].hidden !== hides[k]);
  excluded.clear();
  for (const { row, name } of rows) {
    const scored = !wanted.task || !ofTask || (column >= 0 && row.cells[column].textContent.trim() !== "");
    if (!here || !scored || !fits(row, wanted) || !wanted.has(name)) excluded.add(row);
    for (const k of changes) row.cells[k].hidden = hides[k];
  }
  for (const k of changes) heads[k].hidden = hides[k];
  showRows(block);
  const left = rows.length - excluded.size;
  element.hidden = left === 0;
  return element.querySelector(".heat") ? 0 : left;
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details.run")) {
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
  }
}
