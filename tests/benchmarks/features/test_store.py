import dataclasses
import io
import os
import platform
import resource
import tracemalloc

import numpy as np
import pytest

from benchmarks.common.files import sha256
from benchmarks.features.store import (
    FeatureStore,
    Header,
    ShardWriter,
    StoreError,
    listed_shards,
    shard_path,
    shard_problem,
    write_manifest,
)

HEADER = Header("sam_rgb", 10, (2, 3), "float16", 4, {"weights": "abc"})
ROWS = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float16)


def write(folder, header, shard, rows, at_once=3):
    with ShardWriter(folder, header, shard) as writer:
        for start in range(0, len(rows), at_once):
            writer.append(rows[start : start + at_once])
        return writer.finish()


@pytest.fixture
def folder(tmp_path):
    entries = {
        k: write(tmp_path, HEADER, k, ROWS[HEADER.shard_rows(k)]) for k in range(HEADER.shards)
    }
    write_manifest(tmp_path, HEADER, entries)
    return tmp_path


def test_rows_come_back_in_any_order(folder):
    store = FeatureStore(folder, HEADER)
    order = np.array([9, 0, 4, 3, 3, 8])
    np.testing.assert_array_equal(store[order], ROWS[order])
    store.verify()


def test_shards_are_npy_to_the_byte_and_the_last_is_short(folder):
    assert HEADER.shards == 3
    saved = io.BytesIO()
    np.save(saved, ROWS[8:])
    assert shard_path(folder, 2).read_bytes() == saved.getvalue()


def test_a_shard_needs_the_memory_of_a_batch(tmp_path):
    header = Header("sam_rgb", 64, (512, 1024), "float16", 64, {})  # 64 MiB, a MiB a row
    batch = np.zeros((1, 512, 1024), np.float16)
    tracemalloc.start()
    with ShardWriter(tmp_path, header, 0) as writer:
        for _ in range(64):
            writer.append(batch)
        writer.finish()
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


def test_a_store_made_for_other_parameters_names_both(folder):
    other = dataclasses.replace(HEADER, made_from={"weights": "xyz"})
    with pytest.raises(StoreError, match="abc.*expected.*xyz.*python -m benchmarks features"):
        FeatureStore(folder, other)


def test_deleted_and_truncated_shards_are_all_named_on_opening(folder):
    path = shard_path(folder, 1)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    shard_path(folder, 0).unlink()
    wrong = f"shard-00000.npy: shard missing; .*00001.npy: {len(content) - 1} bytes, expected"
    with pytest.raises(StoreError, match=wrong):
        FeatureStore(folder, HEADER)


def _flip(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def _zero(content):
    return content[:128] + bytes(len(content) - 128)


def _swap_rows(content):
    return content[:128] + content[140:152] + content[128:140] + content[152:]


@pytest.mark.parametrize("damage", [_flip, _zero, _swap_rows])
def test_damage_at_equal_size_is_found_before_a_row_is_used(folder, damage):
    store = FeatureStore(folder, HEADER)
    path = shard_path(folder, 1)
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(store[[0, 9]], ROWS[[0, 9]])  # of the whole shards
    differs = "shard-00001.npy: content differs from its checksum .*python -m benchmarks features"
    with pytest.raises(StoreError, match=differs):
        store[[9, 4]]
    with pytest.raises(StoreError, match=differs):
        store.verify()
    assert set(listed_shards(folder, HEADER)) == {0, 1, 2}
    entry = listed_shards(folder, HEADER)[1]
    assert "content differs" in shard_problem(path, entry, content=True)
    assert shard_problem(path, entry, content=False) is None  # that reads the size only


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.asfortranarray(ROWS[4:8]), "Fortran order, expected <f2"),
        (ROWS[4:8].view(np.int16), r"<i2 \(4, 2, 3\) in C order, expected <f2"),
        (ROWS[4:8].astype(">f2"), r">f2 .* expected <f2"),
        (ROWS[4:8].reshape(4, 3, 2), r"<f2 \(4, 3, 2\) in C order, expected <f2 \(4, 2, 3\)"),
    ],
)
def test_a_shard_of_another_layout_is_refused_though_listed(folder, rows, message):
    path = shard_path(folder, 1)
    np.save(path, rows)
    entries = listed_shards(folder, HEADER)
    entries[1] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_manifest(folder, HEADER, entries)
    with pytest.raises(StoreError, match=f"shard-00001.npy: .*{message}"):
        FeatureStore(folder, HEADER)


