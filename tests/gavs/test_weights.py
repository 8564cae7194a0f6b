"""Files that hold weights, files that hold something else, and files of which half is there."""

import argparse
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from segment_anything import sam_model_registry
from torch import nn

from gavs.sam import build_sam
from gavs.weights import KeyMap, WeightsError, fit_weights, load_weights, read_weights

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(3, dtype=torch.float16)}


def _save(path, form, content=STATE):
    match form:
        case "safetensors":
            save_file(content, path)
        case "zip":
            torch.save(content, path)
        case "before zip":  # torch before 1.6: torchvision's, torchvggish's
            torch.save(content, path, _use_new_zipfile_serialization=False)


def _same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("safetensors", "w.safetensors"),
        ("safetensors", "renamed.pth"),
        ("zip", "w.pth"),
        ("before zip", "w.pth"),
    ],
)
def test_every_format_is_read(form, name, tmp_path):
    _save(tmp_path / name, form)
    assert _same(read_weights(tmp_path / name), STATE)


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_a_state_dict_inside_a_training_checkpoint_is_found(key, tmp_path):
    _save(tmp_path / "w.pth", "zip", {key: STATE, "epoch": 3, "optimizer": {"lr": 0.1}})
    assert _same(read_weights(tmp_path / "w.pth"), STATE)
    _save(tmp_path / "w.pth", "zip", {f"module.{k}": v for k, v in STATE.items()})
    assert _same(read_weights(tmp_path / "w.pth"), STATE)


class Runs:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("kind", ["zip", "before zip", "pickle 2", "pickle 4", "module", "config"])
def test_code_in_a_pickle_is_never_run(kind, arrays, tmp_path):
    path, trace = tmp_path / "downloaded.pth", tmp_path / "trace"
    content, asked = {"x": Runs(trace), **STATE}, "posix.mkdir"
    match kind:
        case "pickle 2" | "pickle 4":
            path.write_bytes(pickle.dumps(content, protocol=int(kind[-1])))
            asked = "a pickle|posix.mkdir"
        case "module":
            torch.save(nn.Linear(2, 2), path)
            asked = "torch.nn.modules.linear.Linear"
        case "config":
            torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, path)
            asked = "argparse.Namespace"
        case _:
            _save(path, kind, content)
    with pytest.raises(WeightsError, match=rf"downloaded.pth.*({asked}).*not loaded.*state_dict"):
        read_weights(path, arrays)
    assert not trace.exists()


@settings(max_examples=60)
@given(st.sampled_from(["safetensors", "zip", "before zip"]), st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path_factory, form, share):
    path = tmp_path_factory.mktemp("cut") / ("w.safetensors" if form == "safetensors" else "w.pth")
    _save(path, form, {f"layer{i}.weight": torch.rand(9, 9) for i in range(9)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=rf"{path.name}: .*(download it again|not loaded)"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", "empty; download it again"),
        (b"\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(99), "cut short after 103 bytes"),
        (b"layer1: 0.1 0.2\n" * 9, "no torch file"),
    ],
)
def test_other_content_is_named(content, answer, tmp_path):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=f"w.pth: .*{answer}"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.zeros(2)], "holds one list"),
        ({}, "holds one dict"),
        ({"epoch": 3, "loss": 0.1}, "'epoch' is of type int"),
        ({"net": STATE}, "'net' is of type dict"),
    ],
)
def test_something_else_than_a_state_dict_is_named(content, found, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=f"w.pth: .*{found}.*expected a state dict"):
        read_weights(tmp_path / "w.pth")


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="w.pth: no such weights file.*benchmarks weights"):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(FileNotFoundError, match="a folder"):
        read_weights(tmp_path)


def test_numpy_arrays_are_read_where_they_are_expected_only(tmp_path):
    arrays = {"means": np.arange(4.0), "vectors": np.eye(4, dtype=np.float32)}
    torch.save(arrays, tmp_path / "new.pth", _use_new_zipfile_serialization=False)
    # What numpy 1 wrote, which the public file is of.
    content = (tmp_path / "new.pth").read_bytes()
    (tmp_path / "old.pth").write_bytes(content.replace(b"numpy._core.", b"numpy.core."))
    assert (tmp_path / "old.pth").read_bytes() != content
    for path in (tmp_path / "new.pth", tmp_path / "old.pth"):
        found = read_weights(path, arrays=True)
        assert _same(found, {k: torch.from_numpy(v) for k, v in arrays.items()})
        with pytest.raises(WeightsError, match="_reconstruct"):
            read_weights(path)


