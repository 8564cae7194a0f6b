"""Some damaged files of each kind; `python -m tests.mutations` tries as many as one likes."""

import random
from collections import Counter

import pytest

from tests.mutated_kinds import KINDS
from tests.mutations import GOOD, mutate, outcomes


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_refused_by_name_or_read_the_same(tmp_path, name):
    count = 15 if name == "params.yaml" else 60  # half a second each: every row is resolved
    found = list(outcomes(KINDS[name], tmp_path, count, seed=1))
    wrong = [(damage, outcome) for damage, outcome in found if outcome.word not in GOOD]
    assert len(found) == count and not wrong
    assert Counter(outcome.word for _, outcome in found)["refused"] > 0


def test_each_damage_is_tried():
    rng, whole = random.Random(0), bytes(range(256)) * 4
    damaged = [mutate(whole, rng) for _ in range(300)]
    assert len({name for name, _ in damaged}) == 6
    assert sum(data != whole for _, data in damaged) > 290
