"""Study of dispersion: do orderings of methods survive other SAM weights, precision or scenes?

Each alternative has a parameter file (`work/<profile>_<name>/params.yaml`) and goes through the
same data, features and cells as the default. Models and runs lie with the default's, by
fingerprint, so a model that an alternative doesn't change isn't trained again.
"""

import itertools
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from benchmarks.common.files import write_atomic
from benchmarks.common.publish import publish
from benchmarks.common.tables import Grid, Unit, markdown, share, signed
from benchmarks.data.index import write_index
from benchmarks.data.read import read_index
from benchmarks.features.extract import extract
from benchmarks.grid.cells import git_revision, run_cells
from benchmarks.grid.protocol import Cell
from benchmarks.grid.workbench import Workbench
from benchmarks.miniature.world import build
from benchmarks.params import Params, ParamsError, load
from benchmarks.params.files import write_yaml
from benchmarks.report.exports import as_csv
from benchmarks.report.plan import plan_of
from benchmarks.report.style import looks_of, png
from benchmarks.scoring.metrics import iou_terms
from benchmarks.scoring.records import Stored, read_record
from benchmarks.scoring.statistics import (
    SIGNIFICANCE,
    VERDICTS,
    Sample,
    difference,
    holm,
    interval,
    sample,
    verdict_of,
)
from benchmarks.studies.scenes_figure import scenes_figure

DEFAULT = "default"
BENCHMARKS = {
    DEFAULT: ("v1s", "v2"),
    "bf16": ("v1s", "v2"),
    "aux0": ("v1s", "v2"),
    "balanced": ("v1s",),
}
TITLES = {
    DEFAULT: "the profile as it is, by the seeds that all its rows have",
    "bf16": "features of SAM computed in bfloat16",
    "aux0": "SAM pretrained without its semantic auxiliary head; other methods as they are",
    "balanced": "V1S with the scenes of V1M and V2: 2 to 4 objects, nothing hints at the source",
}
PAIRS = ["benchmark", "alternative", "better", "worse", "difference", "low", "high"]
PAIRS += ["p_alone", "p", "verdict"]
TAU = Unit("", 1, 2)
PAGE = """\
# Which orderings survive

Made by `python -m benchmarks dispersion`, at {revision}: profile {profile}, outside the default
run.
{count} trained rows of Table 1 (without pairs, operators and the first release), number of seeds:
{seeds}, each with the learning rate chosen on the default, under:

{alternatives}

mIoU in percent, mean over seeds ± standard deviation between them; tau: Kendall's, of
the order of rows to the default's. Then how many of the orderings that the default
decides survive, of those with a row whose score the alternative moves at all (rows without
SAM are the same trainings under two of them), and each ordering. Differences are in points,
on the same videos, with videos and seeds in the variance; p < {significance} by Holm's rule over
the pairs of a column decides. So many pairs with few seeds leave large differences undecided,
which doesn't say that an ordering is lost: *below 0* counts the differences that changed sign,
decided or not. Rows that aren't shown to be above their silent floor, which take no
part in the tables' verdicts, count here too.

![V1S in natural and in balanced scenes](figures/scenes.png)"""
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
    scores: dict[tuple[str, str], Mapping[str, Sample]] = {}
    failures = []
    for name in BENCHMARKS:
        alternative = params if name == DEFAULT else prepare(params, name)
        cells = _cells(params, name)
        reasons = run_cells(alternative, cells, params.workers)
        failures += [f"{name}: {reason}" for reason in reasons]
        if not failures:
            scores |= _read(alternative, name, cells)
    if not failures:
        rows, pairs = compare(scores)
        look = looks_of(plan_of(params), rows.row)
        contents: dict[str, str | bytes] = {
            "dispersion.csv": as_csv(rows),
            "dispersion_pairs.csv": as_csv(pairs),
            "dispersion.md": page(rows, pairs, params.profile, git_revision()),
            "figures/scenes.png": png(scenes_figure(rows, look, params.profile)),
        }
        publish(results, contents)
    return failures


def compared(params: Params) -> list[str]:
    """List the rows of Table 1 that train, without pairs, operators and the first release."""
    table = params.tables.table1
    return [*table.published, *table.controlled, *_unreleased(table.gavs)]


def _unreleased(rows: Sequence[str]) -> list[str]:
    """Leave out the rows of the first released code."""
    return [row for row in rows if "released" not in row]


