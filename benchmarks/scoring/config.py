"""The block `scoring` of params.yaml."""

from typing import Annotated

from pydantic import Field, field_validator

from benchmarks.common.checks import Distinct, Seed
from gavs.configs import Config

Threshold = Annotated[float, Field(gt=0, lt=1)]


class ScoringParams(Config):
    # The tables' and the released GAVS code's; both are always among them.
    thresholds: Distinct[Threshold] = [0.5, 0.4]
    squash_size: int = Field(224, gt=0, le=4096)  # every frame squashed to one square too: AVSBench
    # Of one clip, spread evenly; None: all, as the three published codes.
    frames_per_clip: int | None = Field(None, gt=0)
    batch_frames: int = Field(8, gt=0)  # ours: of SAM at 1024 through adapted blocks, in fp32
    # Seeds that are also scored with the audio of other classes, and those that are also trained
    # and tested with silent audio. None: every seed that is run, so that a floor or a loss by wrong
    # sound has the seeds' variance as every other score.
    shuffle_seeds: Distinct[Seed] | None = None
    floor_seeds: Distinct[Seed] | None = None

    def shuffles(self, seed: int) -> bool:
        """Whether a seed's models are also scored with the audio of other classes."""
        return self.shuffle_seeds is None or seed in self.shuffle_seeds

    def floors(self, seed: int) -> bool:
        """Whether a seed is also trained and tested with silent audio."""
        return self.floor_seeds is None or seed in self.floor_seeds

    @field_validator("thresholds")
    @classmethod
    def _the_tables_own(cls, thresholds: list[float]) -> list[float]:
        if missing := {0.5, 0.4} - set(thresholds):
            raise ValueError(f"{sorted(missing)} missing: the tables and the Rosetta table need it")
        return thresholds
