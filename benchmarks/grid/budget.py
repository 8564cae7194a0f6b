"""The step budget of Figure 3: fractions of the clips, as many optimiser steps."""

from benchmarks.training.config import TrainingParams


def stretched(training: TrainingParams, steps: int, times: float) -> TrainingParams:
    """The same number of optimiser steps on fewer clips, validated as often."""
    return training.model_copy(
        update={
            "steps": steps,
            "validate_from": round(training.validate_from * times),
            "validate_every": max(1, round(times)),
        }
    )
