"""Public state dicts by their own names: read off the public code, or from the library's model.

Where timm has a filter of its own for a release, it says which tensor goes where.
"""

import pytest
import timm
import torch
import torchvision
from timm.models.pvt_v2 import checkpoint_filter_fn as timms_pvt
from timm.models.swin_transformer import checkpoint_filter_fn as timms_swin

from gavs.backbones import BACKBONES, build_backbone
from gavs.weights import WeightsError, fit_weights, read_weights

Shapes = dict[str, torch.Tensor]


def _layer(name: str, *shape: int) -> Shapes:
    """A weight and its bias."""
    return {
        f"{name}.weight": torch.empty(shape, device="meta"),
        f"{name}.bias": torch.empty(shape[0], device="meta"),
    }


def pvt_release() -> Shapes:
    """PVT-v2-b5 as whai362/PVT names it: stage by stage, from 1."""
    state: Shapes = {}
    dims, depths = (3, 64, 128, 320, 512), (3, 6, 40, 3)
    for i, (before, dim, depth, kernel) in enumerate(
        zip(dims, dims[1:], depths, (7, 3, 3, 3), strict=False), start=1
    ):
        state |= _layer(f"patch_embed{i}.proj", dim, before, kernel, kernel)
        state |= _layer(f"patch_embed{i}.norm", dim)
        for block in (f"block{i}.{j}" for j in range(depth)):
            state |= _layer(f"{block}.norm1", dim) | _layer(f"{block}.attn.q", dim, dim)
            state |= _layer(f"{block}.attn.kv", 2 * dim, dim)
            state |= _layer(f"{block}.attn.proj", dim, dim)
            if i < 4:  # keys and values at 1/8, 1/4, 1/2 of the side
                side = 2 ** (4 - i)
                state |= _layer(f"{block}.attn.sr", dim, dim, side, side)
                state |= _layer(f"{block}.attn.norm", dim)
            state |= _layer(f"{block}.norm2", dim) | _layer(f"{block}.mlp.fc1", 4 * dim, dim)
            state |= _layer(f"{block}.mlp.dwconv.dwconv", 4 * dim, 1, 3, 3)
            state |= _layer(f"{block}.mlp.fc2", dim, 4 * dim)
        state |= _layer(f"norm{i}", dim)
    return state


