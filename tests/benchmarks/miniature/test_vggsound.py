"""VGG-Sound's part of the miniature world."""

import csv
import re
import shutil
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from benchmarks.data.vggsound import VGGSoundParams, read_vggsound
from benchmarks.miniature.clips import FOREIGN, UNHEARD, clip_keys, draw_clip
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.scenes import CLASSES, LOOKALIKES
from benchmarks.miniature.vggsound import build_vggsound
from benchmarks.miniature.vggss import build_vggss, label_of
from splits import vggsound
from splits.vggss_boxes import read_annotations
from tests.benchmarks.miniature.builds import digests

GROUPS = Path(vggsound.__file__).parent / "miniature" / "vggss_heard.csv"
COUNT, TESTS = 30, 20
SMALL = WorldConfig(
    size=64,
    clips={"v2": {"train": 6}, "vggss": {"test": TESTS}, "vggsound": {"train": COUNT}},
    shared=0.2,
    published=0.7,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """VGG-SS's and VGG-Sound's folders."""
    root = tmp_path_factory.mktemp("world")
    build_vggss(root / "vggss", None, SMALL)
    build_vggsound(root / "vggsound", SMALL)
    return root


@pytest.fixture(scope="module")
def default():
    """Clips of the default world: (VGG-SS's, VGG-Sound's)."""
    return [
        [draw_clip(WorldConfig(), key) for key in clip_keys(WorldConfig(), [name])]
        for name in ("vggss", "vggsound")
    ]


def listed(world, name):
    return (world / "vggsound" / f"{name}.txt").read_text().splitlines()


def rows(world):
    with (world / "vggsound" / "vggsound.csv").open(newline="") as file:
        return [(f"{video}_{int(start):06d}", *rest) for video, start, *rest in csv.reader(file)]


# --- layout -----------------------------------------------------------------------------------


def test_layout(world):
    lists = {"train.txt", "published.txt", "vggsound.csv", "scenes.csv", "world.json"}
    expected = set(lists)
    for name in {*listed(world, "train"), *listed(world, "published")}:
        assert re.fullmatch(r"[A-Za-z0-9_-]{11}_\d{6}", name)
        expected |= {f"frames/{name}.jpg", f"audio/{name}.wav"}
        with wave.open(str(world / "vggsound" / "audio" / f"{name}.wav")) as audio:
            assert audio.getparams()[:4] == (1, 2, 16_000, 160_000)
        with Image.open(world / "vggsound" / "frames" / f"{name}.jpg") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
    assert set(digests(world / "vggsound")) == expected


def test_files_hold_what_the_list_says(world):
    clips = [draw_clip(SMALL, key) for key in clip_keys(SMALL, ["vggsound"])]
    assert sorted(clip.file for clip in clips) == listed(world, "train")
    labels = {file: label for file, label, _ in rows(world)}
    for clip in clips[:8]:
        assert labels[clip.file] == label_of(CLASSES[clip.heard[0].label])
        with Image.open(world / "vggsound" / "frames" / f"{clip.file}.jpg") as image:
            stored = np.asarray(image).astype(int)
        shown = clip.scene.frame(np.random.default_rng([clip.noise, 0]), 5.0).image
        assert abs(stored - shown).mean() < 4  # JPEG
        with wave.open(str(world / "vggsound" / "audio" / f"{clip.file}.wav")) as audio:
            samples = np.frombuffer(audio.readframes(160_000), "<i2") / 32767
        assert abs(samples - clip.waveform()).max() < 1e-4


def test_vggsounds_table_knows_every_clip(world):
    annotations, _ = read_annotations(world / "vggss" / "vggss.json")
    found = {file: (label, split) for file, label, split in rows(world)}
    assert len(found) == len(rows(world)) == COUNT + TESTS
    assert {f for f, (_, split) in found.items() if split == "train"} == {*listed(world, "train")}
    tested = dict(zip(annotations.file, annotations.label, strict=True))
    assert {f: label for f, (label, split) in found.items() if split == "test"} == tested


def test_the_published_list_holds_test_clips(world):
    tests = read_annotations(world / "vggss" / "vggss.json")[0].file.tolist()
    published, train = listed(world, "published"), listed(world, "train")
    assert len(published) == len(train) == COUNT and published == sorted(published)
    found = vggsound.overlap("published", published, tests)
    assert len(found.identical) == 0.7 * TESTS == len({*published} - {*train})
    ours, theirs = (digests(world / name) for name in ("vggsound", "vggss"))
    for file in found.identical:  # the very clips
        for name in (f"frames/{file}.jpg", f"audio/{file}.wav"):
            assert ours[name] == theirs[name]


def test_the_reader_reads_it(world):
    tests = read_annotations(world / "vggss" / "vggss.json")[0].file
    params = VGGSoundParams(root=world / "vggsound", list="train", val_clips=8)
    index = read_vggsound(params, tests)
    assert list(index.uid) == listed(world, "train")
    leaked = params.model_copy(update={"list": "published"})
    index = read_vggsound(leaked, tests)
    assert set(index.uid) == {*listed(world, "published")} & {*listed(world, "train")}
    assert len(read_vggsound(leaked.model_copy(update={"exclude_tests": False}), tests)) == COUNT


# --- same bytes -------------------------------------------------------------------------------


def test_workers_and_half_made_clips_do_not_change_a_byte(world, tmp_path):
    build_vggsound(tmp_path, SMALL, workers=2)
    assert digests(tmp_path) == digests(world / "vggsound")
    lost = [*tmp_path.glob("*.txt"), *[*tmp_path.glob("frames/*")][:5], *tmp_path.glob("audio/a*")]
    for path in lost:  # as after a kill
        path.unlink()
    build_vggsound(tmp_path, SMALL)
    assert digests(tmp_path) == digests(world / "vggsound")


def test_clips_of_both_parts_are_one_file_only_where_they_have_the_same_bytes(world, tmp_path):
    shutil.copytree(world / "vggss", tmp_path / "vggss")
    leaked = sorted({*listed(world, "published")} - {*listed(world, "train")})
    (tmp_path / "vggss" / "audio" / f"{leaked[0]}.wav").write_bytes(b"another sound")
    build_vggsound(tmp_path / "vggsound", SMALL, vggss_root=tmp_path / "vggss")
    assert digests(tmp_path / "vggsound") == digests(world / "vggsound")
    shared = {p.name for p in (tmp_path / "vggsound" / "audio").iterdir() if p.stat().st_nlink > 1}
    assert shared == {f"{file}.wav" for file in leaked[1:]} and len(shared) > 5
    frame = tmp_path / "vggsound" / "frames" / f"{leaked[0]}.jpg"
    assert frame.samefile(tmp_path / "vggss" / "frames" / frame.name)


def test_more_clips_leave_the_others_as_they_are(world, tmp_path):
    more = SMALL.model_copy(update={"clips": {**SMALL.clips, "vggsound": {"train": COUNT + 3}}})
    before = digests(world / "vggss")
    build_vggss(world / "vggss", None, more)
    assert digests(world / "vggss") == before
    build_vggsound(tmp_path, more)
    changed = {"world.json", "scenes.csv", "vggsound.csv", "train.txt", "published.txt"}
    kept = digests(world / "vggsound").items()
    assert {name for name, _ in kept - digests(tmp_path).items()} == changed


def test_refusals(tmp_path):
    with pytest.raises(ValidationError, match="vggsound has no split but train"):
        WorldConfig(clips={"vggsound": {"test": 1}})
    with pytest.raises(ValueError, match="no clips"):
        build_vggsound(tmp_path / "none", WorldConfig(clips={"vggss": {"test": 5}}))
    (tmp_path / "train.txt").write_text("real data")
    with pytest.raises(FileExistsError, match=r"world\.json"):
        build_vggsound(tmp_path, SMALL)


# --- what is learned from ---------------------------------------------------------------------


@pytest.mark.slow  # as the two below: 2,300 clips are drawn
def test_no_video_is_tested(default):
    tests, train = default
    others = [draw_clip(WorldConfig(), key) for key in clip_keys(WorldConfig(), ["v2"])]
    videos = {clip.vid for clip in train}
    assert not videos & {clip.vid for clip in [*tests, *others]}
    assert len({clip.file for clip in train}) == len(train) == 1400
    assert 0.1 < 1 - len(videos) / len(train) < 0.17


@pytest.mark.slow
def test_unheard_classes_are_shown_but_never_sound(default):
    _, train = default
    heard = Counter(CLASSES[source.label] for clip in train for source in clip.heard)
    assert {*heard} == {*CLASSES} - {*UNHEARD}
    assert min(heard.values()) > 80 and max(heard.values()) < 120
    shown = {CLASSES[t.label] for clip in train for t in clip.scene.things if t.label >= 0}
    assert shown == {*CLASSES}


@pytest.mark.slow
def test_the_law_is_that_of_vggss(default):
    """Shares of clips, up to 3.5 standard errors of the difference of two means."""
    facts = []
    for clips in default:
        objects = [sum(t.label >= 0 for t in clip.scene.things) for clip in clips]
        sources = [len(clip.heard) for clip in clips]
        facts.append(
            {
                "silent": np.subtract(objects, sources),
                "sources": sources,
                "furniture": [len(clip.scene.things) for clip in clips] - np.array(objects),
                "hint": [clip.facts["hint"] != "none" for clip in clips],
                "same class": [clip.facts["distractor"] == "same_class" for clip in clips],
                "radius": [clip.heard[0].radius for clip in clips],
                "x": [clip.heard[0].at(5)[0] for clip in clips],
                "noise": [clip.scene.noise for clip in clips],
            }
        )
    for name, found in facts[0].items():
        samples = [np.array(values, float) for values in (found, facts[1][name])]
        error = np.sqrt(sum(values.var() / len(values) for values in samples))
        assert abs(samples[0].mean() - samples[1].mean()) < 3.5 * error, name
    for clip in default[1]:
        assert clip.on.all() and clip.key.style == "shifted" and not clip.facts["off_screen"]
        assert len({source.label for source in clip.heard}) == 1


def test_unheard_classes_are_balanced():
    shapes, textures = (Counter(name.split("-")[k] for name in UNHEARD) for k in (0, 1))
    assert len({*UNHEARD}) == 8 and set(textures.values()) == {2} and len(textures) == 4
    assert sorted(shapes.values()) == [1, 1, 1, 1, 2, 2]
    assert len({*UNHEARD} & {*FOREIGN}) == 2
    alike = {*LOOKALIKES.items(), ("plus-dots", "triangle-dots")}
    assert all((one in UNHEARD) == (other in UNHEARD) for one, other in alike)


def test_the_committed_groups_are_these():
    with GROUPS.open(newline="") as file:
        groups = {row["label"]: row["group"] for row in csv.DictReader(file)}
    assert groups == {label_of(name): "unheard" if name in UNHEARD else "heard" for name in CLASSES}
    groups = vggsound.read_heard(GROUPS)
    assert groups["unheard"] == {label_of(n) for n in UNHEARD}
    assert groups["heard"] == {label_of(n) for n in CLASSES if n not in UNHEARD}
