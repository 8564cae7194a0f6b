"""Rows of the stores: the frozen encoders' output for a range of frames, batch by batch.

The name of a store says what is in it:

- `sam_rgb`, `sam_bgr`: SAM's image embedding (C, h, w); bgr feeds the channels the wrong way round,
  as the released GAVS code does.
- `tokens{cut}_rgb`: SAM's tokens (h, w, D) after its first `cut` blocks, before any for 0.
- `pixels{size}`: the frame squashed to size x size, uint8 RGB (3, size, size).
- `vggish`: VGGish before its last ReLU (128,), of the second that the frame belongs to.
- `logmel`: VGGish's input of that second (96, 64).
- `spectrogram`: log-spectrogram (1, 257, T) of the 3 s around the frame.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.common.ahead import ahead
from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import frame_file, read_frame
from benchmarks.features.layout import kind_of
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.sam import SamEncoder
from benchmarks.features.sound import listen
from benchmarks.features.store import Header
from gavs.pixels import squash

Rows = dict[str, np.ndarray]  # by the store's name


def encode(
    stores: Sequence[Header],
    clips: pd.DataFrame,
    rows: Sequence[int] | np.ndarray,
    encoders: ProfileEncoders,
    batch_size: int,
    device: torch.device,
    precision: str,
    readers: int,
    taken: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Rows]:
    """Rows of stores that one pass over the frames can fill, in order.

    Args:
        clips: rows of the clip index.
        rows: numbers of frames among those of `clips`, ascending; for a sound's store all between
            the first and the last.
        readers: threads that decode the next batches while one is encoded.
        taken: which of these frames each store takes, by its name, (rows,) bool; None: all.
    """
    if not len(rows):
        return
    rows, every = np.asarray(rows), np.ones(len(rows), bool)
    taken = taken or {header.name: every for header in stores}
    ends = clips.frames.cumsum().to_numpy()
    places = np.searchsorted(ends, rows, side="right")
    first = places[0]
    before = int(ends[first] - clips.frames.iloc[first])
    clips = clips.iloc[first : places[-1] + 1]
    if kind_of(stores[0].name)["audio"]:
        span = range(int(rows[0]) - before, int(rows[-1]) + 1 - before)
        for heard in listen(stores[0].name, clips, span, encoders):
            yield {stores[0].name: heard.astype(stores[0].dtype)}
        return
    all_frames = [(c, k) for c in clips.itertuples() for k in range(c.frames)]
    sizes: dict[str, int] = {}
    by_colour: dict[str, list[str]] = {}
    for name in (header.name for header in stores):
        kind = kind_of(name)
        if kind["pixels"]:
            sizes[name] = int(kind["pixels"])
        else:
            by_colour.setdefault(kind["sam"] or kind["tokens"], []).append(name)
    sams = [
        (names, SamEncoder(names, encoders.params.sam, device, precision))
        for names in by_colour.values()
    ]

    def read(batch: slice) -> tuple[Rows, list[Any]]:
        """Decode each frame once, for every store that takes it."""
        frames = [all_frames[row - before] for row in rows[batch]]
        images = [read_frame(clip_file(clip, "frame", number)) for clip, number in frames]
        squashed = {
            name: np.stack([squash(images[i], size) for i in chosen])
            for name, size in sizes.items()
            if len(chosen := np.flatnonzero(taken[name][batch]))
        }
        prepared = []
        for names, sam in sams:
            some = np.any([taken[name][batch] for name in names], axis=0)
            if some.any():
                seen = sam.prepare([images[i] for i in np.flatnonzero(some)])
                prepared.append((sam, seen, {n: taken[n][batch][some] for n in names}))
        return squashed, prepared

    batches = [slice(start, start + batch_size) for start in range(0, len(rows), batch_size)]
    for squashed, prepared in ahead(read, batches, readers):
        for sam, seen, chosen in prepared:
            encoded = sam.encode(seen)
            squashed |= {name: encoded[name][part] for name, part in chosen.items()}
        yield squashed


def frame_paths(clips: pd.DataFrame) -> list[Path]:
    """Files of all frames, in the order of the stores' rows."""
    return [frame_file(c.frame_path, k) for c in clips.itertuples() for k in range(c.frames)]
