"""The stores of a real small world against the encoders called by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from segment_anything import SamPredictor

from benchmarks import cli
from benchmarks.data.files import read_audio, read_frame
from benchmarks.features.extract import frame_paths, header
from benchmarks.features.store import StoreError, shard_path
from benchmarks.params import load
from benchmarks.workbench import Workbench
from gavs.sam import continue_from_tokens


@pytest.fixture
def bench(project):
    return Workbench(load())


def _some_rows(bench):
    return np.array([0, 7, int(bench.index.frames.sum()) - 1])


def test_sam_embeddings_are_the_predictors(bench):
    """segment_anything's own predictor, frame by frame, from the file."""
    sam = bench.encoders.sam()
    predictor = SamPredictor(sam)
    paths = frame_paths(bench.index)
    rows = _some_rows(bench)
    for row, stored in zip(rows, bench.store("sam_rgb")[rows], strict=True):
        predictor.set_image(read_frame(paths[row]))
        expected = predictor.get_image_embedding()[0].numpy()
        np.testing.assert_allclose(stored, expected, atol=5e-3)  # stored as fp16


def test_tokens_lead_to_the_same_embedding(bench):
    sam = bench.encoders.sam()
    rows = _some_rows(bench)
    tokens = torch.from_numpy(bench.store("tokens2_rgb")[rows]).float()
    with torch.no_grad():
        embedding = continue_from_tokens(sam, tokens, 2).numpy()
    np.testing.assert_allclose(embedding, bench.store("sam_rgb")[rows], atol=2e-2)


def test_audio_rows_are_the_seconds_of_their_clip(bench):
    index, store = bench.index, bench.store("vggish")
    avsbench = np.flatnonzero(index.benchmark != "vggss")
    for position in avsbench[[0, -1]]:
        clip = index.iloc[position]
        waveform = read_audio(Path(clip.audio_path))
        expected = bench.encoders.hear("vggish", waveform, 0, clip.frames)
        got = store[clip.first_row + np.arange(clip.frames)]
        np.testing.assert_allclose(got, expected, atol=1e-5)
        # Second k alone gives row k: no other second leaks in with a hop of one second.
        last = clip.frames - 1
        alone = bench.encoders.hear("vggish", waveform[last * 16_000 :], 0, 1)
        np.testing.assert_allclose(got[last], alone[0], atol=1e-5)


def test_a_vggss_frame_hears_the_second_that_covers_it(bench):
    index = bench.index
    clip = index[index.benchmark == "vggss"].iloc[3]
    waveform = read_audio(Path(clip.audio_path))[5 * 16_000 : 6 * 16_000]
    got = bench.store("vggish")[np.array([clip.first_row])]
    np.testing.assert_allclose(got, bench.encoders.hear("vggish", waveform, 0, 1), atol=1e-5)


def test_pixels_are_the_squashed_frame(bench):
    row = int(_some_rows(bench)[1])
    frame = read_frame(frame_paths(bench.index)[row])
    expected = Image.fromarray(frame).resize((64, 64), Image.Resampling.BILINEAR)
    stored = bench.store("pixels64")[np.array([row])][0]
    np.testing.assert_array_equal(stored.transpose(1, 2, 0), np.asarray(expected))


def test_extraction_resumes_and_ends_in_the_same_bytes(bench, capsys):
    folder = bench.params.work / "features/avs/sam_rgb"
    whole = {p.name: p.read_bytes() for p in folder.iterdir()}
    kept = shard_path(folder, 1).stat().st_mtime_ns
    shard_path(folder, 0).unlink()
    (folder / ".shard-00002.npy.99.part").write_bytes(b"half")  # as a kill leaves it
    assert cli.main(["features"]) == 0
    assert {p.name: p.read_bytes() for p in folder.glob("[!.]*")} == whole
    assert shard_path(folder, 1).stat().st_mtime_ns == kept


def test_unknown_store(bench):
    with pytest.raises(StoreError, match="no feature store is called 'sam_grey'"):
        header("sam_grey", bench.index, bench.encoders, 8)


def test_check_finds_changed_files_and_damaged_stores(bench, capsys):
    assert cli.main(["check"]) == 0
    path = shard_path(bench.params.work / "features/avs/vggish", 0)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert cli.main(["check"]) == 1
    assert "shard-00000.npy: content differs" in capsys.readouterr().err
    frame = frame_paths(bench.index)[3]
    Image.fromarray(read_frame(frame)).save(frame, quality=50)
    assert cli.main(["check"]) == 1
    assert "have changed since" in capsys.readouterr().err
