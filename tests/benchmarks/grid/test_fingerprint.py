"""Which edits of the code make which stores, models and records anew: by identities, untrained."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks.common import closure
from benchmarks.grid.fingerprint import (
    fingerprint,
    model_code,
    recipe_checksum,
    record_code,
    store_code,
)
from benchmarks.grid.protocol import Cell, Model, cells_of, model_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import TABLES, Params, load

ROOT = Path(__file__).parents[3]
SOUND = ("vggish", "logmel", "spectrogram")
FLIP = "flipped = 1\n"  # put in front


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    """The default profile with AuTR on Swin, as the paper profile has it."""
    values = YAML().load(ROOT / "params.yaml")
    values["methods"]["autr"]["backbone"] = "swin"
    values["encoders"]["swin"] = {"size": "swin_base", "weights": "weights/swin.pth"}
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    YAML().dump(values, path)
    return load(path)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for package in closure.PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pyc*"))
    return folder


@pytest.fixture(scope="module")
def before(copy, params):
    with pytest.MonkeyPatch.context() as patch:
        return _codes(params, copy, patch)


@pytest.fixture
def after(copy, params, before, monkeypatch):
    """after(file, old, new): what the edit makes anew, as stores, models and records."""

    def edit(name: str, old: str, new: str) -> tuple[set[str], set[Cell], set[Cell]]:
        path = copy / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))
        edited = _codes(params, copy, monkeypatch)
        path.write_text(text)
        return tuple({k for k in a if a[k] != b[k]} for a, b in zip(before, edited, strict=True))

    return edit


def _cells(params: Params) -> list[Cell]:
    """The first seed's of every row, benchmark and setting."""
    cells = [c for t in TABLES for s in params.table_rows(t) for c in cells_of(params, t, s)]
    return [cell for cell in cells if cell.seed == params.seeds[0]]


def _codes(params: Params, root: Path, monkeypatch) -> tuple[dict, dict, dict]:
    sources = closure.Sources(root)
    monkeypatch.setattr(closure, "project", lambda: sources)
    cells = _cells(params)
    stores = {name for names in params.stores.values() for name in names}
    return (
        {name: store_code(name) for name in stores},
        {cell: model_code(params, model_of(cell)) for cell in cells},
        {cell: record_code(params, cell) for cell in cells},
    )


def _rows(cells: set[Cell]) -> set[str]:
    return {cell.row for cell in cells}


@pytest.mark.parametrize(
    ("name", "old", "new", "kinds"),
    [
        ("gavs/sam.py", "(pixels - mean) / std", "pixels - mean", ("sam", "tokens")),
        ("benchmarks/features/sam.py", "x.half()", "x.float().half()", ("sam", "tokens")),
        ("gavs/spectrogram.py", "12.0", "11.0", ("spectrogram",)),
        ("gavs/pixels.py", "BILINEAR", "BICUBIC", ("pixels",)),
        ("gavs/vggish.py", "torch", "torch ", ()),  # blanks
        (
            "gavs/hearing.py",
            "np.pad(",
            "np.pad(+",
            ("vggish", "logmel", "spectrogram"),
        ),
        ("benchmarks/features/store.py", "os.fsync(", "os.fsync(+", ()),  # the header's version
        ("benchmarks/features/fill.py", "return seconds(", "return +seconds(", ()),
    ],
)
def test_a_store_is_made_anew_by_its_own_encoders_code(after, params, name, old, new, kinds):
    stores, _, _ = after(name, old, new)
    names = {store for part in params.stores.values() for store in part}
    assert stores == {store for store in names if kinds and store.startswith(kinds)}


def test_figure_3s_step_budget_is_its_own(after):
    stores, models, records = after("benchmarks/grid/budget.py", "max(1", "max(2")
    assert not stores and not records  # their models' fingerprints are another
    assert models and {cell.stage for cell in models} == {"fractions"}


def test_silence_and_noise_are_the_floors_and_the_robustness_columns(after):
    stores, models, records = after("benchmarks/features/silence.py", "np.zeros", "np.ones")
    assert not stores
    assert models and {cell.setting for cell in models} == {"floor"}
    assert {(c.table, c.setting) for c in records} >= {("table1", "floor")}
    assert {c.setting for c in records} == {"floor", "negatives", "0-shot", "in-set"}
    assert {c.benchmark for c in records if c.setting in ("0-shot", "in-set")} == {"vggss"}


