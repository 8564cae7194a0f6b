"""Which orderings of methods survive another frozen encoder, its other precision, or other scenes.

Each alternative is a parameter file of its own (`work/<profile>_<name>/params.yaml`) that goes
through the same data, features and cells as the default. Models and runs lie with the default's and
are found by fingerprint, so what an alternative leaves as it is isn't trained again.
"""

import io
import itertools
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML
from scipy.stats import kendalltau

from benchmarks.common.files import write_atomic
from benchmarks.data.index import write_index
from benchmarks.data.read import read_index
from benchmarks.features.extract import covered, extract, header
from benchmarks.grid.cells import run_cells
from benchmarks.grid.protocol import Cell
from benchmarks.grid.workbench import Workbench
from benchmarks.miniature import build
from benchmarks.params import Params, ParamsError, load
from benchmarks.scoring.metrics import iou_terms
from benchmarks.scoring.records import Stored, read_record
from benchmarks.scoring.statistics import Sample, difference, holm, interval, sample

SIGNIFICANCE = 0.05  # as in the tables: a Holm-adjusted p at or above it decides nothing
DEFAULT = "default"
BENCHMARKS = {
    DEFAULT: ("v1s", "v2"),
    "bf16": ("v1s", "v2"),
    "aux0": ("v1s", "v2"),
    "balanced": ("v1s",),
}
TITLES = {
    DEFAULT: "params.yaml as it is",
    "bf16": "features of SAM computed in bfloat16",
    "aux0": "SAM pretrained without its semantic auxiliary head; other methods as they are",
    "balanced": "V1S with the scenes of V1M and V2: 2 to 4 objects, nothing hints at the source",
}
AUX0 = Path("weights/miniature/sam_aux0.safetensors")

Scores = Mapping[tuple[str, str], Mapping[str, Sample]]  # (benchmark, alternative) -> row


def disperse(params: Params, results: Path) -> list[str]:
    """Run every alternative; write `dispersion.md`, `dispersion.csv` and `dispersion_pairs.csv`.

    Returns:
        The reasons of the cells that failed. If there are any, nothing is written.

    Raises:
        ParamsError: the profile has no miniature world.
    """
    if params.world is None:
        raise ParamsError("world is null: dispersion compares miniature worlds; use that profile")
    scores, failures = {}, []
    for name in BENCHMARKS:
        chosen = params if name == DEFAULT else prepare(params, name)
        cells = _cells(params, name)
        failures += [f"{name}: {reason}" for reason in run_cells(chosen, cells, params.workers)]
        if not failures:
            scores |= _read(chosen, name, cells)
    if not failures:
        rows, pairs = compare(scores)
        for stem, table in (("dispersion", rows), ("dispersion_pairs", pairs)):
            text = table.to_csv(index=False, lineterminator="\n", float_format="%.6f")
            write_atomic(results / f"{stem}.csv", text)
        write_atomic(results / "dispersion.md", markdown(rows, pairs, params.profile))
    return failures


def compared(params: Params) -> list[str]:
    """Rows of Table 1 that train, but for SAM-Fusion's operators and the released code's."""
    table = params.tables.table1
    return [*table.published, *table.controlled, *_unreleased(table.gavs)]


def _unreleased(rows: Sequence[str]) -> list[str]:
    return [row for row in rows if "released" not in row]


def _cells(params: Params, name: str) -> list[Cell]:
    keys = itertools.product(compared(params), BENCHMARKS[name], params.seeds)
    return [Cell("table1", row, row, benchmark, "train", seed) for row, benchmark, seed in keys]


def _read(chosen: Params, name: str, cells: Sequence[Cell]) -> Scores:
    terms = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        path = chosen.work / "records" / cell.table / cell.stage / f"{cell.file_stem}.json"
        scores = Stored(read_record(path), path).scores()["test"]
        terms[cell.benchmark, name][cell.row].append(iou_terms(scores))
    draws = chosen.report.bootstrap_draws
    return {
        place: {row: sample(by_seed, draws=draws) for row, by_seed in rows.items()}
        for place, rows in terms.items()
    }


