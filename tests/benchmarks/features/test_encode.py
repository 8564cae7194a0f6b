"""What is encoded against segment_anything, torchvggish and torchvision, file by file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image
from segment_anything import SamPredictor
from torchvggish import vggish_input
from torchvision import transforms

from benchmarks.data.clip_files import ClipFileError, file_digests
from benchmarks.data.files import read_frame
from benchmarks.features import encode as encode_module
from benchmarks.features.config import AudioParams, FeaturesParams
from benchmarks.features.encode import encode, frame_paths
from benchmarks.features.extract import passes
from benchmarks.features.live import LiveStore
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import StoreError
from benchmarks.grid.fingerprint import header
from benchmarks.params import load
from benchmarks.preflight.fake_data import write_avsbench_object
from benchmarks.training.clips import Features
from gavs.sam import SamSize, build_sam, preprocess

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoders():
    """The miniature's, with AVSBench's framing of the sound."""
    params = load(ROOT / "params.yaml").encoders
    at_root = {name: e.model_copy(update={"weights": ROOT / e.weights}) for name, e in params if e}
    audio = AudioParams(hop_seconds=0.96, spectrogram_hop=476)
    return ProfileEncoders(params.model_copy(update=at_root), audio)


def rows_of(name, clips, encoders, batch_size=4, precision="fp32", rows=None):
    made = header(name, clips.assign(digest=""), encoders, 100, precision)
    found = list(
        encode([made], clips, rows or range(made.rows), encoders, batch_size, CPU, precision, 2)
    )
    assert all(list(batch) == [name] for batch in found)
    return [batch[name] for batch in found]


def one_clip(folder, frames, sound, rate=16_000):
    """A clip of these frames and this sound, as a row of the clip index."""
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{k}.png")
    soundfile.write(folder / "sound.wav", sound, rate)
    row = {"uid": "a", "frames": len(frames), "second": 0, "frame_path": f"{folder}/{{}}.png"}
    files = [folder / f"{k}.png" for k in range(len(frames))]
    digests = file_digests([*files, folder / "sound.wav"], "")
    return pd.DataFrame([row | digests | {"audio_path": f"{folder}/sound.wav"}])


@pytest.mark.parametrize(
    ("store", "file"), [("pixels64", "1.png"), ("sam_rgb", "0.png"), ("vggish", "sound.wav")]
)
def test_a_file_that_was_replaced_after_it_was_indexed_is_not_encoded(
    tmp_path, encoders, store, file
):
    frames = [np.full((30, 40, 3), 100 * k, np.uint8) for k in range(2)]
    clips = one_clip(tmp_path, frames, np.zeros(32_000))
    if file == "sound.wav":
        soundfile.write(tmp_path / file, np.full(32_000, 0.1), 16_000)
    else:
        Image.fromarray(np.full((30, 40, 3), 7, np.uint8)).save(tmp_path / file)
    with pytest.raises(ClipFileError, match=f"{file}: its checksum is .*benchmarks data"):
        rows_of(store, clips, encoders)
    (tmp_path / file).unlink()
    with pytest.raises(ClipFileError, match=f"{file}: missing, though it was indexed"):
        rows_of(store, clips, encoders)


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (1080, 1920), (360, 480), (224, 224)])
def test_sams_input_is_the_predictors_to_the_byte(size):
    """Frames of real sizes at SAM's own resolution, through segment_anything's predictor."""
    seen = []
    sam = build_sam(SamSize(1024, 16, 8, 1, 1, 1, 14, (), 8, 1, 8))
    sam.image_encoder.forward = lambda x: seen.append(x)
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    SamPredictor(sam).set_image(frame)
    SamPredictor(sam).set_image(frame[..., ::-1])  # as the released GAVS code, which reads BGR
    rgb, bgr = (preprocess([frame], 1024, colour) for colour in ("rgb", "bgr"))
    assert rgb.shape == (1, 3, 1024, 1024)
    assert torch.equal(rgb, seen[0]) and torch.equal(bgr, seen[1])
    assert not torch.equal(rgb, bgr)


@pytest.mark.parametrize("size", [224, 512])
def test_pixels_are_avsegformers_after_normalising(tmp_path, encoders, size):
    """Its transforms on frames of AVSBench-semantic; at 224 they leave AVSBench-object's alone."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((360, 640), (224, 224))]
    clips = one_clip(tmp_path, frames, np.zeros(32_000))
    (stored,) = rows_of(f"pixels{size}", clips, encoders)
    theirs = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    ours = Features(lambda name: stored, lambda *_: None, 1024).read(f"pixels{size}", [0, 1])
    for frame, own in zip(frames, ours, strict=True):
        torch.testing.assert_close(own, theirs(Image.fromarray(frame)), atol=1e-5, rtol=0)
    if size == 224:
        np.testing.assert_array_equal(stored[1].transpose(1, 2, 0), frames[1])


