"use strict";
// What every section uses: the numbers, elements, tables that sort, and small drawings.
const DATA = JSON.parse(document.getElementById("data").textContent);
const GAVS = { loaded: {}, clips(name, clips) { this.loaded[name] = clips; } };
const MINUS = "−", NONE = "–";
const byId = (id) => document.getElementById(id);
const contest = (name) => DATA.contests.find((s) => s.name === name);
const rowOf = (name) => DATA.rows.find((r) => r.name === name);
const colour = (name) => {
  const value = rowOf(name)?.colour ?? "#666666";
  return value === "#000000" ? "var(--text)" : value;
};

function el(tag, options = {}, ...children) {
  const svg = ["svg", "g", "line", "rect", "circle", "text", "polyline", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const fixed = (value, digits = 1) => { // no minus on a zero
  if (value === null || value === undefined) return NONE;
  return (Number(value.toFixed(digits)) || 0).toFixed(digits).replace("-", MINUS);
};
const signed = (value, digits = 1) => {
  if (value === null || value === undefined) return NONE;
  const text = fixed(value, digits);
  return value > 0 && Number(value.toFixed(digits)) !== 0 ? `+${text}` : text;
};
const interval = (low, high) => `[${signed(low)}, ${signed(high)}]`;
const pValue = (p) => (p < 0.001 ? "< .001" : p.toFixed(3).replace(/^0/, ""));

function fill(select, options, value) {
  const known = options.some(([key]) => key === select.value);
  const chosen = value ?? (known ? select.value : options[0]?.[0]);
  select.replaceChildren(...options.map(([key, text]) => el("option", { value: key }, text)));
  if (chosen !== undefined) select.value = chosen;
}

// A table: columns {title, sub, text, value, cell, className}; a heading sorts by `value`.
function table(node, columns, rows, state, caption) {
  const sorted = [...rows];
  const by = columns[state.column];
  if (by?.value) {
    const side = state.down ? -1 : 1;
    sorted.sort((a, b) => {
      const [x, y] = [by.value(a), by.value(b)];
      const [p, q] = [x === null || x === undefined, y === null || y === undefined];
      if (p || q) return p - q;
      return side * (typeof x === "string" ? x.localeCompare(y) : x - y);
    });
  }
  const head = columns.map((column, i) => {
    const active = i === state.column;
    const content = [column.title, active ? (state.down ? " ▾" : " ▴") : "",
      column.sub ? el("small", {}, column.sub) : null];
    const sort = () => {
      state.down = active ? !state.down : !column.rising;
      state.column = i;
      table(node, columns, rows, state, caption);
      node.querySelectorAll("thead th")[i].querySelector("button").focus();
    };
    return el("th", { scope: "col", class: column.className ?? null, "aria-sort": active ? (state.down ? "descending" : "ascending") : null },
      column.value ? el("button", { type: "button", onclick: sort }, content) : content);
  });
  const look = (row) => (row.ceiling ? "ceiling" : (row.row ?? row.name) === DATA.base ? "base" : null);
  const body = sorted.map((row) => el("tr", { class: look(row) },
    columns.map((column, i) => {
      const content = column.cell(row);
      return i === 0 ? el("th", { scope: "row" }, content)
        : el("td", { class: column.className ?? null }, content);
    })));
  node.replaceChildren(el("caption", { class: "skip" }, caption), el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, body));
}

const scale = (low, high, from, to) => (x) => from + ((x - low) / (high - low || 1)) * (to - from);
const ticks = (low, high, count = 5) => {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough) ?? power;
  const list = [];
  for (let x = Math.ceil(low / step) * step; x <= high + 1e-9; x += step) list.push(Number(x.toFixed(6)));
  return list;
};