@pytest.mark.parametrize(
    ("name", "old", "new", "rows"),
    [
        ("gavs/swin.py", "", FLIP, {"autr"}),
        ("gavs/prompt.py", "", FLIP, None),
        ("baselines/_pyramid.py", "", FLIP, {"tpavi_sam", "avsegformer_sam"}),
        ("baselines/slavc.py", "", FLIP, {"slavc"}),
        ("baselines/ez_vsl.py", "", FLIP, {"ez_vsl", "margin_nce"}),
    ],
)
def test_a_methods_code_is_that_of_who_imports_it(after, name, old, new, rows):
    stores, models, records = after(name, old, new)
    assert not stores and not records
    if rows is None:
        rows = _rows(models)
        assert {"gavs", "gavs_no_cue", "audio_sam"} <= rows
        assert not rows & {"avsbench", "autr", "slavc", "tpavi_sam"}
    assert _rows(models) == rows


def test_backbones_are_of_those_that_train_one(after):
    _, models, _ = after("gavs/backbones.py", "return maps", "return maps[:]")
    assert _rows(models) >= {"avsbench", "avsegformer", "autr", "auss", "avsc", "hardway", "avin"}
    assert not _rows(models) & {"gavs", "audio_sam", "sam_fusion", "av_sam", "sama", "tpavi_sam"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("benchmarks/training/loop.py", '"""The training loop', '"""A training loop'),
        ("gavs/adapter.py", "class", "# a comment\nclass"),
        ("gavs/method.py", "-> Prediction", "-> object"),
        ("benchmarks/grid/models.py", "log = ", "# the module's log\nlog = "),
        ("benchmarks/launch/jobs.py", "", FLIP),
        ("benchmarks/report/write.py", "", FLIP),
        ("benchmarks/params/__init__.py", "", FLIP),  # by value
        ("benchmarks/common/files.py", "os.fsync", "os.sync"),
        ("gavs/predict.py", "", FLIP),
        ("benchmarks/training/sam_masks.py", "", FLIP),  # supervision is box_fill
    ],
)
def test_what_decides_nothing_makes_nothing_anew(after, name, old, new):
    assert after(name, old, new) == (set(), set(), set())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("benchmarks/training/loop.py", "0.3", "0.4"),
        ("benchmarks/training/clips.py", "KEPT_SIZE = 256", "KEPT_SIZE = 257"),
        ("benchmarks/grid/models.py", "return method, ", "return +method, "),
        ("benchmarks/grid/workbench.py", "manual_seed(int(", "manual_seed(1 + int("),  # the build
    ],
)
def test_the_loop_is_everyones(after, params, name, old, new):
    stores, models, _ = after(name, old, new)
    assert not stores
    assert models == set(_cells(params))


def test_metrics_move_records_and_what_is_selected_by_them(after, params):
    _, models, records = after("benchmarks/scoring/boxes.py", "", FLIP)
    assert not models
    assert {cell.benchmark for cell in records} == {"vggss", "vggss_sub"}
    _, models, records = after("benchmarks/scoring/metrics.py", "", FLIP)
    assert records == set(_cells(params))
    assert {c.stage for c in models} and not any(c.stage == "few_shot" for c in models)


def test_a_recipe_says_what_no_data_are_needed_for(params, copy, monkeypatch):
    """Recipes of two rows, after an edit of the readers, of an encoder, of a knob."""
    cells = [Cell("table1", row, row, "v2", "train", 0) for row in ("gavs", "avsbench")]

    def changed(
        name: str = "", old: str = "", new: str = "", params: Params = params
    ) -> list[bool]:
        path = copy / name
        text = path.read_text() if name else ""
        assert old in text
        if name:
            path.write_text(text.replace(old, new, 1))
        sources = closure.Sources(copy)
        monkeypatch.setattr(closure, "project", lambda: sources)
        recipes = [recipe_checksum(params, cell) for cell in cells]
        if name:
            path.write_text(text)
        return [a != b for a, b in zip(recipes, first, strict=True)] if first else recipes

    first = []
    first = changed()
    assert changed() == [False, False]
    assert changed("benchmarks/data/index.py", "", FLIP) == [True, True]
    assert changed("splits/fractions.py", "", FLIP) == [True, True]
    assert changed("benchmarks/miniature/scenes.py", "", FLIP) == [True, True]
    assert changed("gavs/pixels.py", "BILINEAR", "BICUBIC") == [False, True]
    assert changed("gavs/spectrogram.py", "12.0", "11.0") == [False, False]
    audio = params.audio.model_copy(update={"hop_seconds": 0.96})
    assert changed(params=params.model_copy(update={"audio": audio})) == [True, True]
    resnet = params.encoders.resnet.model_copy(update={"weights": Path("weights/other.pth")})
    encoders = params.encoders.model_copy(update={"resnet": resnet})
    assert changed(params=params.model_copy(update={"encoders": encoders})) == [False, True]


