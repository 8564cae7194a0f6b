"""Critical-difference diagrams: rows along their scores, a bar over those that can't be told apart.

After Demšar (2006), with this report's paired tests in place of ranks over data sets: there are few
benchmarks, and many videos in each.
"""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.layout import title_of
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, looks_of
from benchmarks.scoring.statistics import Difference, adjusted

BAR, LINE = 0.5, 1.0  # heights below the axis, in lines of text
OUT = "#AAAAAA"  # colour of a row that is in no verdict


@mpl.rc_context(STYLE | {"axes.grid": False})
def critical_figure(plan: Plan, table: Table, rows: Sequence[str]) -> Figure:
    """Draw one diagram per benchmark; p by Holm's rule over all pairs of its rows, less those in
    no verdict: they are grey and under no bar."""
    benchmarks = plan.tables.table1.benchmarks
    lines = 3 + len(rows) // 2 + 0.5 * len(rows)
    figure = Figure(figsize=(7.2, 0.13 * lines * len(benchmarks) + 0.3), layout="constrained")
    panels = figure.subplots(len(benchmarks), squeeze=False)[:, 0]
    for panel, benchmark in zip(panels, benchmarks, strict=True):
        column = f"{benchmark} miou"
        means = {r: 100 * table.scores[r, column].mean for r in rows if (r, column) in table.scores}
        pairs = {
            pair: difference
            for pair in itertools.combinations(means, 2)
            if (difference := table.compared(column, *pair))
        }
        out = {row for row in means if (row, column) in table.left_out}
        judged = {pair: d for pair, d in pairs.items() if not out & {*pair}}
        ranked = {row: mean for row, mean in means.items() if row not in out}
        colours = looks_of(plan)["palette"] | dict.fromkeys(out, OUT)
        _diagram(panel, means, groups(ranked, adjusted(judged)), colours)
        grey = ", grey: in no verdict" if out else ""
        panel.set_title(f"{title_of(benchmark)} mIoU (%), {plan.profile}{grey}", loc="left")
    return figure


def groups(
    means: Mapping[str, float], pairs: Mapping[tuple[str, str], Difference]
) -> list[tuple[str, ...]]:
    """Longest stretches of rows, by score, of which no two are told apart; two rows at least."""
    undecided = {frozenset(pair) for pair, d in pairs.items() if not d.decided}
    ranked = sorted(means, key=lambda row: means[row])
    stretches: list[tuple[str, ...]] = []
    for start, _ in enumerate(ranked):
        end = start + 1
        while end < len(ranked) and all(
            frozenset((row, ranked[end])) in undecided for row in ranked[start:end]
        ):
            end += 1
        stretch = tuple(ranked[start:end])
        if len(stretch) > 1 and not any({*stretch} <= {*longer} for longer in stretches):
            stretches.append(stretch)
    return stretches


def _diagram(
    axes: Axes,
    means: Mapping[str, float],
    stretches: Sequence[Sequence[str]],
    colours: Mapping[str, str],
) -> None:
    """Draw the axis on top, then bars, then names: the lower half's at the left."""
    axes.spines[["left", "bottom", "right"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    if not means:
        return
    low, high = min(means.values()), max(means.values())
    margin = 0.3 * (high - low or 1)
    axes.set_xlim(low - margin, high + margin)
    for number, stretch in enumerate(stretches, start=1):
        ends = [means[stretch[0]], means[stretch[-1]]]
        axes.plot(ends, [-BAR * number] * 2, color="black", lw=2.2, solid_capstyle="round")
    ranked = sorted(means, key=lambda row: means[row])
    half, depth = len(ranked) // 2, -BAR * len(stretches)
    for side, names in (("right", ranked[:half]), ("left", ranked[half:][::-1])):
        edge = low - 0.02 * margin if side == "right" else high + 0.02 * margin
        for number, row in enumerate(names, start=1):
            y = depth - LINE * number
            axes.plot([means[row], means[row], edge], [0, y, y], color=colours[row], lw=0.7)
            axes.text(
                edge, y, f" {row} {means[row]:.1f} ", ha=side, va="center", fontsize=6,
                color=colours[row],
            )  # fmt: skip
    axes.set_ylim(depth - LINE * (len(ranked) - half + 0.6), 0)
