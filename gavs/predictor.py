"""A trained method with the encoders that it needs: it predicts, learns further, is saved."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

import gavs.configs.gavs  # noqa: F401  registers the method
from gavs.checkpoint import (
    CheckpointError,
    CheckpointHeader,
    encoder_path,
    encoders_of,
    first_problem,
    read_checkpoint,
    saved_state,
    write_checkpoint,
)
from gavs.configs import CONFIGS, MethodConfig
from gavs.hub import HubMixin, snapshot_download
from gavs.inputs import CLIP_SECONDS, FileEncoders
from gavs.method import Batch, Method, network
from gavs.reading import shown
from gavs.sound import PEAK, SAMPLE_RATE
from gavs.views import on_grid, shown_cells, to_native
from gavs.weights import load_weights

FOLDER = Path("weights/models")  # of checkpoints by the name of their row and benchmark
CHECKPOINT = "model.safetensors"  # in a folder or repository of one model
CLIP_FRAMES = 10  # that a temporal method sees at most
Item = TypeVar("Item")


def load_model(
    name: str | Path,
    benchmark: str | None = None,
    folder: Path = FOLDER,
    device: torch.device | str = "cpu",
) -> "Predictor":
    """A trained method from a file, a folder of models, or the Hugging Face Hub.

    Args:
        name: a checkpoint's file; with `benchmark` the row of a table, e.g. `gavs`; else a folder
            that `save_pretrained` wrote, or a repository such as `owner/name`.
        benchmark: that it learned from: the file is `{folder}/{name}-{benchmark}.safetensors`.

    Raises:
        FileNotFoundError: no such model; it lists those that are there.
        CheckpointError: it, or an encoder, is another file than it should be, or another row's.
        ImportError: a repository, but huggingface_hub isn't installed.
    """
    if benchmark is not None:
        return Predictor(model_file(str(name), benchmark, folder), device=device)
    path = Path(name)
    if path.is_file():
        return Predictor(path, device=device)
    is_file = path.suffix == ".safetensors" or path.is_dir()  # a repository may be called x-0.1
    is_repository = isinstance(name, str) and name.count("/") == 1 and not is_file
    if not (path / CHECKPOINT).is_file() and not is_repository:
        raise FileNotFoundError(
            f"{path}: no such checkpoint; a row of a table needs its benchmark too, as in "
            'load_model("gavs", "v1m")'
        )
    return Predictor._from_pretrained(model_id=str(name), device=device)


def model_file(row: str, benchmark: str, folder: Path = FOLDER) -> Path:
    """The checkpoint of a row as trained on a benchmark.

    Raises:
        FileNotFoundError: it isn't there; it lists those that are.
        CheckpointError: a file of that name says that it is another row, or learned from others.
    """
    path = folder / f"{row}-{benchmark}.safetensors"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in folder.glob("*-*.safetensors")))
        raise FileNotFoundError(
            f"{shown(path)}: no such model; {f'there are {there}' if there else 'none is there'}. "
            f"`python -m benchmarks export {shown(row)} {shown(benchmark)} --out {shown(path)}` "
            "makes it"
        )
    origin = read_checkpoint(path)[0].origin
    found = origin.get("row", row), str(origin.get("trained on", benchmark)).split("/")[0]
    if found != (row, benchmark):
        raise CheckpointError(
            f"{path}: a checkpoint of row {found[0]}, trained on {found[1]}, expected {row}, "
            f"trained on {benchmark}"
        )
    return path


class Predictor(HubMixin):
    """Finder of what sounds in a frame, by a checkpoint and the encoders it was trained with.

    `save_pretrained`, `push_to_hub` and `from_pretrained` are huggingface_hub's.

    Args:
        checkpoint: a file of `gavs.checkpoint`.
        sam, vggish: the encoders' weights, if they are not where they were when it was made.

    Raises:
        FileNotFoundError, CheckpointError: a file is absent, or another than it should be.
    """

    def __init__(
        self,
        checkpoint: Path,
        sam: Path | None = None,
        vggish: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.header, trained = read_checkpoint(checkpoint)
        config = _config(self.header, checkpoint)
        given, folder = {"sam": sam, "vggish": vggish}, Path(checkpoint).parent
        paths: dict[str, Path] = {
            name: encoder_path(self.header, name, given[name], folder)
            for name in self.header.encoders
        }
        self.device = torch.device(device)
        self.encoders = FileEncoders(self.header, paths, self.device)
        method: Method = network(self.header.method)(config, self.encoders)
        saved = saved_state(method)
        frozen = {name: t for name, t in method.state_dict().items() if name not in saved}
        load_weights(method, trained | frozen, checkpoint)
        self.method = method.eval().to(self.device)

    @torch.inference_mode()
    def __call__(
        self,
        frames: np.ndarray | Sequence[np.ndarray],
        sound: np.ndarray,
        second: int | Sequence[int] = 0,
    ) -> np.ndarray:
        """Probability that a pixel shows what sounds: (H, W) float32, of several frames (T, H, W).

        Args:
            frames: RGB (H, W, 3) uint8 of any size, or several of one size.
            sound: (n,) float32 in [-1, 1], 16 kHz; silent after its end.
            second: of the sound, in which the frame lies; of several frames each one's, or the
                first one's if they are of consecutive seconds.

        Raises:
            ValueError: frames, sound or seconds that are not so.
        """
        clip = _listed(frames, 3)
        first = np.asarray(second)
        seconds = first.tolist() if first.ndim else [int(first) + k for k in range(len(clip))]
        if len(seconds) != len(clip) or not clip or min(seconds) < 0:
            raise ValueError(f"{len(clip)} frames, of seconds {second}: expected one each, from 0")
        parts = []
        for part in clips_of(zip(seconds, clip, strict=True), self.method.config.temporal()):
            times, pictures = zip(*part, strict=True)
            _check_one_size(pictures, clip[0].shape)
            batch = self._batch([pictures], [self._heard(sound, times)])
            logits = self.method(batch).logits.float()[0]  # (T, G, G)
            size, geometry = clip[0].shape[:2], self.method.config.geometry
            native = to_native(logits, size, geometry, self.encoders.sam_side)
            parts.append(native.sigmoid().cpu().numpy())
        maps = np.concatenate(parts)
        return maps[0] if _is_one(frames, 3) else maps

    def make_batch(
        self,
        frames: Sequence[np.ndarray | Sequence[np.ndarray]],
        sounds: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | Sequence[np.ndarray]] | None = None,
        classes: Tensor | None = None,
    ) -> Batch:
        """Clips as the method takes them; `fit` learns from them.

        Args:
            frames: of each clip, one (H, W, 3) uint8 RGB or those of consecutive seconds.
            sounds: of each clip, (n,) float32, 16 kHz, from its first frame's second on.
            masks: of each frame, (H, W), true where something sounds; None: no frame is labelled.
            classes: (B, K) bool, of each clip, for methods that learn with AVSBench's names.

        Raises:
            ValueError: numbers, sizes or types that don't go together.
        """
        clips = [_listed(clip, 3) for clip in frames]
        if not all(clips) or not clips:
            raise ValueError("no clips, or one without a frame: expected at least one")
        marked = [_listed(clip, 2) for clip in masks] if masks is not None else None
        if len(sounds) != len(clips) or (marked is not None and len(marked) != len(clips)):
            raise ValueError(
                f"{len(clips)} clips of frames, {len(sounds)} sounds"
                + ("" if marked is None else f", {len(marked)} clips of masks")
                + ": expected as many of each"
            )
        for clip, labels in zip(clips, marked or [[]] * len(clips), strict=True):
            _check_one_size(clip, clip[0].shape)
            shapes = [label.shape for label in labels]
            if marked is not None and shapes != [clip[0].shape[:2]] * len(clip):
                raise ValueError(
                    f"masks of sizes {shapes}, expected {len(clip)} of {clip[0].shape[:2]}"
                )
        pairs = zip(sounds, clips, strict=True)
        heard = [self._heard(sound, range(len(clip))) for sound, clip in pairs]
        video = list(range(len(clips)))
        if not self.method.config.temporal():  # it sees single frames
            heard = [second[None] for clip in heard for second in clip]
            video = [n for n, clip in enumerate(clips) for _ in clip]
            clips = [[frame] for clip in clips for frame in clip]
            marked = marked and [[mask] for clip in marked for mask in clip]
        elif len({len(clip) for clip in clips}) > 1:
            raise ValueError(
                f"clips of {sorted({len(c) for c in clips})} frames: {self.header.method} averages "
                "over a clip, so all of a batch need as many"
            )
        batch = self._batch(clips, heard, marked)
        batch.video = torch.tensor(video)
        if classes is not None:
            batch.classes = classes[batch.video]
        return batch

    def _heard(self, sound: np.ndarray, seconds: Sequence[int]) -> Tensor:
        part = sound[min(seconds) * SAMPLE_RATE : (max(seconds) + 1) * SAMPLE_RATE]
        if sound.ndim != 1 or sound.dtype.kind != "f" or not (np.abs(part) <= PEAK).all():
            raise ValueError(
                f"a sound of {sound.dtype} {sound.shape} to {np.abs(part).max(initial=0)}, "
                "expected floats (n,) in [-1, 1], 16 kHz: `read_sound` makes them of a file"
            )
        return self.encoders.hear(self.method.config.hears(), sound, seconds)

    def _batch(
        self,
        clips: Sequence[Sequence[np.ndarray]],
        heard: Sequence[Tensor],
        masks: Sequence[Sequence[np.ndarray]] | None = None,
    ) -> Batch:
        """Clips of as many frames each, with what is heard of them (T, ...)."""
        geometry, grid = self.method.config.geometry, self.method.target_size
        shape = len(clips), len(clips[0])
        cells = torch.zeros(*shape, grid, grid)
        if masks is not None:
            lit = [[on_grid(np.asarray(m) > 0, geometry, grid) for m in clip] for clip in masks]
            cells = torch.stack([torch.stack(clip) for clip in lit]).float() / 255
        return Batch(
            audio=torch.stack(list(heard)),
            features={
                name: torch.stack(
                    [torch.stack([self.encoders.see(store, f) for f in clip]) for clip in clips]
                )
                for name, store in self.method.config.inputs().items()
            },
            masks=cells,
            valid=torch.stack([shown_cells(c[0].shape[:2], geometry, grid) for c in clips]),
            supervised=torch.full(shape, masks is not None),
            video=torch.arange(len(clips)),
            classes=torch.zeros(len(clips), 1, dtype=torch.bool),
        ).to(self.device)

    def fit(self, batch: Batch, steps: int, lr: float = 1e-4, seed: int = 0) -> list[float]:
        """Train on one batch by AdamW, as many steps; the loss before each.

        Raises:
            ValueError: the loss is no longer finite; what was trained is as before the call.
        """
        method, losses = self.method, []
        before = {name: t.clone() for name, t in saved_state(method).items()}
        groups = method.parameter_groups()
        for group in groups:
            group["lr"] = lr * group.pop("lr_scale", 1.0)
        optimizer = torch.optim.AdamW(groups, lr=lr)
        batch = batch.to(self.device)
        method.train()
        try:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                for step in range(steps):
                    loss = torch.stack(list(method.loss(method(batch), batch).values())).sum()
                    if not torch.isfinite(loss):
                        raise ValueError(f"loss is {loss.item()} at step {step}; lower lr ({lr})")
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    method.after_step()
                    losses.append(loss.item())
        except BaseException:
            method.load_state_dict(before, strict=False)
            raise
        finally:
            method.eval()
        fitted = int(self.header.origin.get("fitted steps", 0)) + steps
        origin = self.header.origin | {"fitted steps": fitted}
        self.header = self.header.model_copy(update={"origin": origin})
        return losses

    def save(self, path: Path | str) -> None:
        """Write a checkpoint, whole or not at all; the encoders' files stay where they are."""
        write_checkpoint(Path(path), self.header, saved_state(self.method))

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write a folder of its own: the checkpoint, its header and the encoders' files."""
        self.save(save_directory / CHECKPOINT)
        (save_directory / "config.json").write_text(self.header.model_dump_json(indent=2))
        for name, file in self.header.encoders.items():
            path, target = self.encoders.paths[name], save_directory / Path(file.path).name
            if not target.exists() or not target.samefile(path):
                shutil.copyfile(path, target)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "Predictor":
        folder = Path(model_id)
        known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        chosen = {key: options.pop(key) for key in known if key in options}
        if not folder.is_dir():
            folder = Path(snapshot_download(model_id, **chosen))
        return cls(folder / CHECKPOINT, **options)


