"""Ten kills of a tiny pipeline at random moments; `python -m tests.kill` runs more."""

import pytest

from tests.kill import Project, kill


@pytest.mark.slow
def test_whatever_is_killed_goes_on_to_the_same_records(tmp_path):
    tally = kill(Project(tmp_path), kills=10, seconds=600, seed=1)
    assert tally.kills == 10 and tally.finished >= 1
