// In a minute, leaderboard, hearing, claims and metric rules: tables of numbers.
const ABLATIONS = "ablations"; // a contest of one method's variants: shown when it is chosen
const boardState = { column: 1, down: true };

// The comparison of two rows in a contest, first minus second; null where there is none.
function compared(s, first, second) {
  const [i, j] = [s.rows.indexOf(first), s.rows.indexOf(second)];
  const pair = s.pairs.find((p) => (p[0] === i && p[1] === j) || (p[0] === j && p[1] === i));
  if (!pair) return null;
  const [a, , mean, low, high, p, holm, detectable] = pair;
  return a === i ? { mean, low, high, p, holm, detectable }
    : { mean: -mean, low: -high, high: -low, p, holm, detectable };
}

function showBest() {
  const rows = DATA.contests.filter((s) => s.kind !== ABLATIONS).map((s) => {
    const order = s.rows.map((row, i) => [row, s.scores[i][0]]).filter(([row]) => !s.left_out[row]).sort((a, b) => b[1] - a[1]);
    const [best, second] = order;
    return { s, best, second, lead: s.lead };
  });
  const compare = (r) => () => showPair(r.s.name, r.best[0], r.second[0], true);
  table(byId("best"), [
    { title: "contest", cell: (r) => r.s.title },
    { title: "best", className: "text", cell: (r) => (r.best ? el("span", { class: "best" }, `${r.best[0]} ${fixed(r.best[1])}`) : NONE) },
    { title: "real lead?", className: "text", cell: (r) => (!r.lead ? NONE : r.lead.p < 0.05
      ? el("span", { class: "good" }, "yes") : el("span", { class: "bad" },
        `${r.s.tied.all.length} rows tie`)) },
    { title: "second", className: "text", cell: (r) => (r.second ? `${r.second[0]} ${fixed(r.second[1])}` : NONE) },
    { title: "lead, points", cell: (r) => (r.lead ? `${signed(r.lead.points[0])} ${interval(r.lead.points[1], r.lead.points[2])}` : NONE) },
    { title: "p", cell: (r) => (r.lead ? pValue(r.lead.p) : NONE) },
    { title: DATA.base, cell: (r) => {
      const i = r.s.rows.indexOf(DATA.base);
      if (i < 0) return NONE;
      const judged = r.s.rows.flatMap((row, k) => (r.s.left_out[row] ? [] : [r.s.scores[k][0]]));
      const place = judged.filter((score) => score > r.s.scores[i][0]).length + 1;
      return `${fixed(r.s.scores[i][0])}, ${r.s.left_out[DATA.base] ? "no verdict" : `${place} of ${judged.length}`}`;
    } },
    { title: "closer", className: "text", cell: (r) => (r.lead ? el("button", { type: "button", onclick: compare(r) },
      "compare", el("span", { class: "skip" }, ` the best two on ${r.s.title}`)) : "") },
  ], rows, {}, "Best row of each contest");
}

function bar(s, i, value) {
  const marks = [["floor", "var(--quiet)", s.floor[i]], ["wrong sound", "var(--bad)", s.wrong[i]],
    ["ceiling", "var(--good)", s.ceiling]].filter((mark) => mark[2] !== null);
  const words = marks.map(([name, , x]) => `${name} ${fixed(x)}`).join(", ");
  return el("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img",
    "aria-label": words || "score" }, el("title", {}, words || "score"),
  el("rect", { x: 0, y: 1, width: Math.max(0, value), height: 6, fill: "var(--bar)" }),
  marks.map(([, fill, x]) => el("rect", { x: x - 0.8, y: 0, width: 1.8, height: 8, fill })));
}

