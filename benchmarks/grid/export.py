"""A trained row as one file, for `python -m gavs predict` and `GAVS.from_checkpoint`."""

import json
from pathlib import Path

from benchmarks.common.files import sha256, write_atomic
from benchmarks.features.config import EncoderParams
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.models import trained
from benchmarks.grid.protocol import Cell, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params.errors import ParamsError
from benchmarks.training.snapshot import trained_names, trained_state
from gavs.checkpoint import CheckpointHeader, EncoderFile, checkpoint_bytes


def export(bench: Workbench, row: str, benchmark: str, seed: int, out: Path) -> None:
    """Write the checkpoint of a row, as trained for a benchmark; trained first if need be.

    Raises:
        ParamsError: the row is no GAVS or variant of it, or the seed none of the profile's.
    """
    params = bench.params
    if seed not in params.seeds:
        raise ParamsError(f"--seed {seed}: not among seeds {params.seeds} of params.yaml")
    model = model_of(Cell("table1", row, row, benchmark, "train", seed))
    resolved, _ = training_of(params, model)
    if resolved.method != "gavs":
        raise ParamsError(f"{row} is {resolved.method}; only GAVS and its variants are exported")
    method, _ = trained(bench, model, f"{row} {model.train} seed {seed}")
    header = CheckpointHeader(
        method=resolved.method,
        config=resolved.config,
        sam=_file(params.encoders.sam),
        vggish=_file(params.encoders.vggish),
        hop_seconds=params.audio.hop_seconds,
        origin={
            "row": row,
            "trained on": model.train,
            "seed": seed,
            "profile": params.profile,
            "model": fingerprint(bench.fingerprints.model(model))[:16],
        },
    )
    content = checkpoint_bytes(header, trained_state(method, trained_names(method)))
    write_atomic(out, _in_order(content))


def _in_order(content: bytes) -> bytes:
    """Sort the metadata of a safetensors file, which the library writes in an order by chance."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _file(encoder: EncoderParams) -> EncoderFile:
    path = encoder.weights
    return EncoderFile(size=encoder.size, path=path.as_posix(), sha256=sha256(path))
