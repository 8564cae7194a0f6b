"""Growth: the exponent by hand, and every part at a hundred thousand clips in bounded memory."""

import multiprocessing
import resource

import numpy as np
import pytest

from benchmarks.speed import growth
from benchmarks.training.audio import audio_from
from splits import audit


@pytest.mark.parametrize("power", [0.8, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("start", [0.0, 7.0])
def test_the_exponent_is_that_above_the_start(power, start):
    line = growth.growth("x", [start + 3 * x**power for x in growth.FACTORS])
    assert line.difference == pytest.approx(power)
    assert line.reached is (power <= 1.1)
    assert line.points[-1] == (16.0, start + 3 * 16**power)


def test_what_costs_nothing_more_has_no_exponent():
    assert growth.growth("x", [1.0, 1.0, 2.0]).reached is False


def test_the_parts_measure_what_they_say():
    """On a few clips: the first tenth are of one video, and every part runs."""
    rows = growth.clips(400)
    assert rows.uid.is_unique and rows.vid.value_counts().iloc[0] == 40
    leaks = audit.audit(rows)
    assert any(leak.clips for leak in leaks)
    index = growth.index_of(400)
    chosen = audio_from("shuffled", index)
    for mine, other in zip(index.classes, index.classes.iloc[chosen], strict=True):
        assert not {*mine.split("_")} & {*other.split("_")}
    assert growth.PARTS["the index written and read"](400)().uid.tolist() == rows.uid.tolist()
    table = growth.PARTS["numbers of a table"](400)()
    scores = growth._scores(400, 0)
    expected = np.mean(scores.intersection[:, 0] / scores.union[:, 0])
    first = table.scores["row0", "v2 miou"].over_runs
    assert first.runs == 2 and abs(first.mean - expected) < 0.05
    assert len(growth.PARTS[next(k for k in growth.PARTS if "intervals" in k)](400)()) == 20


@pytest.mark.slow
@pytest.mark.parametrize("name", list(growth.PARTS))
def test_a_hundred_thousand_clips_take_half_a_gib(name):
    """Beside the inputs, in a process of its own: the most that it ever took."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=_memory, args=(name, results))
    process.start()
    before, after = results.get(timeout=600)
    process.join()
    assert after - before < 512 * 1024, f"{(after - before) / 1024:.0f} MiB"


def _memory(name, results) -> None:
    call = growth.PARTS[name](100_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    results.put((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