def swin_release() -> Shapes:
    """Swin-B as microsoft/Swin-Transformer names it, with the tables that it stores."""
    state = _layer("patch_embed.proj", 128, 3, 4, 4) | _layer("patch_embed.norm", 128)
    for i, (depth, heads) in enumerate(zip((2, 2, 18, 2), (4, 8, 16, 32), strict=True)):
        dim, windows = 128 * 2**i, (8 // 2**i) ** 2
        for j in range(depth):
            block = f"layers.{i}.blocks.{j}"
            if j % 2 and windows > 1:
                state[f"{block}.attn_mask"] = torch.empty(windows, 49, 49, device="meta")
            state |= _layer(f"{block}.norm1", dim) | _layer(f"{block}.norm2", dim)
            table = f"{block}.attn.relative_position"
            state[f"{table}_bias_table"] = torch.empty(13 * 13, heads, device="meta")
            state[f"{table}_index"] = torch.empty(49, 49, dtype=torch.int64, device="meta")
            state |= _layer(f"{block}.attn.qkv", 3 * dim, dim)
            state |= _layer(f"{block}.attn.proj", dim, dim)
            state |= _layer(f"{block}.mlp.fc1", 4 * dim, dim)
            state |= _layer(f"{block}.mlp.fc2", dim, 4 * dim)
        if i < 3:
            down = f"layers.{i}.downsample"
            state[f"{down}.reduction.weight"] = torch.empty(2 * dim, 4 * dim, device="meta")
            state |= _layer(f"{down}.norm", 4 * dim)
    return state | _layer("norm", 1024) | _layer("head", 21841, 1024)


def _same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def _net(arch):
    with torch.device("meta"):
        backbone = build_backbone(arch)
    return backbone.net, backbone.key_maps


def test_pvt_by_its_releases_names(weights_file):
    path, values = weights_file(pvt_release() | _layer("head", 1000, 512), "pvt_v2_b5.pth")
    net = build_backbone("pvt_v2_b5", path).net
    values = {key: v for key, v in values.items() if not key.startswith("head.")}
    assert _same(net.state_dict(), timms_pvt(values, net))


@pytest.mark.parametrize(
    ("prefix", "rest"),
    [
        ("encoder_backbone.", _layer("conv4.conv2d_list.0", 256, 512, 3, 3)),  # AVSBench's
        ("backbone.", _layer("audio_proj", 256, 128)),  # AVSegFormer's
    ],
)
def test_pvt_inside_a_trained_model(prefix, rest, weights_file, caplog):
    state = {f"{prefix}{key}": v for key, v in pvt_release().items()} | rest
    path, values = weights_file(state, "S4_best.pth")
    net, key_maps = _net("pvt_v2_b5")
    found = fit_weights(net, read_weights(path), path, key_maps)
    inside = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
    assert _same(found, timms_pvt(inside, net))
    assert "S4_best.pth: a whole model" in caplog.text


@pytest.mark.parametrize(
    ("arch", "model"),
    [
        ("pvt_v2_b5", "pvt_v2_b5"),
        ("resnet50", "resnet50"),
        ("resnet18", "resnet18"),
        ("swin_base", "swin_base_patch4_window7_224"),
    ],
)
def test_timms_names(arch, model, weights_file):
    with torch.device("meta"):
        theirs = timm.create_model(model)
    path, values = weights_file(theirs.state_dict())
    net, key_maps = _net(arch)
    found = fit_weights(net, read_weights(path), path, key_maps)
    heads = {"head.weight", "head.bias", "fc.weight", "fc.bias", "head.fc.weight", "head.fc.bias"}
    assert _same(found, {key: v for key, v in values.items() if key not in heads})


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_torchvisions_resnet(arch, tmp_path):
    """Files of 2016: the format before zip, and no counters of batches."""
    theirs = getattr(torchvision.models, arch)().eval()
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches_tracked" not in k}
    path = tmp_path / f"{arch}.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    backbone = build_backbone(arch, path).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        last = backbone(x)[-1].mean((2, 3))
        torch.testing.assert_close(theirs.fc(last), theirs(x), atol=1e-4, rtol=1e-4)
    torch.save(theirs.state_dict(), path)
    again = build_backbone(arch, path).net.state_dict()
    assert _same(again, backbone.net.state_dict())


@pytest.mark.parametrize(("prefix", "rest"), [("", {}), ("resnet.", {"conv4.weight": 1})])
def test_avsbenchs_two_branch_resnet(prefix, rest, weights_file):
    with torch.device("meta"):
        theirs = torchvision.models.resnet50().state_dict()
    state = {}
    for key, value in theirs.items():
        stage, _, name = key.partition(".")
        copies = [f"{stage}_1", f"{stage}_2"] if stage in ("layer3", "layer4") else [stage]
        if stage != "fc":
            state |= {f"{prefix}{copy}.{name}": value for copy in copies}
    state |= {key: torch.empty(2, device="meta") for key in rest}
    path, values = weights_file(state)
    net, key_maps = _net("resnet50")
    found = fit_weights(net, read_weights(path), path, key_maps)
    assert len(found) == len(theirs) - 2
    assert torch.equal(found["conv1.weight"], values[f"{prefix}conv1.weight"])
    for stage in ("layer3", "layer4"):
        for key in (k for k in found if k.startswith(stage)):
            assert torch.equal(found[key], values[prefix + key.replace(stage, f"{stage}_1", 1)])


def test_swin_by_its_releases_names(weights_file):
    path, values = weights_file(swin_release(), wrap=lambda values: {"model": values})
    net = build_backbone("swin_base", path).net
    expected = timms_swin(values, net)
    assert _same(net.state_dict(), {k: v for k, v in expected.items() if "head." not in k})


@pytest.mark.parametrize("arch", BACKBONES)
def test_another_backbones_file_is_refused(arch, weights_file):
    state = pvt_release() if arch == "swin_base" else swin_release()
    path, _ = weights_file(state, "other.pth")
    net, key_maps = _net(arch)
    with pytest.raises(WeightsError, match=r"other.pth: \d+ tensors.*missing.*unexpected"):
        fit_weights(net, read_weights(path), path, key_maps)


def test_a_swin_of_another_window_is_refused(weights_file):
    state = swin_release()
    for key in (k for k in state if k.endswith("bias_table")):
        state[key] = torch.empty(23 * 23, state[key].shape[1], device="meta")
    path, _ = weights_file(state, "swin_base_patch4_window12_384.pth")
    net, key_maps = _net("swin_base")
    with pytest.raises(WeightsError, match=r"window12.*\(529, 4\), expected .*\(169, 4\)"):
        fit_weights(net, read_weights(path), path, key_maps)
