"""Filling the feature stores: every frozen encoder over every frame, once.

The name of a store says what is in it:

- `sam_rgb`, `sam_bgr`: SAM's image embedding (C, h, w); bgr feeds the channels the wrong way round,
  as the released GAVS code does.
- `tokens{cut}_rgb`: SAM's tokens (h, w, D) after its first `cut` blocks, before any for 0.
- `pixels{size}`: the frame squashed to size x size, uint8 RGB (3, size, size).
- `vggish`: VGGish before its last ReLU (128,), of the second that the frame belongs to.
- `logmel`: VGGish's input of that second (96, 64).
- `spectrogram`: log-spectrogram (1, 257, T) of the 3 s around the frame.

Not every store covers every data set: `COVERS` names the two ranges of the clip index.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from segment_anything.modeling import Sam
from tqdm import tqdm

from benchmarks.data.files import read_audio, read_frame, sha256, write_json
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.features.spectrogram import SHAPE as SPECTROGRAM
from benchmarks.features.store import (
    FeatureStore,
    Header,
    StoreError,
    finished_shards,
    write_manifest,
    write_shard,
)
from benchmarks.params import EncoderParams
from benchmarks.workers import worker_pool
from gavs.sam import SAM_SIZES, build_sam, continue_from_tokens, preprocess, tokens

log = logging.getLogger(__name__)
NAME = re.compile(
    r"sam_(?P<sam>rgb|bgr)|tokens(?P<cut>\d+)_(?P<tokens>rgb|bgr)|pixels(?P<pixels>\d+)"
    r"|(?P<audio>vggish|logmel|spectrogram)"
)
COVERS = {  # what is segmented, and what the localisers of Table 3 learn from and are tested on
    "avs": ("v1s", "v1m", "v2", "vggss"),
    "vgg": ("vggss", "vggsound"),
}


def covered(index: pd.DataFrame, cover: str) -> pd.DataFrame:
    """The consecutive rows of the clip index that stores of this cover hold.

    Raises:
        StoreError: there are none.
    """
    part = index[index.benchmark.isin(COVERS[cover])]
    if part.empty:
        names = ", ".join(COVERS[cover])
        raise StoreError(f"no clips of {names}: no store can cover '{cover}'")
    return part


def header(
    name: str, index: pd.DataFrame, encoders: ProfileEncoders, rows_per_shard: int
) -> Header:
    """What a store of this name must have been made from.

    Raises:
        StoreError: no store has such a name.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise StoreError(f"no feature store is called '{name}'")
    made_from = {"frames": frames_checksum(index)}
    dtype = "float16"
    if name == "vggish":
        shape, encoder = (encoders.audio_dim,), "vggish"
        made_from["hop_seconds"] = encoders.audio.hop_seconds
        dtype = "float32"  # small, and fp16 would round what tests compare with torchvggish
    elif name == "logmel":
        shape, encoder = (96, 64), None
        made_from["hop_seconds"] = encoders.audio.hop_seconds
    elif name == "spectrogram":
        shape, encoder = SPECTROGRAM, None
        made_from["window"] = "3 s around the frame"
    elif match["pixels"]:
        shape, encoder = (3, int(match["pixels"]), int(match["pixels"])), None
        made_from["resize"] = "PIL bilinear, squashed"
        dtype = "uint8"
    else:
        size, encoder = SAM_SIZES[encoders.params.sam.size], "sam"
        made_from["resize"] = "longest side, PIL bilinear, zero padding"
        shape = (
            (size.grid, size.grid, size.dim) if match["cut"] else (size.out, size.grid, size.grid)
        )
    if encoder:
        made_from["weights"] = encoders.checksum(encoder)
    rows = int(index.frames.sum())
    return Header(name, rows, shape, dtype, rows_per_shard, made_from)


def frames_checksum(index: pd.DataFrame) -> str:
    """Of the frames' content and order: what the rows of every store stand for."""
    columns = index[["uid", "second", "frames", "digest"]]
    return sha256(columns.to_csv(index=False, lineterminator="\n").encode())


@dataclass(frozen=True)
class _Job:
    """One shard of the stores that one pass over the frames can fill."""

    cover: str
    stores: tuple[Header, ...]
    shard: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(header.name for header in self.stores)


def extract(
    stores: Mapping[str, Sequence[str]],
    index: pd.DataFrame,
    folder: Path,
    encoders: ProfileEncoders,
    rows_per_shard: int,
    batch_size: int,
    workers: int,
) -> None:
    """Fill every store under `folder`; what is finished already is kept.

    Writes `folder/manifest.json`, the checksums of all stores, last.

    Args:
        stores: their names by what they cover.
    """
    parts = {cover: covered(index, cover) for cover, names in stores.items() if names}
    headers = {
        f"{cover}/{name}": header(name, part, encoders, rows_per_shard)
        for cover, part in parts.items()
        for name in sorted(stores[cover])
    }
    finished = {k: finished_shards(folder / k, h) for k, h in headers.items()}
    jobs = [
        _Job(cover, todo, shard)
        for cover in parts
        for group in _passes(stores[cover])
        for shard in range(headers[f"{cover}/{group[0]}"].shards)
        if (
            todo := tuple(
                headers[key] for n in group if shard not in finished[key := f"{cover}/{n}"]
            )
        )
    ]
    gigabytes = sum(h.bytes for h in headers.values()) / 2**30
    log.info(
        "%d stores, %.2f GiB in all; %d shards to fill, about %.0f s with %d workers",
        len(headers),
        gigabytes,
        len(jobs),
        _estimate(jobs, parts, encoders, batch_size) / workers,
        workers,
    )
    start = time.monotonic()
    with worker_pool(workers) as pool:
        futures = {
            pool.submit(_run, job, parts[job.cover], folder, encoders, batch_size): job
            for job in jobs
        }
        for future in tqdm(as_completed(futures), "encoding", len(jobs), disable=None):
            job = futures[future]
            for name, entry in future.result().items():
                key = f"{job.cover}/{name}"
                finished[key][job.shard] = entry
                write_manifest(folder / key, headers[key], finished[key])
    log.info("features ready after %.0f s", time.monotonic() - start)
    checksums = {k: FeatureStore(folder / k, h).checksum for k, h in headers.items()}
    write_json(folder / "manifest.json", checksums)


