"""The kinds of file that `tests.mutations` damages: how a whole one is made and read.

`make` writes the file, and what it is compared with, into a folder; `read` is what the pipeline
calls, and returns content that can be compared. A file whose content is another must be refused.
"""

import io
import json
import logging
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
import torch
from PIL import Image

from benchmarks.data import clip_files
from benchmarks.data.avsbench import indexed_metadata
from benchmarks.data.clip_files import ClipFileError, clip_file, file_digests
from benchmarks.data.files import read_audio, read_frame, read_labels
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.data.log_mel import LogMelError, read_log_mel
from benchmarks.data.vggss import indexed_annotations
from benchmarks.data.video import sample_video
from benchmarks.features.store import (
    FeatureStore,
    Header,
    ShardWriter,
    StoreError,
    write_manifest,
)
from benchmarks.grid.folders import discard_damaged, finish
from benchmarks.params import load
from benchmarks.params.errors import ParamsError
from benchmarks.preflight.fake_data import write_vggss
from benchmarks.scoring.counts import score_frames
from benchmarks.scoring.npz import NpzError, load_scores, save_scores
from benchmarks.scoring.records import SCHEMA, RecordError, read_record, write_record
from benchmarks.training import snapshot
from gavs.checkpoint import (
    CheckpointError,
    CheckpointHeader,
    EncoderFile,
    checkpoint_bytes,
    read_checkpoint,
)
from gavs.media import MediaError
from gavs.weights import WeightsError, read_weights
from splits.files import SplitError
from splits.vggss_boxes import read_annotations
from tests.gavs.files import make_video, noise, picture

ROOT = Path(__file__).parents[1]
HEADER = Header("vggish", 12, (3, 5), "float16", 8, {"index": "0" * 64})  # of a store


class Kind(NamedTuple):
    """A kind of file.

    file: its name. legal: it has no checksum and nothing was made from it, so that other content
    is other input.
    """

    file: str
    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    errors: tuple[type[Exception], ...]
    legal: bool = False


def forget() -> None:
    """What a process has verified once isn't verified again: a new one begins."""
    clip_files._verified.cache_clear()