@pytest.mark.parametrize("seconds", [5, 10])
def test_a_frame_hears_torchvggishs_window_of_its_number(tmp_path, encoders, seconds):
    """AVSBench's framing: window k, from 0.96 k s on, with frame k; stereo at 44.1 kHz."""
    sound = 0.1 * np.random.default_rng(0).standard_normal((seconds * 44_100, 2))
    frames = [np.zeros((8, 8, 3), np.uint8)] * seconds
    clips = one_clip(tmp_path, frames, sound, 44_100)
    (mels,) = rows_of("logmel", clips, encoders)
    theirs = vggish_input.wavfile_to_examples(str(tmp_path / "sound.wav")).detach()
    np.testing.assert_allclose(mels, theirs[:, 0], atol=2e-2)  # stored as fp16
    (heard,) = rows_of("vggish", clips, encoders)
    np.testing.assert_allclose(heard, encoders.vggish(theirs), atol=1e-3)


def test_stored_log_mels_are_heard_as_their_sound_is(tmp_path, encoders):
    """AVSBench-object has pickled log-mels in place of WAVs; here both are of the same sound."""
    audio = ("audio_log_mel", "audio_wav")
    write_avsbench_object(tmp_path, 1, (16, 16), labels=["v1m"], audio=audio)
    made = sorted((tmp_path / "Multi-sources/ms3_data").rglob("audio_*/test/*.*"))
    assert [p.suffix for p in made] == [".pkl", ".wav"]
    index = pd.DataFrame({"uid": "a", "frames": 5, "second": 0, "audio_path": map(str, made)})
    index["checksums"] = [file_digests([path], "")["checksums"] for path in made]
    pickled, heard = rows_of("vggish", index, encoders)
    np.testing.assert_allclose(pickled, heard, atol=1e-3)
    with pytest.raises(StoreError, match=r"\.pkl.*spectrogram.*needs audio_wav"):
        rows_of("spectrogram", index[:1], encoders)
    other = ProfileEncoders(encoders.params, AudioParams(hop_seconds=1.0, spectrogram_hop=476))
    with pytest.raises(StoreError, match="hop of 0.96 s: vggish at a hop of 1.0 s"):
        rows_of("vggish", index[:1], other)


