"""Table of robustness: Table 1's models with sound that the frame doesn't show."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.common.tables import markdown
from benchmarks.report.layout import Layout, Section, title_of
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure
from benchmarks.report.plan import Plan
from benchmarks.report.robustness_figure import robustness_figure
from benchmarks.report.table1 import test_source
from benchmarks.report.tested import tested

WRONG = {"silence": "silence", "noise": "noise", "off_screen": "off-screen sound"}
KINDS = {"own": "own sound", **WRONG, "other_clip": "another clip's sound"}
DEFINITIONS = """\
The same models hear, in place of a clip's own sound, silence, white noise, the sound of a class
that the frame doesn't show, or another clip's. **lit area**: share of all pixels above
probability 0.5, mean over frames; with the first three nothing in the frame sounds (by the labels,
where the data don't say what is visible), so every lit pixel is a false positive. Another clip's
sound may fit the frame, so it only stands beside.
**combined**: harmonic mean of the clean mIoU and of 1 − the mean lit area under silence, noise
and off-screen sound, seed by seed; a model that ignores its sound pays for what it lights, and
one that lights nothing for its mIoU."""


def combined(clean: np.ndarray, *lit: np.ndarray) -> np.ndarray:
    """Harmonic mean of the clean mIoU and of the area that wrong sound leaves dark, 0..1 each."""
    total: Any = sum(lit)
    return harmonic_mean(clean, 1 - total / len(lit))


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the table."""
    params, table = plan.tables.robustness, numbers(plan, ledger)
    layout, where = Layout(plan, table), params.benchmark
    both = f"{where} combined"
    columns = [
        layout.method(),
        layout.track(),
        layout.score("clean mIoU (%)", f"{where} clean"),
        *(layout.plain(f"lit (%): {kind}", f"{where} lit_{name}") for name, kind in KINDS.items()),
        layout.score("combined (%)", both),
        layout.interval("95 % interval", both),
        *layout.study(both),
        *layout.difference(both),
    ]
    ranked = layout.ranked(params.rows, both)
    grid = layout.grid(ranked, columns)
    parts = [
        DEFINITIONS,
        tested(ledger, ranked, test_source(where), plan.shuffle_runs),
        f"Number of seeds: {plan.number(plan.shuffle_runs)}. With one, intervals are over videos.",
        markdown(grid),
        "![mIoU with the own sound, and lit area under each sound](figures/robustness.png)",
    ]
    title = f"Robustness to sound that isn't there, {title_of(where)}"
    figure = partial(robustness_figure, plan, table, ranked, KINDS)
    return layout.section(title, parts, grid, {"robustness": figure})


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure the clean mIoU, the lit area under each sound, and the combined score."""
    where = plan.tables.robustness.benchmark
    runs = plan.shuffle_runs
    clean = Part(test_source(where), "miou")
    sources = {kind: Source(where, "negatives", kind) for kind in KINDS}
    sources["own"] = test_source(where)
    lit = {kind: Part(source, "lit") for kind, source in sources.items()}
    columns = [Column(where, "clean", (clean,), runs)]
    columns += [Column(where, f"lit_{kind}", (part,), runs) for kind, part in lit.items()]
    parts = (clean, *(lit[kind] for kind in WRONG))
    columns.append(Column(where, "combined", parts, runs, combined, judged=True))
    return measure("robustness", ledger, [Block(plan.tables.robustness.rows, columns)], plan.base)
