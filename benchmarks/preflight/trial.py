"""Trial of a method on this machine: the cost of a training step and of a scored frame."""

import resource
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import nn

from benchmarks.common.workers import peak_memory_mb, worker_pool
from benchmarks.features.layout import layout
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.grid.models import pick_device
from benchmarks.params import Params, Row
from benchmarks.params.row import CLIP_FRAMES
from benchmarks.scoring.tensors import score_tensors
from gavs.backbones import build_backbone
from gavs.losses import MIN_VIDEOS
from gavs.method import Batch, Method
from gavs.sam import build_sam
from gavs.sizes import SAM_SIZES
from gavs.vggish import PCA
from gavs.views import to_native

# Method, encoders, stores, loss resolution, samples of a batch, bf16, frames of a sample.
Kind = tuple[str, tuple[str, ...], tuple[str, ...], str, int, bool, int]
LONG = 5.0  # seconds; a step that takes longer isn't tried on more samples, but scaled up
NATIVE = (720, 1280)  # pixels of the frame that is scored


@dataclass(frozen=True)
class Trial:
    """Cost of a row's method: of a step at the whole batch, and of a scored frame."""

    row: str
    samples: int  # of the batch that was tried; the rest is in proportion
    batch: int
    step_seconds: float
    step_gib: float
    score_seconds: float
    score_gib: float  # of as many frames as are scored at once
    trained_bytes: int
    score_bytes: float
    problem: str = ""  # why there are no figures

    @property
    def gib(self) -> float:
        """Most memory that it takes."""
        return max(self.step_gib, self.score_gib)


class UntrainedEncoders(ProfileEncoders):
    """Encoders with random weights, which cost as much; there may be no files yet."""

    def sam(self) -> Sam:
        """Build SAM."""
        return build_sam(self.params.sam.size)

    def pca(self) -> PCA:
        """Make the postprocessing of VGGish's embeddings."""
        return PCA()

    def backbone(self, name: str) -> nn.Module:
        """Build a backbone."""
        return build_backbone(getattr(self.params, name).size)


def outline(params: Params, row: Row) -> Method:
    """Build a row's method without memory for its weights, to ask for its properties."""
    with torch.device("meta"):
        return row.cls(row.method_config, UntrainedEncoders(params.encoders, params.audio))


def kind_of(row: Row, benchmark: str) -> Kind:
    """Kind of a row; rows of one kind cost the same: a method, its stores, its batch, precision."""
    training = row.training
    seconds = CLIP_FRAMES.get(benchmark, 10) if row.by_clip else 1
    batch = row.samples(benchmark)
    encoders = tuple(row.method_config.encoders())
    loss = str(row.config.get("loss_resolution", ""))
    return row.method, encoders, tuple(row.stores), loss, batch, training.amp, seconds


def try_row(params: Params, row: Row, batch: int, seconds: int, free: float) -> Trial:
    """Try a row on `batch` clips of `seconds`, in a process that may take `free` bytes."""
    with worker_pool(1) as pool:
        try:
            return pool.submit(_try, params, row, batch, seconds, free).result()
        except BrokenProcessPool:
            problem = "was killed, most likely for its memory"
        except (RuntimeError, MemoryError, ValueError) as error:
            problem = f"{error}\n".splitlines()[0]
            if isinstance(error, MemoryError) or "primitive" in problem:  # oneDNN's message
                problem = "out of memory"
    unknown = np.nan
    return Trial(row.name, 0, 0, unknown, unknown, unknown, unknown, 0, 0, problem)


def _try(params: Params, row: Row, batch: int, seconds: int, free: float) -> Trial:
    """Time steps and scored frames; the memory grows in proportion to the batch."""
    device = pick_device(params.device)
    pages = Path("/proc/self/statm")
    if device.type == "cpu" and pages.exists():
        mapped = int(pages.read_text().split()[5]) * resource.getpagesize()  # what the limit counts
        resource.setrlimit(resource.RLIMIT_DATA, (int(mapped + free), resource.RLIM_INFINITY))
    encoders = UntrainedEncoders(params.encoders, params.audio)
    method = row.cls(row.method_config, encoders).to(device)
    training, used = row.training, peak_memory_mb(device)
    scored, size = _score(params, method, seconds, device)
    if scored < LONG:  # the first took more: memory and kernels were made for it
        scored, size = _score(params, method, seconds, device)
    frames = max(1, params.scoring.batch_frames // seconds)  # samples at once
    score_memory = used + (peak_memory_mb(device) - used) * frames
    method.train()
    optimizer = torch.optim.AdamW(method.parameter_groups(), lr=0.0)
    autocast = torch.autocast(
        device.type, torch.bfloat16, enabled=training.amp and device.type == "cuda"
    )

    def step(samples: int) -> float:
        inputs = random_batch(params, method, samples, seconds).to(device)
        start = time.monotonic()
        with autocast:
            loss: Any = sum(method.loss(method(inputs), inputs).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for the GPU
        return time.monotonic() - start

    samples = 1
    try:
        took = step(1)
    except ValueError:  # contrast, or statistics, of a single clip
        samples = min(MIN_VIDEOS, batch)
        took = step(samples)
    if took < LONG:
        took = step(samples)
    share = batch / samples
    if took * share < LONG and (peak_memory_mb(device) - used) * share < free / 2**20:
        samples, share = batch, 1.0
        step(batch)
        took = step(batch)
    memory = used + (peak_memory_mb(device) - used) * share
    trained = sum(p.nbytes for p in method.parameters() if p.requires_grad)
    trained += sum(buffer.nbytes for buffer in method.buffers())
    return Trial(
        *(row.name, samples, batch, took * share, memory / 2**10),
        *(scored, score_memory / 2**10, trained, size),
    )


@torch.inference_mode()
def _score(
    params: Params, method: Method, seconds: int, device: torch.device
) -> tuple[float, float]:
    """Measure the seconds and bytes of one scored frame."""
    method.eval()
    inputs = random_batch(params, method, 1, seconds).to(device)
    start = time.monotonic()
    logits = method(inputs).logits.float().flatten(0, 1)
    side = SAM_SIZES[params.encoders.sam.size].img_size
    native = to_native(logits, NATIVE, method.config.geometry, side)
    scores = score_tensors(
        native.sigmoid(),
        torch.ones_like(native, dtype=torch.bool),
        **{name: ["a"] * seconds for name in ("uid", "video", "classes")},
        frame=list(range(seconds)),
        thresholds=tuple(params.scoring.thresholds),
        squash=params.scoring.squash_size,
    )
    size = sum(array.nbytes for array in scores.arrays().values())
    return (time.monotonic() - start) / seconds, size / seconds


def random_batch(params: Params, method: Method, samples: int, seconds: int) -> Batch:
    """Make a batch of the shapes that a method reads."""
    encoders = UntrainedEncoders(params.encoders, params.audio)
    size = (method.target_size,) * 2
    if method.training and method.learns_at_frame_size:
        size = NATIVE
    inputs = method.config.inputs()

    def rows(store: str) -> torch.Tensor:
        return torch.randn(samples, seconds, *layout(store, encoders)[0])

    return Batch(
        audio=rows(method.config.hears()),
        features={short: rows(store) for short, store in inputs.items()},
        masks=(torch.rand(samples, seconds, *size) > 0.5).float(),
        valid=torch.ones(samples, *size),
        supervised=torch.ones(samples, seconds, dtype=torch.bool),
        video=torch.arange(samples),
        classes=torch.ones(samples, 1, dtype=torch.bool),
    )