def test_no_more_than_a_batch_is_in_memory_and_any_rows_can_be_asked_for(tmp_path, encoders):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (30, 40, 3), dtype=np.uint8) for _ in range(7)]
    clips = one_clip(tmp_path, frames, np.zeros(112_000))
    for name in ("sam_rgb", "pixels64"):
        whole = rows_of(name, clips, encoders, batch_size=3)
        assert [len(batch) for batch in whole] == [3, 3, 1]
        for size in (1, 2, 3):  # to the byte by other batches
            part = rows_of(name, clips, encoders, batch_size=size, rows=range(2, 6))
            np.testing.assert_array_equal(np.concatenate(part), np.concatenate(whole)[2:6])
    assert frame_paths(clips)[6].name == "6.png"
    np.testing.assert_array_equal(read_frame(frame_paths(clips)[6]), frames[6])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_and_another_store(tmp_path, encoders, precision):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (54, 96, 3), dtype=np.uint8) for _ in range(2)]
    clips = one_clip(tmp_path, frames, np.zeros(32_000)).assign(digest="")
    for name in ("sam_rgb", "tokens2_rgb"):
        (exact,) = rows_of(name, clips, encoders)
        (half,) = rows_of(name, clips, encoders, precision=precision)
        assert half.dtype == np.float16
        error = np.abs(half.astype(np.float32) - exact).mean() / np.abs(exact).mean()
        assert 0 < error < 0.02
        made = [header(name, clips, encoders, 8, p).made_from for p in ("fp32", precision)]
        assert [m["precision"] for m in made] == ["fp32", precision]
    assert "precision" not in header("vggish", clips, encoders, 8, precision).made_from


@pytest.mark.parametrize("store", ["tokens2_rgb", "tokens3_bgr", "sam_rgb"])
def test_live_rows_are_those_that_a_store_would_hold(tmp_path, encoders, store):
    rng = np.random.default_rng(0)
    parts = []
    for number, frames in enumerate((3, 9)):
        (tmp_path / str(number)).mkdir()
        pictures = rng.integers(0, 256, (frames, 30, 40, 3), np.uint8)
        parts.append(one_clip(tmp_path / str(number), list(pictures), np.zeros(16_000)))
    clips = pd.concat(parts, ignore_index=True).assign(first_row=[100, 103])
    stored = np.concatenate(rows_of(store, clips, encoders))
    made = header(store, clips, encoders, 100)
    live = LiveStore(made, clips, encoders.params.sam, "cpu", "fp32")
    rows = np.array([111, 100, 104, 104, 102, 103, 107, 109, 110])
    assert live[rows].dtype == stored.dtype == np.float16
    np.testing.assert_allclose(live[rows], stored[rows - 100], atol=2e-3, rtol=2e-3)
    other = header(store, clips.assign(digest="another"), encoders, 100)
    assert other.checksum != live.header.checksum
    for row in (99, 112):
        with pytest.raises(IndexError, match="covers other clips"):
            live[np.array([row])]


def test_only_sam_s_stores_can_be_live():
    assert FeaturesParams(live=["tokens6_rgb", "sam_bgr"]).live
    with pytest.raises(ValueError, match="'vggish' is no store of SAM"):
        FeaturesParams(live=["vggish"])


def test_one_decoding_of_a_frame_serves_all_its_stores_with_the_bytes_of_each_alone(
    tmp_path, encoders, monkeypatch
):
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 256, (6, 40, 60, 3), np.uint8)
    clips = one_clip(tmp_path, frames, np.zeros(6 * 16_000))
    names = ["pixels32", "pixels64", "sam_bgr", "sam_rgb", "tokens2_rgb", "tokens3_bgr"]
    alone = {name: np.concatenate(rows_of(name, clips, encoders)) for name in names}
    decoded = []
    monkeypatch.setattr(
        encode_module, "read_frame", lambda path: decoded.append(path) or read_frame(path)
    )
    stores = [header(name, clips.assign(digest=""), encoders, 100, "fp32") for name in names]
    found = list(encode(stores, clips, range(6), encoders, 4, CPU, "fp32", 2))
    assert sorted(decoded) == sorted(tmp_path / f"{k}.png" for k in range(6))
    for name in names:
        rows = np.concatenate([batch[name] for batch in found])
        assert rows.dtype == alone[name].dtype
        assert rows.tobytes() == alone[name].tobytes()


def test_the_sounds_stores_are_filled_alone_and_all_others_together():
    groups = passes(["vggish", "sam_rgb", "pixels96", "logmel", "tokens3_bgr"])
    assert sorted(groups) == [["logmel"], ["pixels96", "sam_rgb", "tokens3_bgr"], ["vggish"]]
