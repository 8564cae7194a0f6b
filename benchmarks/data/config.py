"""The block `data` of params.yaml: where the clips are."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt, model_validator

from benchmarks.common.checks import Distinct
from benchmarks.common.paths import Name
from gavs.configs import Config

Benchmark = Literal["v1s", "v1m", "v2"]


class VGGSoundParams(Config):
    """`data.vggsound` in params.yaml."""

    root: Path  # frames/, audio/ and the lists
    list: Name  # of {root}/{list}.txt
    exclude_tests: bool = True  # leave out the videos that VGG-SS tests
    exclude: Name | None = None  # another list: clips that aren't there
    val_clips: PositiveInt = 2000  # held out, whole videos, to select a checkpoint by
    seed: NonNegativeInt = 0  # of what is held out


class DataParams(Config):
    root: Path  # metadata.csv and AVSBench-semantic's v1s/ v1m/ v2/, or AVSBench-object's folders
    labels: Distinct[Benchmark] = ["v1s", "v1m", "v2"]  # which of them are there
    splits: Path | None = None  # CSV with uid,split that replaces metadata.csv's split column
    exclude: Distinct[str] = []  # uids known to be broken; anything else that is broken is an error
    vggss: Path | None = None  # VGG-SS's folder: vggss.json, frames/, audio/; null: none
    vggss_exclude: Distinct[str] = []  # files of vggss.json that can't be had any more
    vggsound: VGGSoundParams | None = None  # unlabelled clips for the localisers; null: none

    @model_validator(mode="after")
    def _tested_on_vggss(self) -> "DataParams":
        if self.vggsound and not self.vggss:
            raise ValueError("vggsound without vggss: localisers are tested there")
        return self
