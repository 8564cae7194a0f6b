"""Frames through SAM's image encoder: its embedding, or its tokens after some blocks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from benchmarks.features.config import EncoderParams
from benchmarks.features.layout import kind_of
from gavs.sam import build_sam, continue_from_tokens, preprocess, tokens

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class SamEncoder:
    """SAM's image encoder for the stores of these names, each block run once per colour order."""

    def __init__(
        self, names: Sequence[str], params: EncoderParams, device: torch.device, precision: str
    ) -> None:
        self._sam, self._device, self._precision = _sam(params, device), device, precision
        self._names: dict[Any, list[str]] = {}  # by colour order
        for name in names:
            kind = kind_of(name)
            self._names.setdefault(kind["sam"] or kind["tokens"], []).append(name)

    def prepare(self, frames: Sequence[np.ndarray]) -> dict[Any, Tensor]:
        """Decoded frames (H, W, 3) -> the encoder's input (n, 3, S, S) in each colour order."""
        size = self._sam.image_encoder.img_size
        return {colour: preprocess(frames, size, colour) for colour in self._names}

    def encode(self, images: Mapping[Any, Tensor]) -> dict[str, np.ndarray]:
        """What `prepare` returned -> the stores' rows, by their names."""
        rows: dict[str, np.ndarray] = {}
        for colour, batch in images.items():
            names = self._names[colour]
            rows |= _encoded(self._sam, batch.to(self._device), names, self._precision)
        return rows


@torch.inference_mode()
def _encoded(
    sam: Sam, images: Tensor, names: Sequence[str], precision: str
) -> dict[str, np.ndarray]:
    cuts = {int(m["cut"]): name for name in names if (m := kind_of(name))["cut"]}
    embedding = [name for name in names if kind_of(name)["sam"]]
    out, frames = {}, len(images)
    if frames == 1:  # a convolution of one alone is rounded otherwise than of several
        images = images.expand(2, -1, -1, -1)
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
    return {name: rows[:frames].cpu().numpy() for name, rows in out.items()}


@lru_cache(maxsize=1)
def _sam(params: EncoderParams, device: torch.device) -> Sam:
    """One SAM a worker process."""
    torch.backends.cudnn.allow_tf32 = False  # else fp32 on a GPU is less than that
    return build_sam(params.size, params.weights).to(device)
