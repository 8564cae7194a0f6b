"""Some damaged files of each kind; `python -m tests.mutations` tries as many as one likes."""

import random
from collections import Counter

import pytest

from tests.mutated_kinds import KINDS, PENDING
from tests.mutations import GOOD, mutate, outcomes


@pytest.mark.parametrize("name", [name for name in KINDS if name not in PENDING])
def test_damaged_files_are_refused_by_name_or_read_the_same(tmp_path, name):
    found = list(outcomes(KINDS[name], tmp_path, count=60, seed=1))
    wrong = [(damage, outcome) for damage, outcome in found if outcome.word not in GOOD]
    assert len(found) == 60 and not wrong
    assert Counter(outcome.word for _, outcome in found)["refused"] > 0


def test_each_damage_is_tried():
    rng, whole = random.Random(0), bytes(range(256)) * 4
    damaged = [mutate(whole, rng) for _ in range(300)]
    assert len({name for name, _ in damaged}) == 6
    assert sum(data != whole for _, data in damaged) > 290
