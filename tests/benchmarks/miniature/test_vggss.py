"""VGG-SS's part of the miniature world."""

import csv
import json
import re
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from benchmarks.miniature.clips import FOREIGN, clip_keys, draw_clip
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.scenes import CLASSES, LOOKALIKES, NEAR, RADIUS
from benchmarks.miniature.sheet import contact_sheet
from benchmarks.miniature.vggss import FLAWS, boxes_of, build_vggss, label_of
from benchmarks.miniature.world import build
from splits.vggss_boxes import read_annotations
from tests.benchmarks.miniature.builds import digests, killed

LABELS = Path(__file__).parents[3] / "splits" / "miniature" / "vggss_labels.csv"
COUNT = 40
SMALL = WorldConfig(
    size=64,
    clips={"v2": {"train": 6, "test": 2}, "vggss": {"test": COUNT}},
    crowd=0.3,
    shared=0.2,
    flawed=0.1,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world") / "vggss"
    build_vggss(root, None, SMALL, workers=1)
    return root


@pytest.fixture(scope="module")
def clips():
    return [draw_clip(SMALL, key) for key in clip_keys(SMALL, ["vggss"])]


def entries(root):
    return json.loads((root / "vggss.json").read_text())


def scenes(root):
    with (root / "scenes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def default(count=900):
    """Clips of the default world, in the default order."""
    config = WorldConfig(clips={**WorldConfig().clips, "vggss": {"test": count}})
    return [draw_clip(config, key) for key in clip_keys(config, ["vggss"])]


def test_layout(world):
    names = [entry["file"] for entry in entries(world)]
    assert len({*names}) == len(names) == COUNT
    expected = {"vggss.json", "scenes.csv", "world.json"}
    for name, entry in zip(names, entries(world), strict=True):
        assert list(entry) == ["file", "class", "bbox"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{11}_\d{6}", name)
        expected |= {f"frames/{name}.jpg", f"audio/{name}.wav"}
        with wave.open(str(world / "audio" / f"{name}.wav")) as audio:
            assert audio.getparams()[:4] == (1, 2, 16_000, 160_000)
        with Image.open(world / "frames" / f"{name}.jpg") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
    assert set(digests(world)) == expected
    assert [row["uid"] for row in scenes(world)] == names


def test_boxes_against_the_rendered_owner_mask(world, clips):
    """Independent of the builder: pixel by pixel, from the middle of the clip."""
    several = 0
    for entry, row, clip in zip(entries(world), scenes(world), clips, strict=True):
        frame = clip.scene.frame(np.random.default_rng(0), 5.0)  # noise moves no mask
        expected = []
        for index, thing in enumerate(clip.scene.things):
            if any(thing is source for source in clip.heard):
                where = [(x, y) for y in range(64) for x in range(64) if frame.owner[y, x] == index]
                xs, ys = zip(*where, strict=True)
                expected.append([min(xs), min(ys), max(xs) + 1, max(ys) + 1])
        several += len(expected) > 1
        if row["flaw"] == "none":
            assert [[64 * edge for edge in box] for box in entry["bbox"]] == expected
        assert {label_of(CLASSES[source.label]) for source in clip.heard} == {entry["class"]}
    assert several == pytest.approx(0.3 * COUNT, abs=3)


def test_frame_on_disk_is_the_middle_one(world, clips):
    for entry, clip in zip(entries(world)[:8], clips, strict=False):
        with Image.open(world / "frames" / f"{entry['file']}.jpg") as image:
            stored = np.asarray(image).astype(int)
        shown = clip.scene.frame(np.random.default_rng([clip.noise, 0]), 5.0).image
        assert abs(stored - shown).mean() < 4  # JPEG


def test_flaws_come_in_turn_and_are_repaired(world):
    table, repairs = read_annotations(world / "vggss.json")
    flawed = {row["uid"]: row["flaw"] for row in scenes(world) if row["flaw"] != "none"}
    assert Counter(flawed.values()) == dict.fromkeys(FLAWS, 1)  # a tenth of 40 clips
    assert {line.split(":")[0] for line in repairs} == {*flawed}
    assert table.file[table["empty"]].tolist() == [
        name for name, flaw in flawed.items() if flaw == "reversed"
    ]
    raw = {entry["file"]: len(entry["bbox"]) for entry in entries(world)}
    for file, boxes in zip(table.file, table.boxes, strict=True):
        assert all(0 <= edge <= 1 for box in boxes for edge in box)
        if flawed.get(file) == "thin":  # the good box stays
            assert len(boxes) == raw[file] - 1


def test_some_ids_are_those_of_training_clips_of_v2(world, clips):
    v2 = [draw_clip(SMALL, key) for key in clip_keys(SMALL, ["v2"])]
    train = {clip.vid for clip in v2 if clip.key.split == "train"}
    shared = [clip for clip in clips if clip.vid in train]
    assert len({clip.key.video for clip in shared}) == pytest.approx(0.2 * COUNT, abs=2)
    assert not {clip.vid for clip in clips} & ({clip.vid for clip in v2} - train)
    none = SMALL.model_copy(update={"clips": {"vggss": {"test": COUNT}}})
    alone = [draw_clip(none, key) for key in clip_keys(none)]
    assert len({clip.vid for clip in alone}) == len({key.video for key in clip_keys(none)})


def test_default_world():
    """Shares of the 900 clips; half are foreign, and no name is given twice."""
    clips = default()
    heard = Counter(clip.facts["heard"] for clip in clips)
    assert {*heard} == {*CLASSES}
    foreign = [heard.pop(name) for name in FOREIGN]
    assert sum(foreign) == pytest.approx(450, abs=15) and min(foreign) >= 100
    assert max(heard.values()) - min(heard.values()) <= 6
    assert len({(clip.vid, clip.start) for clip in clips}) == 900
    assert 0.02 < 1 - len({clip.vid for clip in clips}) / 900 < 0.06
    assert sum(len(clip.heard) > 1 for clip in clips) / 900 == pytest.approx(0.1, abs=0.02)
    for clip in clips:
        assert clip.on.all() and not clip.facts["off_screen"]
        assert max(thing.radius for thing in clip.heard) <= NEAR[1]  # as large as SAM has seen
        assert RADIUS[0] <= min(clip.sizes) and max(clip.sizes) <= RADIUS[1]  # as VGGish has heard
        ratios = [t.radius / size for t, size in zip(clip.heard, clip.sizes, strict=True)]
        assert ratios == pytest.approx(len(ratios) * ratios[:1])  # one camera
    alone = sum(clip.facts["distractor"] == "none" for clip in clips)
    assert alone / 900 == pytest.approx(0.6, abs=0.02)


def test_boxes_are_as_large_as_the_real_ones():
    """The real VGG-SS has a mean of .31, a median .25, deciles .05 and .68 of the frame."""
    config, areas = WorldConfig(), []
    for key in clip_keys(config, ["vggss"])[::5]:
        clip = draw_clip(config, key)
        frame = clip.scene.frame(np.random.default_rng(0), 5.0)
        union = np.zeros_like(frame.owner, bool)
        for left, top, right, bottom in 128 * np.array(boxes_of(frame, clip)):
            union[round(top) : round(bottom), round(left) : round(right)] = True
        areas.append(union.mean())
    assert np.mean(areas) == pytest.approx(0.31, abs=0.03)
    assert np.quantile(areas, (0.1, 0.5, 0.9)) == pytest.approx((0.05, 0.25, 0.68), abs=0.06)


def test_workers_do_not_change_a_byte(world, tmp_path):
    build_vggss(tmp_path / "again", None, SMALL, workers=2)
    assert digests(tmp_path / "again") == digests(world)


def test_killed_build_goes_on_to_the_same_bytes(world, tmp_path):
    root = tmp_path / "killed"
    before = killed(lambda: build_vggss(root, None, SMALL), root, "audio/*.wav", 3)
    assert not (root / "vggss.json").exists()
    build_vggss(root, None, SMALL, workers=1)
    assert digests(root) == digests(world)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_parts_are_remade_only_when_their_own_clips_change(tmp_path):
    avs, vggss = tmp_path / "avs", tmp_path / "vggss"

    def made(v1s, count):
        clips = {"v1s": {"test": v1s}, "vggss": {"test": count}}
        config = WorldConfig(size=32, clips=clips)
        build(avs, config)
        build_vggss(vggss, avs, config)
        return [
            {path.name: path.stat().st_mtime_ns for path in root.rglob(kind)}
            for root, kind in ((avs, "audio.wav"), (vggss, "*.wav"))
        ]

    first = made(1, 2)
    assert made(1, 2) == first
    other = made(1, 3)
    assert (
        other[0] == first[0]
        and len(other[1]) == 3
        and other[1].items().isdisjoint(first[1].items())
    )
    again = made(2, 3)
    assert again[1] == other[1] and again[0] != other[0]


def test_refusals(tmp_path, world):
    with pytest.raises(ValueError, match="another folder"):
        build_vggss(tmp_path, tmp_path, SMALL)
    (tmp_path / "vggss.json").write_text("real data")
    with pytest.raises(FileExistsError, match=r"world\.json"):
        build_vggss(tmp_path, None, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["vggss.json"]
    with pytest.raises(ValueError, match="no clips"):
        build_vggss(tmp_path / "none", None, WorldConfig(clips={"v1s": {"test": 1}}))
    with pytest.raises(ValidationError, match="no split but test"):
        WorldConfig(clips={"vggss": {"train": 1}})


def test_foreign_classes_have_nothing_in_common():
    parts = [name.split("-") for name in FOREIGN]
    assert {texture for _, texture in parts} == {"plain", "stripes", "checker", "dots"}
    assert len({shape for shape, _ in parts}) == 4 == len(FOREIGN)
    assert not {*FOREIGN} & {*LOOKALIKES, *LOOKALIKES.values()}


def test_label_map_is_complete():
    with LABELS.open(newline="") as file:
        table = {row["label"]: row["class"] for row in csv.DictReader(file)}
    assert table == {label_of(name): "" if name in FOREIGN else name for name in CLASSES}
    assert len(table) == len(CLASSES) and not any("_" in label for label in table)


def test_contact_sheet(world, tmp_path):
    build(tmp_path / "avs", SMALL)
    contact_sheet(tmp_path / "avs", tmp_path / "with.png", world)
    contact_sheet(tmp_path / "avs", tmp_path / "without.png")
    heights = []
    for name in ("with", "without"):
        with Image.open(tmp_path / f"{name}.png") as image:
            heights.append(image.height)
    assert heights[0] > heights[1]
