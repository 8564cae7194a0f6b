"""What the five localisation methods share, and what holds for each of them."""

import copy
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torchvision
from timm.models.resnet import BasicBlock, ResNet
from torch.nn import functional as F

import baselines.configs  # noqa: F401  registers every method
from baselines._localiser import (
    STEEPNESS,
    ImageTrunk,
    audio_trunk,
    augment,
    to_unit_range,
    top_quarter,
)
from benchmarks.training.snapshot import load_trained_state, trained_names, trained_state
from gavs.backbones import MultiScaleResNet
from gavs.method import network

AUDIO = {"audio_blocks": (1, 1, 1, 1), "audio_channels": (8, 8, 16, 16)}
SMALL = {
    "hardway": {"image_size": 64, **AUDIO, "audio_channels": (8, 8, 16, 160)},
    "ez_vsl": {"image_size": 64, **AUDIO, "dim": 16},
    "margin_nce": {"image_size": 64, **AUDIO, "dim": 16},
    "slavc": {"image_size": 64, **AUDIO, "dim": 16, "momentum": 0.9},
    "avin": {"image_size": 64, "dim": 16},
}
GUIDABLE = ["ez_vsl", "margin_nce", "slavc"]


def build(name, encoders, seed=0, **overrides):
    torch.manual_seed(seed)
    cls = network(name)
    return cls(cls.Config(**SMALL[name] | overrides), encoders)


@pytest.fixture(params=SMALL)
def method(request, encoders):
    return build(request.param, encoders)


def step(method, optimizer, batch, seed):
    torch.manual_seed(seed)
    method.train()
    optimizer.zero_grad()
    sum(method.loss(method(batch), batch).values()).backward()
    optimizer.step()
    method.after_step()


# What they share


def test_audio_trunk_is_torchvisions_resnet_18_with_one_channel_and_a_maximum():
    trunk = audio_trunk((2, 2, 2, 2), (64, 128, 256, 512)).eval()
    original = torchvision.models.resnet18()
    original.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    original.avgpool, original.fc = torch.nn.AdaptiveMaxPool2d(1), torch.nn.Identity()
    values = trunk.state_dict().values()
    original.load_state_dict(dict(zip(original.state_dict(), values, strict=True)))
    x = torch.randn(2, 1, 257, 50)
    torch.testing.assert_close(trunk(x), original.eval()(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [16, 32])
def test_image_trunk_is_torchvisions_resnet_18(stride):
    encoders = SimpleNamespace(backbone=lambda name: MultiScaleResNet(resnet_18))
    trunk = ImageTrunk(encoders, stride).eval()
    original = torchvision.models.resnet18()
    state = trunk.backbone.net.state_dict()
    original.load_state_dict(state | {"fc.weight": original.fc.weight, "fc.bias": original.fc.bias})
    if stride == 16:
        original.layer4[0].conv1.stride = original.layer4[0].downsample[0].stride = (1, 1)
    original.avgpool = original.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 64, 64)
    expected = original.eval()(x).view(2, 512, 64 // stride, 64 // stride)
    torch.testing.assert_close(trunk(x), expected, rtol=1e-4, atol=1e-4)


resnet_18 = partial(ResNet, BasicBlock, (2, 2, 2, 2))


@pytest.mark.parametrize("name", SMALL)
def test_parameters_at_full_width(name):
    """torchvision's ResNet-18 has 11,689,512, its classifier 513,000."""
    trunk = 11_689_512 - 513_000
    audio = trunk - 2 * 64 * 49  # one input channel in place of three
    head = 512 * 512 + 512
    expected = {
        "hardway": trunk + audio,
        "ez_vsl": trunk + audio + 2 * head,
        "margin_nce": trunk + audio + 2 * head,
        "slavc": trunk + audio + 4 * head,
        "avin": trunk + 512 * 512 + 128 * 512 + 512 * 512,
    }[name]
    cls = network(name)
    with torch.device("meta"):
        encoders = SimpleNamespace(audio_dim=128, backbone=lambda _: MultiScaleResNet(resnet_18))
        method = cls(cls.Config(), encoders)
    assert sum(p.numel() for p in method.parameters() if p.requires_grad) == expected
    frozen = sum(p.numel() for p in method.parameters() if not p.requires_grad)
    assert frozen == (trunk if name in GUIDABLE else 0)
    places = {"hardway": 14, "avin": 14}.get(name, 7)
    assert 224 // method.config.stride == places


def test_augmented_pictures_are_crops_of_the_enlarged_one_half_of_them_mirrored():
    """A ramp shows which window was cut: a tenth of the picture's side is lost, never more."""
    size = 64
    ramp = (torch.arange(size) + 0.5) / size
    image = ramp.expand(200, 1, size, size)  # each pixel holds its x
    torch.manual_seed(0)
    x = augment(image)[:, 0]
    torch.testing.assert_close(x, x[:, :1].expand_as(x), atol=1e-5, rtol=0)  # only x varies
    mirrored = x[:, 0, 0] > x[:, 0, -1]
    x = torch.where(mirrored[:, None], x[:, 0].flip(1), x[:, 0])
    left = x[:, size // 2 - 1 : size // 2 + 1].mean(1) - 0.5 / 1.1  # of the window, in 0..1
    widths = (x[:, -8] - x[:, 8]) / (size - 16) * size
    torch.testing.assert_close(widths, torch.full((200,), 1 / 1.1), atol=3e-3, rtol=0)
    assert left.min() > -1e-3 and left.max() < 1 - 1 / 1.1 + 1e-3
    assert left.min() < 0.01 and left.max() > 0.08  # all of that range is used
    assert 60 < mirrored.sum() < 140
    y = augment(image.transpose(2, 3))[:, 0]
    assert (y[:, 0, 0] < y[:, -1, 0]).all()  # never upside down
    torch.manual_seed(0)
    again = augment(image)[0, 0, 0].sort().values
    torch.testing.assert_close(again, x[0], atol=1e-5, rtol=0)  # torch's generator


def test_augmentation_leaves_a_constant_picture_alone():
    torch.testing.assert_close(augment(torch.full((3, 3, 32, 32), 0.7)).mean().item(), 0.7)


def test_unit_range_and_top_quarter_by_hand():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 5.0]], [[4.0, 4.0], [4.0, 4.0]]])
    expected = torch.tensor([[[0, 0.25], [0.5, 1]], [[0, 0], [0, 0]]])
    torch.testing.assert_close(to_unit_range(maps), expected)
    four = torch.arange(16.0).view(1, 4, 4)
    assert top_quarter(four).item() == (15 + 14 + 13 + 12) / 4


