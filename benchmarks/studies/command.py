"""Commands of the studies: `tune`, `dispersion`."""

import argparse

from benchmarks.grid.command import outcome
from benchmarks.params import load


def tune(args: argparse.Namespace) -> int:
    """Try learning rates; returns the exit status."""
    params = load(args.params)
    from benchmarks.studies.tune import tune

    failures = tune(params, params.results, [args.params], args.rows)
    return outcome(failures, params.results / "tuning.md")


def dispersion(args: argparse.Namespace) -> int:
    """Find the orderings that survive other weights and scenes; returns the exit status."""
    params = load(args.params)
    from benchmarks.studies.dispersion import disperse

    return outcome(disperse(params, params.results), params.results / "dispersion.md")
