"""Queries that find masks, for `autr`, `auss` and `avsc`: set matching, its loss, their union.

After DETR (Carion et al., ECCV 2020) and Mask2Former (Cheng et al., CVPR 2022), fitted to labels
of AVSBench: a frame has one binary mask of all that sounds, its clip has class names, and nothing
says which pixel is of which class. So each class of the clip is matched to a query of its own, by
that class and the whole mask, and the union of the matched queries' masks learns the frame's mask.
With one source this is Mask2Former's loss.
"""

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from baselines.configs._queries import SetLossConfig
from gavs.method import Batch


def mlp3(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """The three-layer perceptron of DETR's heads."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def normed_conv(in_channels: int, dim: int, kernel: int = 1) -> nn.Sequential:
    """A convolution without bias, and group norm of 8 channels a group."""
    conv = nn.Conv2d(in_channels, dim, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(dim // 8, dim))


class FinestMap(nn.Module):
    """The backbone's finest map joined by the encoded one next to it, as in an FPN (Lin et al.)."""

    def __init__(self, in_channels: int, dim: int, out_channels: int) -> None:
        super().__init__()
        self.lateral = normed_conv(in_channels, dim)
        self.smooth = nn.Sequential(normed_conv(dim, dim, 3), nn.ReLU())
        self.out = nn.Conv2d(dim, out_channels, 1)

    def forward(self, fine: Tensor, encoded: Tensor) -> Tensor:
        """(N, C_in, h, w) at stride 4 and (N, D, h / 2, w / 2) -> mask features (N, C, h, w)."""
        fine = self.lateral(fine)
        up = F.interpolate(encoded, fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.out(self.smooth(fine + up))


def frame_targets(batch: Batch, side: int, classes: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Targets of the queries of the M supervised frames.

    Args:
        side: of the masks' grid.
        classes: how many the class head knows; None: one, "sounding".

    Returns:
        Masks (M, side, side) in 0..1; (M, K) bool, classes to find, none in a frame whose mask is
        empty; the chosen frames as (B*T,) bool.

    Raises:
        ValueError: the clips have more classes than the class head, or a mask but no class.
    """
    chosen = batch.supervised.flatten()
    masks = batch.masks.flatten(0, 1)[chosen]  # (M, G, G)
    sounding = masks.flatten(1).any(1)[:, None]  # (M, 1)
    if classes is None:
        present = sounding
    else:
        columns = batch.classes.shape[1]
        if columns > classes:
            raise ValueError(
                f"`classes` is {classes}, but the clips have {columns} classes: "
                f"give at least {columns}"
            )
        named = F.pad(batch.classes, (0, classes - columns))  # (B, K)
        named = named.repeat_interleave(batch.masks.shape[1], dim=0)[chosen]
        if (sounding[:, 0] & ~named.any(1)).any():
            raise ValueError("a clip has a mask, but none of AVSBench's classes: nothing to match")
        present = named & sounding
    masks = F.interpolate(masks[:, None], (side, side), mode="area")[:, 0]
    return masks, present, chosen


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - (2 sum(p g) + 1) / (sum p + sum g + 1) over the last dimension."""
    p = logits.sigmoid()
    return 1 - (2 * (p * masks).sum(-1) + 1) / (p.sum(-1) + masks.sum(-1) + 1)


@torch.no_grad()
def matching_costs(
    class_logits: Tensor, mask_logits: Tensor, masks: Tensor, config: SetLossConfig
) -> Tensor:
    """Cost (N, Q, K) of giving a class of the frame to a query.

    Class logits (N, Q, K + 1), mask logits (N, Q, h, w), masks (N, h, w): minus the probability of
    the class, plus BCE and Dice of the query's mask with the frame's, weighted as in the loss. In
    full precision: queries differ by little.
    """
    x, g = mask_logits.float().flatten(2), masks.float().flatten(1)  # (N, Q, S), (N, S)
    p = x.sigmoid()
    with torch.autocast(x.device.type, enabled=False):
        inner, overlap = (torch.einsum("nqs,ns->nq", a, g) for a in (x, p))
    bce = F.softplus(x).mean(-1) - inner / g.shape[-1]
    overlap = 1 - (2 * overlap + 1) / (p.sum(-1) + g.sum(-1)[:, None] + 1)
    of_mask = config.mask_weight * bce + config.dice_weight * overlap  # (N, Q)
    return of_mask[..., None] - config.class_weight * class_logits.softmax(-1)[..., :-1]


def match(cost: Tensor, present: Tensor) -> Tensor:
    """The cheapest one-to-one assignment of each frame's classes to its queries.

    Cost (N, Q, K), present (N, K) bool -> (N, Q) long: the query's class, K for none. Of more
    classes than queries the dearest go without.
    """
    assigned = torch.full(cost.shape[:2], cost.shape[2], dtype=torch.long)
    table, classes = cost.float().cpu().numpy(), present.cpu().numpy()
    for n in range(len(table)):  # scipy's solver takes one problem at a time
        targets = classes[n].nonzero()[0]
        queries, columns = linear_sum_assignment(table[n][:, targets])
        assigned[n, torch.from_numpy(queries)] = torch.from_numpy(targets[columns])
    return assigned.to(cost.device)


def set_loss(
    class_logits: Tensor,
    mask_logits: Tensor,
    masks: Tensor,
    present: Tensor,
    config: SetLossConfig,
    unmatched: Tensor | None = None,
) -> dict[str, Tensor]:
    """Class, BCE and Dice terms of L layers' predictions, weighted and summed over the layers.

    Args:
        class_logits: (L, M, Q, K + 1), the last class is "no object".
        mask_logits: (L, M, Q, h, w).
        masks: (M, h, w).
        present: (M, K) bool.
        unmatched: (L, M, Q), weight in the class term of queries without a target, in place of
            `config.no_object`.

    The class term is the weighted mean over queries; BCE and Dice compare the union (the maximum
    over the matched queries' logits) with the mask, mean over the frames where something sounds.
    """
    layers = class_logits.shape[0]
    class_logits = class_logits.float().flatten(0, 1)  # (N, Q, K + 1), N = L M
    mask_logits = mask_logits.float().flatten(0, 1)  # (N, Q, h, w)
    masks = masks.repeat(layers, 1, 1)
    present = present.repeat(layers, 1)
    cost = matching_costs(class_logits, mask_logits, masks, config)
    assigned = match(cost, present)  # (N, Q)

    matched = assigned < present.shape[1]
    if unmatched is None:
        weight = torch.where(matched, 1.0, config.no_object)
    else:
        weight = torch.where(matched, 1.0, unmatched.flatten(0, 1))
    of_class = F.cross_entropy(class_logits.transpose(1, 2), assigned, reduction="none")
    of_class = (weight * of_class).sum() / weight.sum().clamp(min=1e-6)

    sounding = matched.any(1)
    union = (
        mask_logits[sounding].masked_fill(~matched[sounding][..., None, None], -torch.inf).amax(1)
    )
    union, masks = union.flatten(1), masks[sounding].flatten(1)
    frames = max(len(union), 1)
    bce = F.binary_cross_entropy_with_logits(union, masks, reduction="none").mean(-1)
    return {
        "class": layers * config.class_weight * of_class,
        "mask": layers * config.mask_weight * bce.sum() / frames,
        "dice": layers * config.dice_weight * dice(union, masks).sum() / frames,
    }


def union_logits(scores: Tensor, mask_logits: Tensor) -> Tensor:
    """Scores (N, Q) in 0..1 and mask logits (N, Q, h, w) -> mask logits (N, h, w).

    A pixel's probability is the largest product of a query's score and its mask, as in
    MaskFormer's inference (Cheng et al., NeurIPS 2021), where the winning query names the pixel.
    """
    probability = scores.float()[..., None, None] * mask_logits.float().sigmoid()
    return torch.logit(probability.amax(1), eps=1e-6)