# What each of them does


def test_the_map_is_the_cosine_at_each_place_in_the_unit_range(method, make_batch):
    """The logits' order, range and sign follow from the similarity, slowly computed."""
    method.eval()
    batch = make_batch(method, clips=3, frames=1)
    prediction = method(batch)
    similar = method.similarity(prediction.aux)
    assert similar.shape == (3, 64 // method.config.stride, 64 // method.config.stride)
    for n in range(3):
        enlarged = F.interpolate(similar[n][None, None], (64, 64), mode="bilinear")[0, 0]
        unit = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
        logits = prediction.logits[n, 0]
        torch.testing.assert_close(logits, STEEPNESS * (unit - 0.5), atol=1e-3, rtol=0)
        quarter = ((enlarged + 1) / 2).flatten().sort(descending=True).values[: 64 * 64 // 4]
        assert prediction.aux["confidence"][n, 0].item() == pytest.approx(
            quarter.mean().item(), abs=1e-5
        )


def test_training_moves_the_trunks_and_leaves_the_object_network_alone(method, make_batch):
    before = {k: v.clone() for k, v in method.state_dict().items()}
    params = [p for group in method.parameter_groups() for p in group["params"]]
    step(method, torch.optim.Adam(params, lr=1e-3), make_batch(method, clips=4, frames=1), seed=0)
    moved = {k for k, v in method.state_dict().items() if not torch.equal(v, before[k])}
    assert not any(k.startswith("objects") for k in moved)  # also its batch statistics
    assert any(k.startswith("image") for k in moved)
    own = [k for k, p in method.named_parameters() if p.requires_grad and k[:6] != "image."]
    assert own and set(own) <= moved


def test_a_loss_on_held_out_clips_is_a_function_of_the_clips(method, make_batch):
    """In eval mode nothing is drawn and nothing is moved."""
    method.eval()
    batch = make_batch(method, clips=4, frames=1)
    before = copy.deepcopy(method.state_dict())
    with torch.inference_mode():
        losses = [sum(method.loss(method(batch), batch).values()).item() for _ in range(2)]
    assert losses[0] == losses[1] and math.isfinite(losses[0])
    assert all(torch.equal(v, before[k]) for k, v in method.state_dict().items())


def test_a_resumed_training_is_the_uninterrupted_one(method, encoders, make_batch, tmp_path):
    """Bit for bit, momentum copies and batch statistics too, from the loop's own checkpoints."""
    names = trained_names(method)

    def optimizer_of(m):
        params = [p for g in m.parameter_groups() for p in g["params"]]
        return torch.optim.Adam(params, lr=1e-3)

    batches = [make_batch(method, clips=4, frames=1, seed=s) for s in range(4)]
    optimizer = optimizer_of(method)
    for seed, batch in enumerate(batches):
        if seed == 2:
            saved = trained_state(method, names), copy.deepcopy(optimizer.state_dict())
        step(method, optimizer, batch, seed)
    resumed = build(METHODS_BY_CLASS[type(method)], encoders, seed=1)
    load_trained_state(resumed, names, saved[0], tmp_path)
    optimizer = optimizer_of(resumed)
    optimizer.load_state_dict(saved[1])
    for seed in (2, 3):
        step(resumed, optimizer, batches[seed], seed)
    for key, value in method.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


METHODS_BY_CLASS = {network(name): name for name in SMALL}


@pytest.mark.parametrize("name", SMALL)
def test_a_silent_clip_and_a_lone_clip_stay_finite(name, encoders, make_batch):
    method = build(name, encoders).train()
    for clips in (1, 3):
        batch = make_batch(method, clips, frames=1)
        batch.audio.fill_(math.log(1e-7) / 12 if name != "avin" else 0)
        prediction = method(batch)
        loss = sum(method.loss(prediction, batch).values())
        loss.backward()
        assert loss.isfinite() and prediction.logits.isfinite().all()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", SMALL)
def test_guidance_is_for_those_that_have_it(name, encoders, make_batch):
    method = build(name, encoders).eval()
    batch = make_batch(method, clips=2, frames=1)
    plain = method(batch)
    method.guided = True
    assert method.config.guidable is (name in GUIDABLE)
    if name not in GUIDABLE:
        with pytest.raises(NotImplementedError, match="no object-guided"):
            method(batch)
        return
    guided = method(batch)
    assert not torch.allclose(guided.logits, plain.logits)
    torch.testing.assert_close(guided.aux["confidence"], plain.aux["confidence"])
    for end, value in ((guided.logits.amax((2, 3)), 0.5), (guided.logits.amin((2, 3)), -0.5)):
        torch.testing.assert_close(end, torch.full((2, 1), STEEPNESS * value))  # the unit range
