import dataclasses
import io
import resource
import tracemalloc

import numpy as np
import pytest

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


def test_flipped_bits_are_found_by_verify(folder):
    for shard in (0, 2):
        path = shard_path(folder, shard)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    differs = "shard-0000{}.npy: content differs from its checksum; "
    with pytest.raises(StoreError, match=f"{differs.format(0)}.*{differs.format(2)}rebuild"):
        FeatureStore(folder, HEADER).verify()


def test_what_a_killed_extraction_leaves_is_known_by_its_header(folder):
    assert set(listed_shards(folder, HEADER)) == {0, 1, 2}
    assert listed_shards(folder, dataclasses.replace(HEADER, made_from={})) == {}
    path = shard_path(folder, 0)
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    entry = listed_shards(folder, HEADER)[0]
    assert "content differs" in shard_problem(path, entry, content=True)
    assert shard_problem(path, entry, content=False) is None  # that reads the size only


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
        (ROWS[:3], "ends at row 7, expected 8"),
        (ROWS[:5], "expected float16"),
        (ROWS[:4, :1], r"float16 \(3, 1, 3\) for rows 4 to 8, expected float16 \(n, 2, 3\)"),
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
    (tmp_path / ".shard-00001.npy.99.part").write_bytes(b"half")
    (tmp_path / ".shard-00000.npy.98.part").write_bytes(b"another process writes it")
    write(tmp_path, HEADER, 1, ROWS[4:8])
    assert {p.name for p in tmp_path.iterdir()} == {".shard-00000.npy.98.part", "shard-00001.npy"}


def test_a_broken_manifest_is_named(folder):
    (folder / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="manifest.json: not a manifest"):
        FeatureStore(folder, HEADER)
