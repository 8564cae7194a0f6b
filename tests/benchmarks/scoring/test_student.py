"""Student's t against scipy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtr, stdtrit

from benchmarks.scoring.student import NORMAL, quantile, tail

FREEDOM = st.floats(0, 13).map(math.exp)  # 1 to 442,000, most of them few


@given(FREEDOM, st.floats(0, 12))
def test_tails_are_scipys(freedom, t):
    assert tail(freedom, t) == pytest.approx(stdtr(freedom, -t), rel=1e-9, abs=1e-12)


@given(FREEDOM, st.sampled_from([0.8, 0.95, 0.975, 0.995]))
def test_quantiles_are_scipys_and_undo_tails(freedom, share):
    t = quantile(freedom, share)
    assert t == pytest.approx(stdtrit(freedom, share), rel=1e-10)
    assert tail(freedom, t) == pytest.approx(1 - share, abs=1e-12)


def test_values_of_tables_and_ends():
    assert quantile(1, 0.975) == pytest.approx(math.tan(0.475 * math.pi), rel=1e-12)
    assert quantile(NORMAL, 0.975) == pytest.approx(1.959963984540054, rel=1e-12)
    assert tail(3, 0.0) == 0.5 and tail(3, math.inf) == 0.0 and tail(NORMAL, 0.0) == 0.5
    assert tail(1, 1.0) == pytest.approx(0.25, rel=1e-14)
    assert math.isnan(tail(math.nan, 1.0)) and math.isnan(quantile(math.nan, 0.8))