def prepare(params: Params, name: str) -> Params:
    """The parameters of an alternative, with its world, index and features in place."""
    chosen = write_params(params, name)
    work = chosen.work
    for shared in ("models", "runs"):
        _link(work / shared, params.work / shared)
    before, bench = Workbench(params), Workbench(chosen)
    if chosen.data.root == params.data.root:
        write_atomic(work / "index.csv", (params.work / "index.csv").read_bytes())
        for store in chosen.features.stores["avs"]:  # those that its SAM doesn't change
            made = [
                header(
                    store,
                    covered(b.index, "avs"),
                    b.encoders,
                    b.params.features.rows_per_shard,
                    b.params.features.precision,
                )
                for b in (before, bench)
            ]
            if made[0] == made[1]:
                place = Path("features", "avs", store)
                _link(work / place, params.work / place)
    else:
        build(chosen.data.root, chosen.world, chosen.workers)
        index = read_index(chosen.data, chosen.workers)
        write_atomic(work / "index.csv", write_index(index))
    extract(
        chosen.stores,
        bench.index,
        work / "features",
        bench.encoders,
        chosen.features.rows_per_shard,
        chosen.features.batch_size,
        chosen.workers,
        chosen.device,
        chosen.features.precision,
    )
    return chosen


def write_params(params: Params, name: str) -> Params:
    """Write and load an alternative's params.yaml: the default's, but for what the name says.

    Tables other than Table 1 are empty, and only the features that its rows read are made.
    """
    values = params.model_dump(mode="json")
    values["profile"] = f"{params.profile}_{name}"
    values["data"] |= {"vggss": None, "vggsound": None}
    places = itertools.product(compared(params), BENCHMARKS[name])
    stores = {store for place in places for store in params.row(*place).stores}
    values["features"]["stores"] = {"avs": sorted(stores)}
    for table in values["tables"].values():
        table |= {key: [] for key in ("rows", "in_set", "groups", "operators") if key in table}
    table = values["tables"]["table1"]
    table |= {"benchmarks": BENCHMARKS[name], "gavs": _unreleased(table["gavs"])}
    if name == "bf16":
        values["features"]["precision"] = "bf16"
    elif name == "aux0":
        values["encoders"]["sam"]["weights"] = str(AUX0)
    else:
        values["data"] |= {"root": f"work/{values['profile']}/avsbench", "splits": None}
        values["world"]["regime"]["v1s"] = "balanced"
        values["world"]["clips"] = {"v1s": values["world"]["clips"]["v1s"]}
    buffer = io.StringIO()
    YAML(typ="safe").dump(values, buffer)
    path = Path("work") / values["profile"] / "params.yaml"
    write_atomic(path, buffer.getvalue())
    return load(path)


def _link(path: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(target, path.parent), target_is_directory=True)


