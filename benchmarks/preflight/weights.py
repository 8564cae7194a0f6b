"""Weight files: where the public ones are, and whether those that params.yaml names are right.

Expected keys and shapes are those of the encoder, built without memory. Nothing is downloaded.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from benchmarks.common.files import sha256
from benchmarks.miniature.pretrain.weights import CHECKSUMS, read_cards
from benchmarks.params import Params
from benchmarks.preflight.published import PUBLISHED, Published
from gavs.backbones import BACKBONES, build_backbone
from gavs.reading import reading
from gavs.sam import build_sam
from gavs.sizes import PCA_SIZES, SAM_SIZES, WIDTHS
from gavs.vggish import PCA, VGGish, read_pca
from gavs.weights import AGAIN, KeyMap, WeightsError, fit_weights, read_weights

State = Literal["right", "unknown", "missing", "wrong"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class WeightFile:
    """Weight file that params.yaml names for an encoder, and its state."""

    encoder: str  # its key in params.yaml
    size: str
    path: Path
    state: State  # unknown: it fits, but isn't in PUBLISHED
    detail: str

    @property
    def usable(self) -> bool:
        """Whether the encoder can be built from it."""
        return self.state in ("right", "unknown")


def find_weights(params: Params) -> list[WeightFile]:
    """Examine each file that params.yaml names and a row of its tables needs."""
    rows = params.rows_in_use()
    needed = {"vggish", *(name for r in rows for name in r.method_config.encoders())}
    return [
        examine(name, encoder.size, encoder.weights)
        for name, encoder in params.encoders
        if name in needed
    ]


def examine(encoder: str, size: str, path: Path) -> WeightFile:
    """Check the size, checksum, keys and shapes of one file."""
    try:
        state, detail = _examine(encoder, size, path)
    except FileNotFoundError:
        state, detail = "missing", "no such file"
    except WeightsError as error:
        state, detail = "wrong", str(error).removeprefix(f"{path}: ")
        if path.is_file():
            length = path.stat().st_size
            everything = (p for files in PUBLISHED.values() for p in files)
            files = (p.file for p in everything if p.bytes == length)
            detail += "".join(f" (as long as {file})" for file in files)
    return WeightFile(encoder, size, path, state, detail)


def weights_text(files: list[WeightFile]) -> str:
    """Text that `python -m benchmarks weights` prints."""
    return "\n".join([*(line for file in files for line in _lines(file)), _sum(files)])


def _examine(encoder: str, size: str, path: Path) -> tuple[State, str]:
    """Find the state of a file, and details; the faults are errors.

    Raises:
        FileNotFoundError: there is no file.
        WeightsError: it is damaged or of another encoder.
    """
    module, key_maps = expected(encoder, size)
    if not path.is_file():
        raise FileNotFoundError(path)
    known = [*PUBLISHED.get(size, ()), *_committed(path)]
    named = next((p for p in known if p.file == path.name), None)
    length = path.stat().st_size
    if named and named.bytes and length < named.bytes:
        raise WeightsError(f"{path}: half-downloaded: {length:,} of {named.bytes:,} bytes; {AGAIN}")
    weights = read_pca(path) if encoder == "vggish_pca" else read_weights(path)
    fit_weights(module, weights, path, key_maps)
    if _is_mit(list(weights)):
        raise WeightsError(
            f"{path}: tensors in the order of SegFormer's MiT-B5, which has PVT-v2-b5's names and "
            "shapes; expected PVT-v2's own weights"
        )
    digest = sha256(path)
    facts = f"{length:,} bytes, sha256 {digest[:12]}"
    for published in known:
        if published.sha256 and digest.startswith(published.sha256):
            return "right", f"{published.file}, {facts}"
    if named and named.sha256:
        size_text = f"{named.bytes:,} bytes, " if named.bytes else ""
        raise WeightsError(
            f"{path}: {facts}, expected {size_text}sha256 {named.sha256[:12]}; "
            f"{AGAIN}, or name your own file otherwise"
        )
    why = "no checksum of it is public" if named else "no file of the table"
    return "unknown", f"fits by names and shapes; {why}; {facts}"


def expected(encoder: str, size: str) -> tuple[nn.Module, Sequence[KeyMap]]:
    """Build, without memory, the module that a file has to fit; returns its keys' other names too.

    Raises:
        WeightsError: unknown size.
    """
    with torch.device("meta"):
        known: dict[str, Collection[str]] = {"sam": SAM_SIZES, "vggish": WIDTHS}
        known["vggish_pca"] = PCA_SIZES
        sizes = known.get(encoder, BACKBONES)
        if size not in sizes:
            raise WeightsError(f"no {encoder} of size '{size}'; expected one of {', '.join(sizes)}")
        if encoder == "sam":
            return build_sam(size), ()
        if encoder == "vggish_pca":
            return PCA(), ()
        if encoder == "vggish":
            return VGGish(size), ()  # one of its sizes, as just seen
        backbone = build_backbone(size)
        return backbone.net, backbone.key_maps


def _committed(path: Path) -> Iterator[Published]:
    """Describe a file of the miniature by `checksums.json` beside it.

    Raises:
        WeightsError: checksums.json is damaged.
    """
    listed = path.parent / CHECKSUMS
    if listed.is_file():
        with reading(listed, WeightsError, "as checksums", f"git checkout -- {listed}"):
            card = read_cards(path.parent).get(path.stem)
        if card is not None:
            restore = f"it back: git checkout -- {path}"
            made = f"`{card.made_by}`"
            yield Published(path.name, restore, made, "this project's", card.bytes, card.sha256)


def _is_mit(keys: list[str]) -> bool:
    """Whether keys are in the order of SegFormer's encoder."""
    first = ("patch_embed2.proj.weight", "block1.0.norm1.weight")
    return all(key in keys for key in first) and keys.index(first[0]) < keys.index(first[1])


def _lines(weights: WeightFile) -> Iterator[str]:
    """Lines on one file: its state, and where to get it unless it is usable."""
    yield f"{weights.encoder:<10} {weights.size:<12} {weights.state:<8} {weights.path}"
    yield f"    {weights.detail}"
    if weights.usable:
        return
    files = PUBLISHED.get(weights.size, ())
    if not files:
        with suppress(WeightsError):  # the detail says it
            files = tuple(_committed(weights.path))
    for published in files:
        facts = [
            f"{published.bytes:,} bytes" if published.bytes else "",
            f"sha256 {published.sha256}" if published.sha256 else "",
            published.licence,
            published.note,
        ]
        yield f"    get {published.url}"
        yield f"        {'; '.join(filter(None, facts))}; see {published.page}"
    if files:
        place = f"encoders.{weights.encoder}.weights"
        yield f"    put it at {weights.path}, or say in params.yaml where it is: {place}"


def _sum(files: list[WeightFile]) -> str:
    """Line with the number of files by state."""
    counts = Counter(file.state for file in files)
    by_state = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return f"{len(files)} weight files are asked for: {by_state}"
