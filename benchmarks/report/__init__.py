"""Tables and figures from records.

`plan.py` holds what the parameters ask for, `ledger.py` reduces records to scores, `measure.py`
turns columns of scores into a table with statistics and verdicts. One file per table lays it out
(`experiments/__init__.py` lists them), its figure beside it; `write.py` makes and writes all files.
"""
