import os
import re

import numpy as np
import pytest

from benchmarks.common.files import read_sealed, sha256, write_sealed
from benchmarks.scoring.records import Key, RecordError, load_records


def rewrite(path, **changes):
    write_sealed(path, read_sealed(path) | changes)


def test_records_are_found_by_what_they_say(desk):
    path = desk.put("gavs_no_cue", [5, 3], seed=2, folder="ablations/prompt", draw=1)
    left = desk.records / "ablations/prompt/left.json"
    write_sealed(left, read_sealed(path) | {"variant": "left_over"})
    folders = {desk.records / name: ["gavs_no_cue"] for name in ("ablations/prompt", "absent")}
    records = load_records(folders, "miniature")
    key = Key("gavs_no_cue", "v1s", "train", 2, 1)
    assert list(records) == [key]
    assert str(key) == "gavs_no_cue/v1s-train-draw1-seed2"
    assert records[key].path == path
    assert records[key].record.counts.updates == 60
    assert records[key].scores()["test"].intersection[:, 0].tolist() == [5, 3]


def deep(path):
    path.write_text("[" * 100_000)


def latin(path):
    path.write_bytes(path.read_bytes() + b"\xe9")


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [cut, deep, latin, fifo])
@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_whatever_is_wrong_with_a_file_names_it(desk, damage, suffix):
    path = desk.put("gavs", [5, 3]).with_suffix(suffix)
    damage(path)
    if (damage, suffix) == (latin, ".npz"):
        path.write_bytes(path.read_bytes()[:-40])  # zip allows bytes behind its end
    with pytest.raises(RecordError, match=f"{re.escape(str(path))}: .*dvc repro"):
        desk.report()
    assert not desk.results.exists()


@pytest.mark.parametrize("content", ["[]", '{"seed": 0}', '{"schema": 1}'])
def test_another_schema(desk, content):
    path = desk.put("gavs", [5, 3])
    path.write_text(content)
    with pytest.raises(RecordError, match=f"{re.escape(str(path))}: schema (None|1), expected 3"):
        desk.report()


def test_a_wrong_field_is_named_with_its_value(desk):
    path = desk.put("gavs", [5, 3])
    rewrite(path, seed="first")
    with pytest.raises(RecordError, match=f"{re.escape(str(path))}: seed: .*integer.*'first'"):
        desk.report()


def test_profiles_are_never_mixed(desk):
    path = desk.put("gavs", [5, 3], profile="paper")
    message = f"{re.escape(str(path))}: profile 'paper', expected 'miniature'"
    with pytest.raises(RecordError, match=message):
        desk.report()


def test_two_files_for_one_cell(desk):
    first = desk.put("gavs", [5, 3], seed=0)
    second = desk.put("gavs", [5, 3], seed=1)
    rewrite(second, seed=0)
    with pytest.raises(RecordError) as error:
        desk.report()
    assert str(first) in str(error.value) and str(second) in str(error.value)
    assert "gavs/v1s-train-seed0" in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "another", "flipped", "no checksum"])
def test_scores_that_are_not_those_of_the_record(desk, damage):
    path = desk.put("gavs", [5, 3])
    npz = path.with_suffix(".npz")
    content = npz.read_bytes()
    if damage == "cut":
        npz.write_bytes(content[:1000])
    elif damage == "another":
        other = desk.put("gavs", [4, 2], seed=1).with_suffix(".npz")
        npz.write_bytes(other.read_bytes())
    elif damage == "flipped":
        npz.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        rewrite(path, files={})
    message = f"{re.escape(str(npz))}: its checksum is .* but {path.name} has .*dvc repro"
    with pytest.raises(RecordError, match=message):
        desk.report()


@pytest.mark.parametrize("change", [('"seed": 0', '"seed": 1'), ('"loss": 1.0', '"loss": 1.5')])
def test_a_record_whose_value_was_changed_by_hand_or_by_a_bad_disk(desk, change):
    path = desk.put("gavs", [5, 3])
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(RecordError, match=f"{re.escape(str(path))}: its content has the checksum"):
        desk.report()


def test_scores_that_are_gone_or_short_of_an_evaluation(desk):
    path = desk.put("gavs", [5, 3])
    npz = path.with_suffix(".npz")
    named = f"{re.escape(str(npz))}: "
    broken = named + "can't be read as scores: .*dvc repro"
    rewrite(path, evaluations=["test", "test_shuffled"])
    with pytest.raises(RecordError, match=named + r"lacks \['test_shuffled'\], has \['test'\]"):
        desk.report()
    np.savez(npz, **{"test/uid": np.array(["a"])})
    rewrite(path, files={"scores.npz": sha256(npz)})
    with pytest.raises(RecordError, match=broken):
        desk.report()
    npz.unlink()
    with pytest.raises(FileNotFoundError, match=named + "no such file; .*dvc repro"):
        desk.report()
