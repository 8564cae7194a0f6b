"""A trained row as files: a checkpoint for `gavs.load_model`, its predictions for `score`."""

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from benchmarks.common.files import sha256
from benchmarks.features.config import EncoderParams
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.models import pick_device, trained
from benchmarks.grid.protocol import Cell, Model, evaluations_of, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params, Row
from benchmarks.params.errors import ParamsError
from benchmarks.scoring.frames import scored_frames
from benchmarks.training.clips import Samples
from benchmarks.training.evaluate import native_logits
from gavs.checkpoint import (
    CheckpointHeader,
    EncoderFile,
    encoders_of,
    saved_state,
    write_checkpoint,
)
from gavs.method import Method
from gavs.predict import save_probabilities


def export(bench: Workbench, row: str, benchmark: str, seed: int, out: Path) -> None:
    """Write the checkpoint of a row, as trained for a benchmark; trained first if need be.

    Raises:
        ParamsError: the seed is none of the profile's, or the row has nothing to learn.
    """
    model, resolved, method = _trained(bench, row, benchmark, seed)
    origin: dict[str, str | int] = {
        "row": row,
        "trained on": model.train,
        "seed": seed,
        "profile": bench.params.profile,
        "model": fingerprint(bench.fingerprints.model(model))[:16],
    }
    write_checkpoint(out, header_of(bench.params, resolved, origin), saved_state(method))


def header_of(params: Params, row: Row, origin: dict[str, str | int]) -> CheckpointHeader:
    """Facts of a checkpoint of a row, whose encoders are the profile's."""
    needed = encoders_of(row.method_config)
    files: dict[str, EncoderParams] = {name: getattr(params.encoders, name) for name in needed}
    return CheckpointHeader(
        method=row.method,
        config=row.config,
        encoders={name: _file(files[name]) for name in needed if needed[name]},  # type: ignore[misc]
        sizes={name: files[name].size for name in needed if not needed[name]},
        hop_seconds=params.audio.hop_seconds,
        spectrogram_hop=params.audio.spectrogram_hop,
        origin=origin,
    )


def predict(
    bench: Workbench,
    row: str,
    benchmark: str,
    seed: int,
    clips: str,
    out: Path,
    kind: Literal["npy", "png"] = "npy",
) -> int:
    """Write a row's probabilities of all scored frames of a clip set, beside their masks.

    They lie as `python -m benchmarks score` reads them, in `out/predictions/UID/FRAME.npy` and
    `out/masks/UID/FRAME.png`, once all are written, in place of an earlier run's of the same clips.
    They come from the batches that the row was scored in: from floats of its test
    its counts are found again, to the last pixel. Returns how many frames there are.

    Raises:
        ParamsError: the seed is none of the profile's, the row has nothing to learn, or `out` is
            no folder or holds something else than a run's predictions of these clips.
    """
    _check(bench.params, row, benchmark, seed)
    _check_folder(bench, clips, out, kind)
    _, _, method = _trained(bench, row, benchmark, seed)
    return _write(bench.params, method, bench.clips(method, clips), out, kind)


def dump(bench: Workbench, cell: Cell, out: Path) -> int:
    """Write a finished cell's probabilities of the test that its headline is of, as `predict`."""
    method, _ = trained(bench, model_of(cell), str(cell))
    test = evaluations_of(bench.params, cell)[0]
    _check_folder(bench, test.clips, out, "npy")
    method.guided = test.guided
    return _write(bench.params, method, bench.clips(method, test.clips, test.audio), out)


@torch.inference_mode()
def _write(
    params: Params,
    method: Method,
    samples: Samples,
    out: Path,
    kind: Literal["npy", "png"] = "npy",
) -> int:
    device = pick_device(params.device)
    method.to(device).eval()
    part, frames = out / ".part", 0
    if part.exists():  # of a run that was interrupted
        shutil.rmtree(part)
    for numbers in samples.batches(params.scoring.batch_frames):
        for table, logits, _ in native_logits(method, samples, device, numbers):
            maps, masks = logits.sigmoid().cpu().numpy(), samples.native_masks(table).numpy()
            for frame, probabilities, mask in zip(table.itertuples(), maps, masks, strict=True):
                file = part / "predictions" / frame.uid / f"{frame.frame:05d}.{kind}"
                truth = part / "masks" / frame.uid / f"{frame.frame:05d}.png"
                for path in (file, truth):
                    path.parent.mkdir(parents=True, exist_ok=True)
                save_probabilities(file, probabilities)
                Image.fromarray(mask.astype(np.uint8) * 255).save(truth)
            frames += len(table)
    for name in ("masks", "predictions"):  # masks last: what is unfinished can't be scored
        if (out / name).exists():
            shutil.rmtree(out / name)
    for name in ("predictions", "masks"):
        (part / name).rename(out / name)
    part.rmdir()
    return frames


def _check_folder(bench: Workbench, clips: str, out: Path, kind: str) -> None:
    """Raise ParamsError for a folder that holds files that predictions of `clips` don't replace."""
    if out.exists() and not out.is_dir():
        raise ParamsError(f"{out}: a file, expected a folder")
    per_clip = bench.params.scoring.frames_per_clip
    expected = {
        f"{clip.uid}/{frame:05d}"
        for clip in bench.clip_sets[clips].itertuples()
        for frame in scored_frames(clip.frames, per_clip)
    }
    for folder, suffix in ((out / "predictions", kind), (out / "masks", "png")):
        names = {f"{name}.{suffix}" for name in expected}
        files = sorted(path for path in folder.rglob("*") if not path.is_dir())
        if others := [p for p in files if p.relative_to(folder).as_posix() not in names]:
            raise ParamsError(
                f"{others[0]}: one of {len(others)} files that are none of {clips}'s as {kind}; "
                "take an empty folder"
            )


def _trained(bench: Workbench, row: str, benchmark: str, seed: int) -> tuple[Model, Row, Method]:
    _check(bench.params, row, benchmark, seed)
    model = model_of(Cell("table1", row, row, benchmark, "train", seed))
    resolved, _ = training_of(bench.params, model)
    method, _ = trained(bench, model, f"{row} {model.train} seed {seed}")
    return model, resolved, method


def _check(params: Params, row: str, benchmark: str, seed: int) -> None:
    if seed not in (seeds := params.seeds_of(row)):
        raise ParamsError(f"--seed {seed}: not among {row}'s seeds {seeds} of params.yaml")
    config = params.row(row, benchmark).method_config
    if config.oracle:
        raise ParamsError(f"{row} is shown the truth: it has nothing to learn and nothing to save")
    if config.supervised == (benchmark == "vggsound"):
        data = "v1s, v1m, v2 or v3" if config.supervised else "vggsound"
        raise ParamsError(f"{row} doesn't learn from {benchmark}; it learns from {data}")


def _file(encoder: EncoderParams) -> EncoderFile:
    path = encoder.weights
    return EncoderFile(size=encoder.size, path=path.as_posix(), sha256=sha256(path))
