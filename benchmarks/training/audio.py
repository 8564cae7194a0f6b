"""The sound that a clip is given in place of its own sound, for floors and robustness."""

import numpy as np
import pandas as pd

Heard = np.ndarray | str | None


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
    heard = [frozenset(joined.split("_")) for joined in names]
    if kind == "shuffled":
        return _partners(0, index, lambda i, j: not heard[i] & heard[j])
    if kind == "off_screen":
        visible = index.shown if "shown" in index else index.classes
        tokens = [h | frozenset(s.split("_")) for h, s in zip(heard, visible, strict=True)]
        return _partners(1, index, lambda i, j: not tokens[i] & heard[j])
    if kind == "other_clip":
        video = index.video.tolist()
        return _partners(2, index, lambda i, j: video[i] != video[j])
    raise ValueError(f"no audio is called '{kind}'")


def _partners(seed: int, index: pd.DataFrame, fits) -> np.ndarray:
    """A random clip of as many frames that fits each."""
    rng = np.random.default_rng(seed)
    frames = index.frames.tolist()
    chosen = np.empty(len(frames), int)
    for i in range(len(frames)):
        for j in rng.permutation(len(frames)):
            if frames[j] == frames[i] and fits(i, j):
                chosen[i] = j
                break
        else:
            raise ValueError(f"{index.uid.iloc[i]}: no other clip to take audio from")
    return chosen
