"""Pages beside each other: clips are kept once, links lead somewhere, all is of a size for git."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.report.web.beside import Beside, beside
from benchmarks.scoring.records import RecordError

ROOT = Path(__file__).parents[3]
RECIPES = {"table1 gavs v1s": "a", "table1 gavs v1s floor": "b", "table2 gavs v3 0-shot": "c"}
CLIPS = {name: f"../page/{name}.js" for name in ("v1s", "v3")}
LINK = ("../index.html", "The clips' own page, of profile miniature")


@pytest.fixture
def results(tmp_path):
    """The default's results with clips of two contests."""
    (tmp_path / "page").mkdir()
    for name in ("page/v1s.js", "page/v3.js", "index.html"):
        (tmp_path / name).touch()
    manifest = {"profile": "miniature", "recipes": RECIPES}
    (tmp_path / "provenance.json").write_text(json.dumps(manifest))
    return tmp_path


def of(folder, profile, work_of):
    return SimpleNamespace(results=folder, profile=profile, work_of=work_of)


def test_the_two_pages_link_each_other_once_both_are_there(results):
    default, study = of(results, "miniature", None), of(results / "study", "study", "miniature")
    assert beside(default, RECIPES) == Beside()
    assert beside(study, RECIPES) == Beside(CLIPS, LINK)
    (results / "study").mkdir()
    (results / "study/index.html").touch()
    assert beside(default, RECIPES).link == (
        "study/index.html",
        "The same cells with more seeds: the study's page",
    )
    assert beside(of(results, "smoke", None), RECIPES) == Beside()
    (results / "index.html").unlink()
    assert beside(study, RECIPES) == Beside()


@pytest.mark.parametrize(
    ("changed", "contests"),
    [
        ({"table1 gavs v1s": "x"}, ["v3"]),
        ({"table1 gavs v1s floor": "x"}, ["v1s", "v3"]),  # of which no mask is drawn
        ({"table2 gavs v3 0-shot": "x"}, ["v1s"]),
        ({"table1 new v1s": "x"}, ["v1s", "v3"]),
    ],
)
def test_clips_of_other_code_are_not_this_pages(results, caplog, changed, contests):
    made = beside(of(results / "study", "study", "miniature"), RECIPES | changed)
    assert list(made.clips) == contests and made.link == LINK
    lacking = [record.getMessage().split("clips of ")[1].split()[0] for record in caplog.records]
    assert lacking == [name for name in CLIPS if name not in contests]


def test_clips_of_another_profile_or_of_an_unreadable_report(results):
    assert beside(of(results / "more", "more", "quick"), RECIPES) == Beside()
    (results / "provenance.json").write_text("{")
    with pytest.raises(RecordError, match=r"provenance.json: can't be read as a report's manifest"):
        beside(of(results / "more", "more", "miniature"), RECIPES)


def test_a_committed_page_is_complete_and_with_its_clips_at_most_25_megabytes():
    for page in (ROOT / "results").rglob("index.html"):
        text = page.read_text(encoding="utf-8")
        data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
        content = json.loads(data[1])
        named = [*content["files"].values(), *(f["path"] for f in content["figures"])]
        named += [content["link"][0]] if content.get("link") else []
        assert named and [name for name in named if not (page.parent / name).is_file()] == []
        clips = [page.parent / name for name in content["files"].values()]
        parts = [page, *clips, *page.parent.glob("figures/*")]
        assert 0 < sum(part.stat().st_size for part in parts) <= 25e6
