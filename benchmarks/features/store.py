"""The feature store: what a frozen encoder says of every frame, computed once.

A store is one folder: `manifest.json` and `shard-00000.npy`, ... (standard npy, rows in the order
of the clip index's frames). A row has the number of its frame among all, but only rows that
something reads are stored: the manifest says which, shard by shard. It also names everything that
the content depends on; a store that doesn't match the parameters is an error, never silently used.
A shard is written batch by batch, gets its name when it is whole, and is listed then, so that a
killed extraction loses at most the shards in flight. Processes that share an extraction each list
theirs, in `manifest-{rank}.json`.

What is on disk is compared with the manifest when a process opens it: sizes and npy headers at
once, the content of a shard when its first row is read.
"""

import hashlib
import io
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.files import (
    DamagedError,
    clear_parts,
    part_path,
    read_sealed,
    sha256,
    write_sealed,
)
from gavs.reading import reading

REBUILD = "rebuild it with `python -m benchmarks features`"
VERSION = 1
log = logging.getLogger(__name__)


class StoreError(ValueError):
    """A store that is missing, damaged, or not the one the parameters ask for."""


@dataclass(frozen=True)
class Header:
    """Facts that the content of a store depends on."""

    name: str
    rows: int
    shape: tuple[int, ...]
    dtype: str
    rows_per_shard: int
    made_from: dict[str, Any]  # checksums of index and weights, preprocessing
    version: int = VERSION

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.rows // self.rows_per_shard)

    def shard_rows(self, shard: int) -> range:
        """Numbers of the rows in a shard, the last of which may be shorter."""
        start = shard * self.rows_per_shard
        return range(start, min(start + self.rows_per_shard, self.rows))

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def as_json(self) -> dict[str, Any]:
        """The header as a manifest holds it, tuples as lists."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def checksum(self) -> str:
        """Checksum of these facts: the same whichever rows are stored."""
        return sha256(json.dumps(self.as_json(), sort_keys=True).encode())


def stored_rows(entry: Mapping[str, Any] | None, count: int) -> np.ndarray:
    """Which of a shard's `count` rows are in its file, (count,) bool, by its entry."""
    if entry is None:
        return np.zeros(count, bool)
    if "rows" not in entry:
        return np.ones(count, bool)
    bits = np.frombuffer(bytes.fromhex(entry["rows"]), np.uint8)
    return np.unpackbits(bits, count=count).astype(bool)


def shard_path(folder: Path, shard: int) -> Path:
    """File of a shard."""
    return folder / f"shard-{shard:05d}.npy"


