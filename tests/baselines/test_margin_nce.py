import math

import pytest
import torch

from baselines.ez_vsl import EzVsl, EzVslConfig, margin_nce
from baselines.margin_nce import MarginNce, MarginNceConfig

SMALL = {
    **{"image_size": 64, "dim": 16},
    **{"audio_blocks": (1, 1, 1, 1), "audio_channels": (8, 8, 16, 16)},
}


@pytest.mark.parametrize("margin, same", [(0.0, True), (-0.2, False)])
def test_without_a_margin_it_is_ez_vsl(encoders, make_batch, margin, same):
    torch.manual_seed(0)
    ez = EzVsl(EzVslConfig(**SMALL), encoders).eval()
    torch.manual_seed(0)
    method = MarginNce(MarginNceConfig(**SMALL, margin=margin), encoders).eval()
    batch = make_batch(ez, clips=4, frames=1)
    expected = sum(ez.loss(ez(batch), batch).values())
    assert torch.equal(sum(method.loss(method(batch), batch).values()), expected) is same


def slow_loss(scores, temperature, margin):
    n = len(scores)
    total = 0.0
    for table in (scores, scores.T):
        for i in range(n):
            own = math.exp((table[i, i].item() - margin) / temperature)
            others = sum(math.exp(table[i, j].item() / temperature) for j in range(n) if j != i)
            total -= math.log(own / (own + others)) / n
    return total


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.35])
def test_loss_is_the_slow_one(margin):
    scores = 2 * torch.rand(5, 5, generator=torch.Generator().manual_seed(0)) - 1
    expected = slow_loss(scores, 0.1, margin)
    assert margin_nce(scores, 0.1, margin).item() == pytest.approx(expected, rel=1e-4)


def test_loss_by_hand():
    """All cosines 0, margin -0.2, temperature 0.1: a pair has e^2 against one other's 1, twice."""
    expected = 2 * -math.log(math.exp(2) / (math.exp(2) + 1))
    assert margin_nce(torch.zeros(2, 2), 0.1, -0.2).item() == pytest.approx(expected, rel=1e-6)


def test_a_negative_margin_forgives_pairs_that_are_a_little_less_similar():
    """At a margin of -m a pair m below the others breaks even: the loss is that of equals."""
    scores = torch.tensor([[0.3, 0.5], [0.5, 0.3]])
    assert margin_nce(scores, 0.03, -0.2).item() == pytest.approx(2 * math.log(2), rel=1e-4)
