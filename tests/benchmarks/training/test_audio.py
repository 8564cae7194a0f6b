"""The clips that sound is borrowed from, against a search of every pair."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.training.audio import audio_from

tokens = st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True).map("_".join)
clips = st.lists(
    st.tuples(st.sampled_from("xyz"), tokens, tokens, st.sampled_from([1, 5])),
    min_size=1,
    max_size=9,
)


def table(rows) -> pd.DataFrame:
    """(video, heard, shown, frames) as rows of a clip index."""
    index = pd.DataFrame(rows, columns=["video", "heard", "shown", "frames"])
    return index.assign(uid=[f"clip{i}" for i in range(len(index))], classes=index.heard)


def fits(kind: str, one: pd.Series, other: pd.Series) -> bool:
    if one.frames != other.frames:
        return False
    if kind == "other_clip":
        return one.video != other.video
    known = one.heard + (f"_{one.shown}" if kind == "off_screen" else "")
    return not {*known.split("_")} & {*other.heard.split("_")}


@pytest.mark.parametrize("kind", ["shuffled", "off_screen", "other_clip"])
@given(rows=clips)
def test_a_partner_fits_and_only_a_clip_without_any_is_an_error(kind, rows):
    index = table(rows)
    every = [row for _, row in index.iterrows()]
    alone = [a.uid for a in every if not any(fits(kind, a, b) for b in every)]
    if alone:
        with pytest.raises(ValueError, match="no other clip to take audio from") as error:
            audio_from(kind, index)
        assert str(error.value).split(":")[0] in alone
        return
    chosen = audio_from(kind, index)
    assert all(fits(kind, a, every[j]) for a, j in zip(every, chosen, strict=True))
    np.testing.assert_array_equal(chosen, audio_from(kind, index))


def test_every_clip_that_fits_is_drawn_as_often():
    """900 dogs and three cats, which hardly a random try meets: each cat sounds for 300."""
    index = table([("x", "dog", "dog", 1)] * 900 + [("x", "cat", "cat", 1)] * 3)
    drawn = Counter(audio_from("shuffled", index)[:900].tolist())
    assert set(drawn) == {900, 901, 902}
    assert all(abs(times - 300) < 4 * 14.1 for times in drawn.values())  # 4 standard deviations
