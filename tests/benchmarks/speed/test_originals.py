"""What the lines of TPAVI and of the encoder say beside a ratio."""

import pytest
import torch
from torch import nn

from baselines._tpavi import TPAVI
from benchmarks.speed import encoder, tpavi
from gavs.sam import SamSize


def test_naive_tpavi_by_hand():
    """Two frames of one pixel and one channel after theta, phi and g: z = sum_j th_i ph_j g_j / 2.

    Layer norms of two channels leave only signs, so it is taken off.
    """
    block = TPAVI(2, 1).eval()
    for layer, weight in (
        (block.audio, [[1.0], [0.0]]),
        (block.theta, [[1.0, 0.0]]),
        (block.phi, [[1.0, 0.0]]),
        (block.g, [[0.0, 1.0]]),
        (block.out, [[1.0], [0.0]]),
    ):
        layer.weight.data.copy_(torch.tensor(weight))
        layer.bias.data.zero_()
    nn.init.ones_(block.out_norm.weight)
    block.out_norm.eps = 0.0
    block.norm = nn.Identity()
    x = torch.tensor([[2.0, 3.0], [4.0, 5.0]]).view(1, 2, 2, 1, 1)
    audio = torch.tensor([[10.0], [20.0]]).view(1, 2, 1)
    gained = (10 * 3 + 20 * 5) / 2  # phi_1 g_1 + phi_2 g_2, over two positions
    expected = torch.tensor([[2 + 2 * gained, 3.0], [4 + 4 * gained, 5.0]]).view(1, 2, 2, 1, 1)
    for rows in (1, 4096):
        torch.testing.assert_close(tpavi.naive(block, x, audio, rows), expected)


def test_largest_tensor_sees_what_a_call_makes_and_frees():
    x = torch.zeros(100)
    assert tpavi.largest_tensor(lambda x: (x[:, None] + x).sum(), x) == 100 * 100 * 4


def test_tpavi_is_linear_in_pixels_and_the_naive_form_is_not(monkeypatch):
    monkeypatch.setattr(tpavi, "FRAMES", 2)
    monkeypatch.setattr(tpavi, "CHANNELS", 16)
    examples = [tpavi.example(side) for side in (8, 16)]
    ours = [tpavi.largest_tensor(block, x, audio) for block, x, audio in examples]
    naive = [tpavi.largest_tensor(tpavi.naive, *example) for example in examples]
    assert ours[1] == 4 * ours[0] and naive[1] == 16 * naive[0]


def test_operations_are_two_for_each_multiplication():
    """The patches' product and the neck's two, of an encoder without blocks: 4 x 4 tokens."""
    size = SamSize(32, 8, 16, 0, 2, 2, 0, (), 8, 2, 32)
    _, theirs = encoder.pair(size)
    products = 16 * (3 * 8 * 8 * 16 + 16 * 8 + 9 * 8 * 8)
    assert encoder.operations(theirs, torch.zeros(1, 3, 32, 32)) == 2 * products


@pytest.mark.parametrize("sets", [["AVX2"], ["AVX2", "AVX-512", "AVX512-BF16"]])
def test_the_encoder_has_a_ratio_and_a_share_of_the_products_rate(monkeypatch, sets):
    monkeypatch.setitem(encoder.SAM_SIZES, "vit_b", SamSize(32, 8, 16, 2, 2, 2, 0, (), 8, 2, 32))
    monkeypatch.setattr(encoder, "MATRICES", (8, 8, 8))
    monkeypatch.setattr(encoder, "instruction_sets", lambda: sets)
    exact, share, *half = encoder.lines()
    assert exact.difference <= 1e-4 and exact.wanted == (2.0 if "AVX-512" in sets else 1.5)
    assert share.wanted == 0.7 and share.spread[0] <= share.ratio <= share.spread[1]
    assert share.seconds[0] == exact.seconds[0]  # at the rate, its operations take seconds[1]
    if len(sets) == 1:
        assert [line.remark for line in half] == ["needs AVX512-BF16 or AMX-BF16"]
        assert half[0].reached is None
    else:
        assert [line.wanted for line in half] == [None, 0.65] and half[0].difference > 0
