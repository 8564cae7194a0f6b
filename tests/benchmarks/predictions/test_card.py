"""Result cards: written, read, counted again, and refused where they don't say what they count."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.data.index import load_index
from benchmarks.features.layout import frames_checksum
from benchmarks.predictions import command, truth
from benchmarks.predictions.card import (
    CardError,
    Figure,
    card_of,
    figures_of,
    read_card,
    read_cards,
    schema_text,
    scores_of,
    write_card,
)
from benchmarks.predictions.card_check import Tested, TestedClip, problems_of
from benchmarks.scoring.rosetta import RULES, rosetta
from tests.benchmarks.predictions.conftest import MASK, import_folder, save

ROOT = Path(__file__).parents[3]


@pytest.fixture
def card(params, folder):
    """Card of predictions, one frame of which is half right."""
    save(folder / "aa_0_2/1.png", MASK[::-1].copy())
    stored = import_folder(params, folder, "theirs", "v2")
    made = card_of("theirs", [stored])
    return made.model_copy(update={"who": "somebody", "trained_on": "v2 train"}), stored


def test_a_card_gives_its_figures_again_and_those_of_the_rosetta_table(card, tmp_path):
    made, stored = card
    write_card(tmp_path / "cards/theirs.json", made)
    (read,) = read_cards(tmp_path / "cards")
    assert read == made and problems_of(read, {}) == []
    expected = rosetta(stored.scores()["test"]).set_index("name").miou
    (result,) = read.results
    assert set(result.rescored) == {r.name for r in RULES if r.resolution == "native"}
    assert result.rescored == pytest.approx({n: expected[n] for n in result.rescored}, abs=1e-12)
    assert result.rescored["tables"] == pytest.approx(5 / 6)  # five frames of IoU 1, one of 0


def test_what_an_author_says_stays_when_the_counts_are_made_anew(card):
    made, stored = card
    figure = Figure(benchmark="v2", metric="miou", value=0.7, rule="avsbench")
    said = made.model_copy(update={"reported": [figure]})
    assert card_of("theirs", [stored], said) == said
    other = said.results[0].model_copy(update={"profile": "paper"})
    both = said.model_copy(update={"results": [other, *said.results]})
    assert card_of("theirs", [stored], both) == both  # counts that took real data stay


def edited(card, **changes):
    content = card[0].model_dump(by_alias=True)
    content["results"][0] |= changes
    return type(card[0]).model_validate(content)


def here_for(result):
    """The test that a result was counted on."""
    clips = {
        clip.uid: TestedClip(
            *(clip.video, clip.classes), dict.fromkeys(clip.frame, {"target": 8, "pixels": 24})
        )
        for clip in result.clips
    }
    return Tested(result.data, "whole", clips)


def test_a_card_is_checked(card):
    made, _ = card
    assert problems_of(made.model_copy(update={"who": ""}), {}) == ["who: empty; say it"]
    figures = made.results[0].rescored | {"tables": 0.99}
    (problem,) = problems_of(edited(card, rescored=figures), {})
    assert problem.startswith("v2 train seed 0: tables is 0.99, but its counts give 0.8333")
    test = here_for(made.results[0])
    assert problems_of(made, {"small v2": test}) == []
    (problem,) = problems_of(made, {"small v2": test._replace(data="another")})
    assert "but the test here is another" in problem
    assert problems_of(made, {"other v2": test._replace(data="another")}) == []  # of a profile
    (problem,) = problems_of(made.model_copy(update={"results": []}), {})
    assert problem == "results: none; a card has counts of a test"
    trained = edited(card, kind="trained")
    (problem,) = problems_of(trained, {"small v2": test})
    assert "but the clip index here is whole" in problem
    clips = [clip.model_dump() for clip in made.results[0].clips]
    clips[0]["union"][0][0] += 1
    assert "unions that aren't" in "".join(problems_of(edited(card, clips=clips), {}))
    clips[0]["union"][0][0] -= 1
    twice = problems_of(edited(card, clips=clips + clips[:1]), {"small v2": test})
    assert "2 frames are counted twice, e.g. aa_0_2 frame 0" in "".join(twice)
    (problem,) = problems_of(made.model_copy(update={"results": made.results * 2}), {})
    assert problem == "small v2 train 0: 2 results"


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (("v2", "miou", "tables"), []),
        (("v1m", "fscore", ""), []),
        (("vggss", "mean_iou", "mean_iou"), []),
        (
            ("V2", "mIoU", "tables"),
            ["benchmark: 'V2', expected v1s, v1m, v2, v3, vggss", "metric: 'mIoU', expected miou,"],
        ),
        (("v2", "miou", "nonsense"), ["rule: 'nonsense', expected tables, gavs_released, avsb"]),
        (("vggss", "miou", ""), ["metric: 'miou', expected mean_iou, success, auc"]),
        (("vggss", "mean_iou", "success"), ["rule: 'success', expected mean_iou, nothing"]),
    ],
)
def test_what_is_reported_has_the_names_by_which_the_page_finds_it(card, figure, expected):
    benchmark, metric, rule = figure
    told = [Figure(benchmark=benchmark, metric=metric, value=0.5, rule=rule)]
    problems = problems_of(card[0].model_copy(update={"reported": told}), {})
    assert len(problems) == len(expected)
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(f"reported.0.{start}")


def test_the_easy_clips_alone_are_no_test(card):
    """Figures that follow from their counts, and the whole test's checksum: but a clip is gone."""
    made, _ = card
    (result,) = made.results
    clips = [clip.model_dump() for clip in result.clips[1:]]
    figures = dict.fromkeys(result.rescored, 1.0)
    better = edited(card, clips=clips, rescored=figures)
    assert problems_of(better, {}) == []
    test = here_for(result)
    (problem,) = problems_of(better, {"small v2": test})
    assert problem == "v2 train seed 0: 2 frames aren't counted, e.g. aa_0_2 frame 0"
    first = {"aa_0_2": test.clips["aa_0_2"]}
    (problem,) = problems_of(made, {"small v2": test._replace(clips=first)})
    assert problem == "v2 train seed 0: 4 frames are none of the test's, e.g. bb_0_2 frame 0"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(benchmark="v9"), "benchmark: Input should be 'v1s'"),
        (lambda r: r.update(benchmark="vggss", setting="in-set"), "fscore: none of"),
        (
            lambda r: r.update(benchmark="vggss", setting="in-set", fscore=None),
            "no counts that give mean_iou",
        ),
        (lambda r: r.update(kind="masks"), "fscore: none of binary masks"),
        (lambda r: r.update(setting="zzz"), "setting 'zzz', expected train"),
        (lambda r: r.update(seed=-99), "seed: Input should be"),
        (lambda r: r.update(thresholds=[0.4]), "aa_0_2: intersection isn't of 2 frames at 1 thr"),
        (lambda r: r.update(thresholds=[0.3, 0.4]), "no counts that give tables"),
        (lambda r: r.update(clips=[]), "counts of no frame"),
        (lambda r: r["rescored"].update(tables=float("nan")), "rescored.tables: Input should be"),
        (lambda r: r.update(fscore=7.3), "fscore: Input should be"),
        (lambda r: r["clips"][1]["target"].__setitem__(0, -1), "clips.1.target.0: Input should be"),
        (lambda r: r["clips"][1]["target"].__setitem__(0, 2**70), "clips.1.target.0: Input should"),
        (lambda r: r["clips"][1]["pixels"].pop(), "bb_0_2: pixels isn't of 2 frames"),
        (lambda r: r["clips"][0]["union"][1].pop(), "aa_0_2: union isn't of 2 frames at 2"),
    ],
)
def test_counts_that_are_none_are_told_when_a_card_is_read(card, tmp_path, edit, message):
    content = card[0].model_dump(by_alias=True)
    edit(content["results"][0])
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    with pytest.raises(CardError, match=f"theirs.json: results.0.*{message}"):
        read_card(tmp_path / "theirs.json")


