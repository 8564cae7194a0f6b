"""python -m splits on small files: what it writes, prints and refuses."""

import json

import pandas as pd
import pytest

from splits.__main__ import main


@pytest.fixture
def files(tmp_path, build):
    """metadata.csv, unseen.csv, vggss.json, labels.csv; two with a fault to repair."""
    clips = [(f"{c}{i}", c) for c in ("cat", "dog", "fox") for i in range(20)]
    clips += [("split", "cat", "v2", "val"), ("split", "cat", "v2", "test"), ("cat0", "fox")]
    clips[0] = ("cat0", "c at")
    build(clips).to_csv(tmp_path / "metadata.csv", index=False)
    (tmp_path / "unseen.csv").write_text("a_obj\nfox\n")
    entries = [
        {"file": f"{c}{i:-<10}_000000", "class": label, "bbox": [[0.1, 0.1, 0.9, 0.9]]}
        for c, label in (("n", "novel"), ("m", "mapped"))
        for i in range(20)
    ]
    entries[0]["bbox"].append([0.9, 0.1, 0.1, 0.9])
    entries.append({"file": f"{'dog1':-<11}_000000", "class": "mapped", "bbox": [[0, 0, 1, 1]]})
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    (tmp_path / "labels.csv").write_text("label,class\nnovel,\nmapped,dog\n")
    return tmp_path


def run(files, command, *options) -> int:
    shared = ["--metadata", files / "metadata.csv", "--out", files / "out", "--draws", 2]
    return main([command, *map(str, [*shared, *options])])


def contents(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_avs_v3_writes_every_list(files, capsys):
    assert run(files, "avs-v3", "--unseen", files / "unseen.csv", "--shots", 1, 3) == 0
    written = contents(files / "out")
    kinds = ("shots", "control")
    shots = {f"{kind}/{d}/{k}/train.csv" for kind in kinds for d in (0, 1) for k in (1, 3)}
    parts = ("seen_train", "seen_val", "seen_test", "unseen", "pool", "folds")
    tests = {f"shots/{d}/test.csv" for d in (0, 1)}
    assert set(written) == {f"{part}.csv" for part in parts} | shots | tests
    columns = "vid,uid,s_min,s_sec,a_obj,split,label"
    assert all(t.startswith(columns) for name, t in written.items() if name != "folds.csv")
    out = capsys.readouterr().out
    assert "repaired metadata.csv: cat0-------_0_10000: a_obj 'c at' read without its space" in out
    assert "unseen 21, pool 21; 2 draw(s)" in out
    run(files, "avs-v3", "--unseen", files / "unseen.csv", "--shots", 1, 3)
    assert contents(files / "out") == written


def test_vggss_sub_writes_shots_control_and_test(files, capsys):
    options = ("--annotations", files / "vggss.json", "--labels", files / "labels.csv")
    assert run(files, "vggss-sub", *options, "--shots", 5) == 0
    out = capsys.readouterr().out
    assert "repaired vggss.json: n0---------_000000: box [0.9, 0.1, 0.1, 0.9] dropped" in out
    assert "novel: 1 labels, 20 clips" in out
    assert "mapped: 1 labels, 20 clips" in out  # dog1 is one of V2's videos
    written = contents(files / "out")
    assert len(pd.read_csv(files / "out" / "shots" / "1" / "test.csv")) == 15
    assert written["shots/0/5/train.csv"] != written["shots/1/5/train.csv"]
    assert written["control/0/5/train.csv"].count("mapped,m") == 5


def test_fractions_are_written(files):
    assert run(files, "fractions", "--fractions", 0.1, 0.5) == 0
    sizes = {name: text.count("\n") - 1 for name, text in contents(files / "out").items()}
    assert sizes == {"0/0.1.csv": 6, "0/0.5.csv": 30, "1/0.1.csv": 6, "1/0.5.csv": 30}


def test_vggsound_writes_lists_that_nothing_tests(files, capsys):
    names = {"n": "novel", "m": "mapped", "x": "other"}
    rows = [f"{c}{i:-<10},7,{name},train" for c, name in names.items() for i in range(30)]
    (files / "vggsound.csv").write_text("\n".join([*rows, "y----------,0,mapped,test"]))
    (files / "heard.csv").write_text("label,group\nmapped,heard\nnovel,unheard\n")
    options = ["--table", files / "vggsound.csv", "--annotations", files / "vggss.json"]
    options += ["--heard", files / "heard.csv", "--out", files / "out"]
    assert main([*map(str, ["vggsound", *options])]) == 0
    lists = {name: text.split() for name, text in contents(files / "out").items()}
    free = {f"{c}{i:-<10}_000007" for c in names for i in range(0 if c == "x" else 20, 30)}
    assert set(lists["train.txt"]) == free and len(free) == 50
    assert set(lists["heard.txt"]) == {file for file in free if file[0] == "m"}
    assert "train.txt: 50 of 50 clips" in capsys.readouterr().out
    assert main([*map(str, ["vggsound", *options, "--clips", 5])]) == 0
    fewer = {name: text.split() for name, text in contents(files / "out").items()}
    for name, found in fewer.items():
        assert len(found) == 5 and set(found) < set(lists[name])
    assert main([*map(str, ["vggsound", *options, "--clips", 11])]) == 0
    assert "heard.txt: 10 of 10 clips" in capsys.readouterr().out
    assert main([*map(str, ["vggsound", *options, "--clips", 51])]) == 1
    assert "expected at least 51 clips, found 50" in capsys.readouterr().err


def test_audit_counts_and_strict_drops(files, capsys):
    (files / "list.txt").write_text(f"n1{'':-<9}_000000\n")
    options = ("--unseen", files / "unseen.csv", "--annotations", files / "vggss.json")
    options += ("--labels", files / "labels.csv", "--training-list", files / "list.txt")
    assert run(files, "audit", *options) == 0
    text = (files / "out" / "splits.md").read_text()
    assert "| v2 val | v2 test | 1 | 1 | 1 | 0 | 0 |" in text
    assert "| v2 train | VGG-SS | 41 | 1 | 1 | 0 | 1 |" in text
    assert "| list.txt | VGG-SS | 41 | 1 | 1 | 1 | 1 |" in text
    assert "with shared videos" in capsys.readouterr().out
    assert not (files / "out" / "strict").exists()
    assert run(files, "audit", *options, "--strict") == 0
    text = (files / "out" / "splits.md").read_text()
    assert "| v2 train | VGG-SS | 40 | 0 | 0 | 0 | 0 |" in text
    assert "v2 val | v2 test" not in text  # the one test clip is gone
    strict = files / "out" / "strict"
    assert len(pd.read_csv(strict / "vggss.csv")) == 40
    assert len(pd.read_csv(strict / "metadata.csv")) == 62
    assert (strict / "v3" / "shots" / "1" / "test.csv").exists()


def test_errors_are_one_message_and_exit_code_1(files, capsys):
    assert run(files, "avs-v3") == 1  # the release's classes aren't in this metadata
    assert "unknown unseen class 'tiger'" in capsys.readouterr().err
    assert run(files, "fractions", "--benchmark", "v1s") == 1
    assert "no rows" in capsys.readouterr().err
    assert run(files, "avs-v3", "--unseen", files / "none.csv") == 1
    assert "none.csv" in capsys.readouterr().err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert "avs-v3 --metadata metadata.csv --official DIR" in out and "splits/README.md" in out
