"""Statements of the paper that can be tried: which comparisons each is made of.

Prompt against fusion is stated of pairs that differ in that alone: decoder frozen or trained, ColA
and loss are the same on both sides. Any other comparison of the two paradigms is context. Rows that
no list of params.yaml names are simply not there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from benchmarks.report.layout import title_of
from benchmarks.report.ledger import Source
from benchmarks.report.plan import Plan
from benchmarks.scoring.statistics import Run

PAIRS = (  # prompt and fusion, alike in all else
    *(("gavs", f"sam_fusion{operator}") for operator in ("", "_add", "_film", "_tpavi")),
    ("gavs_full_decoder", "sam_fusion_full_decoder"),
    ("gavs_dice", "sam_fusion_dice"),
    ("gavs_full_decoder_dice", "sam_fusion_full_decoder_dice"),
)
PARTS = {  # of GAVS: the rows without it, or with another in its place
    "cue": ("gavs_no_cue",),
    "alignment": ("gavs_no_alignment",),
    "noise": ("gavs_no_noise",),
    "cola": ("gavs_no_cola", "gavs_decoder_lora"),
    "frozen": ("gavs_full_decoder",),
}
OF_ALL = {  # claims of "best", or above "all", "any" or "other" rows
    *("multi", "single", "less_data", "zero_shot", "few_shot", "cross", "in_set", "sub"),
}
FIRST = ("miou", "ciou")  # the first figure of a table
SMALL = 0.1  # largest share of the training clips that is called scarce
COMPARABLE = 0.0934  # the paper's own distance to its best on V1S: AUSS 89.40, GAVS 80.06


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a row, trained how, tested where."""

    row: str
    source: Source
    runs: tuple[Run, ...]
    home: str  # benchmark that it was trained on
    label: str  # in print

    @property
    def boxed(self) -> bool:
        """Whether it is scored against boxes."""
        return self.source.benchmark.startswith("vggss")


@dataclass(frozen=True)
class Comparison:
    """Two sides, the first of which is said to be above the second less a margin."""

    where: str
    better: Side
    worse: Side
    margin: float = 0.0
    context: bool = False


@dataclass(frozen=True)
class Statement:
    """A claim of the paper. `best`: it is of every row, as `OF_ALL` says."""

    name: str
    text: str
    source: str
    comparisons: tuple[Comparison, ...]
    best: bool = False


Place = tuple[str, Callable[[str], Side]]  # name in print, and the side of a row there
Figures = Mapping[tuple[str, str, str, str], float]  # the paper's, as `measure.read_paper` has them


