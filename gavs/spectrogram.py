"""The log-spectrogram that the localisation papers hear: 3 s around the frame.

As stoneMo/EZ-VSL, stoneMo/SLAVC and hche11/Localizing-Visual-Sounds-the-Hard-Way do: scipy's power
spectrogram (Tukey window, each piece less its mean), the log of it plus 1e-7, over 12.
"""

import numpy as np

from gavs.sound import SAMPLE_RATE

SECONDS = 3
WINDOW, HOP = 512, 238  # samples
BINS = WINDOW // 2 + 1
OFFSET, SCALE = 1e-7, 12.0


def frames(hop: int = HOP) -> int:
    """Columns of a spectrogram: 200 at the published hop."""
    return (SECONDS * SAMPLE_RATE - WINDOW) // hop + 1


def spectrogram(waveform: np.ndarray, centre: float = SECONDS / 2, hop: int = HOP) -> np.ndarray:
    """(n,) mono samples at 16 kHz -> (1, 257, frames(hop)) float32 of the 3 s around a time.

    Args:
        centre: seconds; a window that would leave the waveform is moved inside it.
        hop: samples between the starts of two pieces, at most their 512.

    A waveform shorter than 3 s is repeated, as in the originals.

    Raises:
        ValueError: the waveform is empty.
    """
    from scipy import signal  # slow to import: it brings scipy.stats

    if len(waveform) == 0:
        raise ValueError("the waveform is empty")
    samples = SECONDS * SAMPLE_RATE
    start = round(centre * SAMPLE_RATE) - samples // 2
    start = max(0, min(start, len(waveform) - samples))
    piece = np.resize(waveform[start : start + samples], samples).clip(-1, 1)  # resize repeats
    _, _, power = signal.spectrogram(piece, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - hop)
    return (np.log(power + OFFSET) / SCALE).astype(np.float32)[None]
