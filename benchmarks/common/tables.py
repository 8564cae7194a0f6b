"""Numbers as text, and one grid of text as Markdown or LaTeX: the only writer of tables."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gavs.reading import shown

NONE, MINUS = "–", "−"


class Unit(NamedTuple):
    """Unit in which a score of 0..1 is printed: factor 100 is percent."""

    name: str
    factor: int
    decimals: int


PERCENT = Unit("%", 100, 2)
SHARE = Unit("", 1, 3)


class Grid(NamedTuple):
    """A table of text: `name` is code, **value** is bold."""

    header: list[str]
    rows: list[list[str]]
    align: str = ""  # an l or r per column; empty: l, then r

    @property
    def sides(self) -> str:
        return self.align or "l" + "r" * (len(self.header) - 1)


def number(value: float | None, factor: int = 1, decimals: int = 0) -> str:
    if value is None or np.isnan(value):
        return NONE
    return f"{factor * value:z,.{decimals}f}".replace("-", MINUS)


def signed(value: float, unit: Unit = PERCENT) -> str:
    """+1.20 or −0.35, with a true minus sign and none on zero."""
    text = share(value, unit)
    positive = not text.startswith((MINUS, NONE)) and text.strip("0.")
    return f"+{text}" if positive else text


def share(value: float | None, unit: Unit = PERCENT) -> str:
    """A score of 0..1 in its unit."""
    return number(value, unit.factor, unit.decimals)


def bold(text: str) -> str:
    return f"**{text}**"


def markdown(grid: Grid) -> str:
    """A pipe table; what doesn't print is escaped, so that no name breaks a line."""
    rule = [{"l": ":--", "r": "--:"}[side] for side in grid.sides]
    lines = [grid.header, rule, *grid.rows]
    return "\n".join(
        "| " + " | ".join(shown(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def latex(grid: Grid) -> str:
    """A booktabs tabular for \\input; needs booktabs and nothing else."""
    header, *rows = map(latex_line, (grid.header, *grid.rows))
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{grid.sides}}}",
            r"\toprule",
            header,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def latex_line(cells: Iterable[str]) -> str:
    """One row of a tabular."""
    return " & ".join(map(_tex, cells)) + r" \\"


_TEX = {
    **{c: rf"\{c}" for c in "_%&#$"},
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    MINUS: r"$-$",
    "ᵃ": r"\textsuperscript{a}",
    "ᵘ": r"\textsuperscript{u}",
    "ⁿ": r"\textsuperscript{n}",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "→": r"$\to$",
    "Δ": r"$\Delta$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S",
    "–": "--",
}


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(character, character) for character in shown(text))
    escaped = re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", escaped)
