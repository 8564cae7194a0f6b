"""Numbers as text, and one grid of text as Markdown or LaTeX."""

import re
from typing import NamedTuple

import numpy as np

NONE = "–"


class Metric(NamedTuple):
    """How a score is printed: factor 100 is percent."""

    title: str
    factor: int
    decimals: int


METRICS = {
    "miou": Metric("mIoU", 100, 2),
    "fscore": Metric("F", 1, 3),
    "miou_threshold_0.4": Metric("threshold 0.4", 100, 2),
    "miou_squash": Metric("squashed frame", 100, 2),
    "iou_dataset": Metric("dataset-level IoU", 100, 2),
    "miou_nonempty": Metric("non-empty frames only", 100, 2),
    "miou_class": Metric("class mean", 100, 2),
    "lit_silent": Metric("lit area, silent frames", 100, 2),
}


class Grid(NamedTuple):
    """A table of text in which `name` is code; `align` has an l or r for each column."""

    header: list[str]
    rows: list[list[str]]
    align: str


def number(value: float | None, factor: int = 1, decimals: int = 0) -> str:
    if value is None or np.isnan(value):
        return NONE
    return f"{factor * value:,.{decimals}f}"


def signed(value: float) -> str:
    """mIoU points: +1.20 or −0.35, with a true minus sign and none on zero."""
    text = f"{100 * value:+.2f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def markdown(grid: Grid) -> str:
    rule = [{"l": ":--", "r": "--:"}[side] for side in grid.align]
    lines = [grid.header, rule, *grid.rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def latex(grid: Grid) -> str:
    """A booktabs tabular for \\input; needs booktabs and nothing else."""
    header, *rows = (" & ".join(map(_tex, line)) + r" \\" for line in (grid.header, *grid.rows))
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{grid.align}}}",
            r"\toprule",
            header,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


_TEX = {
    **{c: rf"\{c}" for c in "_%&#$"},
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "≈": r"$\approx$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "→": r"$\to$",
    "Δ": r"$\Delta$",
    "†": r"$\dagger$",
    "–": "--",
}


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(character, character) for character in text)
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)
