"""Speed of random rows of a feature store, against plain reads of the same bytes."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.features.store import (
    FeatureStore,
    Header,
    ShardWriter,
    shard_path,
    write_manifest,
)
from benchmarks.speed.compare import Line, compare

# name, shape of a row (fp16), rows, rows per shard: the paper profile's two kinds of store
STORES = (
    ("ViT-B embeddings of 2 MiB", (256, 64, 64), 128, 32),
    ("audio of 256 bytes", (128,), 20_000, 512),
)
BATCH, BATCHES = 16, 20


def lines() -> Iterator[Line]:
    """Measure both kinds of store."""
    rng = np.random.default_rng(0)
    for name, shape, rows, rows_per_shard in STORES:
        with TemporaryDirectory() as folder:
            content = rng.random((rows, *shape), np.float32).astype(np.float16)
            store = build(Path(folder), content, rows_per_shard)
            batches = rng.integers(rows, size=(BATCHES, BATCH))
            read = plain_reader(store)
            yield compare(
                f"feature store, random batches of {BATCH} rows: {name}",
                "plain reads of the same bytes",
                partial(_read_all, store.__getitem__, batches),
                partial(_read_all, read, batches),
                wanted=0.9,
                bound=0.0,
                remark="both from the system's cache",
            )


def _read_all(read: Callable[[np.ndarray], np.ndarray], batches: np.ndarray) -> list[np.ndarray]:
    return [read(rows) for rows in batches]


def build(folder: Path, content: np.ndarray, rows_per_shard: int) -> FeatureStore:
    """Write a store of these rows (N, ...), cut into shards."""
    rows, *shape = content.shape
    header = Header(folder.name, rows, tuple(shape), str(content.dtype), rows_per_shard, {})
    entries = {}
    for shard in range(header.shards):
        with ShardWriter(folder, header, shard) as writer:
            writer.append(content[header.shard_rows(shard)])
            entries[shard] = writer.finish()
    write_manifest(folder, header, entries)
    return FeatureStore(folder, header)


def plain_reader(store: FeatureStore) -> Callable[[np.ndarray], np.ndarray]:
    """Make a reader of rows by seek and read of unbuffered files."""
    header = store.header
    paths = [shard_path(store.folder, shard) for shard in range(header.shards)]
    starts = [
        p.stat().st_size - len(header.shard_rows(k)) * header.row_bytes for k, p in enumerate(paths)
    ]
    files = [path.open("rb", buffering=0) for path in paths]

    def read(rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *header.shape), header.dtype)
        for row, number in zip(out, rows.tolist(), strict=True):
            shard, offset = divmod(number, header.rows_per_shard)
            files[shard].seek(starts[shard] + offset * header.row_bytes)
            files[shard].readinto(row)
        return out

    return read
