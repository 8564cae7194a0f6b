import dataclasses

import numpy as np
import pytest

from benchmarks.features.store import (
    FeatureStore,
    Header,
    StoreError,
    finished_shards,
    shard_path,
    write_manifest,
    write_shard,
)

HEADER = Header("sam_rgb", 10, (2, 3), "float16", 4, {"weights": "abc"})
ROWS = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float16)


@pytest.fixture
def folder(tmp_path):
    entries = {
        k: write_shard(tmp_path, HEADER, k, ROWS[HEADER.shard_rows(k)])
        for k in range(HEADER.shards)
    }
    write_manifest(tmp_path, HEADER, entries)
    return tmp_path


def test_rows_come_back_in_any_order(folder):
    store = FeatureStore(folder, HEADER)
    order = np.array([9, 0, 4, 3, 3, 8])
    np.testing.assert_array_equal(store[order], ROWS[order])
    store.verify()


def test_shards_are_plain_npy_and_the_last_is_short(folder):
    assert HEADER.shards == 3
    np.testing.assert_array_equal(np.load(shard_path(folder, 2)), ROWS[8:])


def test_a_store_made_for_other_parameters_names_both(folder):
    other = dataclasses.replace(HEADER, made_from={"weights": "xyz"})
    with pytest.raises(StoreError, match="abc.*expected.*xyz.*python -m benchmarks features"):
        FeatureStore(folder, other)


def test_deleted_and_truncated_shards_are_named_on_opening(folder):
    path = shard_path(folder, 1)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(StoreError, match=f"shard-00001.npy: {len(content) - 1} bytes, expected"):
        FeatureStore(folder, HEADER)
    path.unlink()
    with pytest.raises(StoreError, match="shard-00001.npy: shard missing"):
        FeatureStore(folder, HEADER)


def test_flipped_bits_are_found_by_verify(folder):
    path = shard_path(folder, 2)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="shard-00002.npy: content differs from its checksum"):
        FeatureStore(folder, HEADER).verify()


def test_a_resumed_extraction_keeps_only_what_is_whole(folder):
    path = shard_path(folder, 0)
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    shard_path(folder, 1).unlink()
    assert set(finished_shards(folder, HEADER)) == {2}
    other = dataclasses.replace(HEADER, made_from={})
    assert finished_shards(folder, other) == {}


def test_what_must_not_be_written(tmp_path):
    bad = ROWS[:4].copy()
    bad[2, 0, 1] = np.nan
    with pytest.raises(StoreError, match="row 2 holds NaN"):
        write_shard(tmp_path, HEADER, 0, bad)
    with pytest.raises(StoreError, match=r"not float16 \(4, 2, 3\)"):
        write_shard(tmp_path, HEADER, 0, ROWS[:3])
    assert not list(tmp_path.iterdir())


def test_a_broken_manifest_is_named(folder):
    (folder / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="manifest.json: not a manifest"):
        FeatureStore(folder, HEADER)
