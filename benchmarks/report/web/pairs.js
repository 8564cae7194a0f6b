// Two rows against each other: in all, by group, clip by clip.
function pairRows() {
  const s = contest(byId("pair-contest").value);
  return { s, first: byId("first").value, second: byId("second").value };
}

function showPair(name, first, second, jump) {
  byId("pair-contest").value = name;
  fillPair(first, second);
  if (jump) byId("pair").scrollIntoView();
  if (jump) byId("pair-contest").focus({ preventScroll: true });
}

function fillPair(first, second) {
  const s = contest(byId("pair-contest").value);
  const options = [...s.rows].sort((a, b) => s.scores[s.rows.indexOf(b)][0] - s.scores[s.rows.indexOf(a)][0]);
  const pick = (id, value, other) => {
    const before = byId(id).value;
    fill(byId(id), options.map((row) => [row, row]), value ?? (options.includes(before) ? before : other));
  };
  pick("first", first, options[0]);
  pick("second", second, options[1] ?? options[0]);
  drawPair();
}

function drawPair() {
  const { s, first, second } = pairRows();
  const d = compared(s, first, second);
  const score = (row) => fixed(s.scores[s.rows.indexOf(row)][0]);
  byId("verdict").replaceChildren(...(d ? [
    el("b", {}, `${first} ${score(first)}, ${second} ${score(second)}: ${signed(d.mean)} points ${interval(d.low, d.high)}. `),
    d.holm === null ? el("span", { class: "quiet" }, "No verdict")
      : d.holm < 0.05 ? el("span", { class: "good" }, "The difference is real") : el("span", { class: "bad" }, "No difference is shown"),
    ` (p ${pValue(d.p)} alone${d.holm === null ? "" : `, ${pValue(d.holm)} after Holm's rule over all pairs here`}). These clips and ` +
    `runs would show a difference of ${fixed(d.detectable)} points in four of five tries. Both rows meet the ` +
    "same videos; how their runs vary is in it.",
    ...[first, second].filter((row) => s.left_out[row]).map((row) =>
      ` ${row} isn't shown to be above ${s.left_out[row]}: it is in no verdict.`),
  ] : ["Choose two different rows."]));
  byId("groups").replaceChildren(...(d ? [groupsPlot(s, first, second)] : []));
  byId("scatter").replaceChildren();
  if (d) load(s.name, () => byId("scatter").replaceChildren(scatterPlot(s, first, second)));
  if (s.name in DATA.files && byId("clip-contest").value !== s.name) byId("clip-contest").value = s.name;
  view.uid = ""; // the first of the new order
  showClips();
}

function pairNumber(count, i, j) { // of itertools.combinations
  return i * count - (i * (i + 1)) / 2 + j - i - 1;
}

