"""Sounds, pictures and videos that these tests write; a GAVS with its checkpoint."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import torch
from PIL import Image

from benchmarks.common.files import sha256
from benchmarks.features.config import EncoderParams
from benchmarks.features.pretrained import ProfileEncoders
from gavs import GAVS, GavsConfig
from gavs.__main__ import main
from gavs.checkpoint import CheckpointHeader, EncoderFile, checkpoint_bytes, saved_state

WEIGHTS = Path(__file__).parents[2] / "weights/miniature"
RATE = 25


def encoder_file(name: str) -> EncoderFile:
    path = WEIGHTS / f"{name}.safetensors"
    return EncoderFile(size="mini", path=str(path), sha256=sha256(path))


def encoders(hop: float) -> ProfileEncoders:
    params = {
        name: EncoderParams(size="mini", weights=WEIGHTS / f"{name}.safetensors")
        for name in ("sam", "vggish", "vggish_pca")
    }
    return ProfileEncoders(SimpleNamespace(**params), SimpleNamespace(hop_seconds=hop))


def make_method(hop: float = 1.0, **config) -> GAVS:
    """GAVS with every trainable number moved, so that nothing of the checkpoint is idle."""
    torch.manual_seed(0)
    method = GAVS(GavsConfig(**config), encoders(hop))
    with torch.no_grad():
        for p in method.parameters():
            if p.requires_grad:
                p += 0.05 * torch.randn_like(p)
    return method.eval()


def write_checkpoint(path: Path, trained: GAVS, hop: float = 1.0, **changes) -> Path:
    header = CheckpointHeader(
        method="gavs",
        config=trained.config.model_dump(mode="json"),
        encoders={name: encoder_file(name) for name in ("sam", "vggish")},
        hop_seconds=hop,
    ).model_copy(update=changes)
    path.write_bytes(checkpoint_bytes(header, saved_state(trained)))
    return path


def noise(seconds: float, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return (0.2 * samples).clip(-1, 1).astype(np.float32)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def make_video(
    path: Path,
    times: list[float],
    sound: np.ndarray | None = None,
    rate: int = 44_100,
    sound_from: float = 0,
    shape: tuple[int, int] = (48, 64),
    lit_corner: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Frame i is grey, of value 3 i (modulo 250), and shown from times[i] on; sound (n, 2)."""
    with av.open(path, "w", options=options or {}) as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "1"})
        video.height, video.width, video.pix_fmt = *shape, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else out.add_stream("pcm_s16le", rate=rate, layout="stereo")
        for i, time in enumerate(times):
            grey = np.full((*shape, 3), 3 * i % 250, np.uint8)
            if lit_corner:
                grey[:8, :16] = 255
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            interleaved = np.ascontiguousarray((sound * 32767).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
            frame.rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(sound_from * rate)
            out.mux(audio.encode(frame))
            out.mux(audio.encode())
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(path) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def run(*arguments) -> int:
    return main(["predict", "--device", "cpu", *map(str, arguments)])
