"""The block `training` of params.yaml: of every method, where a method's own says nothing else."""

from typing import Literal

from pydantic import Field

from gavs.configs import Config


class TrainingParams(Config):
    # Released GAVS code. Where `steps` says how long a training is, phases that are counted in
    # epochs (AVSegFormer's `freeze_epochs`) are the same share of it as of these.
    epochs: int = Field(60, gt=0, le=100_000)
    steps: int | None = Field(None, gt=0)  # updates, in place of the epochs
    batch_frames: int = Field(16, gt=0)  # of an update: methods that see single frames
    # Of an update: methods that see whole clips; AVSBench's. None: as many as hold `batch_frames`
    # frames with a mask, one at least.
    batch_clips: int | None = Field(4, gt=0)
    # Steps of `batch_clips` whole clips for methods that see single frames too: released GAVS
    # code, AVSegFormer and SAMA.
    whole_clips: bool = False
    # Of V1S's training clips only frame 0 has a mask. copied: it is the later frames' mask too, as
    # in the released GAVS code; first: those aren't learned from, as AVSBench.
    first_mask: Literal["first", "copied"] = "first"
    optimizer: Literal["adam", "adamw"] = "adamw"  # released GAVS code
    lr: float = Field(1.0e-3, gt=0)  # released GAVS code; a method's own, by `tune`, overrides it
    weight_decay: float = Field(0.01, ge=0)  # torch's AdamW
    # constant: AVSBench, AVSegFormer and GAVS
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    clip_grad: float | None = Field(None, gt=0)  # norm; None: no clipping, as the same three
    amp: bool = True  # bfloat16, on CUDA only; ours
    # First epoch (from 0) that is validated: AVSBench and AVSegFormer on V1; on V2 15 and 10.
    validate_from: int = Field(0, ge=0)
    validate_every: int = Field(1, gt=0)
    # In place of both: so many validations. They cut the updates into one part more, each but the
    # first validated at its end: 4 at 40, 60, 80 and 100 % of them.
    validations: int | None = Field(None, gt=0)
    selection: Literal["best_val", "last"] = "best_val"  # never test
    checkpoint_seconds: float = Field(600, gt=0)

    def batch_size(self, by_clip: bool) -> int:
        """Size of an update: clips, or frames with a mask where these are counted."""
        counts_clips = by_clip and self.batch_clips is not None
        return self.batch_clips if counts_clips else self.batch_frames  # type: ignore[return-value]

    def batch_samples(self, by_clip: bool, labelled: int) -> int:
        """Samples of an update: frames, or clips with `labelled` masks each."""
        counts_frames = by_clip and self.batch_clips is None
        return max(1, self.batch_size(by_clip) // (labelled if counts_frames else 1))
