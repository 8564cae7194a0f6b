"""Parameters of a miniature world: `world` in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, field_validator

from gavs.configs import Config

Benchmark = Literal["v1s", "v1m", "v2", "vggss", "vggsound"]
Split = Literal["train", "val", "test"]
Regime = Literal["natural", "balanced"]
Clips = Annotated[int, Field(ge=0, le=100_000)]  # of 20 to 300 kB each
Share = Annotated[float, Field(ge=0, le=1)]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
AVSBENCH: tuple[Benchmark, ...] = ("v1s", "v1m", "v2")
BENCHMARKS: tuple[Benchmark, ...] = (*AVSBENCH, "vggss", "vggsound")  # their order is in every seed


class WorldConfig(Config):
    """Parameters of a world; docs/miniature.md says what sizes and shares stand for."""

    version: Literal["3"] = "3"
    seed: NonNegativeInt = 0
    size: int = Field(128, ge=32, le=4096)  # pixels of the stored frames
    clips: dict[Benchmark, dict[Split, Clips]] = {
        "v1s": {"train": 400, "val": 60, "test": 800},
        "v1m": {"train": 1000, "val": 60, "test": 800},
        "v2": {"train": 400, "val": 60, "test": 800},
        "vggss": {"test": 900},
        "vggsound": {"train": 1400},
    }
    regime: dict[Benchmark, Regime] = {
        **{"v1s": "natural", "v1m": "balanced", "v2": "balanced"},
        **{"vggss": "natural", "vggsound": "natural"},
    }
    single: Share = 0.6  # natural: videos in which nothing else could sound
    hint: Share = 0.7  # natural: others in which what sounds is the largest or the most central
    same_class: Share = 0.08  # videos with a silent object of a sounding class
    off_screen: Share = 0.05  # AVSBench: clips whose sounding objects are not in view
    interrupted: Share = 0.35  # v2: clips whose first source pauses
    further: Share = 0.25  # AVSBench: chance that a video has another clip (at most 4)
    crowd: Share = 0.1  # vggss, vggsound: videos with two sounding objects of the class
    shared: Share = 0.02  # vggss: videos that bear the id of one of V2's training videos
    flawed: Share = 0.006  # vggss: clips with a box that no one should trust
    published: Share = 0.72  # vggsound: test clips of vggss in published.txt, as in vggss_144k.txt

    @field_validator("clips")
    @classmethod
    def _one_split(cls, clips: dict[Benchmark, dict[Split, int]]) -> dict:
        alone: dict[Benchmark, Split] = {"vggss": "test", "vggsound": "train"}
        for benchmark, split in alone.items():
            if set(clips.get(benchmark, {})) - {split}:
                raise ValueError(f"{benchmark} has no split but {split}")
        return clips
