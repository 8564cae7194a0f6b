"""SAM's tokens made when they are asked for, in place of a store.

A row of a token store is 6 MiB; from a disk it comes no sooner than a GPU makes it anew in half
precision from the frame's file (results/gpu.md), and all frames of the paper profile take 539 GiB.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_frame
from benchmarks.features.config import EncoderParams
from benchmarks.features.sam import SamEncoder
from benchmarks.features.store import Header

THREADS = 8  # that decode frames
AT_ONCE = 8  # frames through the encoder


class LiveStore:
    """Rows of a store of SAM, with the store's numbers and header, but nothing on disk.

    Args:
        header: facts that the rows depend on.
        clips: rows of the clip index that the store would cover, with `first_row`.
        device: as in params.yaml; nothing is built before the first row is asked for.
    """

    def __init__(
        self,
        header: Header,
        clips: pd.DataFrame,
        encoder: EncoderParams,
        device: str,
        precision: str,
    ) -> None:
        self.header, self.encoder, self.precision = header, encoder, precision
        self._device = device
        self._clips = list(clips.itertuples())
        self._first_rows = clips.first_row.to_numpy()
        self._end = int(self._first_rows[-1] + clips.frames.iloc[-1])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(n, *shape) for row numbers (n,), in their order.

        Raises:
            IndexError: the store doesn't cover a frame.
        """
        rows = np.asarray(rows)
        if len(rows) and not self._first_rows[0] <= rows.min() <= rows.max() < self._end:
            raise IndexError(f"{self.header.name}: covers other clips; see features.stores")
        clips = np.searchsorted(self._first_rows, rows, side="right") - 1
        paths = [
            clip_file(self._clips[clip], "frame", int(row - self._first_rows[clip]))
            for clip, row in zip(clips, rows, strict=True)
        ]
        name = "cuda" if self._device == "auto" and torch.cuda.is_available() else self._device
        device = torch.device("cpu" if name == "auto" else name)
        with ThreadPoolExecutor(THREADS) as pool:
            frames = list(pool.map(read_frame, paths))
        encoder = SamEncoder([self.header.name], self.encoder, device, self.precision)
        parts = [
            encoder.encode(encoder.prepare(frames[start : start + AT_ONCE]))[self.header.name]
            for start in range(0, len(frames), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.header.shape), np.float16)