def _config(header: CheckpointHeader, checkpoint: Path) -> MethodConfig:
    """The method's parameter block.

    Raises:
        CheckpointError: no such method, other parameters than this version's, or an encoder that
            the header doesn't name.
    """
    if find_spec("baselines"):
        import_module("baselines.configs")  # registers their blocks; gavs imports no method of them
    if header.method not in CONFIGS:
        raise CheckpointError(
            f"{checkpoint}: a checkpoint of '{header.method}', expected one of "
            f"{', '.join(sorted(CONFIGS))}; import the module that registers it first"
        )
    try:
        config = CONFIGS[header.method](**header.config)
    except ValidationError as error:
        problem = first_problem(error)
        raise CheckpointError(f"{checkpoint}: not this version's parameters: {problem}") from None
    for name, from_file in encoders_of(config).items():
        if name not in (header.encoders if from_file else header.sizes):
            raise CheckpointError(f"{checkpoint}: its header says nothing of the encoder {name}")
    return config


def clips_of(
    frames: Iterable[tuple[int, Item]], temporal: bool
) -> Iterator[list[tuple[int, Item]]]:
    """Group frames, each with its second of the sound, into what a method sees at once.

    A temporal method sees those of ten seconds of the sound as one clip, as in AVSBench, at most
    ten; another sees one at a time.
    """
    if not temporal:
        yield from ([frame] for frame in frames)
        return
    for _, clip in groupby(frames, lambda frame: frame[0] // CLIP_SECONDS):
        while some := list(islice(clip, CLIP_FRAMES)):
            yield some


def _is_one(items: Any, dimensions: int) -> bool:
    return isinstance(items, np.ndarray) and items.ndim == dimensions


def _listed(items: Any, dimensions: int) -> list[np.ndarray]:
    """One array of so many dimensions, or several, as a list."""
    return [items] if _is_one(items, dimensions) else list(items)


def _check_one_size(frames: Sequence[np.ndarray], shape: tuple[int, ...]) -> None:
    """Check that frames are pictures of one size.

    Raises:
        ValueError: naming the shape or type that isn't.
    """
    for frame in frames:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"a frame of {frame.dtype} {frame.shape}, expected uint8 (H, W, 3)")
        if frame.shape != shape:
            raise ValueError(f"frames of {shape[:2]} and {frame.shape[:2]} pixels in one clip")
