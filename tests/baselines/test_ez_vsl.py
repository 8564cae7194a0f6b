import math

import pytest
import torch
from torch.nn import functional as F

from baselines._localiser import cosines
from baselines.ez_vsl import EzVsl, EzVslConfig, margin_nce

SMALL = {"image_size": 64, "audio_blocks": (1, 1, 1, 1), "audio_channels": (8, 8, 16, 16)}


@pytest.fixture
def method(encoders):
    torch.manual_seed(0)
    return EzVsl(EzVslConfig(**SMALL, dim=16), encoders).eval()


def test_loss_is_the_slow_one(method, make_batch):
    batch = make_batch(method, clips=3, frames=1)
    prediction = method(batch)
    seen, heard = prediction.aux["seen"], prediction.aux["heard"]
    score = [[-math.inf] * 3 for _ in range(3)]
    for i in range(3):
        for j in range(3):
            for y in range(seen.shape[2]):
                for x in range(seen.shape[3]):
                    cosine = F.cosine_similarity(seen[i, :, y, x], heard[j], dim=0).item()
                    score[i][j] = max(score[i][j], cosine / 0.03)
    rows = [-math.log(math.exp(score[i][i]) / sum(map(math.exp, score[i]))) for i in range(3)]
    columns = [
        -math.log(math.exp(score[i][i]) / sum(math.exp(score[j][i]) for j in range(3)))
        for i in range(3)
    ]
    loss = sum(method.loss(prediction, batch).values()).item()
    assert loss == pytest.approx((sum(rows) + sum(columns)) / 3, rel=1e-4)


def test_loss_by_hand():
    """Scores [[ln 3, 0], [0, 0]] at temperature 1: rows 3/4 and 1/2, columns the same."""
    scores = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    expected = (math.log(4 / 3) + math.log(2)) / 2 * 2
    assert margin_nce(scores, 1.0, 0.0).item() == pytest.approx(expected, rel=1e-6)


def test_cosines_pair_every_picture_with_every_sound():
    seen, heard = torch.randn(2, 5, 3, 4), torch.randn(6, 5)
    maps = cosines(seen, heard)
    assert maps.shape == (2, 6, 3, 4)
    assert maps[1, 4, 2, 3].item() == pytest.approx((seen[1, :, 2, 3] @ heard[4]).item(), abs=1e-5)


def test_guidance_by_hand(method, monkeypatch):
    """Both maps in their unit range, 0.4 of the first and 0.6 of the second."""
    scores = torch.tensor([[[0.5, 0.6], [0.7, 0.9]]])
    objects = torch.tensor([[[10.0, 30.0], [20.0, 10.0]]])
    monkeypatch.setattr(method, "object_strength", lambda image: objects)
    expected = torch.tensor(
        [[[0.4 * 0 + 0.6 * 0, 0.4 * 0.25 + 0.6 * 1], [0.4 * 0.5 + 0.6 * 0.5, 0.4 * 1 + 0.6 * 0]]]
    )
    torch.testing.assert_close(method.guide(scores, None), expected)


def test_object_strength_is_the_mean_absolute_feature_of_the_pretrained_trunk(method, encoders):
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for p in method.image.parameters():  # training the other trunk doesn't move it
            p.add_(1)
        features = encoders.backbone("resnet18").eval()(image)[-1]
        expected = F.interpolate(features.abs().mean(1, keepdim=True), (64, 64), mode="bilinear")
        torch.testing.assert_close(
            method.object_strength(image), expected[:, 0], rtol=1e-4, atol=1e-5
        )
