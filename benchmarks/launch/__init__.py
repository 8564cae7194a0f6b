"""Cells beyond one process: `python -m benchmarks launch` (docs/cluster.md).

- `jobs`: one job per command, in the order that trained models ask for; which are finished.
- `job`: a command as a job runs it.
- `slurm`, `local`: arrays of submitit, and child processes of this machine.
- `state`: what was launched, in a small JSON; the lock of a launch at work.
- `command`: the command line.
"""
