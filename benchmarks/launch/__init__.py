"""Cells beyond one process: `python -m benchmarks launch` (docs/cluster.md).

- `plan`: one job a command, in the order that trained models ask for.
- `ledger`: what was launched and how it went, on disk.
- `job`: runs one job where a scheduler has put it; says how it went, asks for another go.
- `local`, `slurm`: two schedulers.
- `status`: what is done, running, failed, and what remains.
- `command`: the command line.
"""