def statements(plan: Plan, paper: Mapping[str, Figures]) -> list[Statement]:
    """Make the statements, of the rows that the paper's tables and the pairs name.

    paper: figures by table.
    """
    base, plain = plan.base, {b: _plain(plan, b) for b in ("v1s", "v1m", "v2")}
    shares = {f: _share(plan, f) for f in sorted(plan.fractions)} | {1.0: plain["v2"]}
    shots = {s: _shots(plan, "v3", s) for s in plan.shot_settings}
    novel = {s: _shots(plan, "vggss_sub", s) for s in plan.shot_settings}
    boxes, in_set = _boxes(plan, "0-shot"), _boxes(plan, "in-set")
    seen, unseen, shifted = [*plain.values()], [*shots.values()], [boxes, *novel.values()]
    scarce = [place for share, place in shares.items() if share <= SMALL]

    def printed(table: str, benchmark: str, setting: str) -> list[str]:
        """Rows that the paper prints there beside the base, the best first."""
        figures = {
            row: figure
            for (row, *place, metric), figure in paper[table].items()
            if row != base and place == [benchmark, setting] and metric in FIRST
        }
        return sorted(figures, key=lambda row: -figures[row])

    def above(
        places: Iterable[Place], rows: Iterable[str], than: Place | None = None, **options
    ) -> list[Comparison]:
        """The base in some places above rows there, or in another place."""
        return [
            Comparison(place[0], place[1](base), (than or place)[1](row), **options)
            for row in rows
            for place in places
        ]

    def pairs(places: Iterable[Place]) -> list[Comparison]:
        matched = [Comparison(name, side(a), side(b)) for name, side in places for a, b in PAIRS]
        fusion = [row for row, kind in plan.paradigms.items() if kind == "fusion"]
        others = [row for row in fusion if (base, row) not in PAIRS]
        return [*matched, *above(places, others, context=True)]

    def part(name: str) -> list[Comparison]:
        return above([*seen, *unseen, *shifted, *scarce], PARTS[name])

    def best_of(places: Mapping[str, Place], table: str) -> list[Comparison]:
        """The base above the rows that the paper prints beside it, place by place."""
        return [
            comparison
            for name, place in places.items()
            for comparison in above([place], printed(table, *name.split("/")))
        ]

    full = printed("figure3", "v2", "train")
    less = [
        comparison
        for share, more in ((0.5, 1.0), (0.1, 0.3))
        if share in shares and more in shares
        for comparison in above([shares[share]], full, than=shares[more])
    ]
    three, five = shots.get("3-shot"), shots.get("5-shot")
    fewer = above([three], printed("table2", "v3", "5-shot"), than=five) if three and five else []
    systems = [plan.base, *printed("table3", "vggss", "0-shot")]
    localisers = printed("table3", "vggss", "in-set")[:1]
    gap = [
        Comparison(boxes[0], in_set[1](best), boxes[1](row))
        for best in localisers
        for row in systems
    ]
    best = "in-set localiser" + (f", {localisers[0]}," if localisers else "")
    (where, side), allowed = plain["v1s"], f"{100 * COMPARABLE:.2f} points"
    single = above(
        [(f"{where}, with {allowed} added", side)],
        printed("table1", "v1s", "train"),
        margin=COMPARABLE,
    )
    prompts = Comparison(plain["v1s"][0], plain["v1s"][1]("audio_sam"), plain["v1s"][1]("av_sam"))
    multi = {f"{b}/train": plain[b] for b in ("v1m", "v2")}
    zero = {"v3/0-shot": shots["0-shot"]}
    foreign = {"vggss/0-shot": boxes}
    sub = {f"vggss_sub/{setting}": place for setting, place in novel.items()}

    gaps = f"at most {allowed} below any row of the paper (its own gap there)"
    shares_of = "with 50 % of the clips above the paper's other rows with all, with 10 % with 30 %"
    learned_there = f"the paper's best {best} above all its zero-shot rows, by mean IoU"
    prompt, first, few = "prompt above fusion", "best of the paper's rows", "0 to 5 shots"
    said: dict[str, tuple[str, str, list[Comparison]]] = {
        "pairs_unseen": ("abstract", f"{prompt} on unseen classes, {few}", pairs(unseen)),
        "pairs_shifted": ("abstract", f"{prompt} across data sets, {few}", pairs(shifted)),
        "pairs_scarce": ("abstract", f"{prompt} where data are scarce", pairs(scarce)),
        "pairs_seen": ("3.1", f"{prompt} on seen classes", pairs(seen)),
        "multi": ("3.1, Table 1", f"{first} where several sources sound", best_of(multi, "table1")),
        "single": ("3.1, Table 1", f"where one source sounds, {gaps}", single),
        "prompts": ("3.1, Table 1", "Audio-SAM above AV-SAM, both prompted by sound", [prompts]),
        "less_data": ("3.1, Figure 3", shares_of, less),
        "zero_shot": ("3.2, Table 2", f"{first} on unseen classes", best_of(zero, "table2")),
        "few_shot": ("3.2, Table 2", "with 3 shots above the paper's other rows with 5", fewer),
        "cross": ("3.3, Table 3", f"{first} on VGG-SS, zero-shot", best_of(foreign, "table3")),
        "in_set": ("1, 3.3, Table 3", learned_there, gap),
        "sub": ("3.3, Table 4", f"{first} with {few} of new classes", best_of(sub, "table4")),
        "cue": ("2.2", "the visual cue helps", part("cue")),
        "alignment": ("2.2", "aligning the cue with the sound helps", part("alignment")),
        "noise": ("2.2", "the learned noise helps", part("noise")),
        "cola": ("2.3", "ColA is better than none, and than LoRA", part("cola")),
        "frozen": ("2.3", "ColA is better than tuning the decoder", part("frozen")),
    }
    return [
        Statement(name, text, source, tuple(made), name in OF_ALL)
        for name, (source, text, made) in said.items()
    ]


def _plain(plan: Plan, benchmark: str) -> Place:
    """A benchmark's test set after training on it."""
    source = Source(benchmark, "train", "test")
    return title_of(benchmark), lambda row: Side(row, source, plan.runs, benchmark, row)


def _share(plan: Plan, share: float) -> Place:
    """V2's test set after training on a share of its clips."""
    name = f"{100 * share:g} % of V2"
    source, runs = Source("v2", f"fraction-{share}", "test", drawn=True), tuple(plan.draws["v2"])
    return name, lambda row: Side(row, source, runs, "v2", f"{row}, {100 * share:g} %")


def _shots(plan: Plan, benchmark: str, setting: str) -> Place:
    """Unseen classes of AVS-V3, or novel ones of VGG-SS-Sub, after so many shots."""
    drawn = setting != "0-shot"
    runs = plan.runs if benchmark == "v3" and not drawn else tuple(plan.draws[benchmark])
    name, evaluation, home = {
        "v3": ("AVS-V3", "unseen", "v3"),
        "vggss_sub": ("VGG-SS-Sub", "novel", "v2"),
    }[benchmark]
    subset = "test-{draw}" if benchmark == "vggss_sub" and not drawn else ""
    source = Source(benchmark, setting, evaluation, drawn, subset)
    return f"{name} {setting}", lambda row: Side(row, source, runs, home, f"{row}, {setting}")


def _boxes(plan: Plan, setting: str) -> Place:
    """VGG-SS, after training on V2 or in-set."""
    source, home = Source("vggss", setting, "vggss"), "v2" if setting == "0-shot" else "vggsound"
    return "VGG-SS", lambda row: Side(row, source, plan.runs, home, row)
