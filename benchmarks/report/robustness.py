"""Robustness: Table 1's models with sound that the frame doesn't show."""

import numpy as np

from benchmarks.common.tables import NONE, Grid, markdown
from benchmarks.report import exports, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section
from benchmarks.report.table1 import test_source

WRONG = {"silence": "silence", "noise": "noise", "off_screen": "off-screen sound"}
OTHER = {"other_clip": "another clip's sound"}
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
    """Clean mIoU and the lit areas under wrong sound, 0..1 each -> 0..1."""
    return harmonic_mean(clean, 1 - sum(lit) / len(lit))


def section(plan: Plan, ledger: Ledger) -> Section:
    params, table = plan.tables.robustness, numbers(plan, ledger)
    rows, where = params.rows, params.benchmark
    kinds = {"own": "own sound", **WRONG, **OTHER}
    header = ["method", "track", "clean mIoU (%)", *(f"lit (%): {t}" for t in kinds.values())]
    header += ["combined (%)", "95 % interval", f"Δ to `{plan.base}`", "detectable"]
    lines = [
        [
            f"`{row}`",
            plan.track(row) or NONE,
            text.score(table, row, f"{where} clean"),
            *(text.score(table, row, f"{where} lit_{kind}") for kind in kinds),
            text.marked(table, row, f"{where} combined"),
            text.bounds(table, row, f"{where} combined"),
            *text.difference(table, row, f"{where} combined"),
        ]
        for row in rows
    ]
    grid = Grid(header, lines, "ll" + "r" * (len(header) - 2))
    parts = [
        f"## Robustness to sound that isn't there, {where.upper()}, profile `{plan.profile}`",
        DEFINITIONS,
        f"Seeds: {', '.join(map(str, plan.shuffle_seeds))}. With one, intervals are over videos.",
        markdown(grid),
        text.best_in_words(table, [f"{where} combined"], rows),
        text.missing(table),
    ]
    return Section("robustness", parts, exports.csv(plan, table), grid, table)


def numbers(plan: Plan, ledger: Ledger) -> Table:
    where = plan.tables.robustness.benchmark
    runs = tuple(run for run in plan.runs if run[0] in plan.shuffle_seeds)
    clean = Part(test_source(where), "miou")
    lit = {"own": Part(test_source(where), "lit")}
    lit |= {k: Part(Source(where, "negatives", k), "lit") for k in (*WRONG, *OTHER)}
    columns = [Column(where, "clean", "clean mIoU", (clean,), runs)]
    columns += [Column(where, f"lit_{k}", f"lit, {k}", (part,), runs) for k, part in lit.items()]
    parts = (clean, *(lit[kind] for kind in WRONG))
    columns.append(Column(where, "combined", "combined", parts, runs, combined, judged=True))
    blocks = [Block(plan.tables.robustness.rows, columns)]
    return measure("robustness", ledger, blocks, plan.base)
