"""Launch of cells on a cluster, or in several processes of this machine (docs/cluster.md).

- `jobs`: one job per command, in the order that trained models need; which are finished.
- `job`: a command as a job runs it.
- `slurm`, `local`: arrays of submitit, and child processes of this machine.
- `state`: submitted jobs, in a small JSON; the lock of a running launch.
- `command`: the command line.
"""
