"""The sound that a clip is given in place of its own sound, for floors and robustness."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

Heard = np.ndarray | str | None
ROUNDS = 50  # of random tries; whoever has a partner in fifteen clips fails one time in thirty


def audio_from(kind: str, index: pd.DataFrame) -> Heard:
    """Positions of the clips whose audio each clip gets, the same for every method.

    Args:
        kind: `own`; `silence` and `noise`, which are no clip's; `shuffled`: a clip that shares no
            class; `off_screen`: a sound of a class that the frame doesn't show, where the data set
            says what it shows (column `shown`), else as `shuffled` but drawn anew; `other_clip`:
            any clip of another video.

    Raises:
        ValueError: a clip has no such partner, or the kind is unknown.
    """
    if kind == "own":
        return None
    if kind in ("silence", "noise"):
        return kind
    names = index.classes
    if "heard" in index:  # what really sounds, where the data set says it
        names = index.heard.where(index.heard != "", names)
    if kind == "shuffled":
        return _partners(0, index, names.tolist(), _disjoint(names, names))
    if kind == "off_screen":
        visible = index.shown if "shown" in index else index.classes
        known = [f"{heard}_{seen}" for heard, seen in zip(names, visible, strict=True)]
        return _partners(1, index, known, _disjoint(known, names))
    if kind == "other_clip":
        video = pd.factorize(index.video)[0]
        return _partners(2, index, video.tolist(), lambda i, j: video[i] != video[j])
    raise ValueError(f"no audio is called '{kind}'")


Fits = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (M,) positions of each -> (M,) bool


def _disjoint(first: Iterable[str], second: Iterable[str]) -> Fits:
    """Test pairs of clips for no common token of one's `first` and the other's `second`."""
    sides = [[joined.split("_") for joined in names] for names in (first, second)]
    tokens = {token for clips in sides for clip in clips for token in clip}
    columns = {token: column for column, token in enumerate(sorted(tokens))}
    a, b = (_bits(clips, columns) for clips in sides)
    return lambda i, j: ~(a[i] & b[j]).any(axis=1)


def _bits(clips: Sequence[Sequence[str]], columns: Mapping[str, int]) -> np.ndarray:
    """Table (N, tokens / 8) of bits, 1 where a clip has the token of the column."""
    table = np.zeros((len(clips), len(columns)), bool)
    for row, tokens in zip(table, clips, strict=True):
        row[[columns[token] for token in tokens]] = True
    return np.packbits(table, axis=1)


def _partners(seed: int, index: pd.DataFrame, kinds: Sequence[Hashable], fits: Fits) -> np.ndarray:
    """Draw for each clip a random one of as many frames that fits it -> (N,) positions.

    All draw at once until one fits. The few that hardly any clip fits draw from a list of those
    that do, one list per kind.

    Args:
        kinds: what decides which clips fit one, by clip.
    """
    rng = np.random.default_rng(seed)
    frames = index.frames.to_numpy()
    order = np.argsort(frames, kind="stable")
    start, end = (np.searchsorted(frames[order], frames, side) for side in ("left", "right"))
    chosen, left = np.empty(len(frames), int), np.arange(len(frames))
    for _ in range(ROUNDS):
        if not len(left):
            return chosen
        drawn = order[rng.integers(start[left], end[left])]
        good = fits(left, drawn)
        chosen[left[good]] = drawn[good]
        left = left[~good]
    lists: dict[tuple, np.ndarray] = {}
    for i in left.tolist():
        key = (kinds[i], start[i])
        if key not in lists:
            members = order[start[i] : end[i]]
            lists[key] = members[fits(np.full(len(members), i), members)]
        if not len(lists[key]):
            raise ValueError(f"{index.uid.iloc[i]}: no other clip to take audio from")
        chosen[i] = rng.choice(lists[key])
    return chosen
