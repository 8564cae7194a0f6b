"""PCA of the small VGGish's embeddings, as AudioSet's of the original's: whitening, for 8 bits.

Of sounds that VGGish was pretrained on, by the adopted weights; one pass over them.
"""

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from benchmarks.common.files import write_atomic
from benchmarks.miniature.pretrain.common import HELD_OUT, PretrainConfig
from benchmarks.miniature.pretrain.vggish import make_sounds
from gavs.vggish import build_pca, build_vggish

VGGISH = Path("weights/miniature/vggish.safetensors")
LEAST_VARIANCE = 1e-5  # of the largest component's; the dead ones' would be rounding errors
CONFIG = PretrainConfig(pool=4_000, steps=1, batch=4_000, lr=0.0)
HELD_OUT_SOUNDS = 400


def principal_components(embeddings: Tensor) -> dict[str, Tensor]:
    """Means (A,) and whitening vectors (A, A), one per row by variance, of embeddings (N, A).

    A vector is divided by its component's standard deviation, or by the least that is allowed. Its
    largest entry is positive, so that its sign is no accident.
    """
    x = embeddings.double()
    means = x.mean(0)
    variances, vectors = torch.linalg.eigh((x - means).T @ (x - means) / (len(x) - 1))
    variances, vectors = variances.flip(0), vectors.T.flip(0)  # by descending variance, in rows
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    scale = variances.clamp(min=LEAST_VARIANCE * variances[0]).sqrt()
    white = vectors * largest.sign() / scale[:, None]
    return {"pca_eigen_vectors": white.float(), "pca_means": means.float()}


def pretrain(out: Path, config: PretrainConfig = CONFIG) -> dict[str, float]:
    """Write the PCA to `out`, in single precision; returns its figures on held-out sounds."""
    state = principal_components(heard(config.pool, config.seed).relu())
    write_atomic(out, save(state))
    values = build_pca(out)(heard(HELD_OUT_SOUNDS, config.seed + HELD_OUT))
    return {
        "clipped": float(((values == 0) | (values == 255)).double().mean()),
        "mean": float(values.double().mean()),
        "deviation": float(values.double().std()),
    }


@torch.inference_mode()
def heard(count: int, seed: int) -> Tensor:
    """Embeddings (count, 128) of sounds of the pretraining, before VGGish's last ReLU."""
    encoder = build_vggish("mini", VGGISH)
    return torch.cat([encoder(x) for x in make_sounds(count, seed).log_mel.split(100)])
