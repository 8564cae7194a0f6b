import csv
import json
import math
import multiprocessing
import os
import platform
import resource
import shutil
import signal
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.data.clip_files import ClipFileError
from benchmarks.data.index import load_index, world_of, write_index
from benchmarks.data.masks import voc_palette
from benchmarks.miniature import folder
from benchmarks.miniature import world as made
from benchmarks.miniature.clips import FOREIGN, UNSEEN, clip_keys, draw_clip
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.scenes import CLASSES
from benchmarks.miniature.sounds import RATE
from benchmarks.miniature.world import build
from tests.benchmarks.miniature.builds import digests, killed

SPLITS = Path(__file__).parents[3] / "splits" / "miniature"
HOME = [name for name in CLASSES if name not in FOREIGN]
SMALL = WorldConfig(
    size=64,
    clips={
        "v1s": {"train": 6, "val": 1, "test": 8},
        "v1m": {"train": 2, "val": 0, "test": 5},
        "v2": {"train": 2, "val": 1, "test": 8},
    },
    interrupted=1.0,
    off_screen=0.2,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world") / "new"
    build(root, SMALL, workers=1)
    return root


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- layout -----------------------------------------------------------------------------------


def test_metadata_is_written_as_in_the_release(world):
    raw = (world / "metadata.csv").read_bytes()
    assert raw.startswith(b"vid,uid,s_min,s_sec,a_obj,split,label\n")
    assert b"\r" not in raw and not raw.endswith(b"\n")
    table = rows(world / "metadata.csv")
    counts = Counter((row["label"], row["split"]) for row in table)
    assert counts == {
        (benchmark, split): n
        for benchmark, splits in SMALL.clips.items()
        for split, n in splits.items()
        if n
    }
    for row in table:
        start, end = (int(ms) for ms in row["uid"].removeprefix(row["vid"] + "_").split("_"))
        assert len(row["vid"]) == 11 and row["uid"].startswith(row["vid"])
        assert 60 * int(row["s_min"]) + int(row["s_sec"]) == start // 1000
        assert int(row["s_sec"]) < 60
        assert end - start == {"v1s": 5000, "v1m": 5000, "v2": 10000}[row["label"]]


def test_every_file_of_the_layout_and_no_other(world):
    expected = {"metadata.csv", "label2idx.json", "scenes.csv", "world.json"}
    for row in rows(world / "metadata.csv"):
        folder, seconds = f"{row['label']}/{row['uid']}", 10 if row["label"] == "v2" else 5
        expected |= {f"{folder}/audio.wav"}
        expected |= {f"{folder}/frames/{k}.jpg" for k in range(seconds)}
        expected |= {f"{folder}/labels_rgb/{k}.png" for k in range(seconds)}
        with wave.open(str(world / folder / "audio.wav")) as audio:
            assert audio.getparams()[:4] == (1, 2, 16_000, 16_000 * seconds)
        for name, kind in (("frames/0.jpg", "JPEG"), ("labels_rgb/0.png", "PNG")):
            with Image.open(world / folder / name) as image:
                assert (image.format, image.mode, image.size) == (kind, "RGB", (64, 64))
    assert set(digests(world)) == expected


def test_label2idx_and_classes(world):
    label2idx = json.loads((world / "label2idx.json").read_text())
    assert label2idx["background"] == 0 and sorted(label2idx.values()) == list(range(21))
    assert not {*FOREIGN} & set(label2idx)
    named = {name for row in rows(world / "metadata.csv") for name in row["a_obj"].split("_")}
    assert named - set(label2idx) == {"off-the-screen"}  # no index in the release either


def test_palette_against_bit_by_bit():
    for index, colour in enumerate(voc_palette(71).tolist()):
        rgb, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= (rest & 1) << bit
                rest >>= 1
        assert colour == rgb
    assert voc_palette(71)[70].tolist() == [32, 128, 128]


# --- same bytes -------------------------------------------------------------------------------


def test_workers_do_not_change_a_byte(world, tmp_path):
    build(tmp_path / "again", SMALL, workers=2)
    assert digests(tmp_path / "again") == digests(world)


def test_killed_build_goes_on_to_the_same_bytes(world, tmp_path):
    root = tmp_path / "killed"
    before = killed(lambda: build(root, SMALL), root, "v*/*/audio.wav", 5)
    assert not (root / "metadata.csv").exists()
    half = root / ".parts-dead" / "half"
    half.mkdir(parents=True)
    build(root, SMALL, workers=1)
    assert digests(root) == digests(world)
    assert not half.exists()
    assert {path: path.stat().st_mtime_ns for path in before} == before


TINY = WorldConfig(size=32, clips={"v1s": {"train": 2, "test": 2}})
OTHER = TINY.model_copy(update={"seed": 1})


def test_two_builds_at_once_end_as_one(tmp_path):
    fork = multiprocessing.get_context("fork")
    build(tmp_path / "alone", TINY)
    racing = [fork.Process(target=build, args=(tmp_path / "both", TINY)) for _ in range(2)]
    for process in racing:
        process.start()
    for process in racing:
        process.join()
    assert [process.exitcode for process in racing] == [0, 0]
    assert digests(tmp_path / "both") == digests(tmp_path / "alone")


def _die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["start", "first clip", "end"])
def test_a_world_half_replaced_is_nobodys(tmp_path, monkeypatch, moment):
    """Killed while another world is made; then the old value is put back."""
    root, path = tmp_path / "world", tmp_path / "index.csv"
    build(root, TINY)
    whole = digests(root)
    row = {"uid": ["a"], "video": "a", "checksums": "", "world": world_of(root)}
    index = write_index(pd.DataFrame(row))
    path.write_bytes(index)
    assert len(load_index(path)) == 1
    module, name = {
        "start": (folder.tempfile, "mkdtemp"),
        "first clip": (made, "_write_clip"),
        "end": (made, "write_atomic"),
    }[moment]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, _die)
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=build, args=(root, OTHER, 1, path))
        process.start()
        process.join()
        assert process.exitcode != 0
    assert not path.exists() and not (root / "metadata.csv").exists()
    path.write_bytes(index)  # another profile's, say
    with pytest.raises(ClipFileError, match="world holds another world than the index's.* data"):
        load_index(path)
    build(root, TINY, 1, path)
    assert digests(root) == whole
    path.write_bytes(index)
    assert len(load_index(path)) == 1


