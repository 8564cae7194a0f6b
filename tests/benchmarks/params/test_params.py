"""What params.yaml says of rows, and what is refused before any work."""

import itertools
import re
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Gt

from benchmarks.common.checks import merge
from benchmarks.params import Params, ParamsError, load
from benchmarks.params.files import read_yaml, write_yaml
from benchmarks.params.profile import profile_file
from gavs.configs import CONFIGS, Config

from .conftest import ROOT, nested


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "methods.gavs.prompt.noise_dmi",
            128,
            "unknown key methods.gavs.prompt.noise_dmi; did you mean 'noise_dim'?",
        ),
        ("wokers", 2, "unknown key wokers; did you mean 'workers'"),
        ("training.epochs", "five", "training.epochs: Input should be a valid integer"),
        ("methods.audio_sma", {}, "methods.audio_sma: no such method; did you mean 'audio_sam'"),
        ("tables.table1.published", ["avsbnech"], "did you mean 'avsbench'"),
        ("tables.table2.floor", ["sama"], "table2.floor: sama not among the rows of Table 2"),
        ("tables.ablations.groups", ["promt"], "no group 'promt'; did you mean 'prompt'"),
        (
            "ablations.prompt.gavs_six_slots.set",
            {"prompt.slotz": "six"},
            "prompt.slotz; did you mean 'slots'",
        ),
        (
            "features.stores.avs",
            ["vggish"],
            "avsbench reads 'pixels64': add it to features.stores.avs",
        ),
        (
            "features.stores.vgg",
            ["vggish"],
            "hardway reads 'pixels96': add it to features.stores.vgg",
        ),
        ("methods.gavs.prompt.noise_dim", 0, "greater than 0"),
        ("scoring.thresholds", [0.5], "scoring.thresholds: [0.4] missing"),
        ("benchmarks.v9", {}, "benchmarks.v9: no such benchmark"),
        ("few_shot.training.selection", "best_val", "few_shot.training.selection: best_val, but"),
        ("variants.gavs_adapters.base", "gavs_adapters", "goes round in a circle"),
        ("methods.avsegformer.heads", 3, "methods.avsegformer: heads: 3 heads can't share the 32"),
        ("methods.autr.heads", 5, "methods.autr: heads: 5 heads can't share the 32 channels"),
        ("methods.hardway.audio_channels", [16, 32, 0, 160], "audio_channels.2: Input should be"),
        ("training.epochs", 0, "training.epochs: Input should be greater than 0"),
        (
            "methods.avsc.benchmarks.v2.stage_one_epochs",
            30,
            "avsc: stage_one_epochs 30 of 30 epochs",
        ),
        (
            "methods.avsegformer.benchmarks.v2.freeze_epochs",
            31,
            "avsegformer: freeze_epochs 31 of 30 epochs: the whole of it would never train",
        ),
        (
            "tables.table2.rows",
            ["gavs", "avsc"],
            "few_shot.training: avsc: stage_one_epochs 15 of 10 epochs",
        ),
        (
            "tables.base",
            "gavs_no_cu",
            "no method or variant 'gavs_no_cu'; did you mean 'gavs_no_cue'",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named(changed, key, value, message):
    with pytest.raises(ParamsError, match=re.escape(message)):
        changed(nested(key, value))


def test_every_number_has_a_lower_bound():
    """Blocks that no other test thinks of included: the bound is the rule."""
    blocks = [Params, *CONFIGS.values()]
    for block in blocks:
        held = [field.annotation for field in block.model_fields.values()]
        blocks += [b for b in _models(held) if b not in blocks]
    unbounded = {
        f"{block.__name__}.{name}"
        for block in blocks
        for name, field in block.model_fields.items()
        if not all(_bounds(field.annotation, field.metadata))
    }
    assert unbounded == {"ClusterParams.options", "Resources.options"}  # sbatch's, not ours


def _models(annotations):
    """Every block within some types."""
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Config):
            yield annotation
        yield from _models(get_args(annotation))


