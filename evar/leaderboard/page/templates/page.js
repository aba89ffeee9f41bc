"use strict";
// What the page does: dark mode, sorting, filters that the address keeps, comparing two rows, copying what is shown, and
// opening the run that a link leads to. Without it, all is there.

const THEME = "evar-theme";
const MOST_ROWS = 100; // of a table at first, as in page.css: a browser lays out thousands too slowly to sort them at once
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
root.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  for (const table of document.querySelectorAll("table.sortable")) setUpSorting(table);
  setUpFilters();
  setUpComparison();
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
  const figures = [...document.querySelectorAll("figure")].map(readFigure);
  const encoders = readEncoders();
  const groups = [...document.querySelectorAll("main > section, .day, details.encoder")];
  const count = document.getElementById("count");

  function apply() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (name) => words.every((word) => name.includes(word));
    const left = new Set([...encoders.keys()].filter((encoder) => has(encoders.get(encoder))));
    const wanted = { task: task.value, probe: probe.value, has, encoders: left };
    const kept = blocks.map((block) => filterBlock(block, wanted));
    for (const run of runs) run.element.hidden = !fits(run.element, wanted) || !wanted.has(run.text);
    for (const figure of figures) filterFigure(figure, wanted);
    for (const each of groups) {
      const parts = each.querySelectorAll(":scope > .block, .run, figure");
      each.hidden = parts.length > 0 && [...parts].every((part) => part.hidden);
    }
    keepInAddress({ encoder: text.value, task: task.value, probe: probe.value });
    const filtered = words.length > 0 || task.value || probe.value;
    count.textContent = filtered ? `${kept.reduce((sum, rows) => sum + rows, 0)} rows fit` : "";
  }

  const asked = new URLSearchParams(location.search);
  text.value = asked.get("encoder") ?? "";
  for (const [field, name] of [[task, "task"], [probe, "probe"]]) {
    field.value = asked.get(name) ?? "";
    if (field.selectedIndex < 0) field.value = ""; // no such task here
  }
  form.hidden = false;
  text.addEventListener("input", apply);
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply)); // the fields are empty only after the event
  if (location.search) apply();
}

function keepInAddress(fields) {
  const kept = new URLSearchParams(Object.entries(fields).filter(([, value]) => value));
  const query = kept.size ? `?${kept}` : location.pathname;
  try { history.replaceState(null, "", query + location.hash); } catch { /* a page that has no address of its own */ }
}

function nameOf(element) {
  return element.textContent.toLowerCase();
}

function readRun(element) {
  return { element, text: `${nameOf(element.querySelector("summary"))} ${element.dataset.weights.toLowerCase()}` };
}

// Encoder's number -> what the field of text is looked for in.
function readEncoders() {
  const texts = new Map();
  for (const row of document.querySelectorAll("#scores tr[data-e], #unranked tr[data-e]")) {
    texts.set(row.dataset.e, `${texts.get(row.dataset.e) ?? ""} ${nameOf(row.cells[0])}`);
  }
  return texts;
}

// A picture's marks: each of an encoder, and of a series where these are probes; and what stands for an encoder alone.
function readFigure(element) {
  const every = [...element.querySelectorAll("[data-e]")];
  const marks = every.filter((each) => each.dataset.s);
  return { element, probes: JSON.parse(element.dataset.probes), marks, others: every.filter((each) => !each.dataset.s) };
}

function filterFigure({ element, probes, marks, others }, wanted) {
  const ofProbe = (series) => !wanted.probe || probes[series] === wanted.probe;
  const shown = (mark) => wanted.encoders.has(mark.dataset.e) && ofProbe(mark.dataset.s);
  const drawn = marks.length ? new Set(marks.filter(shown).map((mark) => mark.dataset.e)) : wanted.encoders;
  for (const mark of marks) mark.toggleAttribute("hidden", !shown(mark));
  for (const other of others) other.toggleAttribute("hidden", !drawn.has(other.dataset.e));
  const empty = ![...marks, ...others].some((each) => !each.hasAttribute("hidden"));
  element.hidden = empty || !fits(element, wanted) || !(!wanted.probe || probes.includes(wanted.probe));
}

