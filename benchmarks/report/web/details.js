// What a row of the leaderboard opens: its note, sizes, scores and training curves.
function showDetails(name) {
  const row = rowOf(name);
  const facts = [row.track && `track ${row.track}`, row.paradigm, row.in_set && "trained in-set on VGG-Sound",
    row.recreated ? "re-created: no code was released" : row.note].filter(Boolean).join("; ");
  const box = el("div", { tabindex: -1 }, el("h3", {}, name), el("p", { class: "help" }, facts || "no note"));
  const scores = DATA.contests.filter((s) => s.rows.includes(name)).map((s) => {
    const i = s.rows.indexOf(name);
    return { s, score: s.scores[i], paper: s.paper[i] };
  });
  const list = el("table");
  table(list, [
    { title: "contest", cell: (r) => r.s.title },
    { title: "%", cell: (r) => fixed(r.score[0]) },
    { title: "95 % interval", cell: (r) => `[${fixed(r.score[1])}, ${fixed(r.score[2])}]` },
    { title: "± over runs", cell: (r) => fixed(r.score[3]) },
    { title: "runs", cell: (r) => r.score[4] },
    { title: "paper (real data)", cell: (r) => fixed(r.paper, 2) },
  ], scores, {}, `Scores of ${name}`);
  const trained = Object.entries(DATA.training[name] ?? {});
  const sizes = el("table");
  table(sizes, [
    { title: "training", cell: ([benchmark]) => contest(benchmark)?.title ?? benchmark },
    { title: "parameters", cell: ([, t]) => t.trainable_parameters.toLocaleString("en") },
    { title: "updates", cell: ([, t]) => t.updates ?? NONE },
    { title: "videos / clips", cell: ([, t]) => `${t.train_videos ?? NONE} / ${t.train_clips ?? NONE}` },
    { title: "seeds", cell: ([, t]) => t.runs.length },
  ], trained, {}, `Trainings of ${name}`);
  const curves = trained.filter(([, t]) => t.runs.some((run) => run.length))
    .map(([benchmark, t]) => el("figure", {}, curve(benchmark, t.runs)));
  box.append(el("div", { class: "two" }, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Scores of ${name}` }, list),
    trained.length ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Trainings of ${name}` }, sizes) : null),
  el("div", { class: "two" }, curves),
  el("button", { type: "button", onclick: () => { byId("details").replaceChildren(); byId("board").querySelector("tbody button")?.focus(); } }, "Close"));
  byId("details").replaceChildren(box);
  box.focus();
}

// Loss (left axis, dashed) above and validation mIoU below: two panels, one meaning an axis.
function curve(benchmark, runs) {
  const [width, height, left] = [420, 240, 44];
  const last = Math.max(...runs.flat().map((e) => e[0]), 1);
  const x = scale(0, last, left, width - 8);
  const title = `Training on ${contest(benchmark)?.title ?? benchmark}: loss and validation mIoU by updates`;
  const node = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, el("title", {}, title));
  const panel = (index, label, top, bottom, factor) => {
    const values = runs.flat().map((e) => e[index]).filter((v) => v !== null).map((v) => v * factor);
    if (!values.length) return;
    const y = scale(Math.min(...values), Math.max(...values), bottom, top);
    node.append(el("text", { x: left, y: top - 6 }, label));
    for (const tick of ticks(Math.min(...values), Math.max(...values), 3)) {
      node.append(el("line", { class: "axis", x1: left, x2: width - 8, y1: y(tick), y2: y(tick) }),
        el("text", { x: left - 5, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
    }
    runs.forEach((run, i) => {
      const points = run.filter((e) => e[index] !== null).map((e) => [x(e[0]), y(e[index] * factor)]);
      const dash = ["", "4 2", "1 2"][i % 3];
      node.append(el("polyline", { points: points.join(" "), fill: "none", stroke: "var(--link)", "stroke-dasharray": dash || null }));
      if (points.length < 12) node.append(...points.map(([a, b]) => el("circle", { cx: a, cy: b, r: 2.5, fill: "var(--link)" })));
    });
  };
  panel(1, `${contest(benchmark)?.title ?? benchmark}: training loss (own terms)`, 22, 100, 1);
  panel(2, "validation mIoU (%)", 132, 210, 100);
  for (const tick of ticks(0, last, 5)) node.append(el("text", { x: x(tick), y: 226, "text-anchor": "middle" }, String(tick)));
  node.append(el("text", { x: width - 8, y: 238, "text-anchor": "end" }, "updates; a dash per seed"));
  return node;
}
