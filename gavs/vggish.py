"""VGGish (Hershey et al. 2017): log-mel front end and network of harritaylor/torchvggish.

The framing is a choice: the stock hop of 0.96 s drifts by 0.04 s at each frame of one-per-second
video, a hop of 1.0 s starts each window on its second.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from gavs.sizes import WIDTHS
from gavs.weights import load_weights, read_weights

SAMPLE_RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms
FRAMES, BANDS = 96, 64  # of one example: 0.96 s, 64 mel bands from 125 to 7500 Hz
LOG_OFFSET = 0.01
BLOCK = 128  # STFT frames at a time, which stay in the cache: half the time of all at once
AUDIO_DIM = 128


@cache
def _hann_and_mel(device: torch.device) -> tuple[Tensor, Tensor]:
    from torchvggish import mel_features  # slow to import: it brings numba

    mel = mel_features.spectrogram_to_mel_matrix(BANDS, FFT // 2 + 1, SAMPLE_RATE, 125, 7500)
    window = mel_features.periodic_hann(WINDOW)
    return torch.from_numpy(window).to(device), torch.from_numpy(mel).float().to(device)


def log_mel(waveform: Tensor, hop_seconds: float, n_windows: int) -> Tensor:
    """VGGish's log-mel examples.

    Args:
        waveform: (..., n) mono samples in [-1, 1], 16 kHz; what follows the last window is unused.
        hop_seconds: 0.96 or 1.0, start-to-start distance of the 0.96 s windows; 0.96 is
            torchvggish's framing.
        n_windows: how many windows to cut.

    Returns:
        (..., n_windows, 96, 64) float32.

    Raises:
        ValueError: if the waveform ends before the last window does.
    """
    hop = round(hop_seconds * SAMPLE_RATE / HOP)  # in STFT frames
    frames = (n_windows - 1) * hop + FRAMES
    samples = (frames - 1) * HOP + WINDOW
    if waveform.shape[-1] < samples:
        raise ValueError(
            f"{n_windows} windows at a hop of {hop_seconds} s need {samples} samples at 16 kHz "
            f"({samples / SAMPLE_RATE:.3f} s), the waveform has {waveform.shape[-1]}"
        )
    pieces = waveform[..., :samples].double().unfold(-1, WINDOW, HOP)  # (..., frames, 400)
    mels = torch.cat([_mel(some) for some in pieces.split(BLOCK, dim=-2)], dim=-2)
    bands = torch.log(mels.double() + LOG_OFFSET).float()  # (..., frames, 64)
    return bands.unfold(-2, FRAMES, hop).transpose(-1, -2)  # (..., n_windows, 96, 64)


def _mel(pieces: Tensor) -> Tensor:
    """(..., frames, 400) double -> (..., frames, 64) float32, sums of magnitudes.

    Spectra in double precision: beside a loud partial, float32 leaks noise into the silent bands.
    The sums over bins have no negative terms, so single precision is enough for them. `abs()` in
    place of squares would guard against overflow and add a third to the time.
    """
    hann, mel = _hann_and_mel(pieces.device)
    spectrum = torch.fft.rfft(pieces * hann, FFT)  # (..., frames, 257)
    return (spectrum.real.square() + spectrum.imag.square()).float().sqrt() @ mel


_POOL_AFTER = (0, 1, 3, 5)  # index of the convolution


class VGGish(nn.Module):
    """Six 3x3 convolutions with four poolings, three linear layers; no normalisation.

    In full size the parameter names and shapes are torchvggish's, so its state dict loads. The
    output is taken before the last ReLU, from which torchvggish's output derives.
    """

    def __init__(self, size: str) -> None:
        super().__init__()
        widths, hidden = WIDTHS[size]
        layers: list[nn.Module] = []
        for i, (c_in, c_out) in enumerate(zip((1, *widths), widths, strict=False)):
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(inplace=True)]
            if i in _POOL_AFTER:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(widths[-1] * (FRAMES // 16) * (BANDS // 16), hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, AUDIO_DIM),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """(N, 96, 64) or (N, 1, 96, 64) log-mel examples -> (N, 128) before the last ReLU."""
        maps = self.features(log_mel.reshape(-1, 1, FRAMES, BANDS))  # (N, C, 6, 4)
        # The original is channels-last: its first linear layer expects time, band, channel order.
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # (N, 128)


def build_vggish(size: str, weights: Path | None = None) -> VGGish:
    """A frozen VGGish in eval mode, with `weights` (`.safetensors` or `.pth`) if given.

    Raises:
        FileNotFoundError, WeightsError: if the file is absent or holds other weights.
    """
    model = VGGish(size)
    if weights is not None:
        load_weights(model, read_weights(weights), source=weights)
    return model.eval().requires_grad_(False)


class PCA(nn.Module):
    """AudioSet's postprocessing of VGGish's output, by torchvggish's parameter names.

    Whitened, clipped at +-2 and rounded to 8 bits: what torchvggish gives unless told otherwise.
    Its windows are 0.96 s apart; here they are as far apart as `audio.hop_seconds` says. GAVS's
    second release fills a short clip up with vectors of zeros, here it ends in silence, whose
    values are others.
    """

    pca_eigen_vectors: Tensor  # one per row
    pca_means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.zeros(AUDIO_DIM, AUDIO_DIM))
        self.register_buffer("pca_means", torch.zeros(AUDIO_DIM))

    def forward(self, embeddings: Tensor) -> Tensor:
        """VGGish before its last ReLU (..., 128) -> (..., 128), whole numbers from 0 to 255."""
        white = (embeddings.relu() - self.pca_means) @ self.pca_eigen_vectors.T
        return ((white.clamp(-2, 2) + 2) * (255 / 4)).round()


def read_pca(path: Path) -> dict[str, Tensor]:
    """The PCA's parameters from torchvggish's own file, where they are numpy arrays."""
    state = read_weights(path, arrays=True)
    if "pca_means" in state:
        state["pca_means"] = state["pca_means"].flatten()  # a column in some copies
    return state


def build_pca(weights: Path) -> PCA:
    """The postprocessing with torchvggish's parameters.

    Raises:
        FileNotFoundError, WeightsError: if the file is absent or holds anything else.
    """
    pca = PCA()
    load_weights(pca, read_pca(weights), weights)
    return pca