def test_what_a_killed_extraction_leaves_is_known_by_its_header(folder):
    assert set(listed_shards(folder, HEADER)) == {0, 1, 2}
    assert listed_shards(folder, dataclasses.replace(HEADER, made_from={})) == {}


def test_ranks_list_their_own_shards_until_one_list_replaces_theirs(folder):
    entries = listed_shards(folder, HEADER)
    (folder / "manifest.json").unlink()
    write_manifest(folder, HEADER, {k: entries[k] for k in (0, 2)}, rank=0)
    with pytest.raises(StoreError, match="no feature store"):
        FeatureStore(folder, HEADER)
    write_manifest(folder, HEADER, {1: entries[1]}, rank=1)
    other = dataclasses.replace(HEADER, rows=8)
    write_manifest(folder, other, {0: {"bytes": 0, "sha256": ""}}, rank=2)  # of other clips
    assert listed_shards(folder, HEADER) == entries
    write_manifest(folder, HEADER, entries)
    assert sorted(p.name for p in folder.glob("*.json")) == ["manifest.json"]
    FeatureStore(folder, HEADER).verify()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.where(np.arange(24).reshape(4, 2, 3) == 13, np.nan, ROWS[4:8]), "row 6 holds NaN"),
        (np.full((4, 2, 3), np.inf), "row 4 holds NaN or infinity"),
        (ROWS[:3], "3 rows, expected 4"),
        (ROWS[:5], "expected float16"),
        (ROWS[:4, :1], r"float16 \(3, 1, 3\) after 0 of 4 rows, expected float16 \(n, 2, 3\)"),
    ],
)
def test_what_must_not_be_written_leaves_nothing(tmp_path, rows, message):
    with pytest.raises(StoreError, match=message):
        write(tmp_path, HEADER, 1, rows.astype(np.float16))
    with pytest.raises(StoreError, match="expected float16"):
        write(tmp_path, HEADER, 1, ROWS[4:8].astype(np.float32))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_no_more_is_named_and_nothing_is_left(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StoreError, match=r"shard-00000.npy.*File too large; free space"):
            write(tmp_path, HEADER, 0, ROWS[:4])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_killed_processes_part_is_cleared_away(tmp_path):
    host, living = platform.node(), os.getppid()
    left = [
        f".shard-00000.npy.{host}-{living}.part",  # another process writes it
        f".shard-00002.npy.elsewhere-{2**22 + 1}.part",  # so may one of another machine
    ]
    for name in (f".shard-00001.npy.{host}-{2**22 + 1}.part", *left):
        (tmp_path / name).write_bytes(b"half")
    write(tmp_path, HEADER, 1, ROWS[4:8])
    assert {p.name for p in tmp_path.iterdir()} == {"shard-00001.npy", *left}


@pytest.mark.parametrize(
    "damage", [lambda b: b"{", lambda b: b"[]", lambda b: b.replace(b'"rows": 10', b'"rows": 11')]
)
def test_a_damaged_manifest_is_named_and_its_shards_are_encoded_again(folder, damage, caplog):
    path = folder / "manifest.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match="manifest.json: not a manifest .*benchmarks features"):
        FeatureStore(folder, HEADER)
    assert listed_shards(folder, HEADER) == {}
    assert "encoded again" in caplog.text


STORED = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 1], bool)  # nothing of the second shard


@pytest.fixture
def partly(tmp_path):
    entries = {}
    for k in range(HEADER.shards):
        rows = np.array(HEADER.shard_rows(k))
        with ShardWriter(tmp_path, HEADER, k, STORED[rows]) as writer:
            writer.append(ROWS[rows[STORED[rows]]])
            entries[k] = writer.finish()
    write_manifest(tmp_path, HEADER, entries)
    return tmp_path


def test_a_store_of_some_rows_gives_them_by_their_numbers(partly):
    store = FeatureStore(partly, HEADER, first_row=100, needed=STORED)
    store.verify()
    asked = np.array([9, 0, 2, 9])
    np.testing.assert_array_equal(store[asked + 100], ROWS[asked])
    for row in (1, 5, 8):
        with pytest.raises(StoreError, match=f"row {100 + row} isn't stored.*benchmarks features"):
            store[np.array([100, 100 + row])]


def test_a_store_without_rows_that_are_needed_is_refused_with_the_first_of_them(partly):
    needed = STORED.copy()
    needed[[4, 8]] = True
    message = "lacks 2 rows, frame 4 of clip a first; rebuild it with `python -m benchmarks feat"
    with pytest.raises(StoreError, match=message):
        FeatureStore(partly, HEADER, 0, needed, "frame {} of clip a".format)
