"""Tables and figures from records.

`plan.py` holds what the parameters ask for, `ledger.py` reduces records to scores, `measure.py`
turns columns of scores into a table with statistics and verdicts. One file per table lays it out
(`experiments/__init__.py` lists them), its figure beside it; `write.py` makes and writes all files.
"""

from benchmarks.report.plan import Plan, plan_of
from benchmarks.report.provenance import provenance, stale_rows
from benchmarks.report.write import read, tables, write_report

__all__ = ["Plan", "plan_of", "provenance", "read", "stale_rows", "tables", "write_report"]
