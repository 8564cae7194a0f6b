import json
import re

import numpy as np
import pytest

from benchmarks.scoring.records import Key, RecordError, load_records


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_records_are_found_by_what_they_say(desk):
    path = desk.put("gavs_no_cue", [5, 3], seed=2, folder="ablations/prompt", draw=1)
    (desk.records / "ablations/prompt/left.json").write_text(
        path.read_text().replace("gavs_no_cue", "left_over")
    )
    folders = {desk.records / name: ["gavs_no_cue"] for name in ("ablations/prompt", "absent")}
    records = load_records(folders, "miniature")
    key = Key("gavs_no_cue", "v1s", "train", 2, 1)
    assert list(records) == [key]
    assert str(key) == "gavs_no_cue/v1s-train-draw1-seed2"
    assert records[key].path == path
    assert records[key].record.counts.updates == 60
    assert records[key].scores()["test"].intersection[:, 0].tolist() == [5, 3]


def test_half_a_json_names_its_file(desk):
    path = desk.put("gavs", [5, 3])
    path.write_text(path.read_text()[:100])
    with pytest.raises(
        RecordError, match=f"{re.escape(str(path))}: not readable as JSON.*dvc repro"
    ):
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


def test_scores_that_are_gone_cut_off_or_short_of_an_evaluation(desk):
    path = desk.put("gavs", [5, 3])
    npz = path.with_suffix(".npz")
    named = f"{re.escape(str(npz))}: "
    rewrite(path, evaluations=["test", "test_shuffled"])
    with pytest.raises(RecordError, match=named + r"lacks \['test_shuffled'\], has \['test'\]"):
        desk.report()
    npz.write_bytes(npz.read_bytes()[:1000])
    with pytest.raises(RecordError, match=named + "not readable as scores"):
        desk.report()
    np.savez(npz, **{"test/uid": np.array(["a"])})
    with pytest.raises(RecordError, match=named + "not readable as scores"):
        desk.report()
    npz.unlink()
    with pytest.raises(RecordError, match=named + "not readable as scores"):
        desk.report()
