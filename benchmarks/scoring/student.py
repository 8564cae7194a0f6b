"""Student's t with any degrees of freedom: its tail and its quantiles, without scipy's 140 MB.

The tail is an incomplete beta function, by its continued fraction with Lentz's rule (Press et al.,
Numerical Recipes, 6.4), to 1e-12 of scipy's.
"""

import math
from functools import lru_cache
from statistics import NormalDist

NORMAL = 1e9  # degrees of freedom from which a t is a normal
_TERMS = 200_000  # a fraction needs about the square root of the degrees of freedom
_NONE = 1e-300  # in the place of 0, by which Lentz's rule would divide


@lru_cache(maxsize=1 << 14)
def tail(freedom: float, t: float) -> float:
    """Probability of more than t >= 0; NaN for a NaN."""
    if math.isnan(freedom) or math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    if freedom >= NORMAL:
        return math.erfc(t / math.sqrt(2)) / 2
    a, square = freedom / 2, t * t
    x, y = freedom / (freedom + square), square / (freedom + square)
    front = math.exp(-a * math.log1p(square / freedom)) * math.sqrt(y / math.pi) * _ratio(a)
    if x < (a + 1) / (a + 2.5):
        return front * _fraction(x, a, 0.5) / a / 2
    return 0.5 - front * _fraction(y, 0.5, a)


@lru_cache(maxsize=1 << 14)
def quantile(freedom: float, share: float) -> float:
    """The t that a share of 0.5 to 1 lies below; NaN for a NaN."""
    if math.isnan(freedom):
        return math.nan
    t = NormalDist().inv_cdf(share)
    if freedom >= NORMAL:
        return t
    # The tail is convex, and the normal's quantile is the smaller: Newton's steps only go up.
    scale = _ratio(freedom / 2) / math.sqrt(freedom * math.pi)
    while True:
        density = scale * math.exp(-(freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (tail(freedom, t) - (1 - share)) / density
        if step <= 4e-15 * t:
            return t
        t += step


def _ratio(a: float) -> float:
    """gamma(a + 1/2) / gamma(a)."""
    if a < 100:
        return math.exp(math.lgamma(a + 0.5) - math.lgamma(a))
    terms = (1, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144)
    return math.sqrt(a) * sum(term / a**power for power, term in enumerate(terms))


def _fraction(x: float, a: float, b: float) -> float:
    """Continued fraction of the incomplete beta function."""
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or _NONE)
    value = d
    for m in range(1, _TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + numerator * d) or _NONE)
            c = (1 + numerator / c) or _NONE
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
