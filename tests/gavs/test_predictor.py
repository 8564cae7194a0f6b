"""What a checkpoint of any method predicts, learns further and is saved as."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from segment_anything.utils.transforms import ResizeLongestSide

import gavs
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.silence import NoClip
from benchmarks.features.sound import hear
from benchmarks.grid.export import header_of
from benchmarks.params import load
from benchmarks.training.clips import Features, Samples
from gavs.checkpoint import CheckpointError, read_checkpoint, saved_state, write_checkpoint
from gavs.method import Method
from gavs.predictor import Predictor, clips_of
from gavs.views import to_native
from tests.gavs.files import WEIGHTS, encoder_file, make_method, noise, picture
from tests.gavs.files import write_checkpoint as write_gavs

ROOT = Path(__file__).parents[2]
ADAPTED = {"from_block": 3, "train_norms": True, "zero_init": False, "width": 8}
GAVS = {
    "gavs": {},
    "gavs adapted": {"colour": "bgr", "loss_resolution": "input", "encoder_adapters": ADAPTED},
    "gavs decoder": {"decoder": "full", "prompt": {"slots": "six", "noise_mode": "add"}},
}
# One of each way to see, to hear and to keep weights: temporal, squashed, log-mels, tokens,
# spectrograms, a frozen backbone, a momentum encoder.
OTHERS = ["gavs_lora", "tpavi_sam", "avsbench", "avsegformer", "av_sam", "sama", "audio_sam"]
OTHERS += ["ez_vsl", "slavc"]


@pytest.fixture
def make(tmp_path, monkeypatch):
    """make(name, hop): a method with every trainable number moved, its encoders and checkpoint."""
    monkeypatch.chdir(ROOT)  # params.yaml names its files from there

    def build(name: str, hop: float = 1.0) -> tuple[Method, ProfileEncoders, Path]:
        params = load(ROOT / "params.yaml")
        audio = params.audio.model_copy(update={"hop_seconds": hop})
        params = params.model_copy(update={"audio": audio})
        encoders = ProfileEncoders(params.encoders, audio)
        method_name = name.split()[0]
        supervised = params.row(method_name, "v2").method_config.supervised
        row = params.row(method_name, "v2" if supervised else "vggsound")
        if name in GAVS:
            row = row.model_copy(update={"config": make_config(**GAVS[name])})
        torch.manual_seed(0)
        method = row.cls(row.cls.Config(**row.config), encoders)
        with torch.no_grad():
            for p in method.parameters():
                if p.requires_grad:
                    p += 0.05 * p.abs().mean() * torch.randn_like(p)

        path = tmp_path / "c.safetensors"
        write_checkpoint(path, header_of(params, row, {}), saved_state(method))
        return method.eval(), encoders, path

    return build


def make_config(**config):
    return gavs.GavsConfig(**config).model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "hop"),
    [(name, hop) for name in GAVS for hop in (1.0, 0.96)] + [(n, 1.0) for n in OTHERS],
)
def test_prediction_is_the_suites(make, clip, name, hop):
    method, encoders, path = make(name, hop)
    expected = suite_maps(method, clip, encoders)
    predictor = Predictor(path)
    frames = [gavs.read_image(clip / f"frames/{k}.jpg") for k in range(10)]
    sound = gavs.read_sound(clip / "audio.wav")
    found = predictor(frames, sound)
    assert found.shape == (10, 60, 80) and np.ptp(found, (1, 2)).min() > 0.01
    # SAM's last bit may differ by the batch, which half precision makes a thousandth, seldom.
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert np.abs(found - expected).mean() < 2e-5
    if not method.config.temporal():
        np.testing.assert_array_equal(predictor(frames[7], sound, 7), found[7])


def suite_maps(method: Method, clip: Path, encoders: ProfileEncoders) -> np.ndarray:
    """(10, 60, 80) by the benchmark's own batches, over feature stores made here."""
    index = pd.DataFrame(
        {
            "uid": ["clip"],
            "video": "clip",
            "classes": "dog",
            "frames": 10,
            "first_row": 0,
            "height": 60,
            "width": 80,
            "supervision": "boxes",
            "mask_path": "",
            "boxes": json.dumps([[0, 0, 0.5, 0.5]]),
        }
    )
    sound = gavs.read_sound(clip / "audio.wav")
    config = method.config
    stores = {name: seen(name, clip, encoders) for name in config.inputs().values()}
    heard = hear(encoders, config.hears(), sound, 0, 10)
    stores[config.hears()] = heard if config.hears() == "vggish" else heard.astype(np.float16)
    features = Features(stores.__getitem__, NoClip(encoders), 96)
    clips = Samples(index, features, method, ["dog"])
    with torch.inference_mode():
        numbers = np.arange(len(clips))
        logits = method(clips.batch(numbers, targets=False)).logits.flatten(0, 1)
    return to_native(logits, (60, 80), config.geometry, 96).sigmoid().numpy()


