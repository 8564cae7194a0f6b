"""The block `scoring` of params.yaml."""

from pydantic import Field, field_validator

from gavs.method import Config


class ScoringParams(Config):
    thresholds: list[float]  # 0.5 and 0.4 at least: the tables' and the released GAVS code's
    squash_size: int = Field(gt=0)
    frames_per_clip: int | None = Field(gt=0)
    batch_frames: int = Field(gt=0)
    shuffle_seeds: list[int]
    floor_seeds: list[int]

    @field_validator("thresholds")
    @classmethod
    def _the_tables_own(cls, thresholds: list[float]) -> list[float]:
        if missing := {0.5, 0.4} - set(thresholds):
            raise ValueError(f"{sorted(missing)} missing: the tables and the Rosetta table need it")
        return thresholds
