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
        readers: threads that decode the next batches while one is encoded.
    """
    ends = clips.frames.cumsum().to_numpy()
    first, last = np.searchsorted(ends, [rows.start, rows.stop - 1], side="right")
    before = int(ends[first] - clips.frames.iloc[first])
    clips = clips.iloc[first : last + 1]
    rows = range(rows.start - before, rows.stop - before)
    if kind_of(stores[0].name)["audio"]:
        for heard in listen(stores[0].name, clips, rows, encoders):
            yield {stores[0].name: heard.astype(stores[0].dtype)}
        return
    frames = [(c, k) for c in clips.itertuples() for k in range(c.frames)][rows.start : rows.stop]
    batches = [frames[i : i + batch_size] for i in range(0, len(frames), batch_size)]
    names = [header.name for header in stores]
    sizes = {name: int(size) for name in names if (size := kind_of(name)["pixels"])}
    by_sam = [name for name in names if name not in sizes]
    sam = SamEncoder(by_sam, encoders.params.sam, device, precision) if by_sam else None

    def read(batch: list[tuple[Any, int]]) -> tuple[Rows, Any]:
        """Decode each frame once, for every store."""
        images = [read_frame(clip_file(clip, "frame", number)) for clip, number in batch]
        squashed = {
            name: np.stack([squash(image, size) for image in images])
            for name, size in sizes.items()
        }
        return squashed, sam.prepare(images) if sam else None

    for squashed, prepared in ahead(read, batches, readers):
        yield squashed | (sam.encode(prepared) if sam else {})


def frame_paths(clips: pd.DataFrame) -> list[Path]:
    """Files of all frames, in the order of the stores' rows."""
    return [frame_file(c.frame_path, k) for c in clips.itertuples() for k in range(c.frames)]
