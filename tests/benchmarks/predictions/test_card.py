"""Result cards: written, read, counted again, and refused where they don't say what they count."""

import json
from pathlib import Path

import pytest

from benchmarks.predictions.card import (
    CardError,
    Figure,
    card_of,
    read_card,
    read_cards,
    schema_text,
    write_card,
)
from benchmarks.predictions.card_check import problems_of
from benchmarks.predictions.imported import import_folder
from benchmarks.scoring.rosetta import RULES, rosetta
from tests.benchmarks.predictions.conftest import MASK, save

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


def edited(card, **changes):
    content = card[0].model_dump(by_alias=True)
    content["results"][0] |= changes
    return type(card[0]).model_validate(content)


def test_a_card_is_checked(card):
    made, _ = card
    assert problems_of(made.model_copy(update={"who": ""}), {}) == ["who: empty; say it"]
    figures = made.results[0].rescored | {"tables": 0.99}
    (problem,) = problems_of(edited(card, rescored=figures), {})
    assert problem.startswith("v2 train seed 0: tables is 0.99, but its counts give 0.8333")
    (problem,) = problems_of(made, {"small v2": "another"})
    assert "but the test here is another" in problem
    assert problems_of(made, {"other v2": "another"}) == []  # another profile's
    clips = [clip.model_dump() for clip in made.results[0].clips]
    clips[0]["union"][0][0] += 1
    assert "unions that aren't" in "".join(problems_of(edited(card, clips=clips), {}))
    assert "stands twice" in "".join(problems_of(edited(card, clips=clips + clips[:1]), {}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read as a card"),
        ({"schema": 99}, "schema 99, expected 1 or older"),
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
