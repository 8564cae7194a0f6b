"""What CI asks of a card: that it says whose it is, and that its counts give its figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.predictions.card import (
    BOX_FIGURES,
    ClipCounts,
    Figure,
    Result,
    ResultCard,
    figures_of,
    scores_of,
)
from benchmarks.predictions.submission import TESTS
from benchmarks.scoring.boxes import BoxScores
from benchmarks.scoring.npz import Scores
from benchmarks.scoring.rosetta import RULES

MASK_FIGURES = ("miou", "fscore")
TOLERANCE = 1e-9  # of a figure that is computed again from the same counts


class TestedClip(NamedTuple):
    """A clip of a test as it is here."""

    video: str
    classes: str
    frames: Mapping[int, Mapping[str, int]]  # that are scored: pixels of the truth, and in all


class Tested(NamedTuple):
    """A test as it is here."""

    data: str  # checksum
    whole: str  # checksum of the whole clip index, which a trained row's card has
    clips: Mapping[str, TestedClip]


def problems_of(card: ResultCard, tests: Mapping[str, Tested]) -> list[str]:
    """What is wrong with a card beyond its form: what CI refuses a pull request for.

    Args:
        tests: by "profile benchmark", where they are here to compare with.
    """
    problems = [
        f"{key}: empty; say it" for key in ("who", "trained_on") if not getattr(card, key).strip()
    ]
    problems += ["results: none; a card has counts of a test"] * (not card.results)
    places = Counter((r.profile, r.benchmark, r.setting, r.seed) for r in card.results)
    problems += [f"{' '.join(map(str, p))}: {n} results" for p, n in places.items() if n > 1]
    for number, figure in enumerate(card.reported):
        problems += [f"reported.{number}.{problem}" for problem in _unknown(figure)]
    for result in card.results:
        where = f"{result.benchmark} {result.setting} seed {result.seed}"
        if expected := tests.get(f"{result.profile} {result.benchmark}"):
            problems += [f"{where}: {problem}" for problem in _foreign(result, expected)]
        scores = scores_of(result)
        again = figures_of(scores)
        problems += [f"{where}: {problem}" for problem in _impossible(scores)]
        for name in sorted({*again, *result.rescored}):
            a, b = again.get(name), result.rescored.get(name)
            if a is None or b is None or abs(a - b) > TOLERANCE:
                problems.append(f"{where}: {name} is {b}, but its counts give {a}")
    return problems


def _unknown(figure: Figure) -> list[str]:
    """Names of a reported figure that the report wouldn't find again among its own."""
    known: dict[str, Sequence[str]]
    known = {"benchmark": [*TESTS], "metric": MASK_FIGURES, "rule": [rule.name for rule in RULES]}
    if figure.benchmark == "vggss":  # where a rule is called as its figure
        known["metric"] = BOX_FIGURES
        known["rule"] = [name for name in BOX_FIGURES if name == figure.metric] or BOX_FIGURES
    known["rule"] = [*known["rule"], ""]  # not known
    return [
        f"{key}: {value!r}, expected {', '.join(name or 'nothing' for name in names)}"
        for key, names in known.items()
        if (value := getattr(figure, key)) not in names
    ]


def _foreign(result: Result, test: Tested) -> list[str]:
    """What a result was counted on that isn't the test."""
    problems = []
    here = test.whole if result.kind == "trained" else test.data
    if result.data != here:
        what = "clip index" if result.kind == "trained" else "test"
        problems.append(f"data {result.data[:12]}, but the {what} here is {here[:12]}")
    counted = Counter((c.uid, f) for c in result.clips for f in _frames(result, c))
    expected = {(uid, f) for uid, clip in test.clips.items() for f in clip.frames}
    for frames, what in (
        (expected - counted.keys(), "aren't counted"),
        (counted.keys() - expected, "are none of the test's"),
        ({place for place, n in counted.items() if n > 1}, "are counted twice"),
    ):
        if frames:
            uid, frame = min(frames)
            problems.append(f"{len(frames)} frames {what}, e.g. {uid} frame {frame}")
    return problems + _untrue(result, test)


def _untrue(result: Result, test: Tested) -> list[str]:
    """What a result says of the test's clips and masks that isn't so."""
    wrong = defaultdict(list)
    for clip in result.clips:
        if (true := test.clips.get(clip.uid)) is None:
            continue
        for key in ("video", "classes"):
            if (said := getattr(clip, key)) != (is_so := getattr(true, key)):
                wrong[f"clips have another {key}"].append(f"{clip.uid}: {said!r}, not {is_so!r}")
        for row, frame in enumerate(_frames(result, clip)):
            for key, is_so in true.frames.get(frame, {}).items():
                if (said := getattr(clip, key)[row]) != is_so:
                    place = f"{clip.uid} frame {frame}: {said}, not {is_so}"
                    wrong[f"frames have another {key}"].append(place)
    return [f"{len(wrong[what])} {what} than the test, e.g. {wrong[what][0]}" for what in wrong]


def _frames(result: Result, clip: ClipCounts) -> list[int]:
    """Frame numbers of a clip's counts; an image against boxes has one."""
    return clip.frame if result.thresholds else [0] * len(clip.target)


def _impossible(scores: Scores) -> list[str]:
    """Counts that no picture has."""
    both = scores.intersection
    if isinstance(scores, BoxScores):
        lit, target = scores.lit, scores.target[:, None, None]
        return ["intersections larger than their masks"] * bool(
            ((both > lit) | (both > target)).any()
        )
    target = scores.target[:, None]
    if (scores.union != scores.predicted + target - both).any():
        return ["unions that aren't prediction + target - intersection"]
    wrong = (both > scores.predicted) | (both > target) | (scores.union > scores.pixels[:, None])
    return ["intersections or unions larger than their masks"] * bool(wrong.any())