def _passes(names: Sequence[str]) -> list[list[str]]:
    """Stores that one pass fills together: SAM's by colour order, the others alone."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        match = NAME.fullmatch(name)
        groups.setdefault(match["sam"] or match["tokens"] or name, []).append(name)
    return list(groups.values())


def _run(job: _Job, index, folder, encoders, batch_size) -> dict[str, dict]:
    """Encode one shard; in a worker process."""
    rows = job.stores[0].shard_rows(job.shard)
    columns = _columns(job.stores, rows, index, encoders, batch_size)
    place = folder / job.cover
    return {
        h.name: write_shard(place / h.name, h, job.shard, columns[h.name].astype(h.dtype))
        for h in job.stores
    }


def _estimate(jobs: list[_Job], parts, encoders, batch_size) -> float:
    """Seconds of one worker for all jobs, from one batch of each kind of pass."""
    cost: dict[tuple[str, ...], float] = {}
    for job in jobs:
        if job.names not in cost:
            rows, index = job.stores[0].shard_rows(job.shard)[:batch_size], parts[job.cover]
            _columns(job.stores, rows[:1], index, encoders, batch_size)  # loads the encoder
            start = time.monotonic()
            _columns(job.stores, rows, index, encoders, batch_size)
            cost[job.names] = (time.monotonic() - start) / len(rows)
    return sum(cost[job.names] * len(job.stores[0].shard_rows(job.shard)) for job in jobs)


def _columns(stores, rows: range, index, encoders, batch_size) -> dict[str, np.ndarray]:
    """Rows of each store, (n, *shape), by its name."""
    if NAME.fullmatch(stores[0].name)["audio"]:
        return {stores[0].name: _audio_rows(stores[0], rows, index, encoders)}
    paths = frame_paths(index)[rows.start : rows.stop]
    names = [h.name for h in stores]
    chunks = [
        _encode([read_frame(p) for p in paths[i : i + batch_size]], names, encoders)
        for i in range(0, len(paths), batch_size)
    ]
    return {n: np.concatenate([c[n] for c in chunks]) for n in names}


def frame_paths(index: pd.DataFrame) -> list[Path]:
    """Files of all frames, in the order of the stores' rows."""
    return [Path(r.frame_path.format(k)) for r in index.itertuples() for k in range(r.frames)]


def _audio_rows(store: Header, rows: range, index: pd.DataFrame, encoders) -> np.ndarray:
    starts = (index.frames.cumsum() - index.frames).to_numpy()
    out = np.empty((len(rows), *store.shape), np.float32)
    for start, clip in zip(starts, index.itertuples(), strict=True):
        wanted = range(max(rows.start, start), min(rows.stop, start + clip.frames))
        if len(wanted):
            waveform = read_audio(Path(clip.audio_path))
            seconds = encoders.hear(store.name, waveform, clip.second, clip.frames)
            target = slice(wanted.start - rows.start, wanted.stop - rows.start)
            out[target] = seconds[wanted.start - start : wanted.stop - start]
    return out


@torch.inference_mode()
def _encode(frames: list[np.ndarray], names: list[str], encoders) -> dict[str, np.ndarray]:
    match = NAME.fullmatch(names[0])
    if match["pixels"]:
        size = (int(match["pixels"]),) * 2
        squashed = [Image.fromarray(f).resize(size, Image.Resampling.BILINEAR) for f in frames]
        return {names[0]: np.stack([np.asarray(s).transpose(2, 0, 1) for s in squashed])}
    sam = _sam(encoders.params.sam)
    cuts = {int(m["cut"]): name for name in names if (m := NAME.fullmatch(name))["cut"]}
    images = preprocess(frames, sam.image_encoder.img_size, match["sam"] or match["tokens"])
    out = {}
    x = tokens(sam, images, 0)  # (n, h, w, D)
    if 0 in cuts:
        out[cuts[0]] = x.numpy()
    for cut, block in enumerate(sam.image_encoder.blocks, start=1):
        x = block(x)
        if cut in cuts:
            out[cuts[cut]] = x.numpy()
    embedding = next((n for n in names if NAME.fullmatch(n)["sam"]), None)
    if embedding:
        out[embedding] = continue_from_tokens(sam, x, len(sam.image_encoder.blocks)).numpy()
    return out


@lru_cache(maxsize=1)
def _sam(params: EncoderParams) -> Sam:
    """One SAM a worker process."""
    return build_sam(params.size, params.weights)
