"""The whole smoke graph in a temporary clone: what `dvc repro` runs, skips and repeats."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scoring.metrics import iou_terms
from benchmarks.scoring.npz import load_scores
from tests.copies import copy_project, run_in, set_key

pytestmark = pytest.mark.slow
TABLES = ("table1", "ablations", "table2", "table3", "table4", "figure3", "robustness")
STAGES = {"values", *(f"run@{table}" for table in TABLES), "report"}  # after a change of methods


class Clone:
    first: dict[str, bytes]  # records of the first repro

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_project(folder)
        self.run(sys.executable, "-m", "benchmarks", "profile", "smoke")

    def run(self, *command: str, code: int = 0) -> str:
        done = run_in(self.folder, *command, code=code)
        return done.stdout + done.stderr

    def repro(self) -> tuple[list[str], int]:
        """Stages that ran (without their files' names), and trainings that were new."""
        before = self.trainings()
        output = self.run("dvc", "repro")
        stages = re.findall(r"Running stage '([^']+)'", output)
        return stages, self.trainings() - before

    def trainings(self) -> int:
        return len(list((self.folder / "work/smoke/models").glob("*/model.json")))

    def edit(self, key: str, value: Any) -> None:
        """Set a key of params.yaml."""
        set_key(self.folder / "params.yaml", key, value)

    def tables(self) -> str:
        """Text of the pages of tables."""
        results = self.folder / "work/smoke/results"
        pages = [results / "tables.md", *sorted((results / "tables").glob("*.md"))]
        return "".join(page.read_text() for page in pages)

    def records(self) -> dict[str, bytes]:
        folder = self.folder / "work/smoke/records"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    stages, trainings = clone.repro()
    assert stages[:4] == ["values", "data", "features", "run@table1"]
    assert {*stages} == {"data", "features", *STAGES} and stages[-1] == "report"
    table1 = 5 * 3 * 3 + 3 * 2 + 3  # rows x benchmarks x (2 seeds + a floor), operator, ceilings
    ablations = 2 * 2
    table2 = 2 * 2 + 2 * 2 * 2  # 0-shot, 1-shot and its control
    table4 = 2 * 2 * 2  # 1-shot and its control; the 0-shot models are Table 1's, as Table 3's
    figure3 = 2 * 2
    table3 = 2  # a localiser
    assert trainings == table1 + ablations + table2 + table3 + table4 + figure3
    clone.first = clone.records()
    return clone


def test_the_tables_are_there_and_a_second_repro_does_nothing(clone):
    text = clone.tables()
    assert "smoke" in text
    for row in ("gavs_adapters", "sam_fusion", "avsbench", "oracle_click", "gavs_infonce"):
        assert row in text
    for name in (
        *("tables/table1.csv", "tables/table4.tex", "figures/overlays_v1s.png", "splits.md"),
        *("index.html", "page/v1s.js", "page/vggss.js", "headline.json", "plots/training.csv"),
    ):
        assert (clone.folder / "work/smoke/results" / name).stat().st_size > 50
    assert clone.repro() == ([], 0)
    stale = clone.run(sys.executable, "-m", "benchmarks", "stale")
    assert stale.startswith("0 committed rows are out of date")


def test_masks_on_the_page_are_those_that_were_scored(clone):
    script = (clone.folder / "work/smoke/results/page/v1s.js").read_text()
    clips = json.loads(script[script.index("[") : script.rindex("]") + 1])
    rows = clips[0]["masks"]
    assert {"gavs_adapters", "avsbench", "oracle_click"} <= {*rows} and len(clips) > 1
    for row in ("gavs_adapters", "avsbench"):
        record = clone.folder / f"work/smoke/records/table1/{row}/v1s-train-seed0.npz"
        scores = load_scores(record)["test"]
        frames = zip(scores.uid, scores.frame, iou_terms(scores).numerator, strict=True)
        stored = {(uid, frame): value for uid, frame, value in frames}
        for clip in clips:
            shown = clip["masks"][row]["own"][1]
            assert shown == pytest.approx(100 * stored[clip["uid"], clip["second"]], abs=0.06)


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_records_are_pushed_and_pulled_without_data_and_features(clone, tmp_path):
    records = clone.folder / "work/smoke/records"
    before, remote = _contents(records), tmp_path / "remote"
    clone.run("dvc", "remote", "add", "--local", "--default", "here", str(remote))
    clone.run("dvc", "push")
    pushed = sum(map(len, _contents(remote).values()))
    assert pushed < 1.1 * sum(map(len, before.values()))  # and DVC's lists of files
    shutil.rmtree(records)
    shutil.rmtree(clone.folder / ".dvc/cache")
    clone.run("dvc", "pull")
    assert _contents(records) == before
    assert clone.repro() == ([], 0)


def test_an_experiment_has_its_numbers_and_a_refused_value_stays_in_the_file(clone):
    for name in ("name", "email"):
        clone.run("git", "config", f"user.{name}", "tester")
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "first")
    params = clone.folder / "params.yaml"
    before, trainings = params.read_text(), clone.trainings()
    wrong = ("-S", "training.epochs=-3")
    words = "training.epochs: Input should be greater than 0 (got -3)"
    assert words in clone.run("dvc", "exp", "run", "--temp", *wrong, "values", code=255)
    assert params.read_text() == before
    assert words in clone.run("dvc", "exp", "run", *wrong, code=255)
    assert params.read_text() == before.replace("  epochs: 2\n", "  epochs: -3\n", 1)
    clone.run("git", "checkout", "--quiet", "params.yaml")  # as docs/dvc.md says
    assert params.read_text() == before and clone.trainings() == trainings

    run = clone.run("dvc", "exp", "run", "--name", "longer", "-S", "few_shot.training.epochs=2")
    assert "stage 6 of 11: run@table2" in run and run.count("the numbers mean nothing") == 1
    assert clone.trainings() == trainings + sum("-1-shot" in name for name in clone.first)
    shown = clone.run("dvc", "exp", "show", "--csv", "--only-changed")
    assert "longer" in shown and "few_shot.training.epochs" in shown
    assert "methods.gavs" not in shown  # of 200 parameters, the one that differs
    clone.run("git", "checkout", "--quiet", "params.yaml")


