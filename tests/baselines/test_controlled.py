"""Track C: the heads of AVSBench and AVSegFormer on SAM's embeddings."""

import pytest
import torch

from baselines._pyramid import SAMPyramid
from baselines.avsbench import AVSBench, AVSBenchConfig
from baselines.avsegformer import AVSegFormer, AVSegFormerConfig
from baselines.avsegformer_sam import AVSegFormerSAM
from baselines.tpavi_sam import TPAVISAM
from gavs.sam import decode

TPAVI_SMALL = dict(channels=16)
SEGFORMER_SMALL = dict(dim=16, heads=2, layers=2, hidden=32, queries=5, dropout=0.0)
CONTROLLED = [(TPAVISAM, TPAVI_SMALL), (AVSegFormerSAM, SEGFORMER_SMALL)]


def test_pyramid_levels(encoders):
    pyramid = SAMPyramid(encoders.sam())
    x = torch.randn(2, 32, 4, 4)
    double, same, half, quarter = pyramid(x)
    assert double.shape == (2, 32, 8, 8)
    assert same is x
    assert half[0, 0, 1, 0] == x[0, 0, 2:, :2].max()
    assert quarter[1, 3].item() == x[1, 3].max()


@pytest.mark.parametrize(
    ("published", "controlled", "projections"),
    [
        (
            (AVSBench, AVSBenchConfig(image_size=32, **TPAVI_SMALL)),
            (TPAVISAM, TPAVISAM.Config(**TPAVI_SMALL)),
            "necks.",
        ),
        (
            (AVSegFormer, AVSegFormerConfig(image_size=32, **SEGFORMER_SMALL)),
            (AVSegFormerSAM, AVSegFormerSAM.Config(**SEGFORMER_SMALL)),
            "inputs.",
        ),
    ],
)
def test_both_tracks_share_one_head(encoders, published, controlled, projections):
    heads = [cls(config, encoders).head for cls, config in (published, controlled)]
    assert type(heads[0]) is type(heads[1])
    shapes = [
        {k: v.shape for k, v in head.state_dict().items() if not k.startswith(projections)}
        for head in heads
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("cls", "small"), CONTROLLED)
def test_controlled_rows_train_on_gavs_grid_and_leave_sam_alone(encoders, make_batch, cls, small):
    method = cls(cls.Config(**small), encoders)
    assert method.config.inputs() == {"sam": "sam_rgb"}
    batch = make_batch(method, clips=2, frames=3)
    prediction = method(batch)
    sams_own, _ = decode(encoders.sam(), batch.features["sam"].flatten(0, 1))
    assert prediction.logits.shape == (2, 3, *sams_own.shape[-2:])
    assert {k.split(".")[0] for k in method.state_dict()} == {"pyramid", "head"}

    before = sum(method.loss(prediction, batch).values())
    padding = batch.valid[1] == 0
    assert padding.any()
    batch.masks[1, :, padding] = 1 - batch.masks[1, :, padding]
    assert sum(method.loss(prediction, batch).values()) == before


@pytest.mark.parametrize(
    ("cls", "small"),
    [
        *CONTROLLED,
        (AVSBench, dict(image_size=32, **TPAVI_SMALL)),
        (AVSegFormer, dict(image_size=32, **SEGFORMER_SMALL)),
    ],
)
def test_masks_learn_to_follow_the_sound(encoders, make_batch, cls, small):
    """The same picture twice: one sound means its left half, the other its right half."""
    torch.manual_seed(0)
    method = cls(cls.Config(**small), encoders)
    batch = make_batch(method, clips=2, frames=1)
    for features in batch.features.values():
        features[1] = features[0]
    half = method.target_size // 2
    batch.masks.zero_()
    batch.masks[0, :, :, :half] = 1
    batch.masks[1, :, :, half:] = 1
    batch.valid.fill_(1)
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        sum(method.loss(method(batch), batch).values()).backward()
        optimiser.step()
    right = ((method(batch).logits > 0) == batch.masks.bool()).float().mean()
    assert right > 0.9