function showBoard() {
  const [family, kind, rule, name] = ["family", "kind", "rule", "name"].map((id) => byId(id).value);
  const shown = DATA.contests.filter((s) => (kind ? s.kind === kind : s.kind !== ABLATIONS));
  // By another rule (its own threshold), or at validation's: scores by row; null where there are none.
  const other = (s) => {
    if (rule !== DATA.rules[0].name) return DATA.by_rule[s.name]?.[rule] ?? null;
    if (byId("threshold").value === "half" || !s.chosen) return null;
    return Object.fromEntries(s.rows.map((row, i) => [row, [s.chosen[i]]]));
  };
  const fits = (row) => (family === "all" || row.track.includes(family)) && row.name.includes(name.trim());
  const rows = DATA.rows.filter((row) => fits(row) && shown.some((s) => s.rows.includes(row.name)));
  const value = (s, row) => {
    const i = s.rows.indexOf(row.name);
    if (i < 0) return null;
    return other(s) ? other(s)[row.name]?.[0] ?? null : s.scores[i][0];
  };
  const best = (s) => Math.max(...rows.filter((row) => !s.left_out[row.name])
    .map((row) => value(s, row) ?? -1).filter((x) => x >= 0));
  const columns = shown.map((s) => {
    const top = best(s), tied = s.tied[family] ?? [];
    return {
      title: s.title, sub: !other(s) ? s.kind : rule === DATA.rules[0].name ? "validation's threshold" : `by ${rule}`, value: (row) => value(s, row),
      cell(row) {
        const x = value(s, row), i = s.rows.indexOf(row.name);
        if (x === null) return NONE;
        const mark = !other(s) && !name && tied.includes(row.name) && row.name !== tied[0];
        const score = s.scores[i];
        const about = `${row.name} on ${s.title}: 95 % ${interval(score[1], score[2])}, runs: ${score[4]}`;
        const out = s.left_out[row.name];
        return [el("span", { class: x === top && !out ? "best" : null,
          title: out ? `${about}; in no verdict: not shown to be above ${out}` : about }, fixed(x)),
        mark ? el("sup", {}, "a") : null, out ? el("sup", {}, "n") : null, bar(s, i, x)];
      },
    };
  });
  const first = { title: "row", sub: "track", rising: true, value: (row) => row.name, cell: (row) => [
    el("button", { type: "button", onclick: () => showDetails(row.name) }, row.name),
    el("small", {}, `${row.track || (row.in_set ? "in-set" : "")}${row.recreated ? ", re-created" : ""}`)] };
  if (boardState.column > columns.length) boardState.column = 1;
  table(byId("board"), [first, ...columns], rows, boardState, "Leaderboard");
}

function showHearing() {
  const benchmark = byId("hearing-benchmark").value;
  const rows = DATA.hearing.filter((line) => line.benchmark === benchmark);
  const gain = (score) => (score ? `${signed(score[0])} ${interval(score[1], score[2])}` : NONE);
  // Where silent rivals are in view, if the data say where: elsewhere a row need not hear.
  const there = rows.some((line) => line.rivals_floor_gain);
  const [cost, gained] = there ? ["rivals_shuffle_loss", "rivals_floor_gain"] : ["shuffle_loss", "floor_gain"];
  const hears = ({ shown }) => (shown[cost] && shown[gained] ? 2 : shown[cost] ? 1 : 0);
  const words = ["not shown", "wrong sound costs; no gain over silence shown", "yes"];
  const column = (title, name, cell) => ({ title, value: (line) => line[name]?.[0] ?? null, cell });
  table(byId("hears"), [
    { title: "row", rising: true, value: (line) => line.row, cell: (line) => line.row },
    { title: "does it hear?", className: "text", value: (line) => 1000 * hears(line) + (line[cost]?.[0] ?? 0), cell: (line) =>
      el("span", { class: ["bad", "quiet", "good"][hears(line)] }, words[hears(line)]) },
    ...(there ? [column("wrong sound costs, rivals in view", cost, (line) => gain(line[cost])),
      column("gain over silence, rivals in view", gained, (line) => gain(line[gained]))] : []),
    column("own sound", "miou", (line) => fixed(line.miou[0])),
    column("another class's sound", "shuffled", (line) => fixed(line.shuffled?.[0])),
    column("wrong sound costs", "shuffle_loss", (line) => gain(line.shuffle_loss)),
    column("in silence", "floor", (line) => fixed(line.floor?.[0])),
    column("gain over silence", "floor_gain", (line) => gain(line.floor_gain)),
  ], rows, hearingState, "Gains by sound");
}
const hearingState = { column: 1, down: true };