def _cells(params: Params, name: str) -> list[Cell]:
    """List the cells of an alternative."""
    keys = itertools.product(compared(params), BENCHMARKS[name], params.seeds)
    return [Cell("table1", row, row, benchmark, "train", seed) for row, benchmark, seed in keys]


def _read(chosen: Params, name: str, cells: Sequence[Cell]) -> Scores:
    scored = [(cell, stored_of(chosen, cell).scores()) for cell in cells]
    return sampled(name, scored)


def stored_of(params: Params, cell: Cell) -> Stored:
    """The record of a cell that has run."""
    path = params.work / "records" / cell.table / cell.stage / f"{cell.file_stem}.json"
    return Stored(read_record(path), path)


def sampled(name: str, scored: Sequence[tuple[Cell, Any]]) -> Scores:
    """MIoU of an alternative on the test clips, from the scores of its cells."""
    terms: Any = defaultdict(lambda: defaultdict(list))
    for cell, scores in scored:
        terms[cell.benchmark, name][cell.row].append(iou_terms(scores["test"]))
    return {
        place: {row: sample(by_seed) for row, by_seed in rows.items()}
        for place, rows in terms.items()
    }


def prepare(params: Params, name: str) -> Params:
    """Make the world, index and features of an alternative; returns its parameters."""
    chosen = write_params(params, name)
    work = chosen.work
    for shared in ("models", "runs"):
        link_folder(work / shared, params.shared / shared)
    default, bench = Workbench(params), Workbench(chosen)
    if chosen.data.root == params.data.root:
        write_atomic(work / "index.csv", (params.shared / "index.csv").read_bytes())
        for store in chosen.features.stores["avs"]:  # those that its SAM doesn't change
            if default.fingerprints.store(store, "avs") == bench.fingerprints.store(store, "avs"):
                place = Path("features", "avs", store)
                link_folder(work / place, params.shared / place)
    elif chosen.world is not None:
        build(chosen.data.root, chosen.world, chosen.workers)
        index = read_index(chosen.data, chosen.workers)
        write_atomic(work / "index.csv", write_index(index))
    extract(
        bench.fingerprints.stores(),
        bench.index,
        work / "features",
        bench.encoders,
        chosen.features.batch_size,
        chosen.workers,
        chosen.device,
        chosen.features.precision,
        bench.needed,
    )
    return chosen


def write_params(params: Params, name: str) -> Params:
    """Write and load an alternative's params.yaml: the default's with the change that it names.

    Tables other than Table 1 are empty, and only the features that its rows read are made.
    """
    values = params.model_dump(mode="json")
    values["profile"] = f"{params.profile}_{name}"
    values["work_of"] = None
    values["results"] = f"work/{values['profile']}/results"
    values["data"] |= {"vggss": None, "vggsound": None}
    places = itertools.product(compared(params), BENCHMARKS[name])
    stores = {store for place in places for store in params.row(*place).stores}
    values["features"]["stores"] = {"avs": sorted(stores)}
    for table in filter(lambda table: isinstance(table, dict), values["tables"].values()):
        unused = ("rows", "in_set", "groups", "operators", "pairs", "floor")
        table |= {key: [] for key in unused if key in table}
    values["tables"]["ablated"] = []
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
    path = Path("work") / values["profile"] / "params.yaml"
    write_yaml(path, values)
    return load(path)


def link_folder(path: Path, target: Path) -> None:
    """Make a link to a folder, and the folder."""
    target.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(target, path.parent), target_is_directory=True)


