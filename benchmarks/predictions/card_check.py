"""What CI asks of a card: that it says whose it is, and that its counts give its figures."""

from collections.abc import Mapping

from benchmarks.predictions.card import ResultCard, figures_of, scores_of
from benchmarks.scoring.boxes import BoxScores
from benchmarks.scoring.npz import Scores

TOLERANCE = 1e-9  # of a figure that is computed again from the same counts


def problems_of(card: ResultCard, data: Mapping[str, str]) -> list[str]:
    """What is wrong with a card beyond its form: what CI refuses a pull request for.

    Args:
        data: checksums of the tests by "profile benchmark", where they are here to compare with.
    """
    problems = [f"{key}: empty; say it" for key in ("who", "trained_on") if not getattr(card, key)]
    for result in card.results:
        where = f"{result.benchmark} {result.setting} seed {result.seed}"
        uids = [clip.uid for clip in result.clips]
        if len(set(uids)) != len(uids):
            problems.append(f"{where}: a clip stands twice")
        expected = data.get(f"{result.profile} {result.benchmark}")
        if result.kind != "trained" and expected not in (None, result.data):
            problems.append(
                f"{where}: data {result.data[:12]}, but the test here is {expected[:12]}"
            )
        try:
            scores = scores_of(result)
            again = figures_of(scores)
        except (ValueError, IndexError) as error:
            problems.append(f"{where}: {error}")
            continue
        problems += [f"{where}: {problem}" for problem in _impossible(scores)]
        for name in sorted({*again, *result.rescored}):
            a, b = again.get(name), result.rescored.get(name)
            if a is None or b is None or abs(a - b) > TOLERANCE:
                problems.append(f"{where}: {name} is {b}, but its counts give {a}")
    return problems


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