function groupsPlot(s, first, second) {
  const [i, j] = [s.rows.indexOf(first), s.rows.indexOf(second)];
  const place = pairNumber(s.rows.length, Math.min(i, j), Math.max(i, j));
  const lines = s.groups.map((g) => ({ ...g, pair: g.pairs[place] })).filter((g) => g.pair)
    .map((g) => ({ ...g, values: i < j ? g.pair : [-g.pair[0], -g.pair[2], -g.pair[1]] }));
  if (!lines.length) return el("p", { class: "help" }, "No clip by clip scores are kept of this contest's pairs.");
  const order = ["sound", "silent rivals in view", "size of the truth", "class"];
  lines.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)
    || (a.kind === "class" ? a.values[0] - b.values[0] : 0));
  const [width, step, left] = [520, 17, 190];
  const values = lines.flatMap((g) => g.values);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const x = scale(low, high, left, width - 12);
  const kinds = [...new Set(lines.map((g) => g.kind))];
  const height = (lines.length + kinds.length) * step + 42;
  const title = `${first} minus ${second} within groups of frames, points`;
  const node = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  for (const tick of ticks(low, high, 6)) {
    node.append(el("line", { class: "axis", x1: x(tick), x2: x(tick), y1: 4, y2: height - 32 }),
      el("text", { x: x(tick), y: height - 20, "text-anchor": "middle" }, signed(tick, 0)));
  }
  node.append(el("line", { x1: x(0), x2: x(0), y1: 4, y2: height - 32, stroke: "var(--text)" }));
  let y = step;
  for (const kind of kinds) {
    node.append(el("text", { x: 2, y, "font-weight": 700, style: "font-weight:700" }, kind));
    for (const g of lines.filter((line) => line.kind === kind)) {
      y += step;
      const sure = g.values[1] > 0 || g.values[2] < 0;
      const ink = sure ? "var(--link)" : "var(--quiet)";
      const words = `${kind} ${g.name}: ${signed(g.values[0])} ${interval(g.values[1], g.values[2])}, ` +
        `${first} ${fixed(g.means[i])}, ${second} ${fixed(g.means[j])}, ${g.videos} videos`;
      node.append(el("g", {}, el("title", {}, words),
        el("text", { x: left - 8, y: y + 1, "text-anchor": "end" }, g.name),
        el("line", { x1: x(g.values[1]), x2: x(g.values[2]), y1: y - 3, y2: y - 3, stroke: ink, "stroke-width": 2 }),
        el("circle", { cx: x(g.values[0]), cy: y - 3, r: 4, fill: sure ? ink : "var(--ground)", stroke: ink })));
    }
    y += step;
  }
  node.append(el("text", { x: width / 2, y: height - 4, "text-anchor": "middle" }, `${second} better ← points → ${first} better`));
  return el("div", {}, el("figcaption", {}, `${title}, with 95 % intervals, each alone; hollow where it reaches 0.`), node);
}

function scatterPlot(s, first, second) {
  const [xs, ys] = [s.clips.iou?.[second], s.clips.iou?.[first]];
  if (!xs || !ys) return el("p", { class: "help" }, "");
  const listed = new Set((GAVS.loaded[s.name] ?? []).map((clip) => clip.uid));
  const [size, left] = [420, 40];
  const [x, y] = [scale(0, 100, left, size - 8), scale(0, 100, size - 40, 8)];
  const title = `IoU of each clip: ${first} upwards, ${second} to the right, %, seed ${DATA.seeds[0]}`;
  const node = el("svg", { viewBox: `0 0 ${size} ${size}`, role: "group", "aria-label": title });
  for (const tick of [0, 25, 50, 75, 100]) {
    node.append(el("line", { class: "axis", x1: x(tick), x2: x(tick), y1: y(0), y2: y(100) }),
      el("line", { class: "axis", x1: x(0), x2: x(100), y1: y(tick), y2: y(tick) }),
      el("text", { x: x(tick), y: size - 25, "text-anchor": "middle" }, tick),
      el("text", { x: left - 5, y: y(tick) + 4, "text-anchor": "end" }, tick));
  }
  node.append(el("line", { x1: x(0), y1: y(0), x2: x(100), y2: y(100), stroke: "var(--quiet)" }));
  const shown = [];
  s.clips.uid.forEach((uid, k) => {
    const spot = { cx: x(xs[k]), cy: y(ys[k]) };
    const words = `${uid}: ${first} ${ys[k]}, ${second} ${xs[k]}`;
    if (!listed.has(uid)) {
      node.append(el("circle", { ...spot, r: 2, fill: "var(--quiet)", opacity: 0.45 }));
      return;
    }
    const open = () => { showClip(s.name, uid); byId("clips").scrollIntoView(); };
    const key = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } };
    shown.push(el("circle", { ...spot, r: 5, fill: "var(--link)", stroke: "var(--ground)", role: "button",
      tabindex: 0, "aria-label": `${words}, open the clip`, onclick: open, onkeydown: key }, el("title", {}, words)));
  });
  node.append(...shown, el("text", { x: size - 8, y: size - 6, "text-anchor": "end" }, `${second}, IoU %`),
    el("text", { x: left + 6, y: 20 }, `${first}, IoU %`));
  return el("div", {}, el("figcaption", {}, `${title}; large points open their clip below.`), node);
}
