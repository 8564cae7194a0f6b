"""Records -> tables and figures. `write_report` is the whole of it."""

from benchmarks.report.write import write_report

__all__ = ["write_report"]
