"""Pretrainings side by side; each leaves a weight file and a card that describes it."""

import logging
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from benchmarks.miniature.pretrain import backbones, pca, sam, vggish
from benchmarks.miniature.pretrain.common import PretrainConfig
from benchmarks.miniature.pretrain.weights import Card, describe

log = logging.getLogger(__name__)

CONFIGS: dict[str, PretrainConfig] = {
    "sam": sam.CONFIG,
    "vggish": vggish.CONFIG,
    "vggish_pca": pca.CONFIG,
    **backbones.CONFIGS,
    "sam_aux0": sam.CONFIG.model_copy(update={"semantic_weight": 0.0}),
}


def pretrain(name: str, out: Path, config: PretrainConfig | None = None) -> Card:
    """Train one encoder into `out` (a `.safetensors` file) and its card beside it.

    On one thread, so that the same config gives the same weights on the same machine.

    Raises:
        KeyError: unknown `name`.
    """
    if name not in CONFIGS:
        raise KeyError(f"unknown encoder {name!r}, expected one of {', '.join(CONFIGS)}")
    config = config or CONFIGS[name]
    torch.set_num_threads(1)
    start = time.process_time()
    if name == "vggish":
        figures = vggish.pretrain(out, config)
    elif name == "vggish_pca":
        figures = pca.pretrain(out, config)
    elif name in backbones.ARCHITECTURES:
        figures = backbones.pretrain(name, out, config)
    else:
        figures = sam.pretrain(out, config, name)
    return describe(out, config, figures, cpu_seconds=time.process_time() - start)


def run(names: Sequence[str], out_dir: Path, workers: int = 2) -> dict[str, Card]:
    """Pretrain `names` into `out_dir`, `workers` at a time; returns and logs their figures."""
    spawn = multiprocessing.get_context("spawn")  # forked, torch's thread pool may hang
    cards = {}
    with ProcessPoolExecutor(workers, spawn, _log, (log.getEffectiveLevel(),)) as pool:
        jobs = {pool.submit(pretrain, n, out_dir / f"{n}.safetensors"): n for n in names}
        for job in as_completed(jobs):
            cards[jobs[job]] = card = job.result()
            figures = ", ".join(f"{key} {value:.3f}" for key, value in card.figures.items())
            log.info("%s: done in %.0f CPU-s: %s", jobs[job], card.cpu_seconds, figures)
    return {name: cards[name] for name in names}


def _log(level: int) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(message)s")
