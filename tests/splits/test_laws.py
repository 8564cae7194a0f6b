"""Nested, disjoint, stratified, grouped by video: laws over random metadata."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splits import audit, avs_v3, fractions
from splits.files import SplitError

SEEN, UNSEEN = ["ant", "bee", "cat", "dog"], ["fox", "owl", "yak"]


@st.composite
def clip_lists(draw):
    """Clips of enough single-class videos to split, then some of any kind."""
    clips = [(f"{c}{i}", c) for c in ("ant", "bee") for i in range(50)]  # no fold is empty
    clips += [(f"{c}{i}", c) for c in UNSEEN for i in range(draw(st.integers(1, 6)))]
    strings = st.lists(st.sampled_from(SEEN + UNSEEN), min_size=1, max_size=2, unique=True)
    for i, label in enumerate(draw(st.lists(st.sampled_from(["v1s", "v1m", "v2"]), max_size=25))):
        own = draw(st.lists(strings, min_size=1, max_size=3))
        clips += [(f"video{i}", "_".join(tokens), label) for tokens in own]
    # Four more clips in one video of each class, so that none has too few.
    return clips + [(f"{c}0", c) for c in UNSEEN for _ in range(4)]


def videos(rows):
    return [vid[:11] for vid in rows.vid]


@settings(max_examples=25)
@given(clips=clip_lists(), seed=st.integers(0, 9), strings=st.booleans())
def test_laws_of_avs_v3(build, clips, seed, strings):
    metadata = build(clips)
    strings = UNSEEN if strings else None
    v3 = avs_v3.split(metadata, strings, UNSEEN, [seed, 77], (1, 3), seed=seed)
    seen, unseen = set(), set()
    for row in metadata[metadata.label != "v1s"].itertuples():
        tokens = row.a_obj.split("_")
        if not any(t in UNSEEN for t in tokens):
            seen.add(row.uid)
        if row.a_obj in UNSEEN if strings else all(t in UNSEEN for t in tokens):
            unseen.add(row.uid)
    parts = [v3.seen_train, v3.seen_val, v3.seen_test]
    assert sorted(uid for part in parts for uid in part.uid) == sorted(seen)
    assert sum(len(set(videos(p))) for p in parts) == len({v for p in parts for v in videos(p)})
    assert set(v3.unseen.uid) == set(v3.pool.uid) == unseen
    tokens = {t for p in parts for a in p.a_obj for t in a.split("_")}
    assert {t for a in v3.seen_train.a_obj for t in a.split("_")} == tokens

    pool = dict(zip(v3.pool.uid, zip(videos(v3.pool), v3.pool.a_obj, strict=True), strict=True))
    for draw, by_k in v3.shots.items():
        test = v3.test[draw]
        for k, rows in by_k.items():
            assert Counter(rows.a_obj) == dict.fromkeys(UNSEEN, k)
        assert set(by_k[1].uid) < set(by_k[3].uid)
        for name in UNSEEN:  # a video gives a second clip only when there's no other
            uses = Counter(
                v for v, a in zip(videos(by_k[3]), by_k[3].a_obj, strict=True) if a == name
            )
            own = Counter(v for v, a in pool.values() if a == name)
            for video, count in uses.items():
                assert all(uses[other] >= min(count - 1, own[other]) for other in own), video
        shown = {pool[u][0] for u in by_k[3].uid}
        expected = set()
        for name in {a for _, a in pool.values()}:
            rest = [u for u, (_, a) in pool.items() if a == name and u not in set(by_k[3].uid)]
            clean = [u for u in rest if pool[u][0] not in shown]
            expected |= set(rest if name in UNSEEN and len(clean) < 3 else clean)
        assert set(test.uid) == expected
        assert set(UNSEEN) <= set(test.a_obj)

    # The order of the rows changes nothing, and neither does which other draws are made.
    again = avs_v3.split(metadata[::-1], strings, UNSEEN, [seed], (1, 3), seed=seed)
    assert set(again.seen_test.uid) == set(v3.seen_test.uid)
    assert set(again.shots[seed][3].uid) == set(v3.shots[seed][3].uid)
    assert set(again.test[seed].uid) == set(v3.test[seed].uid)


@settings(max_examples=25)
@given(clips=clip_lists(), seed=st.integers(0, 9))
def test_folds_are_equal_up_to_a_video(build, clips, seed):
    v3 = avs_v3.split(build(clips), None, UNSEEN, [0], (1,), seed=seed)
    seen = [v for part in (v3.seen_train, v3.seen_val, v3.seen_test) for v in videos(part)]
    largest = max(Counter(seen).values())
    for held_out in (v3.seen_val, v3.seen_test):
        assert len(held_out) <= len(seen) / 10 + largest


@settings(max_examples=25)
@given(clips=clip_lists(), draw=st.integers(0, 9))
def test_strict_lists_share_no_video(build, clips, draw):
    metadata = build(clips)
    clean = avs_v3.strict(avs_v3.split(metadata, None, UNSEEN, [draw], (1, 3)))
    found = audit.audit(audit.strict_metadata(metadata), {"V3": clean})
    assert not [f for f in found if f.clips and not f.train.startswith("AVSBench")]


@settings(max_examples=25)
@given(
    clips=clip_lists(),
    draw=st.integers(0, 9),
    shares=st.lists(st.floats(0.05, 1), min_size=1, max_size=4, unique=True),
)
def test_laws_of_fractions(build, clips, draw, shares):
    train = build(clips)
    parts = fractions.split(train, [*shares, 1.0], draw)
    sizes = Counter(videos(train))
    spread = Counter()
    tokens = {}
    for video, a_obj in zip(videos(train), train.a_obj, strict=True):
        tokens.setdefault(video, set()).update(a_obj.split("_"))
    for found in tokens.values():
        spread.update(found)
    stratum = {v: min((spread[t], t) for t in found)[1] for v, found in tokens.items()}
    members = Counter(stratum.values())
    before = set()
    for share in sorted(parts):
        part = parts[share]
        chosen = set(videos(part))
        assert before <= set(part.uid)
        before = set(part.uid)
        assert len(part) == sum(sizes[v] for v in chosen)  # whole videos
        assert abs(len(part) - share * len(train)) <= max(sizes.values()) / 2
        # One common rate gives every stratum's number of videos, up to less than one video.
        taken = Counter(stratum[v] for v in chosen)
        low = max((taken[c] - 1) / members[c] for c in members)
        high = min((taken[c] + 1) / members[c] for c in members)
        assert low < high
    assert parts[1.0].equals(train)
    again = fractions.split(train[::-1], shares, draw)
    assert all(set(again[s].uid) == set(parts[s].uid) for s in shares)


def test_fractions_worked_out_by_hand(build):
    train = build([(f"{c}{i}", c) for c in ("cat", "dog") for i in range(10)])
    for draw in range(5):
        parts = fractions.split(train, [0.1, 0.5], draw)
        assert sorted(parts[0.1].a_obj) == ["cat", "dog"]
        assert parts[0.5].a_obj.value_counts().to_dict() == {"cat": 5, "dog": 5}
    drawn = {tuple(fractions.split(train, [0.5], draw)[0.5].uid) for draw in range(5)}
    assert len(drawn) == 5


def test_bad_fractions_are_refused(build):
    train = build([("a", "cat")] * 4 + [("b", "cat")] * 4)
    with pytest.raises(SplitError, match="above 0 and at most 1") as caught:
        fractions.split(train, [0.0, 1.5, float("nan"), 0.1], 0)
    assert len(caught.value.problems) == 4
    with pytest.raises(SplitError, match="empty; the first video has 4"):
        fractions.split(train, [0.1], 0)
