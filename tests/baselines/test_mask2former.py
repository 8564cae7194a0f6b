import math

import torch
from torch import nn

from baselines._mask2former import (
    Mask2FormerConfig,
    MaskedDecoder,
    MaskedLayer,
    PixelDecoder,
    outside,
)
from gavs.backbones import build_backbone

SMALL = dict(dim=8, heads=2, encoder_layers=1, encoder_hidden=16, rounds=1, hidden=16, queries=3)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_outside_by_hand():
    masks = torch.full((1, 3, 4, 4), -1.0)
    masks[0, 0, :2, :2] = 1.0  # top left quarter
    masks[0, 1] = 1.0  # everywhere; query 2 nowhere: it may look everywhere
    blocked = outside(masks, (2, 2))
    assert blocked[0].tolist() == [[False, True, True, True], [False] * 4, [False] * 4]


def attend(module: nn.MultiheadAttention, query, key, value, allowed) -> torch.Tensor:
    """One query at a time, over the allowed keys only."""
    d, heads = module.embed_dim, module.num_heads
    wq, wk, wv = module.in_proj_weight.split(d)
    bq, bk, bv = module.in_proj_bias.split(d)
    q, k, v = query @ wq.T + bq, key @ wk.T + bk, value @ wv.T + bv
    rows = []
    for i in range(len(q)):
        keys = [s for s in range(len(k)) if allowed[i][s]]
        parts = []
        for head in range(heads):
            part = slice(head * d // heads, (head + 1) * d // heads)
            scores = torch.stack([q[i, part] @ k[s, part] for s in keys]) / math.sqrt(d / heads)
            weights = scores.softmax(0)
            parts.append(sum(w * v[s, part] for w, s in zip(weights, keys, strict=True)))
        rows.append(torch.cat(parts))
    return module.out_proj(torch.stack(rows))


def test_masked_layer_equals_the_slow_version():
    torch.manual_seed(0)
    layer = MaskedLayer(8, 2, 16)
    for p in layer.parameters():
        nn.init.normal_(p, std=0.5)
    queries, place = torch.randn(2, 3, 8), torch.randn(3, 8)
    memory, position = torch.randn(2, 5, 8), torch.randn(5, 8)
    blocked = torch.rand(2, 3, 5) < 0.5
    blocked[..., 0] = False
    fast = layer(queries, place, memory, position, blocked)
    for n in range(2):
        x = queries[n]
        seen = attend(layer.cross, x + place, memory[n] + position, memory[n], ~blocked[n])
        x = layer.norm1(x + seen)
        said = attend(layer.among, x + place, x + place, x, torch.ones(3, 3))
        x = layer.norm2(x + said)
        torch.testing.assert_close(fast[n], layer.norm3(x + layer.mlp(x)), atol=1e-5, rtol=1e-5)


def test_a_query_sees_only_what_its_mask_covers():
    """A change outside all masks leaves the first layer's output alone; inside, it doesn't."""
    torch.manual_seed(0)
    decoder = MaskedDecoder(Mask2FormerConfig(**SMALL, classes=2)).eval()
    queries, features = torch.randn(1, 3, 8), torch.zeros(1, 8, 8, 8)
    with torch.no_grad():  # mask of every query before the first layer: the left half
        decoder.kernel[-1].weight.zero_()
        decoder.kernel[-1].bias.copy_(torch.eye(8)[0])
        features[:, 0] = -1
        features[:, 0, :, :4] = 1
    maps = [torch.randn(1, 8, s, s) for s in (4, 4, 2)]
    first = decoder(queries, features, maps).classes[1]
    maps[2][..., 1] += torch.randn(1, 8, 2)  # right half of the coarsest map, read first
    torch.testing.assert_close(decoder(queries, features, maps).classes[1], first)
    maps[2][..., 0] += torch.randn(1, 8, 2)
    assert (decoder(queries, features, maps).classes[1] - first).abs().max() > 1e-3


def test_each_layer_looks_where_the_last_prediction_lies():
    torch.manual_seed(0)
    decoder = MaskedDecoder(Mask2FormerConfig(**SMALL, classes=2)).eval()
    for p in (*decoder.layers.parameters(), *decoder.norm.parameters()):
        nn.init.normal_(p)
    blocked = []
    for layer in decoder.layers:
        layer.register_forward_hook(lambda _, inputs, out: blocked.append(inputs[-1]))
    maps = [torch.randn(1, 8, s, s) for s in (4, 4, 4)]
    found = decoder(torch.randn(1, 3, 8), torch.randn(1, 8, 8, 8), maps)
    for i in range(3):
        assert torch.equal(blocked[i], outside(found.masks[i], (4, 4)))
    assert not torch.equal(blocked[0], blocked[2])
    torch.testing.assert_close(decoder.classify(found.queries), found.classes[-1])


def test_layers_read_the_coarsest_map_first():
    torch.manual_seed(0)
    decoder = MaskedDecoder(Mask2FormerConfig(**SMALL, classes=2)).eval()
    queries, features = torch.randn(1, 3, 8), torch.randn(1, 8, 8, 8)
    maps = [torch.randn(1, 8, s, s) for s in (4, 2, 1)]
    before = decoder(queries, features, maps).classes
    assert before.shape == (4, 1, 3, 3)
    for level, first_changed in ((2, 1), (1, 2), (0, 3)):
        other = [m + torch.randn_like(m) if i == level else m for i, m in enumerate(maps)]
        changed = [
            not torch.equal(a, b)
            for a, b in zip(decoder(queries, features, other).classes, before, strict=True)
        ]
        assert changed.index(True) == first_changed


def test_pixel_decoder_mixes_all_four_maps():
    torch.manual_seed(0)
    pixels = PixelDecoder([4, 8, 8, 16], Mask2FormerConfig(**SMALL, classes=2))
    maps = [torch.randn(1, c, s, s) for c, s in ((4, 8), (8, 4), (8, 2), (16, 1))]
    features, coarse = pixels(maps)
    assert features.shape == (1, 8, 8, 8)
    assert [m.shape for m in coarse] == [(1, 8, 4, 4), (1, 8, 2, 2), (1, 8, 1, 1)]
    for i in range(4):
        other = [m + torch.randn_like(m) if i == k else m for k, m in enumerate(maps)]
        assert (pixels(other)[0] - features).abs().max() > 1e-4


def test_parameter_count_at_full_width():
    """Mask2Former with ResNet-50 and the 133 classes of COCO panoptic: 44 M in its table 1."""
    config = Mask2FormerConfig(classes=133)
    with torch.device("meta"):
        backbone = build_backbone("resnet50")
        total = count(backbone) + count(PixelDecoder(backbone.channels, config))
        total += count(MaskedDecoder(config)) + config.queries * config.dim  # what queries start as
    assert round(total / 1e6) == 44
