import pytest
import torch
from torch import nn

from baselines._segformer_head import (
    ChannelMixer,
    QueryLayer,
    SegFormerConfig,
    SegFormerHead,
    frame_dice,
    segformer_loss,
)
from baselines.avsegformer import AVSegFormer, AVSegFormerConfig
from gavs.backbones import build_backbone
from gavs.method import Prediction

SMALL = dict(dim=16, heads=2, layers=2, hidden=32, queries=5)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def method(encoders):
    torch.manual_seed(0)
    return AVSegFormer(AVSegFormerConfig(image_size=32, freeze_epochs=2, **SMALL), encoders).eval()


def test_single_key_attention_is_two_linear_maps():
    torch.manual_seed(0)
    layer = QueryLayer(16, 2, 32)
    published = nn.MultiheadAttention(16, 2, bias=False, batch_first=True)
    with torch.no_grad():
        layer.audio[0].weight.copy_(published.in_proj_weight[32:])
        layer.audio[1].weight.copy_(published.out_proj.weight)
    queries, audio = torch.randn(3, 5, 16), torch.randn(3, 1, 16)
    attended, _ = published(queries, audio, audio)
    torch.testing.assert_close(layer.audio(audio).expand(-1, 5, -1), attended, atol=1e-5, rtol=0)
    attended.square().sum().backward()
    assert published.in_proj_weight.grad[:32].abs().max() < 1e-6  # why they may be left out
    assert published.in_proj_weight.grad[32:].abs().max() > 1e-2


def test_mixer_is_multi_head_attention_of_the_audio_to_the_pixels():
    torch.manual_seed(0)
    mixer = ChannelMixer(16, 4).double()
    nn.init.normal_(mixer.attention.in_proj_weight)
    x = torch.randn(2, 16, 3, 5, dtype=torch.double, requires_grad=True)
    audio = torch.randn(2, 1, 16, dtype=torch.double, requires_grad=True)
    pixels = x.flatten(2).transpose(1, 2)
    heard, _ = mixer.attention(audio, pixels, pixels)
    slow = x * heard.sigmoid().transpose(1, 2)[..., None]
    fast, probe = mixer(x, audio), torch.randn_like(x)
    read = (x, audio, *mixer.parameters())
    expected = torch.autograd.grad((slow * probe).sum(), read)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(torch.autograd.grad((fast * probe).sum(), read), expected)


def test_mixer_gates_channels_by_what_the_audio_finds():
    torch.manual_seed(0)
    mixer = ChannelMixer(8, 2)
    x, audio = torch.rand(2, 8, 3, 4) + 0.5, torch.randn(2, 1, 8)
    gate = (mixer(x, audio) / x).flatten(2)
    torch.testing.assert_close(gate, gate[..., :1].expand_as(gate))
    assert (gate > 0).all() and (gate < 1).all() and gate[0, :, 0].std() > 1e-3
    other = (mixer(x, audio.flip(0)) / x).flatten(2)
    assert (other - gate).abs().max() > 1e-4


@pytest.mark.parametrize("frames", [1, 3])
def test_frames_are_independent_and_one_alone_works(method, make_batch, frames):
    batch = make_batch(method, clips=2, frames=frames)
    together = method(batch).logits
    batch.audio, batch.features = batch.audio[:1, :1], {"pixels": batch.features["pixels"][:1, :1]}
    alone = method(batch).logits
    assert alone.shape == (1, 1, 32, 32)
    torch.testing.assert_close(alone[0, 0], together[0, 0], atol=1e-5, rtol=0)


def test_audio_is_rectified(method, make_batch):
    batch = make_batch(method, clips=1)
    before = method(batch).logits
    batch.audio[batch.audio < 0] *= 7
    torch.testing.assert_close(method(batch).logits, before, atol=0, rtol=0)
    batch.audio[batch.audio > 0] *= 7
    assert (method(batch).logits - before).abs().max() > 1e-6


def test_dice_by_hand(method, make_batch):
    batch = make_batch(method, clips=1, frames=1)
    batch.valid, batch.masks = torch.zeros(1, 4, 4), torch.ones(1, 1, 4, 4)
    batch.valid[:, :2, :2] = 1  # four cells show the frame, two of them the sounding object
    batch.masks[0, 0, 1, :2] = 0
    logits = torch.zeros(1, 1, 4, 4)  # p = 1/2
    logits[0, 0, 3, 3] = 9  # padding
    expected = 1 - 2 * (2 * 0.5) / (4 * 0.25 + 2 + 0.002)
    assert frame_dice(logits, batch).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("empty_frames", ["released", "defined"])
