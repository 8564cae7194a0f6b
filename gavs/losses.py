"""The losses of GAVS: binary cross-entropy of the mask, and audio-visual alignment of the cue."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gavs.configs.alignment import AlignmentConfig
from gavs.method import Batch

MIN_VIDEOS = 4


def frame_bce(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross-entropy with the soft target masks, mean over the valid cells of a frame.

    Logits (B, T, G, G) -> (B, T): a frame counts the same whatever its share of the square.
    """
    bce = F.binary_cross_entropy_with_logits(logits, batch.masks, reduction="none")
    valid = batch.valid[:, None].to(bce.dtype)  # (B, 1, G, G)
    return (bce * valid).sum((-2, -1)) / valid.sum((-2, -1))


def frame_dice(logits: Tensor, batch: Batch) -> Tensor:
    """Dice loss with the soft target masks over the valid cells of a frame.

    Logits (B, T, G, G) -> (B, T): 1 - (2 sum(p g) + 1) / (sum p + sum g + 1), as facebookresearch's
    Mask2Former and DETR; SAM's paper names the same term. Its ones leave a frame without target a
    gradient, and 0 where nothing is lit.
    """
    valid = batch.valid[:, None]
    p, g = logits.sigmoid() * valid, batch.masks * valid
    both, either = (p * g).sum((-2, -1)), p.sum((-2, -1)) + g.sum((-2, -1))
    return 1 - (2 * both + 1) / (either + 1)


def mask_terms(kind: str, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Terms of the mask's loss by name, each a mean over supervised frames.

    kind: `bce`, or `bce_dice`: BCE + Dice, equally weighted as in Mask2Former.
    """
    terms = {"bce": supervised_mean(frame_bce(logits, batch), batch)}
    if kind == "bce_dice":
        terms["dice"] = supervised_mean(frame_dice(logits, batch), batch)
    return terms


def supervised_mean(per_frame: Tensor, batch: Batch) -> Tensor:
    """(B, T) -> mean over the frames whose mask may be learned from; 0 if there are none."""
    return (per_frame * batch.supervised).sum() / batch.supervised.sum().clamp(min=1)


def alignment(
    cue: Tensor, audio: Tensor, video: Tensor, classes: Tensor, config: AlignmentConfig
) -> Tensor:
    """Pull each frame's cue towards its own audio, away from the audio of other videos.

    Args:
        cue, audio: (B, T, A), compared by cosine similarity.
        video: (B,), equal for clips of the same source video.
        classes: (B, K) bool.

    Triplet: mean over a frame's negatives of relu(margin - own + other). InfoNCE: own audio against
    all negatives. Both: mean over frames, unweighted; a frame without negatives counts 0. Other
    frames of the same video are neither positives nor negatives.

    Raises:
        ValueError: for a batch of fewer than four videos, which leaves next to no negatives.
    """
    videos = video.unique().numel()
    if videos < MIN_VIDEOS:
        raise ValueError(
            f"alignment.loss is '{config.loss}', but a batch holds clips of {videos} video(s) and "
            f"contrast needs at least {MIN_VIDEOS}: raise the training's clips per batch "
            "or set alignment.loss: none"
        )
    cue, audio = F.normalize(cue, dim=-1), F.normalize(audio, dim=-1)
    matching = (cue * audio).sum(-1, keepdim=True)  # (B, T, 1)
    others = torch.einsum("bta,usa->btus", cue, audio).flatten(2)  # (B, T, B * T)
    negative = video[:, None] != video[None, :]  # (B, B)
    if config.negatives == "other_class":
        negative = negative & ~(classes[:, None] & classes[None, :]).any(-1)
    negative = negative.repeat_interleave(cue.shape[1], dim=1)[:, None]  # (B, 1, B * T)
    if config.loss == "infonce":
        candidates = torch.cat([matching, others.masked_fill(~negative, -torch.inf)], dim=-1)
        return -F.log_softmax(candidates / config.temperature, dim=-1)[..., 0].mean()
    violations = F.relu(config.margin - matching + others) * negative
    return (violations.sum(-1) / negative.sum(-1).clamp(min=1)).mean()


def box_projection(logits: Tensor, batch: Batch) -> Tensor:
    """Loss by what a box says of the mask in it: where its rows and columns begin and end.

    Dice between the row and column maxima of the mask and of the filled boxes, mean over supervised
    frames (the projection term of BoxInst, Tian et al., CVPR 2021). Logits (B, T, G, G) -> scalar.
    """
    p = logits.sigmoid() * batch.valid[:, None]  # (B, T, G, G)
    dice: Any = 0.0
    for axis in (-1, -2):
        mine, boxes = p.amax(axis), batch.masks.amax(axis)  # (B, T, G)
        both = (mine * boxes).sum(-1)
        dice = dice + 1 - (2 * both + 1e-5) / ((mine**2).sum(-1) + (boxes**2).sum(-1) + 1e-5)
    return supervised_mean(dice, batch)
