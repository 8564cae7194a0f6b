"""Commands of the studies: `tune`, `budget`, `dispersion`, `without-ears`."""

import argparse

from benchmarks.grid.command import outcome
from benchmarks.params import load
from benchmarks.params.errors import ParamsError


def tune(args: argparse.Namespace) -> int:
    """Try learning rates; returns the exit status."""
    params = load(args.params)
    from benchmarks.studies.tune import tune

    failures = tune(params, params.results, [args.params], args.rows)
    return outcome(failures, params.results / "tuning.md")


def budget(args: argparse.Namespace) -> int:
    """Try other numbers of updates; returns the exit status."""
    params = load(args.params)
    from benchmarks.studies.budget import stem_of, study

    failures = study(
        *(params, params.results, args.rows, args.benchmarks, args.times, args.seeds),
        args.validation_only,
    )
    return outcome(failures, params.results / f"{stem_of(args.validation_only)}.md")


def dispersion(args: argparse.Namespace) -> int:
    """Find the orderings that survive other weights and scenes; returns the exit status."""
    params = load(args.params)
    from benchmarks.studies.dispersion import disperse

    return outcome(disperse(params, params.results), params.results / "dispersion.md")


def without_ears(args: argparse.Namespace) -> None:
    """Print what rules that don't hear score on the miniature."""
    if (params := load(args.params)).world is None:
        raise ParamsError(
            f"{args.params}: profile {params.profile} has no `world`; expected one of the miniature"
        )
    from benchmarks.studies.without_ears import without_ears

    print("\n".join(without_ears()))