def _module():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def _changed(**changes):
    state = _module().state_dict() | changes
    return {key: value for key, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (_changed(**{"0.bias": None}), r"1 of 7 keys missing, first: 0\.bias"),
        (_changed(head=torch.zeros(1)), r"1 unexpected keys, first: head"),
        (
            _changed(**{"1.weight": torch.zeros(3)}),
            r"1\.weight has shape \(3,\), expected shape \(2,\)",
        ),
        (
            _changed(**{"1.weight": torch.zeros(2, dtype=torch.int8)}),
            r"1\.weight has shape \(2,\) of whole numbers, expected shape \(2,\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(state, problem, tmp_path):
    for module in (_module(), _module().to("meta")):
        with pytest.raises(WeightsError, match=rf"w.pth: \d tensors, .*Sequential: {problem}"):
            fit_weights(module, state, tmp_path / "w.pth")


def test_half_precision_and_files_without_batch_counters_load(tmp_path):
    theirs, module = _module(), _module()
    state = {k: v.half() for k, v in theirs.state_dict().items() if "num_batches" not in k}
    load_weights(module, state, tmp_path / "w.pth")
    assert module[0].weight.dtype == torch.float32
    assert torch.equal(module[0].weight, theirs[0].weight.half().float())
    assert module[1].num_batches_tracked == 0


def test_names_of_another_release(tmp_path, caplog):
    key_map = KeyMap("theirs", "conv.weight", [("^fc", None), ("conv", "0")], ("", "net."))
    state = {"conv.weight": torch.ones(2), "conv.bias": torch.ones(1), "fc.weight": torch.ones(3)}
    own = nn.ModuleList([nn.PReLU(2)])
    own[0].bias = nn.Parameter(torch.zeros(1))
    load_weights(own, state, tmp_path / "w.pth", [key_map])
    assert own[0].weight.tolist() == [1, 1] and not caplog.records
    whole = {f"net.{k}": v for k, v in state.items()} | {"decoder.weight": torch.ones(9)}
    assert fit_weights(own, whole, tmp_path / "w.pth", [key_map]).keys() == {"0.weight", "0.bias"}
    assert "only net.* is read" in caplog.text and "w.pth" in caplog.text
    with pytest.raises(WeightsError, match="unexpected keys, first: conv.weight"):
        fit_weights(own, state, tmp_path / "w.pth")


@pytest.mark.parametrize("size", ["vit_b", "vit_l", "vit_h"])
def test_published_sam_loads(size, weights_file):
    with torch.device("meta"):
        theirs, ours = sam_model_registry[size](), build_sam(size)
    path, values = weights_file(theirs.state_dict(), f"sam_{size}.pth")
    assert _same(fit_weights(ours, read_weights(path), path), values)
    if size == "vit_b":
        assert _same(build_sam(size, path).state_dict(), values)
        with torch.device("meta"):
            other = build_sam("vit_l")
        with pytest.raises(WeightsError, match="sam_vit_b.pth: 314 tensors.*this Sam.*blocks.12"):
            fit_weights(other, read_weights(path), path)


@pytest.mark.parametrize("content", [{"x": print}, {"\x1b[2Jx": 3}, [torch.zeros(1), eval]])
def test_no_advice_of_torch_and_no_escape_is_repeated(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="w.pth") as caught:
        read_weights(tmp_path / "w.pth")
    assert str(caught.value).isprintable()
    assert "trust" not in str(caught.value) and "weights_only" not in str(caught.value)


def test_a_compressed_archive_is_no_file_of_torch(tmp_path):
    torch.save({"x": torch.zeros(1 << 20)}, tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    assert (tmp_path / "bomb.pth").stat().st_size < 20_000
    with pytest.raises(WeightsError, match="bomb.pth: .*is compressed, which torch's never are"):
        read_weights(tmp_path / "bomb.pth")
