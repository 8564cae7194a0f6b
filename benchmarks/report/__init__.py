"""Records -> tables and figures."""

from benchmarks.report.figures import png
from benchmarks.report.overlays import Panel, overlay_figure
from benchmarks.report.provenance import provenance, stale_rows
from benchmarks.report.qualitative import panels
from benchmarks.report.write import write_report

__all__ = [
    "Panel",
    "overlay_figure",
    "panels",
    "png",
    "provenance",
    "stale_rows",
    "write_report",
]