def test_a_part_of_a_killed_writer_doesnt_make_a_foreign_folder(tmp_path):
    (tmp_path / f".world.json.{platform.node()}-{2**22 + 1}.part").write_text("{")
    build(tmp_path, TINY)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("lost", ["audio.wav", "frames/0.jpg", "labels_rgb/4.png"])
def test_a_file_that_was_deleted_is_made_again(tmp_path, lost):
    build(tmp_path, TINY)
    whole = digests(tmp_path)
    next((tmp_path / "v1s").glob(f"*/{lost}")).unlink()
    build(tmp_path, TINY)
    assert digests(tmp_path) == whole


def test_a_disk_that_is_full_is_foreseen_or_named(tmp_path, monkeypatch):
    build(tmp_path / "whole", TINY)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 500_000))
        with pytest.raises(OSError, match=r"new: the world needs about \d+ MiB more, 0 MiB are fr"):
            build(tmp_path / "new", TINY)
        assert not list((tmp_path / "new").rglob("*.jpg"))
        build(tmp_path / "whole", TINY)  # little is missing of it, if anything
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # a WAV takes 160 kB
    try:
        with pytest.raises(OSError, match=r"audio.wav: the world needs .*\(File too large\)"):
            build(tmp_path / "new", TINY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    build(tmp_path / "new", TINY)  # continues
    assert digests(tmp_path / "new") == digests(tmp_path / "whole")


def test_what_clips_take_is_foreseen_within_half(world):
    foreseen = sum(folder._bytes_of(SMALL, key) for key in clip_keys(SMALL))
    blocks = [-(-p.stat().st_size // 4096) * 4096 for p in world.glob("v*/**/*.*")]
    assert sum(blocks) < foreseen < 1.5 * sum(blocks)


def test_another_configuration_replaces_the_world(tmp_path):
    tiny = WorldConfig(size=32, clips={"v1s": {"test": 2}})
    build(tmp_path / "a", tiny)
    build(tmp_path / "b", tiny.model_copy(update={"seed": 1}))
    build(tmp_path / "a", tiny.model_copy(update={"seed": 1}))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_foreign_folder_is_refused_and_untouched(tmp_path):
    (tmp_path / "metadata.csv").write_text("real data")
    with pytest.raises(FileExistsError, match="world.json"):
        build(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["metadata.csv"]


def test_more_clips_keep_the_first_ones():
    more = SMALL.model_copy(update={"clips": {"v2": {"test": 30}}})
    few = [key for key in clip_keys(SMALL) if key[:2] == ("v2", "test")]
    assert clip_keys(more)[: len(few)] == few


# --- sight and sound agree --------------------------------------------------------------------


def test_masks_are_empty_exactly_when_nothing_in_view_sounds(world):
    metadata = {row["uid"]: row for row in rows(world / "metadata.csv")}
    colours = {tuple(c): name for c, name in zip(slow_colours(), ("", *HOME), strict=True)}
    off_screen = 0
    for facts in rows(world / "scenes.csv"):
        folder = world / metadata[facts["uid"]]["label"] / facts["uid"]
        with wave.open(str(folder / "audio.wav")) as audio:
            samples = np.frombuffer(audio.readframes(audio.getnframes()), "<i2") / 32768
        loud = np.sqrt((samples.reshape(-1, RATE) ** 2).mean(1))
        # 15 dB under LEVEL is the loudest noise; a sound is 1.5 dB softer than LEVEL at the most,
        # and a swell has half of its RMS in its weakest second.
        assert ((loud < 0.02) | (loud > 0.03)).all()
        seen = []
        for second in range(len(loud)):
            with Image.open(folder / "labels_rgb" / f"{second}.png") as image:
                found = {colour for _, colour in image.getcolors(25)}
            seen.append({colours[colour] for colour in found} - {""})
        assert int(facts["silent_frames"]) == (loud < 0.02).sum()
        if facts["off_screen"] == "True":
            off_screen += 1
            assert not any(seen) and (loud > 0.03).sum() >= 4
            assert metadata[facts["uid"]]["a_obj"] == "off-the-screen"
            assert not {*facts["heard"].split("_")} & {*facts["shown"].split("_")}
        else:
            assert [bool(names) for names in seen] == (loud > 0.03).tolist()
            assert set.union(*seen) == {*metadata[facts["uid"]]["a_obj"].split("_")}
    assert 0 < off_screen < len(metadata)


def slow_colours():
    return [
        [sum(((i >> (3 * k + c)) & 1) << (7 - k) for k in range(8)) for c in range(3)]
        for i in range(21)
    ]


# --- shares, by law ---------------------------------------------------------------------------


def clips_of(benchmark, regime, count, **shares):
    config = WorldConfig(clips={benchmark: {"test": count}}, regime={benchmark: regime}, **shares)
    return [draw_clip(config, key) for key in clip_keys(config)]


def ranks(clip):
    """For each visible object of a clip: (sounds, is the largest, is the most central)."""
    middle = clip.on.shape[1] / 2
    objects = [thing for thing in clip.scene.things if thing.label >= 0]
    away = [math.dist(thing.at(middle), (64, 64)) for thing in objects]
    sizes = [thing.radius for thing in objects]
    return [
        (any(t is s for s in clip.heard), r == max(sizes), d == min(away))
        for t, r, d in zip(objects, sizes, away, strict=True)
    ]


def test_natural_scenes_hint_at_the_source():
    clips = clips_of("v1s", "natural", 600, off_screen=0.0, further=0.0)
    several = [clip for clip in clips if clip.facts["n_objects"] > 1]
    hinted = [clip for clip in several if clip.facts["hint"] != "none"]
    assert len(clips) - len(several) == pytest.approx(0.6 * 600, abs=8)
    assert len(hinted) / len(several) == pytest.approx(0.7, abs=0.09)  # 3 sd of a binomial
    for clip in hinted:
        ((_, largest, central),) = [rank for rank in ranks(clip) if rank[0]]
        assert largest if clip.facts["hint"] == "larger" else central


@pytest.mark.parametrize(("benchmark", "sources"), [("v1s", {1}), ("v1m", {2}), ("v2", {1, 2})])
def test_balanced_scenes_do_not_hint(benchmark, sources):
    clips = clips_of(benchmark, "balanced", 480, off_screen=0.0, further=0.0)
    assert {len(clip.heard) for clip in clips} == sources
    assert {clip.facts["n_objects"] for clip in clips} == set(range(min(sources) + 1, 5))
    for quality in (1, 2):  # largest, most central: as often a source as any other object is
        hits = sum(any(r[0] and r[quality] for r in ranks(clip)) for clip in clips)
        chance = [len(clip.heard) / clip.facts["n_objects"] for clip in clips]
        sd = math.sqrt(sum(p * (1 - p) for p in chance))
        assert abs(hits - sum(chance)) < 3.5 * sd


def test_distractors_pauses_and_off_screen():
    clips = clips_of("v2", "balanced", 480)
    same = [clip for clip in clips if clip.facts["distractor"] == "same_class"]
    assert 0.04 < len(same) / len(clips) <= 0.10
    for clip in same:
        label = clip.heard[0].label
        silent = {t.radius for t in clip.scene.things if t.label == label} - {clip.heard[0].radius}
        (radius,) = silent
        assert max(radius, clip.heard[0].radius) / min(radius, clip.heard[0].radius) >= 1.35
    away = sum(clip.facts["off_screen"] for clip in clips)
    assert away == pytest.approx(0.05 * 480, abs=6)
    empty = sum(10 if clip.facts["off_screen"] else clip.facts["silent_frames"] for clip in clips)
    assert 0.1 < empty / 4800 <= 0.2
    for clip in clips:
        for on in clip.on:  # one interval of at least three seconds
            edges = np.flatnonzero(np.diff([0, *on, 0]))
            assert len(edges) == 2 and edges[1] - edges[0] >= 3


def test_clips_of_a_video_look_alike_and_share_no_seconds():
    config = WorldConfig(clips={"v1m": {"train": 60, "test": 60}}, off_screen=0.0)
    videos = {}
    for key in clip_keys(config):
        clip = draw_clip(config, key)
        videos.setdefault(clip.vid, []).append(clip)
    assert 60 < len(videos) < 120
    for clips in videos.values():
        assert len({clip.key.split for clip in clips}) == 1
        assert len({clip.start for clip in clips}) == len(clips)
        assert all((c.scene.background == clips[0].scene.background).all() for c in clips)
        assert len({tuple(t.colours for t in clip.scene.things) for clip in clips}) == 1
    first = [clips[0].heard[0].label for clips in videos.values()]
    assert max(Counter(first).values()) - min(Counter(first).values()) <= 2  # all classes in turn
    assert {CLASSES[label] for label in first} == {*HOME}


@pytest.mark.parametrize("benchmark", ["v1s", "v1m", "v2"])
def test_avsbench_knows_no_foreign_class(benchmark):
    for regime in ("natural", "balanced"):
        for clip in clips_of(benchmark, regime, 150, off_screen=0.3, same_class=0.3):
            labels = {thing.label for thing in (*clip.scene.things, *clip.heard)} - {-1}
            assert not {CLASSES[label] for label in labels} & {*FOREIGN}
            assert not {*f"{clip.facts['heard']}_{clip.facts['shown']}".split("_")} & {*FOREIGN}


def test_unseen_splits_have_equal_marginals():
    splits = []
    for path in sorted(SPLITS.glob("unseen_[0-9].csv")):
        splits.append([row["class"] for row in rows(path)])
    assert len(splits) >= 3 and len({frozenset(split) for split in splits}) == len(splits)
    assert tuple(splits[0]) == UNSEEN
    for split in splits:
        assert set(split) < {*HOME} and len(set(split)) == 8
        shapes, textures = (Counter(name.split("-")[k] for name in split) for k in (0, 1))
        assert shapes == {"disc": 2, "square": 1, "triangle": 1, "star": 2, "plus": 1, "ring": 1}
        assert set(textures.values()) == {2} and len(textures) == 4
        seen = [name.split("-") for name in {*HOME} - {*split}]
        assert {*Counter(shape for shape, _ in seen).values()} == {2}  # all alike
        assert {*Counter(texture for _, texture in seen).values()} == {3}
