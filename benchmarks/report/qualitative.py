"""What the qualitative figures show: the frames and every method's prediction for them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.data.files import read_audio, read_frame, read_labels
from benchmarks.report.overlays import Panel
from gavs.vggish import log_mel


def panels(
    records: Path, index: pd.DataFrame, root: Path, rows: Sequence[str], benchmarks: Sequence[str]
) -> list[Panel]:
    """One panel a clip that the first seed's cells have kept predictions of.

    Args:
        records: Table 1's records; `{row}/{benchmark}-train-seed*.overlays.npz` maps
            `{uid}/{frame}` to probabilities (H, W) uint8 of 255.
        rows: methods, in the order of the columns; those without predictions are left out.
    """
    clips = index.set_index("uid")
    found = []
    for benchmark in benchmarks:
        kept = {row: _predictions(records / row, benchmark) for row in rows}
        kept = {row: maps for row, maps in kept.items() if maps}
        for key in next(iter(kept.values()), {}):
            uid, frame = key.rsplit("/", 1)
            clip, second = clips.loc[uid], int(frame)
            waveform = torch.from_numpy(read_audio(root / clip.audio_path))
            found.append(
                Panel(
                    title=benchmark.upper(),
                    frame=read_frame(root / clip.frame_path.format(second)),
                    log_mel=log_mel(waveform, 1.0, clip.frames).flatten(0, 1).numpy(),
                    second=second,
                    truth=read_labels(root / clip.mask_path.format(second)) > 0,
                    predictions={row: maps[key] / 255 for row, maps in kept.items()},
                )
            )
    return found


def _predictions(folder: Path, benchmark: str) -> dict[str, np.ndarray]:
    path = min(folder.glob(f"{benchmark}-train-seed*.overlays.npz"), default=None)
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