function fits(element, wanted) {
  const { task, probe } = element.dataset;
  return (!wanted.task || !task || task === wanted.task) && (!wanted.probe || !probe || probe === wanted.probe);
}

function readBlock(element) {
  const table = element.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const foot = [...(table.tFoot?.rows ?? [])];
  const rows = [...body.rows].map((row) => ({ row, name: nameOf(row.cells[0]) }));
  const tasks = heads.map((head) => head.dataset.task);
  const block = { element, heads, body, foot, rows, tasks, excluded: new Set(), most: MOST_ROWS };
  if (rows.length > MOST_ROWS) setUpMore(block, table);
  if (table.matches(".sortable")) setUpTools(block, table);
  return block;
}

function add(parent, tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function addButton(parent, name, action, attributes = {}) {
  const button = add(parent, "button", name, { type: "button", class: "quiet", ...attributes });
  button.addEventListener("click", action);
  return button;
}

// Copying and downloading what is shown of a table: what filters, and the first rows of a long one, leave.
function setUpTools(block, table) {
  const title = table.parentElement.getAttribute("aria-label");
  const say = (what) => { said.textContent = `${[...block.body.rows].filter((row) => !row.hidden).length} rows ${what}`; };
  addButton(block.element, "Copy", () => {
    const lines = shownCells(table).map((cells) => cells.join("\t"));
    copy(lines.join("\n")).then(() => say("copied"), () => { said.textContent = "The browser does not allow it"; });
  }, { "aria-label": `Copy: ${title}` });
  addButton(block.element, "Download CSV", () => {
    const quoted = (cell) => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    const lines = shownCells(table).map((cells) => cells.map(quoted).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
    link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60)}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say("downloaded");
  }, { "aria-label": `Download CSV: ${title}` });
  const said = add(block.element, "output");
}

// Text of the cells that are shown; none of it a spreadsheet runs as a formula.
function shownCells(table) {
  const textOf = (cell) => (cell.matches(".tied") ? "≈ " : "") + cell.textContent.trim().replace(/\s+/g, " ");
  const defused = (text) => (/^[=+@]|^-(?![\d.])/.test(text) ? `'${text}` : text);
  const shown = (elements) => [...elements].filter((each) => !each.hidden);
  return shown(table.rows).map((row) => shown(row.cells).map((cell) => defused(textOf(cell))));
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  addEventListener("copy", (event) => { // a page of a server without https
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  }, { once: true });
  if (!document.execCommand("copy")) throw new Error("refused");
}

// A long table shows its first rows and a button for all of them.
function setUpMore(block, table) {
  block.more = addButton(block.element, "", () => {
    block.most = block.most === MOST_ROWS ? Infinity : MOST_ROWS;
    showRows(block);
  }, { class: "quiet more" });
  table.addEventListener("sorted", () => showRows(block));
  showRows(block);
  block.body.classList.add("ready");
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
  const { element, heads, foot, rows, tasks, excluded } = block;
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
  for (const k of changes) for (const row of [heads, ...foot.map((each) => each.cells)]) row[k].hidden = hides[k];
  showRows(block);
  const left = rows.length - excluded.size;
  element.hidden = left === 0;
  return element.querySelector(".heat") ? 0 : left;
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details.run")) {
    for (let each = target; each; each = each.parentElement) {
      each.hidden = false;
      if (each.matches("details")) each.open = true;
    }
    target.scrollIntoView();
  }
}

