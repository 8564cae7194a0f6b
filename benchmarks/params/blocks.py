"""Blocks of params.yaml that belong to no single room: protocol, few shots, report, cluster."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from benchmarks.common.checks import Distinct, Seed, over
from benchmarks.common.paths import Name
from gavs.configs import Config


class MoreSeeds(Config):
    """Further seeds, of rows or groups of `ablations`."""

    rows: Distinct[Name] = []
    seeds: Distinct[Seed] = []


class ProtocolParams(Config):
    """Splits of Tables 2 to 4 and Figure 3 (splits/README.md)."""

    unseen: Path = Path("splits/avs_v3_unseen.csv")  # AVS-V3's unseen classes: the release's
    # VGG-SS label -> AVSBench class, empty: novel. Ours: the paper gives no list of VGG-SS-Sub.
    vggss_labels: Path = Path("splits/vggss_labels.csv")
    # VGG-SS label -> heard or unheard in data.vggsound's list; EZ-VSL's go with its own clips.
    vggss_heard: Path | None = None
    official: Path | None = None  # the released AVS-V3 CSVs, in place of our own draws
    strict: bool = False  # AVS-V3 without test clips that share a video with what was learned
    # AVS-V3's seen clips may show an unseen class that is silent; real data don't say what is shown
    seen_shows_unseen: bool = False
    seen_test_folds: int = Field(1, ge=1, le=8)  # of AVS-V3's ten folds of seen videos; ours
    # Clips per class: the paper's.
    shots: Distinct[Annotated[int, Field(gt=0, le=1000)]] = Field([1, 3, 5], min_length=1)
    # Draws of shots; draw i goes with seed i, those beyond the seeds aren't run. Ours: the release
    # has one.
    draws: Distinct[Seed] = Field([0, 1, 2], min_length=1)
    cross: bool = False  # every draw with every seed
    # Of V2's training clips, the paper's; 1 is Table 1's.
    fractions: Distinct[Annotated[float, Field(gt=0, lt=1)]] = [0.1, 0.3, 0.5]
    fraction_draws: Distinct[Seed] = Field([0, 1, 2], min_length=1)  # as `draws`
    fraction_videos: int = Field(15, ge=1)  # fewest of a fraction: of fewer a score says little
    fraction_budget: Literal["steps", "epochs"] = "steps"  # as many as on the full set
    # Lists of Table 1 whose rows must have the base row's updates and frames an update; with
    # "published" Table 3's in-set rows as many as each other, with "gavs" the ablations.
    one_budget: Distinct[Literal["published", "controlled", "gavs"]] = ["controlled"]


class FewShotParams(Config):
    """Parameters of the training on few shots, from the 0-shot model."""

    supervision: Literal["box_fill", "box_projection", "sam_mask"] = "box_fill"  # of VGG-SS-Sub
    # Over the row's own training; 10 further epochs: the released GAVS README. `steps` in their
    # place give every number of shots as many.
    training: Annotated[dict[str, Any], over({"epochs": 10, "selection": "last"})] = Field(
        {}, validate_default=True
    )
    # Over `training`; steps in place of the epochs, which have one step where a clip is one frame.
    vggss_sub: Annotated[dict[str, Any], over({"steps": 100})] = Field({}, validate_default=True)


class BenchmarkParams(Config):
    """Parameters that every method has on one benchmark."""

    training: dict[str, Any] = {}


class ReportParams(Config):
    """Parameters of tables and figures."""

    overlay_clips: int = Field(4, ge=0, le=1000)


# For GPUs of 80 GB and the paper profile; docs/cluster.md has the hours.
CLUSTER = {
    "jobs": 16,
    "retries": 10,
    "stages": {
        "data": {"gpus": 0, "cpus": 8, "memory_gb": 16, "hours": 6},
        "features": {"gpus": 1, "cpus": 8, "memory_gb": 64, "hours": 24},
        "train": {"gpus": 1, "cpus": 2, "memory_gb": 64, "hours": 24},
        "score": {"gpus": 1, "cpus": 1, "memory_gb": 32, "hours": 4, "split": ["row"]},
        "few_shot": {"gpus": 1, "cpus": 1, "memory_gb": 32, "hours": 12, "split": ["row"]},
    },
}
