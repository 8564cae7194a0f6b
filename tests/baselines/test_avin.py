import math

import pytest
import torch

from baselines.avin import Avin, AvinConfig, distance_loss, induction_nce

CONFIG = AvinConfig()


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def soft(values, masks):
    return sum(v * m for v, m in zip(values, masks, strict=True)) / sum(masks)


def slow_visual_loss(maps, config):
    n, places = len(maps), maps[0, 0].numel()
    bright, dark = torch.zeros(n, n), torch.zeros(n, n)
    for i in range(n):
        for j in range(n):
            values = maps[i, j].flatten().tolist()
            down = sorted(values, reverse=True)
            above = down[int(places * config.positive_share) - 1]
            below = down[::-1][int(places * config.negative_share) - 1]
            t = config.softness
            bright[i, j] = soft(values, [sigmoid((v - above) / t) for v in values])
            dark[i, j] = soft(values, [1 - sigmoid((v - below) / t) for v in values])
    total = 0.0
    for b, d in ((bright, dark), (bright.T, dark.T)):
        for i in range(n):
            row = [math.exp(v / config.temperature) for v in [*b[i].tolist(), *d[i].tolist()]]
            total -= math.log(row[i] / sum(row)) / n / 2
    return total


def test_visual_loss_is_the_slow_one():
    maps = 2 * torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0)) - 1
    expected = slow_visual_loss(maps, CONFIG)
    assert induction_nce(maps, CONFIG).item() == pytest.approx(expected, rel=1e-4)


def test_thresholds_lie_at_the_shares_of_each_map():
    """Ten places of 0.0 to 0.9, hard masks: t_p = 0.3 takes 0.8 and 0.9 in full and half of 0.7,
    t_n = 0.5 takes 0.0 to 0.3 in full and half of 0.4. Two equal pairs: 2 bright, 2 dark logits.
    """
    config = CONFIG.model_copy(update={"softness": 1e-4, "temperature": 1.0})
    maps = (torch.arange(10) / 10).view(1, 1, 2, 5).expand(2, 2, 2, 5)
    bright = (0.8 + 0.9 + 0.7 / 2) / 2.5
    dark = (0.0 + 0.1 + 0.2 + 0.3 + 0.4 / 2) / 4.5
    expected = -math.log(math.exp(bright) / (2 * math.exp(bright) + 2 * math.exp(dark)))
    assert induction_nce(maps, config).item() == pytest.approx(expected, rel=1e-5)


def slow_distance_loss(induction, heard, margin):
    n = len(induction)
    table = torch.zeros(n, n)
    for i in range(n):
        for j in range(n):
            distance = sum((u - f) ** 2 for u, f in zip(induction[i], heard[j], strict=True))
            if i == j:
                weight, mask = 1.0, 1.0
            else:
                u, v = induction[i], induction[j]
                weight, mask = -(u @ v / (u.norm() * v.norm())), -1 / (n - 1)
            table[i, j] = distance * weight * mask
    rows = [max(0.0, table[i].sum().item() + margin) for i in range(n)]
    columns = [max(0.0, table[:, i].sum().item() + margin) for i in range(n)]
    return (sum(rows) + sum(columns)) / n / 2


def test_distance_loss_is_the_slow_one():
    g = torch.Generator().manual_seed(0)
    induction, heard = (torch.randn(5, 4, generator=g) for _ in range(2))
    expected = slow_distance_loss(induction, heard, 0.6)
    assert distance_loss(induction, heard, 0.6).item() == pytest.approx(expected, rel=1e-4)


def test_distance_loss_by_hand():
    """Opposite pictures at +1 and -1, their sounds at 0: each distance is 1, weighted 1 on and -1
    off the diagonal. So every row and column sums to 0 and the hinge leaves the margin."""
    induction = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert distance_loss(induction, torch.zeros(2, 2), 0.6).item() == pytest.approx(0.6)
    # sounds at their pictures: 0 on the diagonal, -4 off it, below the hinge
    assert distance_loss(induction, induction.clone(), 0.6).item() == 0.0
    # sounds at the other's picture: 4 on the diagonal and 0 off it
    assert distance_loss(induction, -induction, 0.6).item() == pytest.approx(4.6)


def test_gradient_of_the_sound_never_reaches_the_picture(encoders, make_batch):
    method = Avin(AvinConfig(image_size=64, dim=16), encoders).train()
    batch = make_batch(method, clips=4, frames=1)
    pictures = [*method.image.parameters(), *method.see.parameters()]
    sounds = list(method.hear.parameters())
    terms = method.loss(method(batch), batch)
    by_audio = torch.autograd.grad(terms["audio"], pictures + sounds, allow_unused=True)
    assert all(g is None for g in by_audio[: len(pictures)])
    assert all(g.any() for g in by_audio[len(pictures) :])
    terms = method.loss(method(batch), batch)
    by_visual = torch.autograd.grad(terms["visual"], sounds, allow_unused=True)
    assert all(g is None for g in by_visual)


def test_the_pretrained_trunk_gets_a_tenth_of_the_rate(encoders):
    method = Avin(AvinConfig(image_size=64, dim=16), encoders)
    rates = {id(p): g["lr_scale"] for g in method.parameter_groups() for p in g["params"]}
    assert {rates[id(p)] for p in method.image.parameters()} == {0.1}
    assert {rates[id(p)] for p in [*method.see.parameters(), *method.hear.parameters()]} == {1.0}


def test_the_map_is_the_cosine_of_the_projected_sound(encoders, make_batch):
    torch.manual_seed(0)
    method = Avin(AvinConfig(image_size=64, dim=16), encoders).eval()
    batch = make_batch(method, clips=2, frames=1)
    similar = method.similarity(method(batch).aux)
    first, _, second = method.hear
    for n in range(2):
        heard = second.weight @ (first.weight @ batch.audio[n, 0]).relu()
        features = method.image(batch.features["pixels"][n])[0]
        for y in range(4):
            for x in range(4):
                seen = method.see.weight[..., 0, 0] @ features[:, y, x]
                cosine = seen @ heard / seen.norm() / heard.norm()
                assert similar[n, y, x].item() == pytest.approx(cosine.item(), abs=1e-4)