def seen(store: str, clip: Path, encoders: ProfileEncoders) -> np.ndarray:
    """Rows of an image store by Pillow and by segment_anything's own preprocessing."""
    frames = [gavs.read_image(clip / f"frames/{k}.jpg") for k in range(10)]
    if store.startswith("pixels"):
        size = (int(store[6:]),) * 2
        small = [Image.fromarray(f).resize(size, Image.Resampling.BILINEAR) for f in frames]
        return np.stack([np.asarray(image).transpose(2, 0, 1) for image in small])
    sam, shrink = encoders.sam(), ResizeLongestSide(96)
    order = -1 if store.endswith("bgr") else 1
    resized = [shrink.apply_image(f)[..., ::order].copy() for f in frames]
    squares = torch.stack([sam.preprocess(torch.from_numpy(r).permute(2, 0, 1)) for r in resized])
    with torch.inference_mode():
        if not store.startswith("tokens"):
            return sam.image_encoder(squares).half().numpy()
        x = sam.image_encoder.patch_embed(squares) + sam.image_encoder.pos_embed
        for block in sam.image_encoder.blocks[: int(store[6 : store.index("_")])]:
            x = block(x)
    return x.half().numpy()


def test_a_temporal_method_sees_ten_seconds_at_once_and_another_one_frame():
    frames = [(second, f"f{n}") for n, second in enumerate([8, 9, 10, 11, 11, 30])]
    names = [[name for _, name in clip] for clip in clips_of(iter(frames), temporal=True)]
    assert names == [["f0", "f1"], ["f2", "f3", "f4"], ["f5"]]
    assert [len(clip) for clip in clips_of(frames, temporal=False)] == [1] * 6
    many = [(n // 4, n) for n in range(60)]  # four a second
    assert [len(clip) for clip in clips_of(many, temporal=True)] == [10, 10, 10, 10, 10, 10]


def clip_arrays(count: int, frames: int = 1):
    """Frames, sounds and masks of some clips; the upper left quarter sounds."""
    mask = np.zeros((60, 80), bool)
    mask[:30, :40] = True
    pictures = [[picture(60, 80, 9 * b + t) for t in range(frames)] for b in range(count)]
    return pictures, [noise(frames)[:, 0] for _ in range(count)], [[mask] * frames] * count


@pytest.mark.parametrize("name", ["gavs", "tpavi_sam", "avsegformer"])
def test_it_learns_what_it_is_shown_and_keeps_it(make, tmp_path, name):
    _, _, path = make(name)
    model = gavs.load_model(path)
    frames, sounds, masks = clip_arrays(4, 2)
    batch = model.make_batch(frames, sounds, masks)
    assert batch.masks.shape[:2] == ((4, 2) if name == "tpavi_sam" else (8, 1))
    assert batch.video.tolist() == (
        [0, 1, 2, 3] if name == "tpavi_sam" else [0, 0, 1, 1, 2, 2, 3, 3]
    )

    def error() -> float:
        return float(np.abs(model(frames[0], sounds[0]) - masks[0]).mean())

    before = error()
    losses = model.fit(batch, steps=12, lr=3e-3)
    assert len(losses) == 12 and losses[-1] < losses[0] and error() < before
    model.save(tmp_path / "more.safetensors")
    again = gavs.load_model(tmp_path / "more.safetensors")
    np.testing.assert_array_equal(again(frames[1], sounds[1]), model(frames[1], sounds[1]))
    assert again.header.origin["fitted steps"] == 12


def test_a_batch_is_as_the_suite_makes_it(make):
    """The mask by hand: of 60 x 80 pixels in SAM's square, a quarter of the frame."""
    model = gavs.load_model(make("gavs")[2])
    frames, sounds, masks = clip_arrays(1)
    batch = model.make_batch([frames[0][0]], sounds, [masks[0][0]])
    grid = batch.masks.shape[-1]
    lit = torch.zeros(grid, grid)
    lit[: round(grid * 30 / 80), : grid // 2] = 1
    torch.testing.assert_close(batch.masks[0, 0], lit)
    assert batch.valid[0].sum() == grid * round(grid * 60 / 80) and batch.supervised.all()


def test_a_diverging_fit_leaves_the_model_as_it_was(make):
    model = gavs.load_model(make("gavs")[2])
    frames, sounds, masks = clip_arrays(4)
    batch, before = model.make_batch(frames, sounds, masks), model(frames[0], sounds[0])
    with pytest.raises(ValueError, match="loss is .* at step .*; lower lr"):
        model.fit(batch, steps=50, lr=1e30)
    np.testing.assert_array_equal(model(frames[0], sounds[0]), before)


def test_what_does_not_go_together_is_told(make):
    model = gavs.load_model(make("tpavi_sam")[2])
    frames, sounds, masks = clip_arrays(2, 2)
    for arguments, words in (
        ((frames, sounds[:1], masks), "2 clips of frames, 1 sounds, 2 clips of masks"),
        ((frames, sounds, [masks[0], masks[1][:1]]), r"masks of sizes \[\(60, 80\)\], expected 2"),
        (([frames[0], frames[1][:1]], sounds), r"clips of \[1, 2\] frames: tpavi_sam averages"),
        (([[picture(60, 80), picture(30, 80)]], sounds[:1]), "pixels in one clip"),
        (([np.zeros((60, 80, 4), np.uint8)], sounds[:1]), r"uint8 \(60, 80, 4\), expected uint8"),
        (([], []), "no clips"),
        (([frames[0], []], sounds), "one without a frame"),
        (
            (frames[:1], [(sounds[0] * 9999).astype(np.int16)]),
            r"int16 .*expected floats .*read_sound",
        ),
        ((frames[:1], [sounds[0] * 9999]), r"float.* to [0-9.]+, expected floats"),
        ((frames[:1], [sounds[0] * np.nan]), "to nan, expected floats"),
        ((frames[:1], [np.stack([sounds[0]] * 2, 1)]), r"\(32000, 2\) .*expected floats \(n,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            model.make_batch(*arguments)
    for second in (-1, [0], [0, 1, 2]):
        with pytest.raises(ValueError, match="2 frames, of seconds .*: expected one each, from 0"):
            model(frames[0], sounds[0], second)
    with pytest.raises(ValueError, match="0 frames"):
        model([], sounds[0])
    later, again = model(frames[0], sounds[0], np.int64(3)), model(frames[0], sounds[0], [3, 4])
    np.testing.assert_array_equal(later, again)


def test_a_model_is_found_by_row_and_benchmark(tmp_path, monkeypatch):
    write_gavs(tmp_path / "gavs-v1m.safetensors", make_method())
    assert gavs.load_model("gavs", "v1m", folder=tmp_path).header.method == "gavs"
    with pytest.raises(FileNotFoundError, match=r"gavs-v2\.safetensors: no such .* are gavs-v1m"):
        gavs.load_model("gavs", "v2", folder=tmp_path)
    header, trained = read_checkpoint(tmp_path / "gavs-v1m.safetensors")
    header.origin.update({"row": "avsegformer", "trained on": "v2/train"})
    write_checkpoint(tmp_path / "gavs-v1m.safetensors", header, trained)
    words = "gavs-v1m.*: a checkpoint of row avsegformer, trained on v2, expected gavs.* on v1m"
    with pytest.raises(CheckpointError, match=words):
        gavs.load_model("gavs", "v1m", folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("some/models").mkdir(parents=True)
    for name in ("gavs", "some/models", "some/gavs.safetensors"):
        with pytest.raises(FileNotFoundError, match=f"{name}: no such checkpoint.* its benchmark"):
            gavs.load_model(name)


def test_a_folder_for_the_hub_stands_on_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("sam", "vggish")
    gone = {
        name: encoder_file(name).model_copy(update={"path": f"gone/{name}.safetensors"})
        for name in names
    }
    path = write_gavs(tmp_path / "c.safetensors", make_method(), encoders=gone)
    model = Predictor(path, *(WEIGHTS / f"{name}.safetensors" for name in names))
    model.save_pretrained(tmp_path / "hub")
    files = {f"{name}.safetensors" for name in ("model", *names)} | {"README.md", "config.json"}
    assert {path.name for path in (tmp_path / "hub").iterdir()} == files
    Path("gone").mkdir()
    Path("gone/sam.safetensors").write_text("another file, where that SAM lay elsewhere")
    frame, sound = picture(60, 80), noise(1)[:, 0]
    for again in (gavs.load_model(tmp_path / "hub"), Predictor.from_pretrained(tmp_path / "hub")):
        np.testing.assert_array_equal(again(frame, sound), model(frame, sound))
    with pytest.raises(CheckpointError, match="another.safetensors: not the sam"):
        Path("another.safetensors").write_text("no SAM")
        Predictor.from_pretrained(tmp_path / "hub", sam=Path("another.safetensors"))
    with pytest.raises(TypeError, match="devise"):
        Predictor.from_pretrained(tmp_path / "hub", devise="cuda")


def test_pushing_uploads_that_folder(tmp_path, monkeypatch):
    """With a stand-in for the Hub: what it gets is what `load_model` reads by the name."""
    from huggingface_hub import HfApi

    got = tmp_path / "got"

    def upload(self, folder_path, **rest):
        shutil.copytree(folder_path, got)

    monkeypatch.setattr(HfApi, "create_repo", lambda *_, **__: SimpleNamespace(repo_id="me/gavs"))
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    asked = []
    monkeypatch.setattr(
        "gavs.predictor.snapshot_download", lambda name, **_: asked.append(name) or got
    )
    model = gavs.load_model(write_gavs(tmp_path / "c.safetensors", make_method()))
    model.push_to_hub("me/gavs")
    frame, sound = picture(60, 80), noise(1)[:, 0]
    found = gavs.load_model("me/gavs-0.1")(frame, sound)
    assert asked == ["me/gavs-0.1"]
    np.testing.assert_array_equal(found, model(frame, sound))


def test_without_the_hubs_library_files_are_read_and_repositories_refused(tmp_path, monkeypatch):
    write_gavs(tmp_path / "c.safetensors", make_method())
    for name in [name for name in sys.modules if name.startswith("gavs.")]:
        if name in ("gavs.hub", "gavs.predictor"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    from gavs.predictor import load_model

    assert load_model(tmp_path / "c.safetensors").header.method == "gavs"
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        load_model("owner/name")