def compare(scores: Scores) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute each row's mIoU and each pair's verdict under every alternative.

    Pairs are ordered by the default's means. Holm's rule is over the pairs of one benchmark under
    one alternative. An ordering `holds` or is `reversed` where the difference is significant, and
    is `undecided` where it isn't.

    Returns:
        Columns benchmark, alternative, row, miou, std (of seeds), low, high, seeds; and PAIRS, as
        `judged` leaves them. Scores are 0..1.
    """
    rows, pairs = [], []
    intervals = {
        place: {row: interval(scored) for row, scored in by_row.items()}
        for place, by_row in scores.items()
    }
    for (benchmark, name), by_row in scores.items():
        place = {"benchmark": benchmark, "alternative": name}
        default = intervals[benchmark, DEFAULT]
        order = sorted(default, key=lambda row: -default[row].mean)
        for row in order:
            i = intervals[benchmark, name][row]
            figures = {"miou": i.mean, "std": i.std, "low": i.low, "high": i.high}
            rows.append({**place, "row": row, **figures, "seeds": i.runs})
        for better, worse in itertools.combinations(order, 2):
            d = difference(by_row[better], by_row[worse])
            figures = {"difference": d.mean, "low": d.low, "high": d.high, "p_alone": d.p}
            pairs.append({**place, "better": better, "worse": worse, **figures})
    return pd.DataFrame(rows), judged(pd.DataFrame(pairs, columns=PAIRS))  # of one row are none


def judged(pairs: pd.DataFrame) -> pd.DataFrame:
    """Fill in p, by Holm's rule over the pairs of a benchmark and alternative, and the verdict.

    pairs: columns PAIRS, with `p_alone` the p of a pair by itself.
    """
    lines = pairs.astype({"p": float, "verdict": object}).reset_index(drop=True)
    for _, group in lines.groupby(["benchmark", "alternative"], sort=False):
        lines.loc[group.index, "p"] = holm(list(group.p_alone))
    points = zip(lines.difference, lines.p, strict=True)
    lines["verdict"] = [verdict_of(difference, p) for difference, p in points]
    return lines


def page(rows: pd.DataFrame, pairs: pd.DataFrame, profile: str, revision: str) -> str:
    """Page with the tables of `compare`, one section per benchmark."""
    alternatives = "\n".join(f"- **{name}**: {TITLES[name]}" for name in rows.alternative.unique())
    counts = {"count": rows.row.nunique(), "seeds": ", ".join(map(str, sorted({*rows.seeds})))}
    head = {"profile": profile, "alternatives": alternatives, "significance": SIGNIFICANCE}
    head["revision"] = short(revision)
    parts = [PAGE.format(**head, **counts)]
    for benchmark in rows.benchmark.unique():
        scores, duels = rows[rows.benchmark == benchmark], pairs[pairs.benchmark == benchmark]
        names = list(scores.alternative.unique())
        means, spread = (
            scores.pivot(index="row", columns="alternative", values=name)
            for name in ("miou", "std")
        )
        lines = [
            [row, *(_mean(means[n][row], spread[n][row]) for n in names)]
            for row in scores.row.unique()
        ]
        tau = (kendalltau(means[DEFAULT], means[name]).statistic for name in names)
        lines.append(["tau", *(signed(t, TAU).removeprefix("+") for t in tau)])
        parts += [f"## {benchmark}", markdown(Grid(["row", *names], lines))]
        verdicts, points = (
            duels.pivot(index=["better", "worse"], columns="alternative", values=value).reindex(
                list(dict.fromkeys(zip(duels.better, duels.worse, strict=True)))
            )
            for value in ("verdict", "difference")
        )
        survived = []
        for name in (n for n in names if n != DEFAULT):
            moved = means[name] != means[DEFAULT]
            touched = verdicts[[bool(moved[a] or moved[b]) for a, b in verdicts.index]]
            survived.append(_survival(touched, points[name], name))
        left_open = "of those left open: decided"
        header = ["of those decided by default", *VERDICTS, "below 0", left_open]
        parts += [markdown(Grid(header, survived))] if survived else []
        lines = [
            [" > ".join(pair), *(_duel(points[n][pair], verdicts[n][pair]) for n in names)]
            for pair in verdicts.index
        ]
        parts.append(markdown(Grid(["ordering", *names], lines)))
    return "\n\n".join(parts) + "\n"


def short(revision: str) -> str:
    """Text of a git revision: seven digits, "+" where the code differed from it."""
    return f"`{revision[:7]}{'+' * revision.endswith('+')}`"


def _mean(mean: float, spread: float) -> str:
    """Text of a mean with its standard deviation over seeds, which one seed doesn't have."""
    return share(mean) + (f" ± {share(spread)}" if np.isfinite(spread) else "")


def _survival(verdicts: pd.DataFrame, points: "pd.Series[float]", name: str) -> list[str]:
    """Count the verdicts on orderings that the default decides, and those that only this decides.

    verdicts: one line per pair, one column per alternative.
    points: differences under the alternative `name`, of these pairs and others.
    """
    decided = verdicts[verdicts[DEFAULT] != "undecided"][name]
    undecided = verdicts[verdicts[DEFAULT] == "undecided"][name]
    counts = [(decided == verdict).sum() for verdict in VERDICTS]
    below = (points[decided.index] < 0).sum()
    settled = f"{(undecided != 'undecided').sum()} of {len(undecided)}"
    return [name, *map(str, counts), str(below), settled]


def _duel(points: float, verdict: str) -> str:
    """Text of a difference, with the verdict on an ordering that doesn't hold."""
    return signed(points) + (f" {verdict}" if verdict != "holds" else "")
