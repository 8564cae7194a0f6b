"""Odd files in params.yaml's place, edits that keep the rest, and the switch between profiles."""

import os
import re
import shutil

import pytest
from dvc.utils.hydra import apply_overrides

from benchmarks import cli
from benchmarks.params import ParamsError, load
from benchmarks.params.files import edit_yaml, lower, read_yaml
from benchmarks.params.profile import profile_file, switch_profile

from .conftest import ROOT

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join(9 * [f'*a{i - 1}'])}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("profile: é".encode("utf-16"), "encoded as UTF-16; save it as UTF-8"),
        ("a: 1\n# é".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
        (b"a: [1, 2", "while parsing a flow sequence"),
        (b"a: 1\na: 2", "while constructing a mapping"),
        (b"- a\n- b", "expected a mapping of keys"),
        (b"", "expected a mapping of keys"),
        (b"a: 2026-99-99", "month must be in 1..12"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (b"a: \x1b[2J", "params.yaml: "),
        (BOMB.encode(), "more than 100,000 values, its aliases written out"),
        (b"a: &a [*a]", "*a stands for nothing, or for what it is in"),
        (b"a: " + 5000 * b"[" + 5000 * b"]", "values nested more than 20 deep"),
        (b"".join(b" " * i + b"a:\n" for i in range(900)), "values nested more than 20 deep"),
        (b"#" * 2**21, "2,097,152 bytes; expected at most"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:25],
)
def test_what_is_no_parameter_file_is_named_with_its_cause(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ParamsError, match=re.escape(message)) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_is_not_waited_for(tmp_path, make):
    make(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match="params.yaml: not a plain file"):
        load(tmp_path / "params.yaml")


def test_an_alias_stands_for_its_anchor(tmp_path):
    (tmp_path / "p.yaml").write_text("a: &x {b: [1, 2]}\nc: *x\nd: *x\n")
    assert read_yaml(tmp_path / "p.yaml")["d"] == {"b": [1, 2]}


def test_an_error_shows_a_value_only_where_it_is_short(miniature, changed):
    with pytest.raises(ParamsError) as error:
        changed({"methods": {"gavs": {"prompt": {"cue": False}}}})
    text = "methods.gavs: alignment acts on prompt.cue: with cue false set alignment.loss none"
    assert str(error.value) == text
    with pytest.raises(ParamsError, match=r"training\.lr: .* greater than 0 \(got -1\)"):
        changed({"training": {"lr": -1}})


@pytest.mark.parametrize("name", ["miniature", "smoke", "paper"])
@pytest.mark.parametrize(
    ("override", "removed", "added"),
    [
        ("workers=2", [], ["workers: 2"]),
        ("data.root=elsewhere", ["root"], ["  root: elsewhere"]),
        ("encoders.pvt.size=pvt_v2_mini", ["size"], ["    size: pvt_v2_mini"]),
        ("methods.avsbench.training.lr=0.02", ["lr"], ["lr: 0.02"]),
    ],
)
def test_dvc_changes_one_line(folder, name, override, removed, added):
    """`dvc exp run -S` reads and writes the file by this function."""
    path = profile_file(name)
    before = path.read_text().splitlines()
    apply_overrides(path, [f"++{override}"])
    after = path.read_text().splitlines()
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    assert len(gone) <= 1 and len(new) <= 1
    assert abs(len(after) - len(before)) <= (override == "workers=2")
    assert all(word in line for word, line in zip(removed, gone, strict=False))
    assert all(word in line for word, line in zip(added, new, strict=False))


def test_an_edit_leaves_every_other_byte(folder):
    before = (folder / "params.yaml").read_text()

    def change(document):
        document["methods"]["avsbench"]["channels"] = 8
        return ["channels"]

    edit_yaml(folder / "params.yaml", change)
    after = (folder / "params.yaml").read_text()
    assert after == before.replace("channels: 16 # 256 at", "channels: 8  # 256 at", 1)


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.yaml")
        if not path.is_relative_to(folder / "splits")
    }


def test_switching_there_and_back_restores_every_byte(folder):
    path = folder / "params.yaml"
    path.write_text(path.read_text() + "# my own remark\n")
    before = _files(folder)
    switch_profile("smoke", path)
    assert load().profile == "smoke" and load().tables.table1.gavs == ["gavs", "gavs_adapters"]
    assert path.read_bytes() == before["profiles/smoke.yaml"]
    assert set(_files(folder)) == {
        "params.yaml", "profiles/miniature.yaml", "profiles/paper.yaml",
    }  # fmt: skip
    switch_profile("paper", path)
    assert load().row("gavs_released", "v2").config["encoder_adapters"]["from_block"] == 9
    switch_profile("miniature", path)
    assert _files(folder) == before
    assert "already" in switch_profile("miniature", path)


@pytest.mark.parametrize("kept", ["written", "replaced"])
def test_a_switch_that_was_killed_is_ended_by_the_same_command(folder, kept):
    path, saved = folder / "params.yaml", folder / "profiles/miniature.yaml"
    before = path.read_bytes()
    shutil.copy(path, saved)
    if kept == "replaced":
        (folder / "profiles/smoke.yaml").replace(path)
    switch_profile("smoke", path)
    assert load().profile == "smoke" and saved.read_bytes() == before


