import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.resnet import Bottleneck, ResNet

from baselines._backbones import BACKBONES, build_backbone


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("arch", BACKBONES)
def test_four_maps_at_strides_4_to_32(arch: str) -> None:
    backbone = build_backbone(arch).eval()
    with torch.no_grad():
        maps = backbone(torch.randn(2, 3, 64, 96))
    assert [m.shape[1] for m in maps] == backbone.channels
    assert [m.shape[2:] for m in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_published_sizes() -> None:
    # PVT-v2-b5 as AVSBench counts it (81.443 M); ResNet-50 is 25,557,032 less its 2048 x 1000 head.
    with torch.device("meta"):
        counts = {arch: _count(build_backbone(arch)) for arch in ("pvt_v2_b5", "resnet50")}
    assert counts == {"pvt_v2_b5": 81_443_008, "resnet50": 25_557_032 - 2_049_000}


def test_miniatures_are_small() -> None:
    assert _count(build_backbone("pvt_v2_mini")) < 850_000
    assert _count(build_backbone("resnet_mini")) < 600_000


def test_maps_equal_timms_features() -> None:
    """timm's own `forward_features` ends in the last map, for both families."""
    for arch in ("pvt_v2_mini", "resnet_mini"):
        backbone, x = build_backbone(arch).eval(), torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            assert torch.equal(backbone(x)[-1], backbone.net.forward_features(x))


def test_imagenet_checkpoint_with_its_classifier_loads(tmp_path) -> None:
    published = ResNet(Bottleneck, (3, 4, 6, 3), num_classes=10)
    torch.save(published.state_dict(), tmp_path / "resnet50.pth")
    backbone = build_backbone("resnet50", tmp_path / "resnet50.pth")
    assert torch.equal(backbone.net.layer4[2].conv3.weight, published.layer4[2].conv3.weight)


def test_pvt_checkpoint_in_the_names_of_its_first_release_loads(tmp_path) -> None:
    ours = build_backbone("pvt_v2_mini")
    original = {}
    for key, value in ours.net.state_dict().items():
        part, *rest = key.split(".")
        stage = int(rest[0]) + 1 if part == "stages" else 1
        tail = ".".join(rest[1:])
        if part == "patch_embed":
            key = f"patch_embed1.{'.'.join(rest)}"
        elif tail.startswith("downsample."):
            key = f"patch_embed{stage}.{tail.removeprefix('downsample.')}"
        elif tail.startswith("blocks."):
            key = f"block{stage}.{tail.removeprefix('blocks.')}".replace("dwconv", "dwconv.dwconv")
        else:
            key = f"norm{stage}.{tail.removeprefix('norm.')}"
        original[key] = value
    original |= {"head.weight": torch.zeros(5, 112), "head.bias": torch.zeros(5)}
    torch.save(original, tmp_path / "pvt_v2.pth")
    again = build_backbone("pvt_v2_mini", tmp_path / "pvt_v2.pth")
    for (key, a), b in zip(ours.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def test_pvt_b5_is_timms_model() -> None:
    with torch.device("meta"):
        theirs = timm.create_model("pvt_v2_b5", num_classes=0).state_dict()
        ours = build_backbone("pvt_v2_b5").net.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_errors_name_the_choice_and_the_file(tmp_path) -> None:
    with pytest.raises(KeyError, match="unknown backbone 'pvt'.*pvt_v2_mini"):
        build_backbone("pvt")
    save_file(build_backbone("resnet_mini").net.state_dict(), tmp_path / "r.safetensors")
    with pytest.raises(ValueError, match="r.safetensors.*PyramidVisionTransformerV2.*missing"):
        build_backbone("pvt_v2_mini", tmp_path / "r.safetensors")
    with pytest.raises(FileNotFoundError, match="absent.safetensors"):
        build_backbone("resnet_mini", tmp_path / "absent.safetensors")