def test_of_the_protocol_only_what_draws_clips_moves_a_recipe(params):
    cell = Cell("table2", "zero_shot", "gavs", "v3", "0-shot", 0)

    def recipe(**values):
        protocol = params.protocol.model_copy(update=values)
        return recipe_checksum(params.model_copy(update={"protocol": protocol}), cell)

    assert recipe(one_budget=[]) == recipe(cross=True) == recipe()
    assert recipe(strict=True) != recipe()
    assert recipe(shots=[1]) != recipe()


def test_a_recipe_follows_what_a_split_file_says_not_its_place(params, tmp_path):
    v3 = Cell("table2", "zero_shot", "gavs", "v3", "0-shot", 0)
    boxes = Cell("table3", "zero_shot", "gavs", "vggss", "0-shot", 0, home="v2")

    def recipes(**files):
        protocol = params.protocol.model_copy(update=files)
        changed = params.model_copy(update={"protocol": protocol})
        return [recipe_checksum(changed, cell) for cell in (v3, boxes)]

    text = (ROOT / params.protocol.unseen).read_text()
    copy, other = tmp_path / "copy.csv", tmp_path / "other.csv"
    copy.write_text(text)
    other.write_text(text.rsplit("\n", 2)[0])
    at_root = {
        n: ROOT / getattr(params.protocol, n) for n in ("unseen", "vggss_labels", "vggss_heard")
    }
    first = recipes(**at_root)
    assert recipes(**at_root | {"unseen": copy}) == first
    moved = [a != b for a, b in zip(recipes(**at_root | {"unseen": other}), first, strict=True)]
    assert moved == [True, False]
    assert recipes(**at_root | {"vggss_heard": other})[1] != first[1]


def test_a_model_depends_on_what_selects_it_and_on_all_that_it_reads(project, edit):
    parent = Model("gavs", "v2", "v2/train", "v2/val", 0)
    shots = Model("gavs", "v2", "vggss_sub/1-shot-0", None, 0, shots=True, parent=parent)
    cell = Cell("table1", "gavs", "gavs", "v2", "train", 0)

    def identities():
        found = Workbench(load()).fingerprints
        return [*map(fingerprint, (found.model(parent), found.model(shots), found.record(cell)))]

    first = identities()
    edit("scoring.thresholds", [0.3, 0.4, 0.5])  # selection is at 0.5
    scored = identities()
    assert [a == b for a, b in zip(first, scored, strict=True)] == [True, True, False]
    edit("scoring.frames_per_clip", 3)
    assert identities()[0] != first[0]


def test_masks_of_boxes_bring_sams_embeddings_into_a_methods_identity(project, edit):
    """AVSBench reads none itself."""
    parent = Model("avsbench", "v2", "v2/train", "v2/val", 0)
    shots = Model("avsbench", "v2", "vggss_sub/1-shot-0", None, 0, shots=True, parent=parent)
    found = {}
    for supervision in ("box_fill", "sam_mask"):
        edit("few_shot.supervision", supervision)
        for precision in ("fp32", "bf16"):
            edit("features.precision", precision)
            identity = Workbench(load()).fingerprints.model(shots)
            found[supervision, precision] = fingerprint(identity)
    assert found["box_fill", "fp32"] == found["box_fill", "bf16"]
    assert len({*found.values()}) == 3


def test_only_who_has_a_column_for_each_class_depends_on_which_there_are(project):
    found = Workbench(load()).fingerprints
    rows = ("gavs", "avsbench", "auss", "avsc")
    first = [found.model(Model(row, "v2", "v2/train", "v2/val", 0)) for row in rows]
    found.clip_sets.classes = [*found.clip_sets.classes, "new"]
    again = [found.model(Model(row, "v2", "v2/train", "v2/val", 0)) for row in rows]
    assert [a == b for a, b in zip(first, again, strict=True)] == [True, True, False, False]
