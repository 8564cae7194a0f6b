import math

import pytest
import torch
from torch.nn import functional as F

from baselines.slavc import Slavc, SlavcConfig, follow, joint_nce, momentum_copy

SMALL = {
    **{"image_size": 64, "dim": 16},
    **{"audio_blocks": (1, 1, 1, 1), "audio_channels": (8, 8, 16, 16)},
}


def build(encoders, **overrides):
    torch.manual_seed(0)
    return Slavc(SlavcConfig(**SMALL | overrides), encoders)


def slow_loss(by_instance, by_place):
    n, places = by_instance.shape[0], by_instance.shape[2]
    score = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            total = sum(math.exp(by_place[i, j, x]) for x in range(places))
            for x in range(places):
                sounds = sum(math.exp(by_instance[i, k, x]) for k in range(n))
                p1 = math.exp(by_instance[i, j, x]) / sounds
                score[i][j] += p1 * math.exp(by_place[i, j, x]) / total
    return -sum(math.log(score[i][i] / sum(score[i])) for i in range(n)) / n


def test_loss_is_the_slow_one():
    g = torch.Generator().manual_seed(0)
    by_instance, by_place = (3 * torch.randn(4, 4, 5, generator=g) for _ in range(2))
    expected = slow_loss(by_instance, by_place)
    assert joint_nce(by_instance, by_place).item() == pytest.approx(expected, rel=1e-4)


def test_loss_by_hand():
    """Two clips, two places. The second branch looks at place 0 only, where the first has odds of
    3 to 1 for the own sound: the score is 3/4 of the own sound's and 1/4 of the other's.
    """
    by_instance = torch.zeros(2, 2, 2)
    by_instance[0, 0, 0] = by_instance[1, 1, 0] = math.log(3)
    by_place = torch.tensor([0.0, -100.0]).expand(2, 2, 2)
    assert joint_nce(by_instance, by_place).item() == pytest.approx(math.log(4 / 3), rel=1e-5)


def test_with_one_place_it_is_infonce_over_the_sounds():
    logits = torch.randn(5, 5, 1)
    expected = F.cross_entropy(logits[..., 0], torch.arange(5))
    torch.testing.assert_close(joint_nce(logits, torch.randn(5, 5, 1)), expected)


def test_far_apart_logits_have_a_finite_loss():
    """At a temperature of 0.03 the probabilities' product leaves float32's range."""
    logits = torch.full((2, 2, 3), -60.0)
    logits[:, :, 0] = 60
    logits[0, 0] = -60
    logits.requires_grad_(True)
    loss = joint_nce(logits, logits)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_without_momentum_and_dropout_both_terms_are_one_and_train_it_as_one_loss_would(
    encoders, make_batch
):
    """The copies then are the encoders, stopped: the two terms are equal, and the sum of their
    gradients, each through one side, is that of a single term through both sides.
    """
    method = build(encoders, visual_dropout=0.0, momentum=0.0)
    with torch.no_grad():
        for p in method.parameters():
            p.add_(0.01 * torch.randn_like(p))
    method.after_step()
    method.eval()
    batch = make_batch(method, clips=4, frames=1)
    aux = method(batch).aux
    first, second = method.loss(method(batch), batch).values()
    torch.testing.assert_close(first, second)
    parameters = [p for p in method.parameters() if p.requires_grad]
    both = torch.autograd.grad(first + second, parameters)
    single = joint_nce(
        *(
            torch.einsum("nchw,mc->nmhw", aux[f"seen {b}"], aux[f"heard {b}"]).flatten(2) / 0.03
            for b in ("instance", "place")
        )
    )
    torch.testing.assert_close(single, first)
    for g, expected in zip(both, torch.autograd.grad(single, parameters), strict=True):
        torch.testing.assert_close(g, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_momentum_by_hand():
    net = torch.nn.Linear(1, 1)
    with torch.no_grad():
        net.weight.fill_(1.0)
    twin = momentum_copy(net)
    with torch.no_grad():
        net.weight.fill_(2.0)
    for expected in (1.1, 1.19, 1.271):  # a tenth of the way each time
        follow(twin, net, 0.9)
        assert twin.weight.item() == pytest.approx(expected, rel=1e-6)
    assert net.weight.item() == 2.0 and not list(twin.parameters())


def test_copies_start_equal_keep_their_own_batch_statistics_and_follow_the_steps(
    encoders, make_batch
):
    method = build(encoders, momentum=0.75, visual_dropout=0.0)
    batch = make_batch(method, clips=4, frames=1)
    net, slow = method.listen, method.slow_ear[0]
    start = net[0].weight.detach().clone()
    assert torch.equal(slow[0].weight, start)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    method.train()
    sum(method.loss(method(batch), batch).values()).backward()
    statistics = slow[1].running_mean.clone()
    assert statistics.any()  # its own forward pass moved them
    optimizer.step()
    method.after_step()
    expected = 0.75 * start + 0.25 * net[0].weight
    torch.testing.assert_close(slow[0].weight, expected)
    assert torch.equal(slow[1].running_mean, statistics)


def test_dropout_hits_the_visual_features_of_both_encoders_in_training(encoders, make_batch):
    method = build(encoders, visual_dropout=0.9)
    batch = make_batch(method, clips=2, frames=1)
    seen = []
    for heads in (method.see, method.slow_eye[1]):
        heads.projections[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    method.train()
    method(batch)
    method.eval()
    method(batch)
    for x in seen[:2]:
        assert (x == 0).float().mean() > 0.85
    for x in seen[2:]:
        assert (x == 0).float().mean() < 0.85


def test_map_and_guidance_by_hand(encoders, monkeypatch):
    """The mean of both cosines; in the mixture 0.9 of it, -1..1 called 0..1, and 0.1 of the
    objects, 0..2.5 called 0..1."""
    method = build(encoders)
    aux = {
        "seen instance": torch.tensor([1.0, 0.0]).view(1, 2, 1, 1),
        "heard instance": torch.tensor([[0.6, 0.8]]),
        "seen place": torch.tensor([0.0, 1.0]).view(1, 2, 1, 1),
        "heard place": torch.tensor([[1.0, 0.0]]),
    }
    assert method.similarity(aux).item() == pytest.approx(0.3)
    monkeypatch.setattr(method, "object_strength", lambda image: torch.full((1, 1, 1), 5.0))
    assert method.guide(torch.full((1, 1, 1), 0.65), None).item() == pytest.approx(
        0.9 * 0.65 + 0.1 * 2
    )