def test_what_an_edit_touches_runs_again_and_nothing_else(clone):
    # A parameter of GAVS: only its own rows.
    before = clone.tables()
    clone.edit("methods.gavs.prompt.noise_dim", 8)
    stale = clone.run(sys.executable, "-m", "benchmarks", "stale", code=1)
    assert "older than the code or params.yaml: table1 gavs_adapters v2" in stale
    assert "avsbench" not in stale
    stages, trainings = clone.repro()
    assert {*stages} == STAGES
    # Two rows of Table 1, the ablations, and GAVS in Tables 2 and 4 and Figure 3.
    assert trainings == 2 * 3 * 3 + 2 * 2 + (2 + 2 * 2) + 2 * 2 + 2
    assert clone.tables() != before
    after = clone.records()
    changed = {name for name, record in clone.first.items() if after[name] != record}
    assert changed == {name for name in clone.first if "/gavs" in name}

    # Going back is free, a new seed trains that seed, and a dropped row disappears.
    clone.edit("methods.gavs.prompt.noise_dim", 128)
    clone.edit("seeds", [0, 1, 2])
    clone.edit("tables.table1.published", ["sam_fusion"])
    stages, trainings = clone.repro()
    assert {*stages} == {"features", *STAGES}  # the frames that rows read are fewer
    # Five rows on three benchmarks, two ablations, two 0-shot models of Table 2, a localiser.
    assert trainings == 5 * 3 + 2 + 2 + 1
    after = clone.records()
    kept = {name for name in clone.first if not name.startswith("table1/avsbench/")}
    assert {name for name in clone.first if name in after} == kept
    assert all(after[name] == clone.first[name] for name in kept)
    assert "\n| `avsbench` |" not in clone.tables()  # a row; a rule of the Rosetta table stays
