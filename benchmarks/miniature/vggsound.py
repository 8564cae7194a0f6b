"""VGG-Sound's part of the miniature world: clips that localisers learn from without labels.

frames/{file}.jpg and audio/{file}.wav as in VGG-SS's folder, and lists of ids, one per line:

train.txt: clips drawn by VGG-SS's law, none of its test's videos; UNHEARD's classes never sound.
published.txt: as many, among them VGG-SS test clips, as in a list that several systems learned from
(vggss_144k.txt of stoneMo/EZ-VSL); their frames and sounds are here too, linked to VGG-SS's.

vggsound.csv is hche11/VGGSound's table, without a header: video, first second, label, split.
"""

import filecmp
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.common.files import link, write_atomic

from . import vggss
from .clips import Clip, ClipKey, clip_keys, draw_clip
from .config import WorldConfig
from .folder import claimed, make_all
from .scenes import CLASSES


def build_vggsound(
    root: Path,
    config: WorldConfig,
    workers: int = 1,
    index: Path | None = None,
    vggss_root: Path | None = None,
) -> None:
    """Write VGG-Sound's part of a world into `root`; the same bytes whatever `workers`.

    A killed build goes on and another world is replaced, as `build_vggss` does. What has the same
    bytes in VGG-SS's part in `vggss_root` becomes one file with it.

    Raises:
        FileExistsError: `root` holds files but no world.
        OSError: naming a file that the disk has no room for.
        ValueError: the configuration has no clips for it.
    """
    outputs = ["train.txt", "frames", "audio"]
    with claimed(root, config, ("v2", "vggss", "vggsound"), __name__, outputs, index):
        _build(root, config, workers, vggss_root)


def _build(root: Path, config: WorldConfig, workers: int, vggss_root: Path | None) -> None:
    for name in ("frames", "audio"):
        (root / name).mkdir(exist_ok=True)
    train, tests = clip_keys(config, ["vggsound"]), clip_keys(config, ["vggss"])
    leaked = tests[: int(config.published * len(tests))] if train else []
    pairs = make_all(_make_clip, root, config, [*train, *leaked], workers, "VGG-Sound")
    rows, scenes = (list(part) for part in zip(*pairs, strict=True))
    rows += [_row(draw_clip(config, key)) for key in tests[len(leaked) :]]
    files = [scene["uid"] for scene in scenes]
    if vggss_root is not None:
        _share(root, vggss_root, files[len(train) :])
    clean, published = files[: len(train)], files[len(train) :]
    published += clean[: max(len(train) - len(leaked), 0)]
    for name, table, header in (("scenes", scenes, True), ("vggsound", rows, False)):
        text = pd.DataFrame(table).to_csv(index=False, header=header, lineterminator="\n")
        write_atomic(root / f"{name}.csv", text)
    # The default list last, since readers take a world with this file for complete.
    for name, ids in (("published", published), ("train", clean)):
        write_atomic(root / f"{name}.txt", "".join(f"{file}\n" for file in sorted(ids)))


def _share(root: Path, vggss_root: Path, files: Sequence[str]) -> None:
    """Link the frames and sounds of these clips that are VGG-SS's too, byte for byte."""
    names = [name for file in files for name in (f"frames/{file}.jpg", f"audio/{file}.wav")]
    for path, twin in ((root / name, vggss_root / name) for name in names):
        if twin.is_file() and not path.samefile(twin) and filecmp.cmp(path, twin, shallow=False):
            link(path, twin)


def _make_clip(task: tuple[Path, Path, WorldConfig, ClipKey]) -> tuple[tuple, dict]:
    """Write a clip's files; returns its rows of vggsound.csv and scenes.csv."""
    root, parts, config, key = task
    clip = draw_clip(config, key)
    vggss.write_clip(root, parts, clip)
    return _row(clip), {"uid": clip.file, **clip.facts}


def _row(clip: Clip) -> tuple[str, int, str, str]:
    """Row of vggsound.csv: video, first second, label, split."""
    label = vggss.label_of(CLASSES[clip.heard[0].label])
    return clip.vid, clip.start, label, clip.key.split
