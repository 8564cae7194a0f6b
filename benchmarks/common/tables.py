"""Numbers as text, and one grid of text as Markdown or LaTeX."""

import re
from typing import NamedTuple

import numpy as np

NONE = "–"


class Unit(NamedTuple):
    """How a score of 0..1 is printed: factor 100 is percent."""

    name: str
    factor: int
    decimals: int


PERCENT = Unit("%", 100, 2)
SHARE = Unit("", 1, 3)


class Grid(NamedTuple):
    """A table of text in which `name` is code; `align` has an l or r for each column."""

    header: list[str]
    rows: list[list[str]]
    align: str


def number(value: float | None, factor: int = 1, decimals: int = 0) -> str:
    if value is None or np.isnan(value):
        return NONE
    return f"{factor * value:,.{decimals}f}"


def signed(value: float, unit: Unit = PERCENT) -> str:
    """+1.20 or −0.35, with a true minus sign and none on zero."""
    text = f"{unit.factor * value:+.{unit.decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def share(value: float | None, unit: Unit = PERCENT) -> str:
    """A score of 0..1 in its unit."""
    return number(value, unit.factor, unit.decimals)


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
