"""The budgets of Figure 3: on fractions of the clips, as many optimiser steps or epochs."""

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


def shortened(training: TrainingParams, clips: str) -> TrainingParams:
    """Cut a fixed number of steps to the share that a fraction is: as many epochs on it."""
    if training.steps is None or "/fraction-" not in clips:
        return training
    share = float(clips.split("-")[1])
    return training.model_copy(update={"steps": max(1, round(share * training.steps))})
