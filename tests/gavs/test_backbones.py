import pytest
import timm
import torch
from safetensors.torch import save_file

from gavs.backbones import _PVT_MINI, BACKBONES, TiledConv, build_backbone


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("arch", BACKBONES)
def test_four_maps_at_strides_4_to_32(arch: str) -> None:
    backbone = build_backbone(arch).eval()
    with torch.no_grad():
        maps = backbone(torch.randn(2, 3, 64, 96))
    assert [m.shape[1] for m in maps] == backbone.channels
    assert [m.shape[2:] for m in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]


# PVT-v2-b5 as AVSBench counts it (81.443 M); the others less their head of 1000 classes.
PUBLISHED = {
    "pvt_v2_b5": 81_443_008,
    "resnet18": 11_689_512 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "swin_base": 87_768_224 - 1_025_000,
}


def test_published_sizes() -> None:
    with torch.device("meta"):
        counts = {arch: _count(build_backbone(arch)) for arch in PUBLISHED}
    assert counts == PUBLISHED


def test_miniatures_are_small() -> None:
    assert _count(build_backbone("pvt_v2_mini")) < 850_000
    assert _count(build_backbone("resnet_mini")) < 600_000


def test_maps_equal_timms_features() -> None:
    """timm's own `forward_features` ends in the last map, for both families."""
    for arch in ("pvt_v2_mini", "resnet_mini"):
        backbone, x = build_backbone(arch).eval(), torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(
                backbone(x)[-1], backbone.net.forward_features(x), atol=1e-5, rtol=1e-5
            )


def test_pvts_reductions_as_products_are_timms_convolutions_with_their_gradients() -> None:
    torch.manual_seed(0)
    ours, theirs = build_backbone("pvt_v2_mini").net, _PVT_MINI(num_classes=0)
    theirs.load_state_dict(ours.state_dict())
    reductions = [m for m in ours.modules() if isinstance(m, TiledConv)]
    assert [conv.kernel_size[0] for conv in reductions] == [8, 8, 4, 4, 2, 2]
    assert not any(isinstance(m, TiledConv) for m in theirs.modules())
    x, results = torch.randn(2, 3, 64, 96), []
    for net in (ours, theirs):
        y = net.forward_features(x)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        results.append((y, {name: p.grad for name, p in net.named_parameters()}))
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)


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
