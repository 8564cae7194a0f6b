import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks.params import ParamsError, load
from benchmarks.params.profile import apply_profile, lower

ROOT = Path(__file__).parents[3]


@pytest.fixture
def edited(tmp_path):
    """edited({old: new}): parameters loaded from a copy of params.yaml with texts replaced."""

    def make(changes):
        text = (ROOT / "params.yaml").read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return load(path)

    return make


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "noise_dim: 128",
            "noise_dmi: 128",
            "unknown key methods.gavs.prompt.noise_dmi; did you mean 'noise_dim'?",
        ),
        ("workers: 2", "wokers: 2", "did you mean 'workers'"),
        ("epochs: 5 ", "epochs: five ", "training.epochs: Input should be a valid integer"),
        ("  audio_sam:\n    hidden", "  audio_sma:\n    hidden", "did you mean 'audio_sam'"),
        ("published: [avsbench,", "published: [avsbnech,", "did you mean 'avsbench'"),
        ("groups: [prompt,", "groups: [promt,", "no group 'promt'; did you mean 'prompt'"),
        ("{prompt.slots: six}", "{prompt.slotz: six}", "prompt.slotz; did you mean 'slots'"),
        ("avs: [vggish, sam_rgb,", "avs: [vggish,", "reads 'sam_rgb': add it"),
        ("noise_dim: 128", "noise_dim: 0", "greater than 0"),
        (
            "    vgg: [vggish,",
            "    # vgg: [vggish,",
            "reads 'pixels96': add it to features.stores.vgg",
        ),
        ("seeds: [0, 1, 2]", "seeds: [0, 1, 2", "params.yaml: while parsing a flow sequence"),
        ("workers: 2", "workers: 2\nworkers: 3", "params.yaml: while constructing a mapping"),
        (
            "thresholds: [0.5, 0.4]",
            "thresholds: [0.5]",
            "scoring.thresholds: Value error, [0.4] mis",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named(edited, old, new, message):
    with pytest.raises(ParamsError, match=re.escape(message)):
        edited({old: new})


def test_a_variant_changes_only_what_it_sets(edited):
    params = edited({})
    base = params.row("gavs", "v1m")
    fixed = params.row("gavs_released_fixed", "v1m")  # its base is itself a variant
    released = params.row("gavs_released", "v1m")
    assert fixed.method == "gavs"
    assert fixed.config["prompt"]["noise_mode"] == "add"
    assert released.config["prompt"]["noise_mode"] == "replace"
    assert {**fixed.config, "prompt": None} == {**released.config, "prompt": None}
    assert fixed.config["prompt"]["hidden"] == base.config["prompt"]["hidden"]
    assert fixed.training == released.training
    assert released.training.model_dump() | {"lr": base.training.lr} == base.training.model_dump()


def test_benchmark_overrides_reach_method_and_training(edited):
    params = edited(
        {
            "v1m: {avm_weight: 0.025, training: {epochs: 3}}": (
                "v1m: {avm_weight: 0.25, training: {epochs: 9}}"
            )
        }
    )
    v1m, v2 = params.row("avsbench", "v1m"), params.row("avsbench", "v2")
    assert (v1m.config["avm_weight"], v1m.training.epochs) == (0.25, 9)
    assert (v2.config["avm_weight"], v2.training.epochs) == (0.0, 5)


def test_few_shots_are_trained_by_their_own_epochs(edited):
    """`tpavi_sam` names optimiser steps for V2; a few clips of VGG-SS must not get as many."""
    params = edited({})
    training = params.row("tpavi_sam", "v2").training
    v3, sub = (params.few_shot_training(training, name) for name in ("v3", "vggss_sub"))
    assert training.steps and v3.steps is None
    assert v3.epochs == params.few_shot.training["epochs"]
    assert sub.steps == params.few_shot.vggss_sub["steps"]
    assert (v3.lr, v3.selection) == (training.lr, "last")


def test_few_shots_leave_nothing_to_select_on(edited):
    with pytest.raises(ParamsError, match="few_shot.training.selection: best_val, but"):
        edited({"{epochs: 3, selection: last}": "{epochs: 3, selection: best_val}"})


def test_circular_variants_are_refused(edited):
    with pytest.raises(ParamsError, match="circle"):
        edited(
            {"  gavs_adapters:\n    base: gavs\n": "  gavs_adapters:\n    base: gavs_adapters\n"}
        )


def test_profiles_set_the_same_keys():
    def keys(node, where=""):
        if not isinstance(node, dict) or where.endswith((".set", "world")):
            return (
                {where}
                if not isinstance(node, dict) or where == "world"
                else {f"{where}.{k}" for k in node}
            )
        return set().union(*(keys(v, f"{where}.{k}".lstrip(".")) for k, v in node.items()))

    sets = {
        path.stem: keys(YAML(typ="safe").load(path.read_text()))
        for path in (ROOT / "profiles").glob("*.yaml")
    }
    assert set(sets) == {"smoke", "miniature", "paper"}
    assert sets["smoke"] == sets["miniature"] == sets["paper"]


def test_a_profile_keeps_comments_and_can_be_undone(tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    before = path.read_text()
    comments = re.findall("#.*", before)
    assert load(path).profile == "miniature"
    apply_profile(path, ROOT / "profiles/smoke.yaml")
    assert load(path).tables.table1.gavs == ["gavs", "gavs_adapters"]
    assert re.findall("#.*", path.read_text()) == comments
    apply_profile(path, ROOT / "profiles/paper.yaml")
    assert load(path).row("gavs_released", "v2").config["encoder_adapters"]["from_block"] == 9
    apply_profile(path, ROOT / "profiles/miniature.yaml")
    yaml = YAML(typ="safe")
    assert yaml.load(path.read_text()) == yaml.load(before)


def test_unknown_profile_names_the_known(tmp_path):
    with pytest.raises(ParamsError, match="no profile 'tiny'; known: miniature, paper, smoke"):
        apply_profile(ROOT / "params.yaml", ROOT / "profiles/tiny.yaml")


def test_lower_meets_every_depth_and_dotted_keys():
    block = {
        "epochs": 5,
        "methods": {"a": {"training": {"epochs": 1, "steps": None, "lr": 3.0}}},
        "variants": {"b": {"set": {"training.epochs": 7, "epochs.other": 9}}},
    }
    changes = lower(block, {"epochs": 2, "steps": 1, "lr": 0})
    assert changes == ["epochs: 5 -> 2", "training.epochs: 7 -> 2"]
    assert block["variants"]["b"]["set"] == {"training.epochs": 2, "epochs.other": 9}


def test_every_value_of_the_paper_profile_has_its_source():
    """In a comment beside it, or beside a block that it is in."""
    above: list[tuple[int, bool]] = []  # indent of a line and of those that it is in; is there one
    lines = (ROOT / "profiles/paper.yaml").read_text().splitlines()
    for line in lines[lines.index("profile: paper") + 1 :]:
        value, _, comment = line.partition(" # ")
        indent = len(value) - len(value.lstrip())
        above = [*(block for block in above if block[0] < indent), (indent, bool(comment))]
        assert value.endswith(":") or any(told for _, told in above), line