// Two rows that are chosen, by their boxes or anywhere on the row, are compared below; a third takes the first one's place.
function setUpComparison() {
  const chosen = [];
  const main = document.getElementById("main");
  const panel = add(document.body, "aside", "", { id: "comparison", "aria-label": "Comparison", hidden: "" });

  function drop(count) {
    for (const box of chosen.splice(0, count)) box.checked = false;
    show();
  }

  function show() {
    for (const row of document.querySelectorAll("tr.chosen")) row.classList.remove("chosen");
    for (const box of chosen) box.closest("tr").classList.add("chosen");
    panel.hidden = chosen.length === 0;
    panel.replaceChildren();
    if (panel.hidden) return;
    const lead = add(panel, "p", "", { role: "status" });
    addButton(panel, "Close", () => drop(chosen.length));
    const [a, b] = chosen.map((box) => box.closest("tr"));
    const said = b ? `A: ${labelOf(a)}. B: ${labelOf(b)}.` : `${labelOf(a)}: choose another row to compare it with.`;
    requestAnimationFrame(() => { lead.textContent = said; }); // said aloud only where it changes
    if (b) addComparison(panel, a, b);
  }

  main.addEventListener("change", ({ target }) => {
    if (!target.matches(".pick")) return;
    if (target.checked) chosen.push(target);
    else chosen.splice(chosen.indexOf(target), 1);
    drop(chosen.length - 2 > 0 ? 1 : 0);
  });
  main.addEventListener("click", ({ target }) => {
    if (target.closest("a, button, label, input") || !getSelection().isCollapsed) return;
    target.closest("tr")?.querySelector(".pick")?.click();
  });
  addEventListener("keydown", ({ key }) => { if (key === "Escape") drop(chosen.length); });
}

function labelOf(row) {
  return `${row.querySelector("label").textContent.trim()}, ${row.closest(".scroll").getAttribute("aria-label")}`;
}

function addComparison(panel, a, b) {
  const box = add(panel, "div", "", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Compared scores" });
  const table = add(box, "table");
  const head = add(add(table, "thead"), "tr");
  for (const name of ["task", "A", "B", "A − B", "verdict"]) add(head, "th", name, { scope: "col" });
  const body = add(table, "tbody");
  const [cellsA, cellsB] = [a, b].map(cellsByTask);
  for (const [task, one] of cellsA) {
    const other = cellsB.get(task);
    if (!other) continue;
    const row = add(body, "tr");
    add(row, "th", task, { scope: "row" });
    const [x, y] = [one, other].map((cell) => cell.dataset.score.split(" ").map(Number));
    for (const [score, low, high] of [x, y]) add(row, "td", `${score.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`);
    add(row, "td", `${x[0] < y[0] ? "−" : "+"}${Math.abs(x[0] - y[0]).toFixed(1)}`);
    const verdict = verdictOf(one, other, x, y);
    const cell = add(row, "td", verdict || "the intervals meet; paired: ");
    if (!verdict) add(cell, "code", `evar compare ${one.dataset.run} ${other.dataset.run}`);
  }
  if (!body.rows.length) add(add(body, "tr"), "td", "no task in common", { colspan: 5 });
}

function cellsByTask(row) {
  const heads = row.closest("table").tHead.rows[0].cells;
  const cells = [...row.cells].filter((cell) => cell.dataset.score && !cell.hidden);
  return new Map(cells.map((cell) => [heads[cell.cellIndex].dataset.task, cell]));
}

// What the page knows: intervals that do not meet, and each column's paired comparisons with its best; else "".
function verdictOf(a, b, [, lowA, highA], [, lowB, highB]) {
  if ("few" in a.dataset || "few" in b.dataset) return "no claim: few groups";
  if (lowA > highB) return "A is better";
  if (lowB > highA) return "B is better";
  const best = a.closest("table") === b.closest("table") && [a, b].find((cell) => cell.matches(".best"));
  if (!best) return "";
  if ([a, b].every((cell) => cell.matches(".best, .tied"))) return "not separable, paired";
  return `${best === a ? "A" : "B"} is better, paired`;
}
