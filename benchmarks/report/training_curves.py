"""Training curves of Table 1: loss by updates, and the validations of each row."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.report.layout import title_of
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, handles, label_rows, looks_of
from benchmarks.scoring.records import Epoch


@mpl.rc_context(STYLE)
def training_curves(
    plan: Plan, histories: Mapping[tuple[str, str], Sequence[Sequence[Epoch]]]
) -> Figure:
    """Draw the loss as a share of the first entry's, since each has its own terms, and validations.

    Line: mean of the seeds, band: their range. Validations are few, so that each is a dot.

    histories: one per seed, by row and benchmark.
    """
    entries = pd.DataFrame(
        [
            (row, benchmark, number, entry.step, entry.loss, entry.validation)
            for (row, benchmark), runs in histories.items()
            for number, run in enumerate(runs)
            for entry in run
        ],
        columns=["row", "benchmark", "run", "updates", "loss", "validation"],
    ).astype({"updates": int, "loss": float, "validation": float})
    entries["validation"] *= 100
    rows, benchmarks = (list(dict.fromkeys(names)) for names in zip(*histories, strict=True))
    look = looks_of(plan)
    figure = Figure(figsize=(7.2, 3.2 + 0.16 * len(rows)), layout="constrained")
    axes = figure.subplots(2, len(benchmarks), squeeze=False, sharey="row")
    for benchmark, (loss, validation) in zip(benchmarks, axes.T, strict=True):
        here = entries[entries.benchmark == benchmark]
        points = here.dropna(subset="loss").sort_values("updates")
        first = points.groupby(["row", "run"]).loss.transform("first")
        if len(points):
            sns.lineplot(
                points.assign(loss=points.loss / first), x="updates", y="loss", hue="row",
                style="row", errorbar=("pi", 100), err_kws={"alpha": 0.15, "lw": 0},
                markersize=3.5, markeredgewidth=0, legend=False, ax=loss, **look,
            )  # fmt: skip
        loss.set(title=f"{title_of(benchmark)}, {plan.profile}", xlabel="updates", ylabel="")
        loss.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for row, scores in here.dropna(subset="validation").groupby("row"):
            ink = {"color": look["palette"][row], "marker": look["markers"][row], "ms": 3.5}
            y = [rows.index(str(row))] * len(scores)
            validation.plot(scores.validation, y, ls="", alpha=0.6, mew=0, **ink)
        label_rows(validation, rows, "validation mIoU (%)")
    axes[0, 0].set_ylabel("training loss / its first epoch's")
    figure.legend(handles=handles(rows, look), loc="outside lower center", ncols=5)
    return figure