const VERDICT_LOOK = { holds: "good", reversed: "bad" };

function showClaims() {
  table(byId("claimed"), [
    { title: "claim", sub: "paper", cell: (c) => [c.text, el("small", {}, c.source)] },
    { title: "verdict", className: "text", rising: true, value: (c) => c.verdict, cell: (c) =>
      el("span", { class: VERDICT_LOOK[c.verdict] ?? "quiet" }, c.verdict) },
    { title: "n", cell: (c) => c.runs },
    { title: "another verdict by", className: "wide", cell: (c) => c.depends.join(", ") },
    { title: "evidence, points", className: "wide", cell: (c) => c.evidence },
  ], DATA.claims, claimState, "Verdicts on the paper's claims");
}
const claimState = { column: -1, down: false };

function showOrderings() {
  const [name, verdict] = [byId("claim-table").value, byId("claim-verdict").value];
  const rows = DATA.verdicts.filter((v) => (!name || v.table === name) && (!verdict || v.verdict === verdict));
  table(byId("verdicts"), [
    { title: "ordering", rising: true, value: (v) => v.better, cell: (v) => `${v.better} > ${v.worse}` },
    { title: "claim", className: "text", value: (v) => v.claim, cell: (v) => v.claim },
    { title: "where", className: "text", value: (v) => v.where, cell: (v) => `${v.table}, ${v.where}` },
    { title: "paper", cell: (v) => (v.paper ? v.paper.join(" / ") : NONE) },
    { title: "here", cell: (v) => v.here.map((x) => fixed(x, 2)).join(" / ") },
    { title: "difference", value: (v) => v.difference[0], cell: (v) =>
      `${signed(v.difference[0])} ${interval(v.difference[1], v.difference[2])}` },
    { title: "p", rising: true, value: (v) => v.p, cell: (v) => pValue(v.p) },
    { title: "verdict", className: "text", rising: true, value: (v) => v.verdict, cell: (v) =>
      el("span", { class: VERDICT_LOOK[v.verdict] ?? "quiet" }, v.verdict + (v.depends ? " (depends)" : "")) },
  ], rows, orderingState, "Verdicts on the paper's orderings");
}
const orderingState = { column: 7, down: false };

function showRules() {
  const [benchmark, name] = [byId("rule-benchmark").value, byId("rule-name").value];
  const rule = DATA.rules.find((r) => r.name === name);
  byId("rule-help").textContent = `${rule.name}: ${rule.text}. Seed ${DATA.seeds[0]}; compare a published figure by the rule of its repository.`;
  const [here, ours] = [DATA.by_rule[benchmark]?.[name] ?? {}, DATA.by_rule[benchmark]?.[DATA.rules[0].name] ?? {}];
  const rank = (list, row) => Object.entries(list)
    .filter(([other, x]) => other !== DATA.ceiling && x[0] > list[row][0]).length + 1;
  const rows = Object.keys(here).map((row) => ({ row, ceiling: row === DATA.ceiling }));
  table(byId("ruled"), [
    { title: "row", rising: true, value: (r) => r.row, cell: (r) => r.row + (r.ceiling ? " (ceiling)" : "") },
    { title: "mIoU by this rule", value: (r) => here[r.row][0], cell: (r) => fixed(here[r.row][0], 2) },
    { title: "by the tables' rule", value: (r) => ours[r.row]?.[0], cell: (r) => fixed(ours[r.row]?.[0], 2) },
    { title: "change", value: (r) => here[r.row][0] - ours[r.row][0], cell: (r) => signed(here[r.row][0] - ours[r.row][0], 2) },
    { title: "F by this rule", value: (r) => here[r.row][1], cell: (r) => fixed(here[r.row][1], 3) },
    { title: "place", rising: true, value: (r) => rank(here, r.row), cell: (r) =>
      (r.ceiling ? NONE : `${rank(here, r.row)} (tables: ${rank(ours, r.row)})`) },
  ], rows, ruleState, "Scores by a rule");
}
const ruleState = { column: 1, down: true };