def test_another_file_in_the_way_is_not_written_over(folder):
    saved = folder / "profiles/miniature.yaml"
    saved.write_text("profile: miniature\n")
    before = _files(folder)
    with pytest.raises(ParamsError, match=r"profiles/miniature\.yaml: exists and differs"):
        switch_profile("smoke", folder / "params.yaml")
    assert _files(folder) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny", "no profile 'tiny'; known: broken, miniature, other, paper, pipe, smoke"),
        ("../params", r"no profile '../params': no name for a file or folder"),
        ("", "no profile '': no name"),
        ("broken", r"profiles/broken.yaml: .*missing"),
        ("other", "profiles/other.yaml: profile is 'smoke'; expected 'other'"),
        ("pipe", "profiles/pipe.yaml: not a plain file"),
    ],
)
def test_a_profile_that_is_none_moves_nothing(folder, name, message, capsys):
    (folder / "profiles/broken.yaml").write_text("profile: broken\n")
    shutil.copy(folder / "profiles/smoke.yaml", folder / "profiles/other.yaml")
    before = _files(folder)
    os.mkfifo(folder / "profiles/pipe.yaml")
    assert cli.main(["profile", name]) == 1
    assert re.search(message, capsys.readouterr().err)
    (folder / "profiles/pipe.yaml").unlink()
    assert _files(folder) == before


def test_every_knob_is_listed_once_with_what_the_file_sets(folder, capsys):
    assert cli.main(["params"]) == 0
    lines = capsys.readouterr().out.splitlines()
    keys = [line.split(" = ")[0] for line in lines]
    assert len(set(keys)) == len(keys)
    for line in (
        "training.epochs = 30  # params.yaml; default 60",
        "training.batch_frames = 20  # params.yaml; default 16",
        "training.whole_clips = false",
        "methods.gavs.prompt.hidden = 128  # params.yaml; default 512",
        'methods.gavs.prompt.noise_mode = "learned"',
        "methods.ez_vsl.guidance_alpha = 0.4",
        "variants.gavs_adapters.set.encoder_adapters.from_block = 2  # params.yaml; default 6",
        'data.root = "work/miniature/avsbench"  # params.yaml',
        "world.crowd = 0.1",
    ):
        assert line in lines
    assert cli.main(["params", "audio"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert cli.main(["params", "methods.gvas"]) == 1
    assert "no key methods.gvas; did you mean 'methods.gavs'" in capsys.readouterr().err


def test_lower_meets_every_depth_and_dotted_keys():
    values = {
        "epochs": 5,
        "methods": {"a": {"training": {"epochs": 1, "steps": None, "lr": 3.0}}},
        "variants": {"b": {"set": {"training.epochs": 7, "epochs.other": 9}}},
    }
    lowered = lower(values, {"epochs": 2, "steps": 1, "lr": 0})
    assert lowered["epochs"] == 2 and values["epochs"] == 5
    assert lowered["methods"] == values["methods"]
    assert lowered["variants"]["b"]["set"] == {"training.epochs": 2, "epochs.other": 9}


def test_every_value_of_the_paper_profile_has_its_source():
    """In a comment beside it, or beside a block that it is in."""
    above: list[tuple[int, bool]] = []  # indent of a line and of those that it is in; is there one
    lines = profile_file("paper", ROOT / "params.yaml").read_text().splitlines()
    for line in lines[lines.index("profile: paper") + 1 :]:
        value, _, comment = line.partition(" # ")
        indent = len(value) - len(value.lstrip())
        above = [*(block for block in above if block[0] < indent), (indent, bool(comment))]
        assert value.endswith(":") or any(commented for _, commented in above), line


def test_a_profile_that_extends_another_says_what_differs(folder):
    """A block goes over the other's key by key, a list as a whole; wherever the other lies."""
    path = folder / "profiles/more.yaml"
    path.write_text(
        "extends: miniature\nprofile: more\nresults: results/more\nseeds: [0, 1]\n"
        "scoring: {batch_frames: 3}\n"
    )
    more, default = load(path), load()
    assert more.seeds == [0, 1] and more.scoring.batch_frames == 3
    assert more.scoring.squash_size == default.scoring.squash_size
    assert more.methods == default.methods and more.encoders == default.encoders
    with pytest.raises(ParamsError, match="more.yaml: says only what differs from another profile"):
        switch_profile("more", folder / "params.yaml")
    switch_profile("smoke", folder / "params.yaml")
    assert load(path) == more
    path.write_text("extends: nothing\nprofile: more\n")
    with pytest.raises(ParamsError, match="extends: no profile 'nothing'"):
        load(path)
    (folder / "profiles/third.yaml").write_text("extends: more\nprofile: third\n")
    with pytest.raises(ParamsError, match="more.yaml extends another profile itself"):
        load(folder / "profiles/third.yaml")