def _saved(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@cache
def _index() -> pd.DataFrame:
    """Rows of three clips, as readers make them."""
    clips = [("abcdefghijk_0_10000", "cat", "train"), ("bbcdefghijk_65000_75000", "dog_cat", "val"),
             ("cbcdefghijk_1000_11000", "h-orse", "test")]  # fmt: skip
    rows = [
        {
            "uid": uid, "video": uid[:11], "benchmark": "v2", "split": split, "classes": classes,
            "frames": 10, "height": 30, "width": 40, "digest": f"{i}" * 64, "second": 0,
            "boxes": "", "frame_path": f"avs/v2/{uid}/frames/{{}}.jpg",
            "mask_path": f"avs/v2/{uid}/labels_rgb/{{}}.png",
            "audio_path": f"avs/v2/{uid}/audio.wav", "supervision": "all", "checksums": "",
            "world": "",
        }
        for i, (uid, classes, split) in enumerate(clips)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _write_lists(folder: Path) -> None:
    """metadata.csv and label2idx.json of the index's clips, an object and a list."""
    rows = [
        f"{row.video},{row.uid},{int(row.uid.split('_')[1]) // 60_000},"
        f"{int(row.uid.split('_')[1]) // 1000 % 60},{row.classes},{row.split},{row.benchmark}"
        for row in _index().itertuples()
    ]
    text = "\n".join(["vid,uid,s_min,s_sec,a_obj,split,label", *rows])
    _saved(text.encode(), folder / "metadata.csv")
    _saved(b'{"background": 0, "cat": 1, "dog": 2, "h-orse": 3}', folder / "label2idx.json")


def _make_list(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        _write_lists(folder)
        return folder / name

    return make


def _read_lists(path: Path) -> str:
    """What the protocol takes of them: numbers as numbers."""
    table = indexed_metadata(path.parent, _index())
    return table.astype({"s_min": float, "s_sec": float}).to_csv()


@cache
def _vggss(folder: Path) -> tuple[bytes, pd.DataFrame]:
    """vggss.json of six clips, and their rows of the index."""
    write_vggss(folder, 6)
    clips, _ = read_annotations(folder / "vggss.json")
    rows = {"uid": clips.file, "benchmark": "vggss", "classes": clips.label}
    boxes = clips.boxes.map(json.dumps)
    return (folder / "vggss.json").read_bytes(), pd.DataFrame({**rows, "boxes": boxes})


def _make_vggss(folder: Path) -> Path:
    return _saved(_vggss(folder)[0], folder / "vggss.json")


def _read_vggss(path: Path) -> str:
    return indexed_annotations(path.parent, _vggss(path.parent)[1]).to_csv()


@cache
def _clip(folder: Path, audio: str) -> SimpleNamespace:
    """The index's row of a clip of one frame, and its whole files."""
    Image.fromarray(picture(48, 64)).save(folder / "0.jpg", quality=90)
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[10:30, 20:50] = 128, 0, 0
    Image.fromarray(mask).save(folder / "0.png")
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(folder / "audio.wav", noise, 16_000)
    _make_log_mel(folder)
    files = [folder / "0.jpg", folder / "0.png", folder / audio]
    return SimpleNamespace(
        frames=1,
        frame_path=f"{folder}/{{}}.jpg",
        mask_path=f"{folder}/{{}}.png",
        audio_path=str(folder / audio),
        whole={path.name: path.read_bytes() for path in files},
        **file_digests(files, ""),
    )


def _of_a_clip(name: str, part: str, read: Callable[[Path], np.ndarray]) -> dict[str, Callable]:
    """`make` and `read` of a clip's frame, mask or audio."""
    audio = name if part == "audio" else "audio.wav"

    def made(folder: Path) -> Path:
        return _saved(_clip(folder, audio).whole[name], folder / name)

    def checked(path: Path) -> bytes:
        return read(clip_file(_clip(path.parent, audio), part)).tobytes()

    return {"make": made, "read": checked}


def _make_scores(folder: Path) -> Path:
    maps = torch.linspace(0, 1, 3 * 60).view(3, 6, 10)
    facts = {"uid": ["a", "b", "c"], "video": ["a", "b", "c"], "frame": [0, 1, 2]}
    scores = score_frames(maps, maps > 0.5, classes=[""] * 3, **facts)
    save_scores(folder / "scores.npz", {"test": scores})
    return folder / "scores.npz"


def _read_scores(path: Path) -> bytes:
    arrays = load_scores(path)["test"].arrays()
    return b"".join(f"{k}{v.dtype}{v.shape}".encode() + v.tobytes() for k, v in arrays.items())


def _tensors() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return {f"layer{i}.weight": torch.rand(7, 9, generator=g) for i in range(4)}


def _make_checkpoint(folder: Path) -> Path:
    encoder = EncoderFile(size="mini", path="weights/sam.safetensors", sha256="0" * 64)
    header = CheckpointHeader(
        method="gavs",
        config={"lr": 1},
        encoders={"sam": encoder, "vggish": encoder},
        hop_seconds=1.0,
    )
    return _saved(checkpoint_bytes(header, _tensors()), folder / "gavs.safetensors")


def _read_checkpoint(path: Path) -> str:
    header, tensors = read_checkpoint(path)
    return header.model_dump_json() + _text(tensors)


def _text(tensors: dict[str, torch.Tensor]) -> str:
    return str({name: (t.dtype, t.tolist()) for name, t in sorted(tensors.items())})


def _make_weights(folder: Path) -> Path:
    torch.save(_tensors(), folder / "published.pth")
    return folder / "published.pth"


def _make_index(folder: Path) -> Path:
    return _saved(write_index(_index()), folder / "index.csv")


def _make_video(folder: Path) -> Path:
    return make_video(folder / "clip.mp4", [i / 25 for i in range(130)], noise(5.2, 44_100, 2))


def _read_video(path: Path) -> bytes:
    frames, sound = sample_video(path, 5, middle=False)
    return b"".join(frame.tobytes() for frame in frames) + sound.tobytes()


def _make_log_mel(folder: Path) -> Path:
    windows = np.random.default_rng(0).standard_normal((5, 1, 96, 64)).astype(np.float32)
    return _saved(pickle.dumps(torch.tensor(windows)), folder / "clip.pkl")


def _make_shard(folder: Path) -> Path:
    _store(folder)
    return folder / "shard-00000.npy"


def _make_manifest(folder: Path) -> Path:
    _store(folder)
    return folder / "manifest.json"


def _store(folder: Path) -> None:
    """A store of twelve rows in two shards."""
    rows = np.random.default_rng(0).standard_normal((12, 3, 5)).astype(np.float16)
    shards = {}
    for number, part in enumerate((rows[:8], rows[8:])):
        with ShardWriter(folder, HEADER, number) as writer:
            writer.append(part)
            shards[number] = writer.finish()
    write_manifest(folder, HEADER, shards)


def _read_store(path: Path) -> bytes:
    return FeatureStore(path.parent, HEADER)[np.arange(12)].tobytes()


def _make_model(folder: Path) -> Path:
    snapshot.save(folder / "model.pt", _tensors())
    finish(folder, "model.json", {"steps": 3}, ["model.pt"])
    return folder / "model.pt"


def _read_model(path: Path) -> str:
    """Read a model as `grid.models.trained`: a damaged folder is emptied, and that is said."""
    log, said = logging.getLogger("benchmarks.grid.folders"), io.StringIO()
    log.addHandler(handler := logging.StreamHandler(said))
    try:
        discard_damaged(path.parent, "model.json")
    finally:
        log.removeHandler(handler)
    if not path.is_file():
        raise snapshot.SnapshotError(said.getvalue().strip())
    return _text(snapshot.load(path))


def _make_record(folder: Path) -> Path:
    record = {
        "schema": SCHEMA, "profile": "smoke", "variant": "gavs", "benchmark": "v2",
        "setting": "test", "seed": 0, "draw": None, "evaluations": ["test"], "files": {},
        "checksums": {"index": "0" * 64, "code": "1" * 64},
        "counts": {"trainable_parameters": 7, "updates": 3},
        "history": [{"epoch": 0, "step": 3, "loss": 0.5, "validation": 0.25}],
    }  # fmt: skip
    write_record(folder / "gavs.json", record)
    return folder / "gavs.json"


def _make_params(folder: Path) -> Path:
    return _saved((ROOT / "profiles/smoke.yaml").read_bytes(), folder / "params.yaml")


CLIP = (ClipFileError,)
LISTS = (DataError, SplitError)
KINDS = {
    "index.csv": Kind("index.csv", _make_index, lambda p: load_index(p).to_csv(), LISTS),
    "metadata.csv": Kind("metadata.csv", _make_list("metadata.csv"), _read_lists, LISTS),
    "label2idx.json": Kind("label2idx.json", _make_list("label2idx.json"), _read_lists, LISTS),
    "vggss.json": Kind("vggss.json", _make_vggss, _read_vggss, LISTS),
    "scores.npz": Kind("scores.npz", _make_scores, _read_scores, (NpzError,)),
    "safetensors": Kind("gavs.safetensors", _make_checkpoint, _read_checkpoint, (CheckpointError,)),
    "published pth": Kind(
        "published.pth", _make_weights, lambda p: _text(read_weights(p)), (WeightsError,), True
    ),
    "new log-mel pkl": Kind(
        "clip.pkl", _make_log_mel, lambda p: read_log_mel(p).tobytes(), (LogMelError,), True
    ),
    "jpg": Kind("0.jpg", **_of_a_clip("0.jpg", "frame", read_frame), errors=CLIP),
    "png": Kind("0.png", **_of_a_clip("0.png", "mask", read_labels), errors=CLIP),
    "wav": Kind("audio.wav", **_of_a_clip("audio.wav", "audio", read_audio), errors=CLIP),
    "log-mel pkl": Kind("clip.pkl", **_of_a_clip("clip.pkl", "audio", read_log_mel), errors=CLIP),
    "npy shard": Kind("shard-00000.npy", _make_shard, _read_store, (StoreError,)),
    "manifest": Kind("manifest.json", _make_manifest, _read_store, (StoreError,)),
    "model.pt": Kind("model.pt", _make_model, _read_model, (snapshot.SnapshotError,)),
    "record.json": Kind(
        "gavs.json", _make_record, lambda p: read_record(p).model_dump_json(), (RecordError,)
    ),
    "params.yaml": Kind(
        "params.yaml", _make_params, lambda p: load(p).model_dump_json(), (ParamsError,), True
    ),
    "mp4": Kind("clip.mp4", _make_video, _read_video, (MediaError,), True),
}