NOTHING = {"target": [0, 0], "intersection": [[0, 0]] * 2, "union": [[0, 0]] * 2}


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda clip: None, None),
        (
            lambda clip: clip.update(NOTHING, predicted=[[0, 0]] * 2),
            "2 frames have another target than the test, e.g. bb_0_2 frame 0: 0, not 8",
        ),
        (
            lambda clip: clip.update(pixels=[99999999, 24]),
            "1 frames have another pixels than the test, e.g. bb_0_2 frame 0: 99999999, not 24",
        ),
        (lambda clip: clip.update(video="zz"), "another video than the test, e.g. bb_0_2: 'zz', n"),
        (lambda clip: clip.update(classes="cow"), "another classes than the test, e.g. bb_0_2: 'c"),
    ],
)
def test_what_a_card_says_of_the_test_is_compared_with_the_masks_on_disk(
    card, params, tmp_path, monkeypatch, capsys, edit, problem
):
    """Counts that fit each other, and the figures that they give."""
    content = card[0].model_dump(by_alias=True)
    edit(content["results"][0]["clips"][1])
    made = type(card[0]).model_validate(content)
    content["results"][0]["rescored"] = figures_of(scores_of(made.results[0]))
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(content))
    monkeypatch.setattr(command, "load", lambda path: params)
    args = SimpleNamespace(check=True, params=path, names=[str(path)])
    assert command.card(args) == (problem is not None)
    first, *rest = capsys.readouterr().out.splitlines()
    assert (first, rest) == (f"{path}: well", []) if problem is None else problem in "".join(rest)


