// Fills the controls once, then draws every section.
function main() {
  const seeds = DATA.seeds.join(", ") + (DATA.more.length ? `, of some rows ${DATA.more.join(", ")} too` : "");
  byId("profile").textContent = `Profile ${DATA.profile}, seeds ${seeds}. ${DATA.about}`;
  byId("beside").hidden = !DATA.link;
  if (DATA.link) byId("beside").append(el("a", { href: DATA.link[0] }, DATA.link[1]), ".");
  byId("theme").addEventListener("change", (event) => {
    document.documentElement.style.colorScheme = event.target.value;
  });
  const names = (list) => list.map((name) => [name, name]);
  const unique = (list) => [...new Set(list)];
  fill(byId("kind"), [["", "all"], ...names(unique(DATA.contests.map((s) => s.kind)))]);
  fill(byId("rule"), DATA.rules.map((r) => [r.name, r.name === DATA.rules[0].name ? "the tables'" : r.name]));
  fill(byId("hearing-benchmark"), names(unique(DATA.hearing.map((line) => line.benchmark))));
  fill(byId("claim-table"), [["", "all"], ...names(unique(DATA.verdicts.map((v) => v.table)))]);
  fill(byId("claim-verdict"), [["", "all"], ...unique(DATA.verdicts.map((v) => v.verdict)).sort().map((name) =>
    [name, `${name} (${DATA.verdicts.filter((v) => v.verdict === name).length})`])]);
  fill(byId("rule-benchmark"), Object.keys(DATA.by_rule).map((name) => [name, contest(name)?.title ?? name]));
  fill(byId("rule-name"), names(DATA.rules.map((r) => r.name)), DATA.rules[1].name);
  fill(byId("pair-contest"), DATA.contests.map((s) => [s.name, s.title]));
  fill(byId("clip-contest"), Object.keys(DATA.files).map((name) => [name, contest(name).title]));
  const on = (ids, draw) => ids.forEach((id) => byId(id).addEventListener("input", draw));
  on(["family", "kind", "rule", "threshold", "name"], showBoard);
  byId("threshold").parentElement.hidden = DATA.contests.every((s) => !s.chosen);
  on(["hearing-benchmark"], showHearing);
  on(["claim-table", "claim-verdict"], showOrderings);
  on(["rule-benchmark", "rule-name"], showRules);
  on(["pair-contest"], () => fillPair());
  on(["first", "second"], drawPair);
  on(["clip-sort", "clip-class", "clip-scene", "clip-sound"], showClips);
  on(["clip-contest"], () => showPair(byId("clip-contest").value, undefined, undefined, false));
  showBest();
  showBoard();
  if (DATA.hearing.length) showHearing(); else byId("hearing").hidden = true;
  showClaims();
  showOrderings();
  if (Object.keys(DATA.by_rule).length) showRules(); else byId("rules").hidden = true;
  byId("clips").hidden = !Object.keys(DATA.files).length;
  byId("gallery").append(...DATA.figures.map((f) => el("figure", {},
    el("img", { src: f.path, alt: f.text, loading: "lazy" }), el("figcaption", {}, f.text))));
  byId("figures").hidden = !DATA.figures.length;
  fillPair();
}
main();