def test_silent_frames_teach_unless_released(method, make_batch, empty_frames):
    config = SegFormerConfig(empty_frames=empty_frames)
    batch = make_batch(method, clips=1, frames=2)
    batch.masks[0, 1] = 0
    logits = torch.randn(1, 2, 32, 32, requires_grad=True)
    mix = torch.randn(1, 2, 32, 32, requires_grad=True)
    terms = segformer_loss(Prediction(logits, {"mix": mix}), batch, config)
    sum(terms.values()).backward()
    for gradient in (logits.grad[0], mix.grad[0]):
        assert gradient[0].abs().max() > 0
        if empty_frames == "released":
            assert (gradient[1] == 0).all()
        else:
            assert (gradient[1] > 0).all()  # every pixel is pushed down


def test_sounding_frames_learn_by_dice_alone(method, make_batch):
    batch = make_batch(method, clips=2, frames=2)  # labelled: both frames of clip 0, one of clip 1
    logits = torch.randn(2, 2, 32, 32)
    terms = segformer_loss(Prediction(logits, {"mix": logits}), batch, SegFormerConfig())
    dice = frame_dice(logits, batch)
    expected = (dice[0, 0] + dice[0, 1] + dice[1, 0]) / 3
    torch.testing.assert_close(terms["mask"], expected)


def test_auxiliary_loss_weighs_a_tenth(method, make_batch):
    batch = make_batch(method, clips=1)
    logits = torch.randn(1, 2, 32, 32)
    terms = segformer_loss(Prediction(logits, {"mix": logits}), batch, method.config)
    assert terms["mix"].item() == pytest.approx(terms["mask"].item() / 10)


def test_backbone_thaws_inside_one_optimiser(method, make_batch):
    batch = make_batch(method)
    method.start_epoch(0)
    optimiser = torch.optim.SGD(
        [{"params": g["params"], "lr": g["lr_scale"]} for g in method.parameter_groups()]
    )
    weight = next(method.backbone.parameters())
    start = weight.detach().clone()
    for epoch, moves in ((0, False), (1, False), (2, True)):
        method.start_epoch(epoch)
        optimiser.zero_grad()
        sum(method.loss(method(batch), batch).values()).backward()
        optimiser.step()
        assert (not torch.equal(weight, start)) is moves, epoch


# Published heads in millions, without the audio projection, and what is left out of them here:
# `fpn` (1.770) and `attn_fc` (0.332), which nothing calls, and the query and key weights of six
# attentions to a single key.
DEAD = 3 * 590_080 + 331_968 + 12 * 256**2


@pytest.mark.parametrize(("arch", "published"), [("pvt_v2_b5", 32.436), ("resnet50", 33.157)])
def test_parameter_counts_at_full_width(arch, published):
    with torch.device("meta"):
        head = SegFormerHead(build_backbone(arch).channels, SegFormerConfig(), 224)
    assert (count(head) - count(head.audio) + DEAD) / 1e6 == pytest.approx(published, abs=5e-4)
    assert count(head.audio) == 33_024
    parts = {
        "query generator": (count(head.queries) - 300 * 256 + 12 * 256**2, 6.385),
        "transformer": (count(head.encoder) + count(head.decoder), 17.018),
        "mask MLP": (count(head.combine), 5.337),
        "out_conv": (count(head.smooth), 0.591),
        "mixer": (count(head.mixer), 0.262),
        "fc": (count(head.reduce) + count(head.classify), 0.332),
        "in_proj": (count(head.inputs), 0.265 if arch == "pvt_v2_b5" else 0.986),
    }
    for name, (number, expected) in parts.items():
        assert number / 1e6 == pytest.approx(expected, abs=6e-4), name


def test_full_size_shapes():
    sizes = zip((64, 128, 320, 512), (56, 28, 14, 7), strict=True)
    with torch.device("meta"):
        head = SegFormerHead([64, 128, 320, 512], SegFormerConfig(), 224)
        maps = [torch.empty(1, c, s, s) for c, s in sizes]
        assert head(maps, torch.empty(1, 1, 128)).logits.shape == (1, 1, 224, 224)
