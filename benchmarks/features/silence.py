"""Sound that is no clip's: what floors and the robustness columns hear."""

from dataclasses import dataclass, field

import numpy as np

from benchmarks.data.files import SAMPLE_RATE
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.sound import hear


@dataclass
class NoClip:
    """Silence or noise as rows of an audio store, made once per process."""

    encoders: ProfileEncoders
    _rows: dict[tuple[str, str], np.ndarray] = field(default_factory=dict, init=False)

    def __call__(self, kind: str, store: str) -> np.ndarray:
        """(n, *shape) float32.

        `silence`: one second, what a floor row hears; `noise`: 64 seconds, white at -20 dBFS.
        """
        if (kind, store) not in self._rows:
            seconds = 64 if kind == "noise" else 1
            sound = np.zeros(seconds * SAMPLE_RATE)
            if kind == "noise":
                sound = 0.1 * np.random.default_rng(0).standard_normal(len(sound))
            waveform = sound.clip(-1, 1).astype(np.float32)
            self._rows[kind, store] = hear(self.encoders, store, waveform, 0, seconds)
        return self._rows[kind, store]
