"""The log-spectrogram of 3 s around the frame that HardWay, EZ-VSL and SLAVC hear.

Constants: stoneMo/EZ-VSL, as hche11/Localizing-Visual-Sounds-the-Hard-Way.
"""

import numpy as np
from scipy.signal import spectrogram as power

from benchmarks.data.files import SAMPLE_RATE

SECONDS, WINDOW, OVERLAP = 3, 512, 274
SHAPE = (1, WINDOW // 2 + 1, (SECONDS * SAMPLE_RATE - OVERLAP) // (WINDOW - OVERLAP))


def spectrogram(waveform: np.ndarray, second: float) -> np.ndarray:
    """log(power + 1e-7) / 12 of the 3 s around an instant, moved inside the clip at its ends.

    Args:
        waveform: (n,) float32 at 16 kHz in -1..1; repeated where it is shorter than 3 s.
        second: of the instant, in the clip.

    Returns:
        (1, 257, 200) float32.
    """
    wanted = SECONDS * SAMPLE_RATE
    sound = np.resize(waveform, max(wanted, len(waveform)))
    start = int(np.clip(second * SAMPLE_RATE - wanted // 2, 0, len(sound) - wanted))
    _, _, found = power(sound[start : start + wanted], SAMPLE_RATE, "tukey", WINDOW, OVERLAP)
    return (np.log(found + 1e-7) / 12).astype(np.float32)[None]
