import pytest

from benchmarks.data.files import write_atomic


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    write_atomic(tmp_path / "f", b"old")

    def crash(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
