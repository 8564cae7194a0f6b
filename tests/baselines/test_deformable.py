import math

import pytest
import torch

from baselines._deformable import (
    DeformableAttention,
    DeformableEncoder,
    pixel_centres,
    sine_position,
)


def read(image: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """Bilinear value of `image` (d, h, w) at x, y in pixels, centres at integers, 0 outside."""
    _, h, w = image.shape
    value = 0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < h and 0 <= column < w:
                value = value + image[:, row, column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


def slow_attention(module, query, memory, reference, shapes) -> torch.Tensor:
    """Point by point, as equation 3 of the Deformable DETR paper."""
    N, L, D = query.shape
    H, P, d = module.heads, module.points, D // module.heads
    out = torch.zeros(N, L, D, dtype=query.dtype)
    for n in range(N):
        value = module.value(memory[n])  # (S, D)
        for q in range(L):
            offsets = module.offsets(query[n, q]).view(H, len(shapes), P, 2)
            weights = module.weights(query[n, q]).view(H, -1).softmax(-1).view(H, len(shapes), P)
            for head in range(H):
                start = 0
                for level, (h, w) in enumerate(shapes):
                    image = value[start : start + h * w, head * d : (head + 1) * d].T.view(d, h, w)
                    start += h * w
                    for p in range(P):
                        x = reference[q, 0] * w + offsets[head, level, p, 0] - 0.5
                        y = reference[q, 1] * h + offsets[head, level, p, 1] - 0.5
                        sample = read(image, x.item(), y.item())
                        out[n, q, head * d : (head + 1) * d] += weights[head, level, p] * sample
    return module.out(out)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_equals_the_point_by_point_version(dtype):
    torch.manual_seed(0)
    module = DeformableAttention(dim=8, heads=2, levels=2, points=3).to(dtype)
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.5)
    shapes = [(4, 6), (2, 3)]
    query, memory = torch.randn(2, 5, 8, dtype=dtype), torch.randn(2, 30, 8, dtype=dtype)
    reference = torch.rand(5, 2, dtype=dtype)  # with offsets of pixels: some points lie outside
    with torch.no_grad():
        fast = module(query, memory, reference, shapes)
        slow = slow_attention(module, query, memory, reference, shapes)
    torch.testing.assert_close(fast, slow, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0)


def test_heads_start_by_looking_their_own_way():
    module = DeformableAttention(dim=4, heads=4, levels=1, points=2)
    with torch.no_grad():  # every head reads its own copy of memory and hands it on
        module.value.weight.copy_(torch.eye(4))
        module.out.weight.copy_(torch.eye(4))
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij")
    place = (10 * y + x).reshape(1, 49, 1).expand(-1, -1, 4)
    centre = pixel_centres(7, 7)[24:25]  # row 3, column 3: value 33
    read = module(torch.randn(1, 1, 4), place, centre, [(7, 7)])[0, 0]
    # The mean of one and two pixels to the right, down, to the left and up.
    torch.testing.assert_close(read, torch.tensor([34.5, 48.0, 31.5, 18.0]), atol=1e-4, rtol=0)


def test_sine_position():
    position = sine_position(2, 3, 8).view(2, 3, 8)
    row, column = 2, 3  # counted from 1
    expected = [f(n / s) for n in (row, column) for s in (1, 100) for f in (math.sin, math.cos)]
    torch.testing.assert_close(position[1, 2], torch.tensor(expected))


def test_pixel_centres():
    expected = [
        [1 / 6, 0.25],
        [0.5, 0.25],
        [5 / 6, 0.25],
        [1 / 6, 0.75],
        [0.5, 0.75],
        [5 / 6, 0.75],
    ]
    torch.testing.assert_close(pixel_centres(2, 3), torch.tensor(expected))


def test_encoder_keeps_maps_apart_and_in_place():
    maps = [torch.randn(2, 8, 4, 6), torch.randn(2, 8, 2, 3)]
    identity = DeformableEncoder(8, heads=2, levels=2, hidden=16, layers=0, dropout=0)
    for before, after in zip(maps, identity(maps), strict=True):
        torch.testing.assert_close(after, before, atol=0, rtol=0)

    encoder = DeformableEncoder(8, heads=2, levels=2, hidden=16, layers=1, dropout=0)
    before = encoder(maps)
    maps[1][0, :, 0, 0] += torch.randn(8)  # top left of the coarse map of the first image
    change = [(a - b).abs().amax(1) for a, b in zip(encoder(maps), before, strict=True)]
    assert change[0][0, 0, 0] > 1e-3 and change[1][0, 0, 0] > 1e-3
    assert all((c[1] == 0).all() for c in change)


def test_levels_are_told_apart():
    torch.manual_seed(0)
    encoder = DeformableEncoder(8, heads=2, levels=2, hidden=16, layers=1, dropout=0)
    torch.nn.init.normal_(encoder.layers[0].attention.weights.weight)
    maps = [torch.randn(1, 8, 3, 3), torch.randn(1, 8, 3, 3)]
    before = encoder(maps)[0]
    with torch.no_grad():
        encoder.level[0] += 1
    assert (encoder(maps)[0] - before).abs().max() > 1e-3


def test_parameter_count_at_full_width():
    with torch.device("meta"):
        encoder = DeformableEncoder(256, heads=8, levels=3, hidden=2048, layers=6, dropout=0.1)
    count = sum(p.numel() for p in encoder.layers.parameters())
    assert count / 1e6 == pytest.approx(7.545, abs=5e-4)  # published
