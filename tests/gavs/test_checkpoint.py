"""What `python -m gavs predict` refuses to take as a checkpoint or as its encoders."""

import hashlib
import json
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.common.files import sha256
from benchmarks.training.snapshot import trained_names, trained_state
from gavs.checkpoint import CheckpointError, checkpoint_bytes, read_checkpoint
from gavs.sam import build_sam
from tests.gavs.files import WEIGHTS, encoder_file, make_method, run, write_checkpoint


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("trap"),)


def _text(path, method):
    path.write_text("not a checkpoint")


def _pickled(path, method):
    path.write_bytes(pickle.dumps(Trap()))


def _encoder_weights(path, method):
    path.write_bytes((WEIGHTS / "sam.safetensors").read_bytes())


def _suites_own(path, method):
    torch.save(trained_state(method, trained_names(method)), path)


def _other_method(path, method):
    write_checkpoint(path, method, method="audio_samm")


def _other_version(path, method):
    write_checkpoint(path, method, version=3)


def _other_width(path, method):
    write_checkpoint(path, method, config={"cola": {"width": 7}})


def _unknown_key(path, method):
    write_checkpoint(path, method, config={"colla": {}})


def _lost_encoder(path, method):
    gone = encoder_file("sam").model_copy(update={"path": "elsewhere/sam.safetensors"})
    write_checkpoint(path, method, encoders={"sam": gone, "vggish": encoder_file("vggish")})


def _without_vggish(path, method):
    write_checkpoint(path, method, encoders={"sam": encoder_file("sam")})


@pytest.mark.parametrize(
    "make, words",
    [
        (_text, "can't be read as a checkpoint"),
        (_pickled, "can't be read as a checkpoint"),
        (_encoder_weights, "tensors without a header"),
        (_suites_own, "can't be read as a checkpoint"),
        (_other_method, "a checkpoint of 'audio_samm', expected one of audio_sam, auss, "),
        (_other_version, "version"),
        (_other_width, "cola.layers.0.down.weight"),
        (_unknown_key, "colla"),
        (_without_vggish, "its header says nothing of the encoder vggish"),
        (_lost_encoder, "elsewhere/sam.safetensors: no such file.*--sam FILE"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, clip, monkeypatch, capsys, make, words):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "c.safetensors", make_method())
    assert run("--checkpoint", "c.safetensors", "--image", clip / "frames/0.jpg",
               "--audio", clip / "audio.wav", "--out", "out") == 1  # fmt: skip
    error = capsys.readouterr().err
    assert re.search(words, error, re.S)
    assert "c.safetensors" in error or make is _lost_encoder
    assert not Path("trap").exists() and not Path("out").exists()


@pytest.mark.parametrize("name", ["sam", "vggish"])
def test_encoders_must_be_the_files_trained_with(tmp_path, clip, checkpoint, capsys, name):
    arguments = ("--checkpoint", checkpoint, "--image", clip / "frames/0.jpg",
                 "--audio", clip / "audio.wav", "--out", tmp_path / "out")  # fmt: skip
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((WEIGHTS / f"{name}.safetensors").read_bytes())
    assert run(*arguments, f"--{name}", moved) == 0
    sam = {k: v + 1 for k, v in build_sam("mini").state_dict().items()}
    save_file(sam, moved)
    assert run(*arguments, f"--{name}", moved) == 1
    error = capsys.readouterr().err
    assert f"moved.safetensors: not the {name}" in error and sha256(moved) in error


def _flipped(path):
    """A bit of the last tensor."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def _renamed(path):
    """A name in the header that clears the screen."""
    content = path.read_bytes()
    assert content.count(b"cola.layers.0.down.weight") == 1
    path.write_bytes(content.replace(b"cola.layers.0.down.weight", b"\\u001b[2J.0.down.weight.."))


def _without_checksum(path):
    before, name, after = path.read_bytes().rpartition(b"sha256")  # the encoders' stand before it
    path.write_bytes(before + b"sha257" + after)


@pytest.mark.parametrize(
    "damage, words",
    [
        (_flipped, "its content has SHA-256"),
        (_renamed, "its content has SHA-256"),
        (_without_checksum, "its content has SHA-256"),
    ],
)
def test_content_is_compared_with_its_checksum(tmp_path, checkpoint, damage, words):
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=rf"{checkpoint.name}: .*{words}") as caught:
        read_checkpoint(checkpoint)
    assert str(caught.value).isprintable()


def test_a_file_of_version_1_is_read(tmp_path, clip, checkpoint):
    """Files until version 2 are of GAVS alone and have two keys of metadata."""
    header, trained = read_checkpoint(checkpoint)
    facts = {
        "version": 1,
        "method": "gavs",
        "config": header.config,
        **{name: encoder_file(name).model_dump() for name in ("sam", "vggish")},
        "hop_seconds": 1.0,
        "origin": {"row": "gavs", "seed": 3},
    }
    text = json.dumps(facts)
    digest = hashlib.sha256(text.encode())
    for name in sorted(trained):
        tensor = trained[name].numpy()
        digest.update(f"{name} {trained[name].dtype} {tensor.shape}".encode() + tensor.tobytes())
    old = tmp_path / "old.safetensors"
    save_file(trained, old, {"gavs": text, "sha256": digest.hexdigest()})
    migrated, same = read_checkpoint(old)
    assert migrated == header.model_copy(update={"origin": facts["origin"]})
    assert all(torch.equal(same[name], trained[name]) for name in trained)
    save_file({k: v + 1 for k, v in trained.items()}, old, {"gavs": text, "sha256": "0" * 64})
    with pytest.raises(CheckpointError, match="its content has SHA-256"):
        read_checkpoint(old)


def test_equal_content_has_equal_bytes(checkpoint):
    header, trained = read_checkpoint(checkpoint)
    assert {checkpoint_bytes(header, dict(reversed(trained.items()))) for _ in range(9)} == {
        checkpoint.read_bytes()
    }
