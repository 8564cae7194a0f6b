"""The feature store: what a frozen encoder says of every frame, computed once.

A store is one folder: `manifest.json` and `shard-00000.npy`, ... (standard npy, rows in the order
of the clip index's frames). The manifest names everything that the content depends on; a store that
doesn't match the parameters is an error, never silently used. Shards are written atomically and
listed one by one, so that a killed extraction loses at most the shards in flight.
"""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.files import sha256, write_atomic, write_json

REBUILD = "rebuild it with `python -m benchmarks features`"
VERSION = 1


class StoreError(ValueError):
    """A store that is missing, damaged, or not the one the parameters ask for."""


@dataclass(frozen=True)
class Header:
    """What the content of a store depends on."""

    name: str
    rows: int
    shape: tuple[int, ...]
    dtype: str
    rows_per_shard: int
    made_from: dict[str, Any]  # checksums of index and weights, preprocessing
    version: int = VERSION

    @property
    def shards(self) -> int:
        return -(-self.rows // self.rows_per_shard)

    def shard_rows(self, shard: int) -> range:
        start = shard * self.rows_per_shard
        return range(start, min(start + self.rows_per_shard, self.rows))

    @property
    def bytes(self) -> int:
        return self.rows * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))


def shard_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.npy"


def write_shard(folder: Path, header: Header, shard: int, rows: np.ndarray) -> dict[str, Any]:
    """Write one shard atomically; its entry of the manifest.

    Raises:
        StoreError: wrong shape or dtype, or a value that is not finite.
    """
    expected = (len(header.shard_rows(shard)), *header.shape)
    if rows.shape != expected or rows.dtype != header.dtype:
        got = f"{rows.dtype} {rows.shape}"
        raise StoreError(f"{header.name}: shard {shard} is {got}, not {header.dtype} {expected}")
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        bad = header.shard_rows(shard)[
            int((~np.isfinite(rows)).reshape(len(rows), -1).any(1).argmax())
        ]
        raise StoreError(f"{header.name}: row {bad} holds NaN or infinity")
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    content = buffer.getvalue()
    write_atomic(shard_path(folder, shard), content)
    return {"bytes": len(content), "sha256": sha256(content)}


def finished_shards(folder: Path, header: Header) -> dict[int, dict[str, Any]]:
    """Shards of an earlier, killed extraction with this very header; others are forgotten."""
    manifest = _read_manifest(folder)
    if manifest is None or manifest["header"] != header.as_json():
        return {}
    return {
        int(k): entry
        for k, entry in manifest["shards"].items()
        if shard_path(folder, int(k)).is_file()
        and sha256(shard_path(folder, int(k))) == entry["sha256"]
    }


def write_manifest(folder: Path, header: Header, shards: dict[int, dict[str, Any]]) -> None:
    entries = {str(k): shards[k] for k in sorted(shards)}
    write_json(folder / "manifest.json", {"header": header.as_json(), "shards": entries})


class FeatureStore:
    """An opened store. `store[rows]` reads rows by their number in the index's frame order."""

    def __init__(self, folder: Path, expected: Header, first_row: int = 0) -> None:
        """Open and verify sizes and header (content: `verify`).

        Args:
            first_row: number of the first frame that the store covers.

        Raises:
            StoreError: naming what the store was made from and what the parameters ask for.
        """
        manifest = _read_manifest(folder)
        if manifest is None:
            raise StoreError(f"{folder}: no feature store; {REBUILD}")
        wanted = expected.as_json()
        if manifest["header"] != wanted:
            found = manifest["header"]
            keys = [k for k in wanted if found.get(k) != wanted[k]]
            differs = "; ".join(f"{k} is {found.get(k)}, expected {wanted[k]}" for k in keys)
            raise StoreError(f"{folder}: made for other parameters: {differs}; {REBUILD}")
        self.folder, self.header, self.first_row = folder, expected, first_row
        self.entries = {int(k): entry for k, entry in manifest["shards"].items()}
        for shard in range(expected.shards):
            path = shard_path(folder, shard)
            if shard not in self.entries or not path.is_file():
                raise StoreError(f"{path}: shard missing; {REBUILD}")
            if path.stat().st_size != self.entries[shard]["bytes"]:
                size = self.entries[shard]["bytes"]
                raise StoreError(f"{path}: {path.stat().st_size} bytes, expected {size}; {REBUILD}")
        self._shards = [
            np.load(shard_path(folder, k), mmap_mode="r", allow_pickle=False)
            for k in range(expected.shards)
        ]

    @property
    def checksum(self) -> str:
        """Of the whole content, by the shards' checksums."""
        return sha256(*(self.entries[k]["sha256"].encode() for k in sorted(self.entries)))

    def verify(self) -> None:
        """Read everything and compare checksums.

        Raises:
            StoreError: naming the first damaged shard.
        """
        for shard, entry in self.entries.items():
            path = shard_path(self.folder, shard)
            if sha256(path) != entry["sha256"]:
                raise StoreError(f"{path}: content differs from its checksum; {REBUILD}")

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(n, *shape) for row numbers (n,), in their order.

        Raises:
            IndexError: the store doesn't cover a frame.
        """
        rows = np.asarray(rows) - self.first_row
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.header.rows:
            raise IndexError(f"{self.folder}: covers other clips; see features.stores")
        out = np.empty((len(rows), *self.header.shape), self.header.dtype)
        shards, offsets = np.divmod(rows, self.header.rows_per_shard)
        for shard in np.unique(shards):
            here = shards == shard
            out[here] = self._shards[shard][offsets[here]]
        return out


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text())
        manifest["header"], manifest["shards"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a manifest ({error}); delete it and {REBUILD}") from None
    return manifest
