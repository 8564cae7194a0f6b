import math

import pytest
import torch

from baselines.hardway import HardWay, HardWayConfig, tri_map_nce

CONFIG = HardWayConfig()


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def slow_loss(maps, config):
    """One pair of picture and sound at a time, one place at a time."""
    n = len(maps)
    total = 0.0
    for i in range(n):
        means = []
        for j in range(n):
            values = maps[i][j].flatten().tolist()
            masks = [sigmoid((a - config.positive) / config.softness) for a in values]
            means.append(sum(m * a for m, a in zip(masks, values, strict=True)) / sum(masks))
        values = maps[i][i].flatten().tolist()
        masks = [1 - sigmoid((a - config.negative) / config.softness) for a in values]
        hard = sum(m * a for m, a in zip(masks, values, strict=True)) / sum(masks)
        t = config.temperature
        easy = sum(math.exp(means[j] / t) for j in range(n) if j != i)
        own = math.exp(means[i] / t)
        total -= math.log(own / (own + easy + math.exp(hard / t)))
    return total / n


def test_loss_is_the_slow_one():
    maps = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert tri_map_nce(maps, CONFIG).item() == pytest.approx(slow_loss(maps, CONFIG), rel=1e-4)


def test_loss_by_hand():
    """Masks all but hard: bright places at 1, dark ones at 0, and nothing between the thresholds.

    Picture 0 is half bright for its sound, so P = 1, H = 0; the other sound finds 0 everywhere: its
    mean is 0. Picture 1 is the same.
    """
    own = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    other = torch.zeros(2, 2)
    maps = torch.stack([torch.stack([own, other]), torch.stack([other, own])])
    e = math.exp(1 / 0.07)
    assert tri_map_nce(maps, CONFIG).item() == pytest.approx(-math.log(e / (e + 1 + 1)), abs=1e-6)


def test_what_lies_between_the_thresholds_counts_for_neither_side():
    """A place at 0.525 among ones at 1 and 0 changes the loss by the masks' tails only."""
    own = torch.tensor([[1.0, 1.0, 0.525], [0.0, 0.0, 0.525]])
    maps = torch.stack([torch.stack([own, 0 * own]), torch.stack([0 * own, own])])
    e = math.exp(1 / 0.07)
    assert tri_map_nce(maps, CONFIG).item() == pytest.approx(-math.log(e / (e + 2)), abs=5e-6)


def test_hard_negatives_are_the_dark_places_of_the_own_sound_only():
    """A brighter background raises the loss on the diagonal; off it, it is an easy negative."""
    maps = torch.full((2, 2, 2, 2), 0.1)
    for i in range(2):
        maps[i, i, 0] = 0.9
    before = tri_map_nce(maps, CONFIG)
    maps.requires_grad_(True)
    gradient = torch.autograd.grad(tri_map_nce(maps, CONFIG), maps)[0]
    assert (gradient[0, 0, 0] < 0).all()  # bright places of the pair want to be brighter
    assert (gradient[0, 0, 1] > 0).all()  # its dark places darker
    assert (gradient[0, 1] > 0).all()  # the other sound's map darker
    darker = maps.detach().clone()
    darker[0, 0, 1] = 0.0
    assert tri_map_nce(darker, CONFIG) < before


def test_a_map_that_is_bright_everywhere_has_a_finite_loss():
    maps = torch.ones(2, 2, 3, 3, requires_grad=True)
    loss = tri_map_nce(maps, CONFIG)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3), abs=1e-5) and maps.grad.isfinite().all()


@pytest.mark.parametrize("stride, shape", [(16, (17, 13)), (32, (9, 7))])
def test_the_audio_trunk_strides_as_the_image_trunk(encoders, stride, shape):
    config = HardWayConfig(
        image_size=64, stride=stride, audio_blocks=(1, 1, 1, 1), audio_channels=(8, 8, 16, 160)
    )
    maps = HardWay(config, encoders).listen[:-2](torch.randn(1, 1, 257, 200))
    assert maps.shape == (1, 160, *shape)


def test_the_audio_trunk_must_be_as_wide_as_the_image_trunk(encoders):
    config = HardWayConfig(image_size=64, audio_channels=(8, 8, 16, 32))
    with pytest.raises(ValueError, match="ends with 32, expected the image trunk's 160"):
        HardWay(config, encoders)
