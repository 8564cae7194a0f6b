"""Training curves of Table 1: loss and validation mIoU by epoch."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from benchmarks.report.layout import title_of
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, handles, looks
from benchmarks.scoring.records import Epoch


@mpl.rc_context(STYLE)
def training_curves(
    plan: Plan, histories: Mapping[tuple[str, str], Sequence[Sequence[Epoch]]]
) -> Figure:
    """Draw loss (log scale) and validation mIoU; line: mean of the seeds, band: their range.

    histories: one per seed, by row and benchmark.
    """
    epochs = pd.DataFrame(
        [
            (row, benchmark, entry.epoch, entry.loss, entry.validation)
            for (row, benchmark), runs in histories.items()
            for run in runs
            for entry in run
        ],
        columns=["row", "benchmark", "epoch", "loss", "validation"],
    ).astype({"epoch": int, "loss": float, "validation": float})
    epochs["validation"] *= 100
    rows, benchmarks = (list(dict.fromkeys(names)) for names in zip(*histories, strict=True))
    look = looks(plan.methods)
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots(2, len(benchmarks), squeeze=False, sharex="col", sharey="row")
    for benchmark, column in zip(benchmarks, axes.T, strict=True):
        here = epochs[epochs.benchmark == benchmark]
        for panel, measure in zip(column, ("loss", "validation"), strict=True):
            points = here.dropna(subset=measure)
            if len(points):
                sns.lineplot(
                    points, x="epoch", y=measure, hue="row", style="row", errorbar=("pi", 100),
                    err_kws={"alpha": 0.15, "lw": 0}, markersize=3.5, markeredgewidth=0,
                    legend=False, ax=panel, **look,
                )  # fmt: skip
            panel.set(xlabel="epoch", ylabel="")
        loss = column[0]
        loss.set_title(f"{title_of(benchmark)}, {plan.profile}")
        loss.set_yscale("log")
        loss.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        loss.yaxis.set_major_formatter("{x:g}")
        loss.yaxis.set_minor_formatter(NullFormatter())
        loss.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel("training loss (own terms)")
    axes[1, 0].set_ylabel("validation mIoU (%)")
    figure.legend(handles=handles(rows, look), loc="outside lower center", ncols=5)
    return figure