class ShardWriter:
    """Writes one shard batch by batch, in no more memory than a batch takes.

    Use in a `with` block: if that ends early, nothing is left behind.
    """

    def __init__(
        self, folder: Path, header: Header, shard: int, stored: np.ndarray | None = None
    ) -> None:
        self.header, self.path = header, shard_path(folder, shard)
        rows = np.array(header.shard_rows(shard))
        self.stored = np.ones(len(rows), bool) if stored is None else stored
        self.numbers, self.done = rows[self.stored], 0
        folder.mkdir(parents=True, exist_ok=True)
        clear_parts(folder)
        self.part = part_path(self.path)
        self.file, self.digest = self.part.open("wb"), hashlib.sha256()
        start, shape = io.BytesIO(), (len(self.numbers), *header.shape)
        descr = np.lib.format.dtype_to_descr(np.dtype(header.dtype))
        np.lib.format.write_array_header_1_0(
            start, {"descr": descr, "fortran_order": False, "shape": shape}
        )
        self._write(start.getbuffer())

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # the error of a full disk is under way
            self.file.close()
        self.part.unlink(missing_ok=True)

    def append(self, rows: np.ndarray) -> None:
        """The next rows, (n, *shape).

        Raises:
            StoreError: wrong shape or dtype, a value that is not finite, more rows than the shard
                has, or a disk that takes no more.
        """
        header, end = self.header, self.done + len(rows)
        if rows.shape[1:] != header.shape or rows.dtype != header.dtype or end > len(self.numbers):
            raise StoreError(
                f"{self.path}: {rows.dtype} {rows.shape} after {self.done} of "
                f"{len(self.numbers)} rows, "
                f"expected {header.dtype} (n, {', '.join(map(str, header.shape))})"
            )
        if rows.dtype.kind == "f" and not (finite := np.isfinite(rows)).all():
            bad = int((~finite).reshape(len(rows), -1).any(1).argmax())
            row = self.numbers[self.done + bad]
            raise StoreError(f"{header.name}: row {row} holds NaN or infinity")
        self._write(np.ascontiguousarray(rows).data)
        self.done = end

    def finish(self) -> dict[str, Any]:
        """Give the shard its name; its entry of the manifest.

        Raises:
            StoreError: rows are missing, or the disk takes no more.
        """
        if self.done != len(self.numbers):
            raise StoreError(f"{self.path}: {self.done} rows, expected {len(self.numbers)}")
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            size = self.file.tell()
            self.part.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error
        entry = {"bytes": size, "sha256": self.digest.hexdigest()}
        bits = np.packbits(self.stored).tobytes().hex()
        return entry if self.stored.all() else entry | {"rows": bits}

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

    A damaged manifest lists nothing: its shards are encoded again. Whether the files are still
    whole: `shard_problem`.
    """
    listed: dict[int, dict[str, Any]] = {}
    for path in sorted(folder.glob(manifests), reverse=True):  # the ranks' are newer
        try:
            recorded, shards = _read_manifest(path)
        except StoreError as error:
            log.warning("%s: its shards are encoded again", error)
            continue
        if recorded == header.as_json():
            listed |= shards
    return listed


def shard_problem(path: Path, entry: dict[str, Any] | None, content: bool) -> str | None:
    """Problem of a listed shard's size, or of its `content` too; None if there is none."""
    if entry is None or not path.is_file():
        return f"{path}: shard missing"
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"{path}: {size} bytes, expected {entry['bytes']}"
    if content and (checksum := sha256(path)) != entry["sha256"]:
        text = f"the manifest has the checksum {entry['sha256'][:12]}, the file {checksum[:12]}"
        return f"{path}: content differs from its checksum ({text})"
    return None


def _content_start(path: Path, header: Header, rows: int) -> int:
    """Offset of a shard's rows in its file, by an npy header that says what they should be.

    Raises:
        StoreError: another shape, dtype or order than the store's, or no npy header.
    """
    with reading(path, StoreError, "as an npy shard", REBUILD), path.open("rb") as file:
        np.lib.format.read_magic(file)
        layout = np.lib.format.read_array_header_1_0(file)  # shape, Fortran's order, dtype
        expected = (rows, *header.shape), False, np.dtype(header.dtype)
        if layout != expected:
            raise StoreError(
                f"{path}: {_layout(*layout)}, expected {_layout(*expected)}; {REBUILD}"
            )
        return file.tell()


def _layout(shape: tuple[int, ...], fortran: bool, dtype: np.dtype) -> str:
    return f"{dtype.str} {shape} in {'Fortran' if fortran else 'C'} order"


def write_manifest(
    folder: Path, header: Header, shards: dict[int, dict[str, Any]], rank: int | None = None
) -> None:
    """The list of a finished store, which replaces those of ranks, or what one rank has done."""
    entries = {str(k): shards[k] for k in sorted(shards)}
    name = "manifest.json" if rank is None else f"manifest-{rank}.json"
    write_sealed(folder / name, {"header": header.as_json(), "shards": entries})
    if rank is None:
        for path in folder.glob("manifest-*.json"):
            path.unlink()


