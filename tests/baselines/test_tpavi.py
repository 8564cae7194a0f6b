import pytest
import torch

from baselines._tpavi import TPAVI
from benchmarks.speed.tpavi import naive


def heard(channels: int = 8, audio_dim: int = 5) -> TPAVI:
    block = TPAVI(channels, audio_dim)
    torch.nn.init.normal_(block.out_norm.weight)  # the published 0 would hide the audio path
    torch.nn.init.normal_(block.out_norm.bias)
    return block


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("training", [True, False])
def test_low_rank_form_equals_the_full_attention(frames, training):
    torch.manual_seed(frames)
    block = heard().double().train(training)
    x = torch.randn(2, frames, 8, 3, 4, dtype=torch.double, requires_grad=True)
    audio = torch.randn(2, frames, 5, dtype=torch.double, requires_grad=True)
    fast, slow = block(x, audio), naive(block, x, audio, rows=5)
    torch.testing.assert_close(fast, slow, atol=1e-10, rtol=0)
    probe = torch.randn_like(slow)
    for a, b in zip(
        torch.autograd.grad((fast * probe).sum(), (x, audio)),
        torch.autograd.grad((slow * probe).sum(), (x, audio)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_low_rank_form_holds_in_single_precision_at_full_width():
    torch.manual_seed(0)
    block = heard(256, 128).eval()
    x, audio = torch.randn(1, 5, 256, 7, 7), torch.randn(1, 5, 128)
    with torch.no_grad():
        slow = naive(block, x, audio)
        torch.testing.assert_close(block(x, audio), slow, atol=1e-5, rtol=0)


def test_untrained_block_is_mute():
    block = TPAVI(8, 5)
    x = torch.randn(1, 2, 8, 3, 3)
    expected = torch.nn.functional.layer_norm(x.movedim(2, -1), (8,)).movedim(-1, 2)
    torch.testing.assert_close(block(x, torch.randn(1, 2, 5)), expected)


def test_clips_do_not_hear_each_other_but_frames_of_a_clip_do():
    torch.manual_seed(0)
    block = heard().eval()
    x, audio = torch.randn(2, 3, 8, 2, 2), torch.randn(2, 3, 5)
    other = audio.clone()
    other[0, 2] += 1
    change = (block(x, other) - block(x, audio)).abs().amax(dim=(2, 3, 4))  # (B, T)
    assert (change[0] > 1e-4).all() and (change[1] == 0).all()


def test_parameter_count_at_full_width():
    assert sum(p.numel() for p in TPAVI(256, 128).parameters()) == 165_760  # published: 0.1658 M
