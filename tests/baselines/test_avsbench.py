import math

import pytest
import torch

from baselines._tpavi import MultiDilationConv, ResidualUnit, TPAVIHead
from baselines.avsbench import AVSBench, AVSBenchConfig
from gavs.backbones import build_backbone


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def method(encoders):
    torch.manual_seed(0)
    method = AVSBench(AVSBenchConfig(image_size=32, channels=16, avm_weight=0.5), encoders)
    for block in method.head.fusion:  # published 0: the audio would not show yet
        torch.nn.init.ones_(block.out_norm.weight)
    return method.eval()


@pytest.mark.parametrize("size", [(24, 24), (12, 12), (6, 6), (3, 3), (4, 7), (3, 2)])
def test_neck_equals_its_four_convolutions(size):
    torch.manual_seed(0)
    neck, x = MultiDilationConv(5, 4), torch.randn(2, 5, *size, requires_grad=True)
    torch.nn.init.normal_(neck.convs[0].bias)
    slow = sum(conv(x) for conv in neck.convs)
    probe = torch.randn_like(slow)
    torch.testing.assert_close(neck(x), slow, atol=1e-5, rtol=1e-5)
    for a, b in zip(
        torch.autograd.grad((neck(x) * probe).sum(), (x, *neck.parameters())),
        torch.autograd.grad((slow * probe).sum(), (x, *neck.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-5)


def test_neck_reads_four_rings_of_neighbours():
    neck = MultiDilationConv(1, 1)
    x = torch.zeros(1, 1, 41, 41)
    x[..., 20, 20] = 1
    read = (neck(x) - sum(conv.bias for conv in neck.convs))[0, 0].abs() > 1e-6
    expected = {
        (20 + d * i, 20 + d * j) for d in (3, 6, 12, 18) for i in (-1, 0, 1) for j in (-1, 0, 1)
    }
    assert {tuple(p) for p in read.nonzero().tolist()} == expected


def test_skip_of_the_residual_unit_is_rectified():
    unit = ResidualUnit(1)
    for p in unit.parameters():
        torch.nn.init.zeros_(p)
    assert unit(torch.tensor([[[[-2.0, 3.0]]]])).tolist() == [[[[0.0, 3.0]]]]


def test_matching_distance_against_loops(method, make_batch):
    batch = make_batch(method, clips=2, frames=3)
    maps = method.backbone(batch.features["pixels"].flatten(0, 1))
    captured = []
    for block in method.head.fusion:
        block.register_forward_hook(lambda _, inputs, out: captured.append((inputs[1], out)))
    prediction = method.head(maps, batch.audio, avm=True)
    for b in range(2):
        for t in range(3):
            distance = 0.0
            for block, (audio, stage) in zip(method.head.fusion, captured, strict=True):
                heard = block.audio(audio)[b, t].softmax(0).tolist()
                _, h, w = stage[b, t].shape
                step = 32 // h
                seen = torch.zeros(16)
                for i in range(h):
                    for j in range(w):
                        block_of_logits = prediction.logits[
                            b, t, i * step : (i + 1) * step, j * step : (j + 1) * step
                        ]
                        seen += stage[b, t, :, i, j].clamp(min=0) * block_of_logits.mean().sigmoid()
                seen = (seen / (h * w)).softmax(0).tolist()
                distance += sum(a * math.log(a / v) for a, v in zip(heard, seen, strict=True)) / 4
            assert prediction.aux["avm"][b, t].item() == pytest.approx(distance, abs=1e-5)


def test_matching_term_is_summed_over_supervised_frames(method, make_batch):
    batch = make_batch(method, clips=2, frames=3)  # labelled: 3 frames of clip 0, 1 of clip 1
    prediction = method(batch)
    prediction.aux["avm"] = torch.tensor([[1.0, 2.0, 3.0], [4.0, 50.0, 60.0]])
    assert method.loss(prediction, batch)["avm"].item() == pytest.approx(0.5 * 10)


def test_no_matching_term_without_its_weight(encoders, make_batch):
    method = AVSBench(AVSBenchConfig(image_size=32, channels=16), encoders)
    batch = make_batch(method, clips=1)
    assert set(method.loss(method(batch), batch)) == {"bce"}


def test_loss_reads_supervised_masks_only(method, make_batch):
    batch = make_batch(method, clips=2, frames=3)
    prediction = method(batch)
    before = method.loss(prediction, batch)["bce"]
    batch.masks[1, 1:] = 1 - batch.masks[1, 1:]
    assert method.loss(prediction, batch)["bce"] == before
    batch.masks[1, 0] = 1 - batch.masks[1, 0]
    assert method.loss(prediction, batch)["bce"] != before


def test_a_frame_hears_the_whole_clip_and_no_other(method, make_batch):
    batch = make_batch(method, clips=2, frames=3)
    before = method(batch).logits
    batch.audio[0, 2] += 3
    change = (method(batch).logits - before).abs().amax(dim=(2, 3))
    assert (change[0] > 1e-6).all() and (change[1] == 0).all()


def test_audio_is_rectified(method, make_batch):
    batch = make_batch(method, clips=1)
    before = method(batch).logits
    batch.audio[batch.audio < 0] *= 7
    torch.testing.assert_close(method(batch).logits, before, atol=0, rtol=0)


def test_backbone_learns_at_its_own_rate(encoders):
    config = AVSBenchConfig(image_size=32, channels=16, backbone_lr_scale=0.1)
    method = AVSBench(config, encoders)
    head, backbone = method.parameter_groups()
    assert (head["lr_scale"], backbone["lr_scale"]) == (1.0, 0.1)
    grouped = {id(p): g["lr_scale"] for g in (head, backbone) for p in g["params"]}
    assert len(grouped) == len(list(method.parameters()))
    assert {grouped[id(p)] for p in method.backbone.parameters()} == {0.1}


# Published totals (millions), and what is left out of them here because nothing reads it: the top
# level's first residual unit and, in the two-branch ResNet, the second copy of layers 3 and 4.
@pytest.mark.parametrize(
    ("arch", "published", "dead"),
    [("pvt_v2_b5", 101.321, 1.180), ("resnet50", 91.401, 1.180 + 22.063)],
)
def test_parameter_counts_at_full_width(arch, published, dead):
    with torch.device("meta"):
        backbone = build_backbone(arch)
        head = TPAVIHead(backbone.channels, 256, 224)
    assert (count(backbone) + count(head)) / 1e6 == pytest.approx(published - dead, abs=1.5e-3)
    assert count(ResidualUnit(256)) == 1_180_160
    if arch == "pvt_v2_b5":
        assert count(backbone) / 1e6 == pytest.approx(81.443, abs=5e-4)
        assert count(head.necks) / 1e6 == pytest.approx(9.441, abs=5e-4)
        assert (count(head.reduce) + count(head.classify)) / 1e6 == pytest.approx(0.332, abs=5e-4)
        paths = count(head.refine) + count(head.lateral)
        assert paths / 1e6 == pytest.approx(4 * 2.360 - 1.180, abs=2e-3)


def test_full_size_shapes():
    with torch.device("meta"):
        head = TPAVIHead([64, 128, 320, 512], 256, 224)
        maps = [
            torch.empty(5, c, s, s)
            for c, s in zip((64, 128, 320, 512), (56, 28, 14, 7), strict=True)
        ]
        assert head(maps, torch.empty(1, 5, 128)).logits.shape == (1, 5, 224, 224)
