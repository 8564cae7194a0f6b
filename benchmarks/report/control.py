"""What the shots of Tables 2 and 4 teach: their gain over 0 shots beside that of their control."""

from collections.abc import Sequence

import numpy as np

from benchmarks.report.layout import GridColumn, Layout
from benchmarks.report.ledger import Part
from benchmarks.report.measure import Column
from benchmarks.scoring.statistics import Run


def control_columns(
    setting: str, after: Part, before: Part, control: Part, runs: Sequence[Run]
) -> list[Column]:
    """Measures at one number of shots: the control, both gains, and the gain above the control's.

    Args:
        after: score after the shots; before: of the same clips by the 0-shot models.
    """
    pairs = {
        "gain": (after, before),
        "control_gain": (control, before),
        "above_control": (after, control),
    }
    gains = [Column(setting, n, parts, tuple(runs), np.subtract) for n, parts in pairs.items()]
    return [Column(setting, "control", (control,), tuple(runs)), *gains]


def control_grid(layout: Layout, setting: str) -> list[GridColumn]:
    """Columns of a grid: both gains, and the difference that learning the classes makes."""
    return [
        layout.points(f"{setting}: gain", f"{setting} gain"),
        layout.points("control's gain", f"{setting} control_gain"),
        layout.change("above control [95 % interval]", f"{setting} above_control"),
    ]
