"""Records -> tables and figures.

`plan.py` says what is to be shown, `records.py` and `ledger.py` read and reduce what was measured,
`measure.py` turns columns of scores into a table with its statistics, one file a table lays it out,
`write.py` puts all of it under results/.
"""

from benchmarks.report.plan import Plan, plan_of
from benchmarks.report.provenance import provenance, stale_rows
from benchmarks.report.qualitative import write_qualitative
from benchmarks.report.write import write_report

__all__ = ["Plan", "plan_of", "provenance", "stale_rows", "write_qualitative", "write_report"]
