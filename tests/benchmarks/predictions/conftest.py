"""A benchmark of three test clips and one to train on, whose masks are drawn by hand."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.data.clip_files import file_digests
from benchmarks.data.index import write_index
from benchmarks.predictions.imported import check_name, score_submission, write_imported
from benchmarks.scoring.records import Stored

MASK = np.zeros((4, 6), np.uint8)
MASK[:2, :4] = 255  # 8 of 24 pixels
CLIPS = {"aa_0_2": "aa", "bb_0_2": "bb", "bb_2_4": "bb", "cc_0_2": "cc"}  # uid: video


def save(path: Path, pixels: np.ndarray, mode: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)


def import_folder(params, folder: Path, name: str, benchmark: str, seed: int = 0, **rest) -> Stored:
    """The record of a folder of predictions, as `import` writes it; without the page."""
    check_name(params, name)
    scored = score_submission(params, folder, benchmark, **rest)
    return write_imported(params, name, benchmark, seed, scored)


@pytest.fixture
def params(tmp_path):
    """What an import reads of the parameters; two frames a clip, the last clip trained on."""
    rows = []
    for uid, video in CLIPS.items():
        folder = tmp_path / "data" / uid
        for frame in range(2):
            save(folder / f"frames/{frame}.png", MASK)
            save(folder / f"masks/{frame}.png", MASK)
        (folder / "audio.wav").write_bytes(uid.encode())
        kinds = ("frames", "masks")
        files = [folder / kind / f"{frame}.png" for kind in kinds for frame in range(2)]
        rows.append(
            {
                "uid": uid,
                "video": video,
                "benchmark": "v2",
                "split": "train" if uid == "cc_0_2" else "test",
                "classes": "dog" if uid == "aa_0_2" else "dog_cat",
                "frames": 2,
                "height": 4,
                "width": 6,
                "second": 0,
                "boxes": "",
                "frame_path": str(folder / "frames/{}.png"),
                "mask_path": str(folder / "masks/{}.png"),
                "audio_path": str(folder / "audio.wav"),
                **file_digests([*files, folder / "audio.wav"], ""),
            }
        )
    boxed = {"benchmark": "vggss", "split": "test", "frames": 1, "boxes": "[[0, 0, 0.5, 0.5]]"}
    for uid in ("x1", "x2"):
        rows.append({**rows[0], **boxed, "uid": uid, "video": uid, "mask_path": ""})
    work = tmp_path / "work"
    work.mkdir()
    (work / "index.csv").write_bytes(write_index(pd.DataFrame(rows)))
    scoring = SimpleNamespace(frames_per_clip=None)
    return SimpleNamespace(
        work=work,
        shared=work,
        profile="small",
        scoring=scoring,
        variants={},
        ablations={},
        data=None,
    )


@pytest.fixture
def folder(tmp_path):
    """Perfect predictions of the test, and of nothing else."""
    for uid in list(CLIPS)[:3]:
        for frame in range(2):
            save(tmp_path / "given" / uid / f"{frame}.png", MASK // 255 * 204 + 10)
    return tmp_path / "given"
