"""What the frozen encoders say of a run of frames, a batch at a time.

The name of a store says what is in it:

- `sam_rgb`, `sam_bgr`: SAM's image embedding (C, h, w); bgr feeds the channels the wrong way round,
  as the released GAVS code does.
- `tokens{cut}_rgb`: SAM's tokens (h, w, D) after its first `cut` blocks, before any for 0.
- `pixels{size}`: the frame squashed to size x size, uint8 RGB (3, size, size).
- `vggish`: VGGish before its last ReLU (128,), of the second that the frame belongs to.
- `logmel`: VGGish's input of that second (96, 64).
- `spectrogram`: log-spectrogram (1, 257, T) of the 3 s around the frame.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from segment_anything.modeling import Sam
from torch import Tensor

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import frame_file, read_audio, read_frame
from benchmarks.data.log_mel import read_log_mel
from benchmarks.features.config import EncoderParams
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.features.store import Header, StoreError
from gavs.sam import build_sam, continue_from_tokens, preprocess, tokens

NAME = re.compile(
    r"sam_(?P<sam>rgb|bgr)|tokens(?P<cut>\d+)_(?P<tokens>rgb|bgr)|pixels(?P<pixels>\d+)"
    r"|(?P<audio>vggish|logmel|spectrogram)"
)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Rows = dict[str, np.ndarray]  # of each store, by its name


def encode(
    stores: Sequence[Header],
    clips: pd.DataFrame,
    rows: range,
    encoders: ProfileEncoders,
    batch_size: int,
    device: torch.device,
    precision: str,
    readers: int,
) -> Iterator[Rows]:
    """Rows of stores that one pass over the frames can fill, in order.

    Args:
        clips: rows of the clip index.
        rows: numbers of frames among those of `clips`.
        readers: threads that decode the next batches while SAM is at one.
    """
    first = NAME.fullmatch(stores[0].name)
    if first["audio"]:
        for heard in _hear(stores[0].name, clips, rows, encoders):
            yield {stores[0].name: heard.astype(stores[0].dtype)}
        return
    frames = [(c, k) for c in clips.itertuples() for k in range(c.frames)][rows.start : rows.stop]
    batches = [frames[i : i + batch_size] for i in range(0, len(frames), batch_size)]
    if first["pixels"]:
        for batch in batches:
            size = int(first["pixels"])
            yield {stores[0].name: np.stack([_squash(*frame, size) for frame in batch])}
        return
    sam = _sam(encoders.params.sam, device)
    colour = first["sam"] or first["tokens"]

    def read(batch: list[tuple[Any, int]]) -> Tensor:
        frames = [read_frame(clip_file(clip, "frame", number)) for clip, number in batch]
        return preprocess(frames, sam.image_encoder.img_size, colour)  # (n, 3, S, S)

    for images in _ahead(read, batches, readers):
        yield _through_sam(sam, images.to(device), [h.name for h in stores], precision)


def frame_paths(clips: pd.DataFrame) -> list[Path]:
    """Files of all frames, in the order of the stores' rows."""
    return [frame_file(c.frame_path, k) for c in clips.itertuples() for k in range(c.frames)]


def _ahead(read: Callable[[Any], Any], batches: Iterable[Any], threads: int) -> Iterator[Any]:
    """`map(read, batches)`, as many batches ahead as there are threads."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for batch in batches:
            waiting.append(pool.submit(read, batch))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _squash(clip: Any, number: int, size: int) -> np.ndarray:
    """(3, size, size) uint8."""
    frame = Image.fromarray(read_frame(clip_file(clip, "frame", number)))
    image = frame.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


@torch.inference_mode()
def _through_sam(sam: Sam, images: Tensor, names: Sequence[str], precision: str) -> Rows:
    cuts = {int(m["cut"]): name for name in names if (m := NAME.fullmatch(name))["cut"]}
    embedding = [name for name in names if NAME.fullmatch(name)["sam"]]
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


def _hear(
    store: str, clips: pd.DataFrame, rows: range, encoders: ProfileEncoders
) -> Iterator[np.ndarray]:
    """Rows of an audio store, a clip at a time."""
    start = 0  # number of the clip's frame 0
    for clip in clips.itertuples():
        wanted = range(max(rows.start, start), min(rows.stop, start + clip.frames))
        if wanted:
            seconds = _seconds(store, clip, encoders)
            yield seconds[wanted.start - start : wanted.stop - start]
        start += clip.frames


def _seconds(store: str, clip: Any, encoders: ProfileEncoders) -> np.ndarray:
    """What a store holds of each frame's second, (frames, *shape) float32."""
    path = clip_file(clip, "audio")
    if path.suffix != ".pkl":
        return encoders.hear(store, read_audio(path), clip.second, clip.frames)
    if store == "spectrogram" or encoders.audio.hop_seconds != 0.96:
        raise StoreError(
            f"{path}: AVSBench-object's stored log-mels, VGGish's input at a hop of 0.96 s: "
            f"{store} at a hop of {encoders.audio.hop_seconds} s needs audio_wav"
        )
    mels = read_log_mel(path)[: clip.frames]
    if store == "logmel":
        return mels
    with torch.inference_mode():
        return encoders.vggish(torch.from_numpy(mels)).numpy()
