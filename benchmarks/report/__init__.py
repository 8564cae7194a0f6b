"""Records -> tables and figures.

`plan.py` says what is to be shown, `ledger.py` reduces what was measured, `measure.py` turns
columns of scores into a table with its statistics and verdicts. One file per table lays it out
(`experiments/__init__.py` lists them), its figure beside it; `write.py` makes and writes all of it.
"""

from benchmarks.report.plan import Plan, plan_of
from benchmarks.report.provenance import provenance, stale_rows
from benchmarks.report.write import read, tables, write_report

__all__ = ["Plan", "plan_of", "provenance", "read", "stale_rows", "tables", "write_report"]