def test_the_truth_of_an_image_is_its_boxes_and_a_trained_row_is_of_the_whole_index(params):
    test = truth.tests_of(params, ["vggss", "v1s"])["small vggss"]
    assert test.clips["x1"].frames == {0: {"target": 112 * 112}}
    assert test.whole == frames_checksum(load_index(params.work / "index.csv")) != test.data


def test_no_word_of_an_author_is_taken_for_the_counts(card, tmp_path):
    said = {"who": "@0", "note": '"clips": []', "code": '@1 "@0"'}
    made = card[0].model_copy(update=said)
    write_card(tmp_path / "theirs.json", made)
    assert read_card(tmp_path / "theirs.json") == made


def test_every_card_is_checked_whatever_the_others_are(card, params, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "cards"
    write_card(folder / "b.json", card[0].model_copy(update={"name": "b"}))
    (folder / "b.json").write_text((folder / "b.json").read_text(), "utf-8-sig")  # as some save it
    write_card(folder / "other.json", card[0])
    (folder / "a.json").write_text("{")
    monkeypatch.setattr(command, "load", lambda path: params)

    def check(*names):
        args = SimpleNamespace(check=True, params=tmp_path / "none.yaml", names=[*names])
        return command.card(args), capsys.readouterr().out.replace(f"{folder}/", "")

    status, printed = check(str(folder))
    a, b, c, d, e = printed.splitlines()
    b_well = "b.json: well; its test isn't here to compare: small v2"
    assert status == 1 and (a, c, d) == (
        "a.json: not usable:",
        "b.json: well; its test isn't here to compare: small v2",
        "other.json: not usable:",
    )
    assert "a.json: can't be read as a card" in b
    assert e == "  name: 'theirs', expected 'other' as its file has"
    assert check(str(folder / "b.json")) == (0, f"{b_well}\n")
    (tmp_path / "none").mkdir()
    with pytest.raises(CardError, match="none: a folder without a card"):
        check(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read as a card"),
        ({"schema": 99}, "schema 99, expected 1; a newer one needs a newer version of this"),
        ({"schema": [1]}, r"schema \[1\], expected 1"),
        ({"name": "x"}, "schema None, expected 1"),
        ([1], "holds a list, expected keys and values"),
        ({"schema": 1, "name": "a/b", "who": "y", "trained_on": "z"}, "name: String should match"),
        ({"schema": 1, "name": "x", "who": "y"}, "trained_on: Field required"),
        ({"schema": 1, "name": "x", "who": "y", "trained_on": "z", "a": 1}, "a: Extra inputs"),
    ],
)
def test_a_file_that_is_no_card_is_named(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CardError, match=f"x.json: .*{message}"):
        read_card(path)


def test_the_published_schema_and_cards_are_those_of_the_code():
    assert (ROOT / "cards/schema.json").read_text() == schema_text()
    assert [problems_of(card, {}) for card in read_cards(ROOT / "cards")] == []
