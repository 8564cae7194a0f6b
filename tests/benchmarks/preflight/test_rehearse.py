"""The rehearsal on 12 frames: ViT-B whole, but on squares of 256 pixels in place of 1024.

At 1024 each of them takes 19 s of a core. Clips last 2 s and 1 s in place of 5 and 10, so that
AVSBench-object, AVSBench-semantic, VGG-SS and VGG-Sound are all there.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.data import avsbench
from benchmarks.features.layout import covered
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from benchmarks.preflight import fake_data, rehearse
from benchmarks.preflight.check import _sets
from benchmarks.preflight.rehearse import MAPPED, NOVEL, make, run
from benchmarks.report.plan import plan_of
from benchmarks.report.write import read, tables
from gavs.sizes import SAM_SIZES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
# What reads AVSBench's pixels, SAM's embedding, its tokens; what hears spectrograms. One more row
# with a backbone takes 17 s of a core: test_parameter_counts.py makes all rows at full width.
ROWS = {
    "table1": {
        "benchmarks": ["v1m"],
        "published": ["audio_sam", "avsbench"],
        "controlled": ["tpavi_sam"],
        "gavs": ["gavs_released"],
        "operators": [],
    },
    "ablations": {"benchmark": "v1m", "groups": ["alignment"]},
    **{name: {"rows": []} for name in ("table2", "table4", "figure3")},
    "table3": {"rows": ["audio_sam"], "in_set": ["hardway"]},
    "robustness": {"benchmark": "v1m", "rows": ["audio_sam"]},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(SAM_SIZES, "vit_b", replace(SAM_SIZES["vit_b"], img_size=256))
    for seconds in (avsbench.SECONDS, fake_data.SECONDS):
        monkeypatch.setitem(seconds, "v1m", 2)
        monkeypatch.setitem(seconds, "v2", 1)
    changes = {
        "data": {"labels": ["v1m", "v2"]},
        "features": {
            "batch_size": 2,
            "stores": {
                "avs": ["vggish", "sam_rgb", "tokens9_rgb", "pixels224"],
                "vgg": ["spectrogram", "pixels224"],
            },
        },
        "variants": {"gavs_released": {"set": {"colour": "rgb"}}},
        "ablations": {"alignment": {"gavs_infonce": {"set": {"alignment.loss": "none"}}}},
        "tables": ROWS,
    }
    clips = {  # V2's models are tested on VGG-SS alone
        "v1m": {"train": 1, "val": 1, "test": 2},
        "v2": {"train": 1, "val": 1, "test": 0},
    }
    make(ROOT / "params.yaml", tmp_path / "rehearsal", clips, [NOVEL, MAPPED], changes)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rehearsal"


def test_every_stage_runs_at_full_width(folder, capsys, monkeypatch):
    stages = [("data",), ("features",), *(("run", table) for table in ROWS)]
    well = run(folder, stages, 2, cli.main)
    out, err = capsys.readouterr()
    assert well, out + err
    assert out.count(" done ") == len(stages)
    monkeypatch.chdir(folder)
    params = load()
    bench = Workbench(params)
    assert covered(bench.index, "avs").frames.sum() == 4 * 2 + 2 * 1 + 2
    assert bench.store("tokens9_rgb").header.shape == (16, 16, 768)
    plan = plan_of(params)
    pages = tables(read(params.work / "records", plan), plan)
    text = "".join(str(page) for name, page in pages.items() if name.endswith(".md"))
    for row in (
        "audio_sam",
        "avsbench",
        "tpavi_sam",
        "gavs_released",
        "gavs_no_alignment",
        "hardway",
    ):
        assert row in text
    records = [json.loads(path.read_text()) for path in params.work.rglob("records/**/*.json")]
    trained = {record["variant"]: record["counts"]["trainable_parameters"] for record in records}
    assert trained["audio_sam"] == (128 + 1) * 512 + (512 + 1) * 256  # as released
    assert all(record["counts"].get("updates", 1) == 1 for record in records)


def test_its_own_clips_suffice_for_every_table(tmp_path, monkeypatch):
    """At full size too, as CI's twelve frames can't tell: shots, folds, contrasts, intervals."""
    monkeypatch.setattr(rehearse, "find_weights", lambda params: [])
    make(ROOT / "params.yaml", tmp_path / "rehearsal")
    monkeypatch.chdir(tmp_path / "rehearsal")
    assert cli.main(["data", "--workers", "1"]) == 0
    assert _sets(Workbench(load())) == []
