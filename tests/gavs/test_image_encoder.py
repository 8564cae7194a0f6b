"""gavs/image_encoder.py against segment_anything's own encoder with the same parameters."""

import pytest
import torch
from torch import nn

from benchmarks.speed.encoder import pair
from gavs.image_encoder import EncoderBlock, biased_attention, linear
from gavs.sam import build_sam, continue_from_tokens, tokens
from gavs.sizes import SAM_SIZES, SamSize

# 24 x 24 tokens: global blocks take two pieces of queries, windows of 7 pad the map to 28 x 28
WINDOWED = SamSize(192, 8, 32, 4, 4, 2, 7, (1, 3), 32, 4, 64)


@pytest.mark.parametrize("size", [SAM_SIZES["mini"], WINDOWED], ids=["mini", "windowed"])
@pytest.mark.parametrize("images", [1, 3])
def test_encoder_equals_segment_anythings(size, images):
    ours, theirs = pair(size)
    sam = build_sam(size)
    sam.image_encoder = ours
    frames = torch.randn(images, 3, size.img_size, size.img_size)
    expected = theirs(frames)
    for found in (
        ours(frames),
        continue_from_tokens(sam, tokens(sam, frames, 2), 2),
    ):
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("size", [SAM_SIZES["mini"], WINDOWED], ids=["mini", "windowed"])
def test_gradients_equal_segment_anythings(size):
    ours, theirs = pair(size)
    frames = torch.randn(2, 3, size.img_size, size.img_size)
    found = []
    for encoder in (ours.double(), theirs.double()):
        parameters = dict(encoder.requires_grad_(True).named_parameters())
        embedding = encoder(frames.double())
        probe = torch.arange(embedding.numel()).view_as(embedding).sin()
        gradients = torch.autograd.grad((embedding * probe).sum(), list(parameters.values()))
        found.append(dict(zip(parameters, gradients, strict=True)))
    mine, expected = found
    for name, gradient in expected.items():
        difference = (mine[name] - gradient).abs().max()
        assert difference <= 1e-10 * gradient.abs().max(), name


@pytest.mark.parametrize("size", [SAM_SIZES["mini"], WINDOWED], ids=["mini", "windowed"])
def test_bf16_drifts_no_further_than_segment_anythings(size):
    ours, theirs = pair(size)
    frames = torch.randn(2, 3, size.img_size, size.img_size)
    exact = theirs(frames)
    with torch.autocast("cpu", torch.bfloat16):
        found, original = ours(frames), theirs(frames)
    drift, known = ((x.float() - exact).square().mean().sqrt() for x in (found, original))
    assert 0 < drift < 1.2 * known


def test_adapter_stands_between_the_mlp_and_its_residual_add():
    ours, theirs = pair(WINDOWED)
    x = torch.randn(2, 24, 24, 32)
    block, original = ours.blocks[2], theirs.blocks[2]
    original.mlp.register_forward_hook(lambda module, args, y: y.tanh())
    torch.testing.assert_close(block(x, torch.tanh), original(x), atol=1e-5, rtol=1e-5)


def test_biased_attention_is_attention_with_the_sum_of_its_biases():
    """On a grid whose sides differ, in pieces of which the last is shorter."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 24 * 26, 8)
    rows, columns = torch.randn(2, 3, 24 * 26, 24), torch.randn(2, 3, 24 * 26, 26)
    bias = (rows[..., :, None] + columns[..., None, :]).flatten(-2)
    expected = (q @ k.mT / 8**0.5 + bias).softmax(-1) @ v
    found = biased_attention(q, k, v, rows, columns)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [7, 4900])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("strided", [True, False])
def test_linear_is_linear(rows, bias, strided):
    torch.manual_seed(0)
    x, layer = torch.randn(rows, 2, 48), nn.Linear(48, 96, bias)
    if strided:
        x = x.transpose(0, 1)
    torch.testing.assert_close(linear(x, layer.weight, layer.bias), layer(x), atol=1e-5, rtol=0)


def test_adapted_blocks_pass_the_gradient_of_their_input():
    """In training the blocks are frozen, but what reaches them depends on an adapter below."""
    ours, theirs = pair(WINDOWED)
    x = torch.randn(1, 24, 24, 32)
    found = []
    for blocks in (ours.blocks, theirs.blocks):
        y = x.clone().requires_grad_()
        out = blocks[1](blocks[0](y))
        found.append(torch.autograd.grad(out.square().mean(), y)[0])
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-3)
    assert isinstance(ours.blocks[0], EncoderBlock)
