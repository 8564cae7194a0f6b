"""Frames through SAM's image encoder: its embedding, or its tokens after some blocks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_frame
from benchmarks.features.config import EncoderParams
from benchmarks.features.layout import kind_of
from gavs.sam import build_sam, continue_from_tokens, preprocess, tokens

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def through_sam(
    names: Sequence[str],
    batches: Sequence[list[tuple[Any, int]]],
    params: EncoderParams,
    device: torch.device,
    precision: str,
    readers: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Rows of stores of one colour order, a batch of frames at a time, by the stores' names.

    Args:
        batches: clips, rows of the clip index, with numbers of their frames.
        readers: threads that decode the next batches while SAM encodes one.
    """
    sam, first = _sam(params, device), kind_of(names[0])
    colour: Any = first["sam"] or first["tokens"]

    def read(batch: list[tuple[Any, int]]) -> Tensor:
        frames = [read_frame(clip_file(clip, "frame", number)) for clip, number in batch]
        return preprocess(frames, sam.image_encoder.img_size, colour)  # (n, 3, S, S)

    for images in _ahead(read, batches, readers):
        yield _encoded(sam, images.to(device), names, precision)


def encoded_frames(
    name: str,
    frames: Sequence[np.ndarray],
    params: EncoderParams,
    device: torch.device,
    precision: str,
) -> np.ndarray:
    """Rows of the store `name` of RGB frames (H, W, 3) uint8, as `through_sam` makes them."""
    sam, match = _sam(params, device), kind_of(name)
    colour: Any = match["sam"] or match["tokens"]
    images = preprocess(frames, sam.image_encoder.img_size, colour)
    return _encoded(sam, images.to(device), [name], precision)[name]


def _ahead(load: Callable[[Any], Any], batches: Iterable[Any], threads: int) -> Iterator[Any]:
    """`map(read, batches)`, as many batches ahead as there are threads."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        for batch in batches:
            waiting.append(pool.submit(load, batch))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@torch.inference_mode()
def _encoded(
    sam: Sam, images: Tensor, names: Sequence[str], precision: str
) -> dict[str, np.ndarray]:
    cuts = {int(m["cut"]): name for name in names if (m := kind_of(name))["cut"]}
    embedding = [name for name in names if kind_of(name)["sam"]]
    out = {}
    with torch.autocast(images.device.type, DTYPES[precision], enabled=precision != "fp32"):
        x = tokens(sam, images, 0)  # (n, h, w, D)
        blocks = sam.image_encoder.blocks
        for cut in range(len(blocks) + 1):
            if cut:
                x = blocks[cut - 1](x)
            if cut in cuts:
                out[cuts[cut]] = x.half()
            if not embedding and cut == max(cuts):
                break
        for name in embedding:
            out[name] = continue_from_tokens(sam, x, len(blocks)).half()
    return {name: rows.cpu().numpy() for name, rows in out.items()}


@lru_cache(maxsize=1)
def _sam(params: EncoderParams, device: torch.device) -> Sam:
    """One SAM a worker process."""
    torch.backends.cudnn.allow_tf32 = False  # else fp32 on a GPU is less than that
    return build_sam(params.size, params.weights).to(device)
