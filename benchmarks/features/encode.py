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

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.data.files import frame_file
from benchmarks.features.layout import kind_of
from benchmarks.features.pixels import squash
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.sam import through_sam
from benchmarks.features.sound import listen
from benchmarks.features.store import Header

Rows = dict[str, np.ndarray]  # by the store's name


def encode(
    stores: Sequence[Header],
    clips: pd.DataFrame,
    rows: range,
    encoders: ProfileEncoders,
    batch_size: int,
    device: torch.device,
    precision: str,
    readers: int,
) -> Iterator[Rows]:
    """Rows of stores that one pass over the frames can fill, in order.

    Args:
        clips: rows of the clip index.
        rows: numbers of frames among those of `clips`.
        readers: threads that decode the next batches while SAM encodes one.
    """
    ends = clips.frames.cumsum().to_numpy()
    first, last = np.searchsorted(ends, [rows.start, rows.stop - 1], side="right")
    before = int(ends[first] - clips.frames.iloc[first])
    clips = clips.iloc[first : last + 1]
    rows = range(rows.start - before, rows.stop - before)
    name = kind_of(stores[0].name)
    if name["audio"]:
        for heard in listen(stores[0].name, clips, rows, encoders):
            yield {stores[0].name: heard.astype(stores[0].dtype)}
        return
    frames = [(c, k) for c in clips.itertuples() for k in range(c.frames)][rows.start : rows.stop]
    batches = [frames[i : i + batch_size] for i in range(0, len(frames), batch_size)]
    if name["pixels"]:
        size = int(name["pixels"])
        for batch in batches:
            yield {stores[0].name: np.stack([squash(*frame, size) for frame in batch])}
        return
    names = [header.name for header in stores]
    yield from through_sam(names, batches, encoders.params.sam, device, precision, readers)


def frame_paths(clips: pd.DataFrame) -> list[Path]:
    """Files of all frames, in the order of the stores' rows."""
    return [frame_file(c.frame_path, k) for c in clips.itertuples() for k in range(c.frames)]
