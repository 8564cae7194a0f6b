"""Weight files: where the public ones are, and whether those that params.yaml names are right.

Expected keys and shapes are those of the encoder, built without memory. Nothing is downloaded.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from benchmarks.miniature.pretrain.weights import CHECKSUMS, read_cards
from benchmarks.params import Params
from gavs.backbones import BACKBONES, build_backbone
from gavs.reading import reading
from gavs.sam import SAM_SIZES, build_sam
from gavs.vggish import PCA, WIDTHS, VGGish, read_pca
from gavs.weights import AGAIN, KeyMap, WeightsError, fit_weights, read_weights


@dataclass(frozen=True)
class Published:
    """Public file; a fact that nobody has published is None."""

    file: str
    url: str
    page: str
    licence: str
    bytes: int | None = None
    sha256: str | None = None  # or its first digits, where the file's name carries them
    note: str = ""


_SAM = "https://github.com/facebookresearch/segment-anything"
_SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
_VGGISH = "https://github.com/harritaylor/torchvggish"
_PVT = "https://github.com/whai362/PVT"
_TORCHVISION = "https://docs.pytorch.org/vision/stable/models/resnet.html"
_TORCHVISION_FILES = "https://download.pytorch.org/models"
_SWIN = "https://github.com/microsoft/Swin-Transformer"
_SWIN_FILES = "https://github.com/SwinTransformer/storage/releases/download/v1.0.0"
_HUB = "https://huggingface.co/timm"
_BSD = "BSD-3-Clause (torchvision); ImageNet's terms"


def _sam(file: str, size: int, sha256: str) -> Published:
    """Describe a file of SAM."""
    # The digits in SAM's file names are of the MD5.
    return Published(file, f"{_SAM_FILES}/{file}", _SAM, "Apache-2.0", size, sha256)


def _resnet(file: str, size: int | None, sha256: str, note: str) -> Published:
    """Describe a file of torchvision."""
    url = f"{_TORCHVISION_FILES}/{file}"
    return Published(file, url, _TORCHVISION, _BSD, size, sha256, note)


# By the encoder's size, first the file that the published systems used. Whole checksums and sizes
# are those of public copies kept in Git LFS or noted in public code; digits alone are from the
# file's name.
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "vit_b": (
        _sam(
            "sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
    ),
    "vit_l": (
        _sam(
            "sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
    ),
    "vit_h": (
        _sam(
            "sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
    ),
    "full": (
        Published(
            "vggish-10086976.pth",
            f"{_VGGISH}/releases/download/v0.1/vggish-10086976.pth",
            _VGGISH,
            "Apache-2.0",
            288_567_937,
            "10086976",
            "AVSBench names the same file; its output before the last ReLU is stored",
        ),
    ),
    "pca": (
        Published(
            "vggish_pca_params-970ea276.pth",
            f"{_VGGISH}/releases/download/v0.1/vggish_pca_params-970ea276.pth",
            _VGGISH,
            "Apache-2.0",
            181_358,
            "970ea276",
            "numpy arrays; read by gavs.vggish.build_pca, no method needs it",
        ),
    ),
    "pvt_v2_b5": (
        Published(
            "pvt_v2_b5.pth",
            f"{_PVT}/releases/download/v2/pvt_v2_b5.pth",
            _PVT,
            "Apache-2.0",
            note="AVSBench's and AVSegFormer's; SegFormer's mit_b5.pth looks the same",
        ),
        Published(
            "model.safetensors",
            f"{_HUB}/pvt_v2_b5.in1k/resolve/main/model.safetensors",
            f"{_HUB}/pvt_v2_b5.in1k",
            "Apache-2.0",
            sha256="070ea6f6e2b9c06fa8dc9ba943c04d5fb74df01f2cb328d95ae65c94c304176b",
            note="the same weights by timm's names",
        ),
    ),
    "resnet50": (
        _resnet(
            "resnet50-19c8e357.pth",
            102_502_400,
            "19c8e3572231adff6824a2da93fd67b5986919a2e65f8b6007eab4edee220097",
            "AVSBench's and AVSegFormer's",
        ),
        _resnet(
            "resnet50-0676ba61.pth",
            102_530_333,
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            "torchvision's IMAGENET1K_V1 in current versions",
        ),
        _resnet("resnet50-11ad3fa6.pth", None, "11ad3fa6", "another recipe: IMAGENET1K_V2"),
    ),
    "resnet18": (
        _resnet(
            "resnet18-5c106cde.pth",
            46_827_520,
            "5c106cde386e87d4033832f2996f5493238eda96ccf559d1d62760c4de0613f8",
            "the file that the localisers had",
        ),
        _resnet(
            "resnet18-f37072fd.pth",
            46_830_571,
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "torchvision's IMAGENET1K_V1 in current versions",
        ),
    ),
    "swin_base": (
        Published(
            "swin_base_patch4_window7_224.pth",
            f"{_SWIN_FILES}/swin_base_patch4_window7_224.pth",
            _SWIN,
            "MIT",
            note="ImageNet-1k, as the other backbones",
        ),
        Published(
            "swin_base_patch4_window7_224_22k.pth",
            f"{_SWIN_FILES}/swin_base_patch4_window7_224_22k.pth",
            _SWIN,
            "MIT",
            note="ImageNet-22k",
        ),
    ),
}

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
    needed = {"vggish", *(name for r in rows for name in r.cls.encoders(r.method_config()))}
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
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
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
        if encoder == "vggish_pca":
            return PCA(), ()
        known: dict[str, Mapping[str, Any]] = {"sam": SAM_SIZES, "vggish": WIDTHS}
        sizes = known.get(encoder, BACKBONES)
        if size not in sizes:
            raise WeightsError(f"no {encoder} of size '{size}'; expected one of {', '.join(sizes)}")
        if encoder == "sam":
            return build_sam(size), ()
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