class FeatureStore:
    """An opened store. `store[rows]` reads rows by their number in the index's frame order."""

    def __init__(
        self,
        folder: Path,
        expected: Header,
        first_row: int = 0,
        needed: np.ndarray | None = None,
        frame: Callable[[int], str] = "row {}".format,
    ) -> None:
        """Open and verify sizes and headers; a shard's content when its first row is read.

        Args:
            first_row: number of the first frame that the store covers.
            needed: which rows it must hold, (rows,) bool; None: any.
            frame: what errors call a row, by its number.

        Raises:
            StoreError: naming what the store was made from and what the parameters ask for.
        """
        if not (folder / "manifest.json").is_file():
            raise StoreError(f"{folder}: no feature store; {REBUILD}")
        recorded, self.entries = _read_manifest(folder / "manifest.json")
        required = expected.as_json()
        if recorded != required:
            keys = [k for k in required if recorded.get(k) != required[k]]
            differs = "; ".join(f"{k} is {recorded.get(k)}, expected {required[k]}" for k in keys)
            raise StoreError(f"{folder}: made for other parameters: {differs}; {REBUILD}")
        self.folder, self.header, self.first_row, self._frame = folder, expected, first_row, frame
        self._raise_if(self.problems(content=False))
        counts = [len(expected.shard_rows(k)) for k in range(expected.shards)]
        stored = [stored_rows(self.entries[k], count) for k, count in enumerate(counts)]
        self._counts = [int(rows.sum()) for rows in stored]
        # Of each row, its number in the shard's file; -1 where it isn't stored.
        self._places = np.concatenate([np.where(s, s.cumsum() - 1, -1) for s in stored])
        if needed is not None and (lacking := np.flatnonzero(needed & (self._places < 0))).size:
            first = frame(first_row + int(lacking[0]))
            raise StoreError(f"{folder}: lacks {lacking.size} rows, {first} first; {REBUILD}")
        self._starts = [
            _content_start(shard_path(folder, k), expected, n) for k, n in enumerate(self._counts)
        ]
        self._shards: dict[int, np.ndarray] = {}  # verified; forked workers share the parent's

    @property
    def checksum(self) -> str:
        """Checksum of the whole content, by the shards' checksums."""
        return sha256(*(self.entries[k]["sha256"].encode() for k in sorted(self.entries)))

    def problems(self, content: bool) -> list[str]:
        """Problems of the shards' sizes, or of their `content` too: that reads it all."""
        problems = (
            shard_problem(shard_path(self.folder, k), self.entries.get(k), content)
            for k in range(self.header.shards)
        )
        return [problem for problem in problems if problem]

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
            StoreError: it doesn't hold one, since no row of the tables reads it.
        """
        rows = np.asarray(rows) - self.first_row
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.header.rows:
            raise IndexError(f"{self.folder}: covers other clips; see features.stores")
        out = np.empty((len(rows), *self.header.shape), self.header.dtype)
        shards, places = rows // self.header.rows_per_shard, self._places[rows]
        if (places < 0).any():
            frame = self._frame(self.first_row + int(rows[places < 0][0]))
            raise StoreError(
                f"{self.folder}: {frame} isn't stored, since no row of the tables reads it as "
                "params.yaml stands. Put what reads it into a table (scoring.frames_per_clip: how "
                f"many frames of a clip are scored), then {REBUILD}"
            )
        # Row by row: an index of several rows would copy them twice, in up to seven times the time.
        for row, shard, place in zip(out, shards.tolist(), places.tolist(), strict=True):
            row[...] = self._shard(shard)[place]
        return out

    def _shard(self, number: int) -> np.ndarray:
        """The rows of a shard, (n, *shape), read once in full before any of them is used."""
        if number not in self._shards:
            path, header = shard_path(self.folder, number), self.header
            if problem := shard_problem(path, self.entries[number], content=True):
                raise StoreError(f"{problem}; {REBUILD}")
            shape = (self._counts[number], *header.shape)
            rows = np.memmap(path, header.dtype, "r", self._starts[number], shape)
            self._shards[number] = np.asarray(rows)
        return self._shards[number]


def _read_manifest(path: Path) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """The header as JSON, and each shard's size in bytes and checksum.

    Raises:
        StoreError: a file that `write_manifest` didn't write.
    """
    try:
        content = read_sealed(path)
        return content["header"], {int(k): entry for k, entry in content["shards"].items()}
    except DamagedError as error:
        raise StoreError(f"{path}: not a manifest ({error}); {REBUILD}") from None
