"""The feature store: what a frozen encoder says of every frame, computed once.

A store is one folder: `manifest.json` and `shard-00000.npy`, ... (standard npy, rows in the order
of the clip index's frames). The manifest names everything that the content depends on; a store that
doesn't match the parameters is an error, never silently used. A shard is written batch by batch,
gets its name when it is whole, and is listed then, so that a killed extraction loses at most the
shards in flight. Processes that share an extraction each list theirs, in `manifest-{rank}.json`.
"""

import hashlib
import io
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.files import sha256, write_json

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
    def row_bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))


def shard_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.npy"


class ShardWriter:
    """Writes one shard batch by batch, in no more memory than a batch takes.

    Use in a `with` block: if that ends early, nothing is left behind.
    """

    def __init__(self, folder: Path, header: Header, shard: int) -> None:
        self.header, self.path = header, shard_path(folder, shard)
        rows = header.shard_rows(shard)
        self.next, self.end = rows.start, rows.stop
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(f".{self.path.name}.*.part"):  # of a killed process
            part.unlink(missing_ok=True)
        self.part = folder / f".{self.path.name}.{os.getpid()}.part"
        self.file, self.digest = self.part.open("wb"), hashlib.sha256()
        start, shape = io.BytesIO(), (len(rows), *header.shape)
        descr = np.lib.format.dtype_to_descr(np.dtype(header.dtype))
        np.lib.format.write_array_header_1_0(
            start, {"descr": descr, "fortran_order": False, "shape": shape}
        )
        self._write(start.getbuffer())

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # a full disk has been told of
            self.file.close()
        self.part.unlink(missing_ok=True)

    def append(self, rows: np.ndarray) -> None:
        """The next rows, (n, *shape).

        Raises:
            StoreError: wrong shape or dtype, a value that is not finite, more rows than the shard
                has, or a disk that takes no more.
        """
        header, end = self.header, self.next + len(rows)
        if rows.shape[1:] != header.shape or rows.dtype != header.dtype or end > self.end:
            raise StoreError(
                f"{self.path}: {rows.dtype} {rows.shape} for rows {self.next} to {self.end}, "
                f"expected {header.dtype} (n, {', '.join(map(str, header.shape))})"
            )
        if rows.dtype.kind == "f" and not (finite := np.isfinite(rows)).all():
            bad = int((~finite).reshape(len(rows), -1).any(1).argmax())
            raise StoreError(f"{header.name}: row {self.next + bad} holds NaN or infinity")
        self._write(np.ascontiguousarray(rows).data)
        self.next = end

    def finish(self) -> dict[str, Any]:
        """Give the shard its name; its entry of the manifest.

        Raises:
            StoreError: rows are missing, or the disk takes no more.
        """
        if self.next != self.end:
            raise StoreError(f"{self.path}: ends at row {self.next}, expected {self.end}")
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            size = self.file.tell()
            self.part.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error
        return {"bytes": size, "sha256": self.digest.hexdigest()}

    def _write(self, content: memoryview) -> None:
        self.digest.update(content)
        try:
            self.file.write(content)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.part}: {error.strerror}; free space or a quota may be used up. "
            "The same command continues where it stopped"
        )


def listed_shards(
    folder: Path, header: Header, manifests: str = "manifest*.json"
) -> dict[int, dict[str, Any]]:
    """Entries of the shards that extractions with this very header have finished; none of others'.

    Whether the files are still whole: `shard_problem`.
    """
    paths = sorted(folder.glob(manifests), reverse=True)  # the ranks' are newer
    return {
        int(k): entry
        for manifest in map(_read_manifest, paths)
        if manifest["header"] == header.as_json()
        for k, entry in manifest["shards"].items()
    }


def shard_problem(path: Path, entry: dict[str, Any] | None, content: bool) -> str | None:
    """What is wrong with a listed shard's size, or its `content` too; None: nothing."""
    if entry is None or not path.is_file():
        return f"{path}: shard missing"
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"{path}: {size} bytes, expected {entry['bytes']}"
    if content:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                return f"{path}: content differs from its checksum"
    return None


def write_manifest(
    folder: Path, header: Header, shards: dict[int, dict[str, Any]], rank: int | None = None
) -> None:
    """The list of a finished store, which replaces those of ranks, or what one rank has done."""
    entries = {str(k): shards[k] for k in sorted(shards)}
    name = "manifest.json" if rank is None else f"manifest-{rank}.json"
    write_json(folder / name, {"header": header.as_json(), "shards": entries})
    if rank is None:
        for path in folder.glob("manifest-*.json"):
            path.unlink()


class FeatureStore:
    """An opened store. `store[rows]` reads rows by their number in the index's frame order."""

    def __init__(self, folder: Path, expected: Header, first_row: int = 0) -> None:
        """Open and verify sizes and header (content: `verify`).

        Args:
            first_row: number of the first frame that the store covers.

        Raises:
            StoreError: naming what the store was made from and what the parameters ask for.
        """
        if not (folder / "manifest.json").is_file():
            raise StoreError(f"{folder}: no feature store; {REBUILD}")
        manifest = _read_manifest(folder / "manifest.json")
        wanted = expected.as_json()
        if manifest["header"] != wanted:
            found = manifest["header"]
            keys = [k for k in wanted if found.get(k) != wanted[k]]
            differs = "; ".join(f"{k} is {found.get(k)}, expected {wanted[k]}" for k in keys)
            raise StoreError(f"{folder}: made for other parameters: {differs}; {REBUILD}")
        self.folder, self.header, self.first_row = folder, expected, first_row
        self.entries = {int(k): entry for k, entry in manifest["shards"].items()}
        self._raise_if(self.problems(content=False))
        self._shards = [
            np.asarray(np.load(shard_path(folder, k), mmap_mode="r", allow_pickle=False))
            for k in range(expected.shards)
        ]

    @property
    def checksum(self) -> str:
        """Of the whole content, by the shards' checksums."""
        return sha256(*(self.entries[k]["sha256"].encode() for k in sorted(self.entries)))

    def problems(self, content: bool) -> list[str]:
        """What is wrong with the shards' sizes, or with their `content` too: that reads it all."""
        found = (
            shard_problem(shard_path(self.folder, k), self.entries.get(k), content)
            for k in range(self.header.shards)
        )
        return [problem for problem in found if problem]

    def verify(self) -> None:
        """Read everything and compare checksums.

        Raises:
            StoreError: naming the damaged shards.
        """
        self._raise_if(self.problems(content=True))

    def _raise_if(self, problems: list[str]) -> None:
        if problems:
            more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
            raise StoreError(f"{'; '.join(problems[:3])}{more}; {REBUILD}")

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
        # Row by row: an index of several rows would copy them twice, in up to seven times the time.
        for row, shard, offset in zip(out, shards.tolist(), offsets.tolist(), strict=True):
            row[...] = self._shards[shard][offset]
        return out


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
        manifest["header"], manifest["shards"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a manifest ({error}); delete it and {REBUILD}") from None
    return manifest
