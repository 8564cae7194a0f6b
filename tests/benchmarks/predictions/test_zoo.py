"""The zoo: Table 1's rows leave with cards, and each card is counted again from its checkpoint."""

import json
import shutil
from pathlib import Path

from benchmarks import cli
from gavs.predictor import Predictor


def test_every_row_leaves_with_a_card_that_its_checkpoint_gives_again(project, edit, capsys):
    """A system with a backbone of its own, and the ceiling, which has nothing to save."""
    for key, rows in {"published": ["avsbench"], "controlled": [], "operators": []}.items():
        edit(f"tables.table1.{key}", rows)
    edit("tables.table1.gavs", ["gavs"])
    edit("tables.table1.benchmarks", ["v1s"])
    edit("tables.ablations.groups", [])
    edit("scoring.floor_seeds", [])
    assert cli.main(["export", "--all", "--seed", "77", "--out", "models"]) == 1
    assert "--seed 77: no row of Table 1 has it" in capsys.readouterr().err
    assert cli.main(["export", "--all", "--out", "models"]) == 0
    names = sorted(path.name for path in Path("models").iterdir())
    rows = ["avsbench-v1s", "gavs-v1s"]
    assert names == [f"{row}.{kind}" for row in rows for kind in ("json", "safetensors")]
    header = Predictor(Path("models/avsbench-v1s.safetensors")).header
    assert [*header.encoders] == ["vggish"] and [*header.sizes] == ["pvt"]

    assert cli.main(["card", "--check", "models"]) == 0
    assert capsys.readouterr().out.count(": well") == 2
    card = Path("models/gavs-v1s.json")
    content = json.loads(card.read_text())
    assert content["trained_on"] == "v1s/train of profile smoke, seed 0"

    other = json.loads(card.read_text())
    other["results"][0]["fscore"] += 1e-9
    card.write_text(json.dumps(other))
    assert cli.main(["card", "--check", "models"]) == 1
    assert "v1s train seed 0: fscore is" in capsys.readouterr().out
    card.write_text(json.dumps(content))
    shutil.copy("models/avsbench-v1s.safetensors", "models/gavs-v1s.safetensors")
    assert cli.main(["card", "--check", "models"]) == 1
    said = capsys.readouterr().out
    assert "avsbench-v1s.json: well" in said and "have other counts than its checkpoint's" in said