def compare(scores: Scores) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each row's mIoU, and each pair's verdict, under every alternative.

    Pairs are ordered by the default's means. Holm's rule is over the pairs of one benchmark under
    one alternative. An ordering `holds` or is `reversed` where the difference is significant, and
    is `undecided` where it isn't.

    Returns:
        Columns benchmark, alternative, row, miou, std (of seeds), low, high, seeds; and benchmark,
        better, worse, alternative, difference, low, high, p (adjusted), verdict. Scores are 0..1.
    """
    rows, pairs = [], []
    found = {
        place: {row: interval(scored) for row, scored in by_row.items()}
        for place, by_row in scores.items()
    }
    for (benchmark, name), by_row in scores.items():
        place = {"benchmark": benchmark, "alternative": name}
        default = found[benchmark, DEFAULT]
        order = sorted(default, key=lambda row: -default[row].mean)
        for row in order:
            i = found[benchmark, name][row]
            figures = {"miou": i.mean, "std": i.std, "low": i.low, "high": i.high}
            rows.append({**place, "row": row, **figures, "seeds": i.runs})
        tests = {
            (better, worse): difference(by_row[better], by_row[worse])
            for better, worse in itertools.combinations(order, 2)
        }
        adjusted = holm([test.p for test in tests.values()])
        for ((better, worse), test), p in zip(tests.items(), adjusted, strict=True):
            verdict = "holds" if test.mean > 0 else "reversed"
            if p >= SIGNIFICANCE:
                verdict = "undecided"
            figures = {"difference": test.mean, "low": test.low, "high": test.high, "p": p}
            pairs.append({**place, "better": better, "worse": worse, **figures, "verdict": verdict})
    return pd.DataFrame(rows), pd.DataFrame(pairs)


def markdown(rows: pd.DataFrame, pairs: pd.DataFrame, profile: str) -> str:
    """The tables of `compare` as text, a section a benchmark."""
    lines = [
        "# Which orderings survive",
        "",
        f"Made by `python -m benchmarks dispersion`: profile {profile}, outside the default run.",
        "Table 1's methods, each with the learning rate chosen on the default, under:",
        "",
        *(f"- **{name}**: {TITLES[name]}" for name in rows.alternative.unique()),
        "",
        "mIoU in percent, mean over seeds ± standard deviation between them; tau: Kendall's, of",
        "the order of methods to the default's. Differences are in points, paired by video and",
        f"seed; p < {SIGNIFICANCE} by Holm's rule over the pairs of a column decides.",
    ]
    for benchmark in rows.benchmark.unique():
        own, duels = rows[rows.benchmark == benchmark], pairs[pairs.benchmark == benchmark]
        names = list(own.alternative.unique())
        means = own.pivot(index="row", columns="alternative", values="miou")
        spread = own.pivot(index="row", columns="alternative", values="std")
        lines += ["", f"## {benchmark}", "", *_header(["row", *names])]
        for row in own.row.unique():
            cells = [f"{100 * means[n][row]:.2f} ± {100 * spread[n][row]:.2f}" for n in names]
            lines.append(_line([row, *cells]))
        tau = [kendalltau(means[DEFAULT], means[name]).statistic for name in names]
        lines += [_line(["tau", *(f"{t:.2f}".replace("-", "−") for t in tau)]), ""]
        verdicts = duels.pivot(
            index=["better", "worse"], columns="alternative", values="verdict"
        ).reindex(list(dict.fromkeys(zip(duels.better, duels.worse, strict=True))))
        lines += [_survival(verdicts, name) for name in names if name != DEFAULT]
        lines += ["", *_header(["ordering", *names])]
        points = duels.set_index(["better", "worse", "alternative"])["difference"]
        for (better, worse), verdict in verdicts.iterrows():
            cells = [_duel(points[better, worse, name], verdict[name]) for name in names]
            lines.append(_line([f"{better} > {worse}", *cells]))
    return "\n".join(lines) + "\n"


def _survival(verdicts: pd.DataFrame, name: str) -> str:
    """A line on what becomes of the default's orderings; `verdicts` by pair and alternative."""
    decided = verdicts[verdicts[DEFAULT] == "holds"][name]
    count = decided.value_counts().reindex(["holds", "reversed", "undecided"], fill_value=0)
    turned = ", ".join(map(" > ".join, decided.index[decided == "reversed"]))
    new = verdicts[name][(verdicts[DEFAULT] == "undecided") & (verdicts[name] != "undecided")]
    return (
        f"- **{name}**: of {len(decided)} orderings that the default decides, {count.holds} hold, "
        f"{count.reversed} are reversed{f' ({turned})' if turned else ''}, "
        f"{count.undecided} are undecided; of {len(verdicts) - len(decided)} that it leaves open, "
        f"{len(new)} are decided."
    )


def _duel(difference: float, verdict: str) -> str:
    text = f"{100 * difference:+.2f}".replace("-", "−")
    return text if verdict == "holds" else f"{text} {verdict}"


def _header(names: Sequence[str]) -> list[str]:
    return [_line(names), "|:--|" + "--:|" * (len(names) - 1)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