def _bounds(annotation, metadata):
    """Whether each number within a type is bounded from below."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _bounds(parts[0], [*metadata, *parts[1:]])
    elif annotation in (int, float):
        known = [inner for entry in metadata for inner in getattr(entry, "metadata", [entry])]
        yield any(isinstance(entry, Gt | Ge) for entry in known)
    else:
        outside = metadata if origin in (Union, UnionType) else []  # of Optional: the number's
        for part in parts:
            yield from _bounds(part, outside)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
@pytest.mark.parametrize(
    "key",
    [
        "training.lr",
        "training.clip_grad",
        "training.epochs",
        "training.checkpoint_seconds",
        "methods.gavs.cola.width",
        "methods.slavc.temperature",
        "scoring.batch_frames",
        "protocol.seen_test_folds",
        "workers",
        "world.size",
    ],
)
def test_numbers_are_finite_and_positive(changed, key, value):
    with pytest.raises(ParamsError, match=re.escape(key.split(".")[-1])):
        changed(nested(key, value))


@pytest.mark.parametrize(
    "key",
    [
        "training.epochs",
        "training.batch_frames",
        "methods.gavs.cola.width",
        "methods.av_sam.channels",
        "protocol.shots",
        "report.overlay_clips",
        "workers",
    ],
)
def test_absurd_counts_are_refused(changed, key):
    value = 4 * [10**12] if key.endswith(("channels", "shots")) else 10**12
    with pytest.raises(ParamsError, match=re.escape(key.split(".")[-1])):
        changed(nested(key, value))


@pytest.mark.parametrize(
    "key", ["training.epochs", "world.clips.v1s.train", "methods.gavs.training.lr", "workers"]
)
def test_true_is_no_number(changed, key):
    with pytest.raises(ParamsError, match=rf"{key}: expected a number, not true or false"):
        changed(nested(key, True))


def test_clips_without_a_regime_are_refused_before_they_are_drawn(changed):
    none = {"v2": {"train": 0, "val": 0, "test": 0}}
    with pytest.raises(ParamsError, match=r"world\.regime: nothing for v1m, vggss, vggsound;"):
        changed({"world": {"clips": none, "regime": {"v1s": "balanced"}}})


def test_an_absurd_world_is_refused(changed):
    with pytest.raises(ParamsError, match=r"world\.clips\.v1s\.train: .*less than or equal"):
        changed({"world": {"clips": {"v1s": {"train": 10**12}}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seeds", [0, 1, 2, 1]),
        ("protocol.shots", [1, 3, 3]),
        ("protocol.draws", [0, 0]),
        ("protocol.fractions", [0.1, 0.10]),
        ("protocol.fraction_draws", [1, 1]),
        ("scoring.thresholds", [0.5, 0.4, 0.5]),
        ("scoring.floor_seeds", [0, 0]),
        ("features.stores.vgg", ["vggish", "spectrogram", "pixels96", "vggish"]),
        ("tables.rows", ["gavs", "avsbench", "gavs"]),
        ("tables.table1.benchmarks", ["v2", "v2"]),
        ("data.labels", ["v1s", "v1s"]),
    ],
)
def test_nothing_is_counted_twice(changed, key, value):
    with pytest.raises(ParamsError, match=f"{re.escape(key)}: .* given more than once"):
        changed(nested(key, value))


def test_a_row_stands_in_one_list_of_table_1(changed):
    with pytest.raises(ParamsError, match="gavs stands in more than one list"):
        changed({"tables": {"table1": {"controlled": ["gavs"]}}})


@pytest.mark.parametrize("key", ["floor_seeds", "shuffle_seeds"])
def test_a_seed_that_is_never_run_is_refused(changed, key):
    with pytest.raises(ParamsError, match=rf"scoring\.{key}: \[7\] not among seeds \[0\]"):
        changed({"scoring": {key: [0, 7]}})


def test_other_seeds_alone_would_drop_every_floor(changed):
    with pytest.raises(ParamsError, match=r"scoring\.floor_seeds: \[0\] not among seeds \[5\]"):
        changed({"seeds": [5], "scoring": {"floor_seeds": [0]}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("methods.gavs.training", [3]),
        ("methods.gavs", [3]),
        ("methods.avsbench.benchmarks", ["v1m"]),
        ("methods.avsbench.benchmarks.v1m", [{"avm_weight": 1}]),
        ("methods.gavs.prompt", ["cue"]),
        ("variants.gavs.set", ["prompt.cue"]),
        ("benchmarks.v2", [1]),
        ("few_shot", "few"),
        ("tables", [1]),
        ("tables.table2", ["gavs"]),
        ("cluster.stages", [1]),
        ("encoders", None),
    ],
)
def test_a_list_or_word_where_keys_belong_is_named(changed, key, value):
    with pytest.raises(ParamsError, match=f"{re.escape(key)}.*: expected a mapping of keys"):
        changed(nested(key, value))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("features.stores.avs", ["tokens99_rgb"], "sam.size mini has 4 blocks"),
        ("features.stores.avs", ["pixels0"], "no store 'pixels0'; did you mean 'pixels224'"),
        ("features.stores.vgg", ["spectogram"], "no store 'spectogram'; did you mean 'spectrogr"),
        ("features.stores.avs", ["pixels99999"], "expected at most 4096 pixels"),
        ("encoders.sam.size", "huge", "encoders.sam.size: no size 'huge'; known: mini, vit_b"),
        ("encoders.sam.size", "vit_bb", "did you mean 'vit_b'"),
        ("encoders.pvt.size", "pvt_v2_b2", "did you mean 'pvt_v2_b5'"),
        ("encoders.vggish.size", "small", "no size 'small'"),
        ("encoders.vggish.weights", "weights", "expected a file named *.safetensors"),
    ],
)
def test_encoders_and_stores_are_known_before_hours_of_work(changed, key, value, message):
    with pytest.raises(ParamsError, match=re.escape(message)):
        changed(nested(key, value))


def test_a_weight_file_that_is_not_there_is_named_with_the_nearest(changed):
    params = changed(nested("encoders.resnet.weights", "weights/miniature/resnot.safetensors"))
    with pytest.raises(ParamsError, match=r"encoders\.resnet\.weights: .*did you mean 'resnet\.s"):
        params.check_weights()
    changed(
        nested("encoders.resnet.weights", "weights/miniature/resnet.safetensors")
    ).check_weights()


NAMES = ["../../x", "..", ".", "", "a/b", "/etc", "a b", "a\nb", "-a", ".hidden", "é", "x" * 300]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "place",
    [
        lambda name: {"profile": name, "results": f"results/{name}"},
        lambda name: {"variants": {name: {"base": "gavs"}}},
        lambda name: {"ablations": {"prompt": {name: {"base": "gavs"}}}},
        lambda name: {"ablations": {name: {"gavs_x": {"base": "gavs"}}}},
        lambda name: {"tables": {"ablations": {"groups": [name]}}},
        lambda name: {"tables": {"rows": [name]}},
        lambda name: {"tables": {"table1": {"ceiling": name}}},
        lambda name: {"data": {"vggsound": {"list": name}}},
    ],
    ids=["profile", "variant", "ablation", "group", "groups", "rows", "ceiling", "list"],
)
def test_a_name_that_becomes_a_path_has_one_pattern(changed, name, place):
    with pytest.raises(ParamsError, match="String should (match pattern|have at most)"):
        changed(place(name))


@pytest.mark.parametrize(
    ("profile", "results"),
    [
        ("mine", "results"),
        ("mine", "results/paper"),
        ("mine", "results/../docs"),
        ("mine", "/tmp/mine"),
        ("miniature", "results/tables"),
        ("tables", "results/tables"),
    ],
)
def test_no_profile_writes_into_anothers_results(changed, profile, results):
    with pytest.raises(ParamsError, match="results"):
        changed({"profile": profile, "results": results})


def test_results_of_a_profile_of_ones_own(changed):
    assert str(changed({"profile": "mine", "results": "results/mine"}).results) == "results/mine"


def test_a_variant_that_nothing_measures_is_named(folder, caplog):
    names = {"gavs_base": "gavs", "gavs_child": "gavs_base", "gavs_mine": "gavs"}
    values = merge(
        read_yaml(folder / "params.yaml"),
        {
            "variants": {name: {"base": base} for name, base in names.items()},
            "tables": {"table1": {"gavs": ["gavs", "gavs_child"]}},
        },
    )
    write_yaml(folder / "params.yaml", values)
    load()
    (line,) = caplog.messages
    assert line == "params.yaml: no table lists the variant 'gavs_mine': nothing measures it"


def test_a_variant_changes_only_what_it_sets(folder):
    params = load()
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


def test_benchmark_overrides_reach_method_and_training(changed):
    own = {"benchmarks": {"v1m": {"avm_weight": 0.25, "training": {"epochs": 9}}}}
    params = changed({"methods": {"avsbench": own}})
    v1m, v2 = params.row("avsbench", "v1m"), params.row("avsbench", "v2")
    assert (v1m.config["avm_weight"], v1m.training.epochs) == (0.25, 9)
    assert (v2.config["avm_weight"], v2.training.epochs) == (0.0, 30)


def test_the_rows_of_five_tables_stand_once_and_a_table_may_have_its_own(changed):
    tables = changed({"tables": {"rows": ["gavs"], "table4": {"rows": ["audio_sam"]}}}).tables
    assert tables.table4.rows == ["audio_sam"]
    for table in (tables.table2, tables.table3, tables.figure3, tables.robustness):
        assert table.rows == ["gavs"]


def test_a_new_variant_and_a_new_value_of_one_are_a_line_each(folder, changed):
    params = changed(
        {
            "variants": {"gavs_adapters": {"set": {"encoder_adapters.from_block": 3}}},
            "features": {"stores": {"avs": [*load().features.stores["avs"], "tokens3_rgb"]}},
            "ablations": {"decoder": {"gavs_cola_9": {"base": "gavs", "set": {"cola.width": 9}}}},
        }
    )
    adapters = params.row("gavs_adapters", "v2").config["encoder_adapters"]
    assert (adapters["from_block"], params.variants["gavs_adapters"].base) == (3, "gavs")
    assert params.row("gavs_cola_9", "v2").config["cola"]["width"] == 9
    assert list(params.ablations["decoder"])[0] == "gavs_no_cola"
    assert params.table_rows("ablations")["decoder"][-1] == "gavs_cola_9"


def test_the_quick_profile_has_the_cells_of_the_default():
    """All that decides a cell's numbers but the code: rows, encoders, clips, scoring."""
    quick, default = (
        load(profile_file(name, ROOT / "params.yaml")) for name in ("quick", "miniature")
    )
    table = quick.tables.table1
    for row, benchmark in itertools.product(table.rows, table.benchmarks):
        assert quick.row(row, benchmark) == default.row(row, benchmark)
    for block in ("encoders", "audio"):
        assert getattr(quick, block) == getattr(default, block)
    assert quick.scoring == default.scoring.model_copy(update={"floor_seeds": []})
    assert quick.features.precision == default.features.precision
    clips = {name: default.world.clips[name] for name in table.benchmarks}
    assert quick.world == default.world.model_copy(update={"clips": clips})
    assert quick.seeds == default.seeds[:1] and table.benchmarks == ["v1s", "v2"]
