"""Checks of the frozen encoders and their stores: sizes that exist, stores that they can fill."""

from collections.abc import Iterable, Mapping

from benchmarks.features.config import EncodersParams
from benchmarks.params.errors import ParamsError, nearest
from gavs.configs import STORE_NAME
from gavs.sizes import BACKBONE_SIZES, PCA_SIZES, SAM_SIZES, WIDTHS

LARGEST_SQUARE = 4096  # pixels of a side
SUFFIXES = (".safetensors", ".pth", ".pt")
EXAMPLES = ["vggish", "logmel", "spectrogram", "sam_rgb", "sam_bgr", "tokens0_rgb", "tokens0_bgr"]
EXAMPLES += ["pixels224"]


def check_encoders(encoders: EncodersParams, stores: Mapping[str, Iterable[str]]) -> None:
    """Check sizes, names of weight files and names of stores.

    Raises:
        ParamsError: naming the key, and the nearest known value.
    """
    for name, encoder in encoders:
        sizes = {"sam": list(SAM_SIZES), "vggish": list(WIDTHS), "vggish_pca": list(PCA_SIZES)}
        known = sizes.get(name, list(BACKBONE_SIZES))
        if encoder.size not in known:
            where = f"encoders.{name}.size: no size '{encoder.size}'"
            raise ParamsError(f"{where}{nearest(encoder.size, known)}")
        path = encoder.weights
        if path.suffix not in SUFFIXES:
            raise ParamsError(
                f"encoders.{name}.weights: {path}; expected a file named *{' or *'.join(SUFFIXES)}"
            )
    depth = SAM_SIZES[encoders.sam.size].depth
    for cover, names in stores.items():
        for store in names:
            where, match = f"features.stores.{cover}", STORE_NAME.fullmatch(store)
            if match is None:
                raise ParamsError(f"{where}: no store '{store}'{nearest(store, EXAMPLES)}")
            if match["cut"] and int(match["cut"]) >= depth:
                raise ParamsError(
                    f"{where}: '{store}', but encoders.sam.size {encoders.sam.size} has {depth} "
                    "blocks"
                )
            if match["pixels"] and int(match["pixels"]) > LARGEST_SQUARE:
                raise ParamsError(f"{where}: '{store}'; expected at most {LARGEST_SQUARE} pixels")


def check_weights(encoders: EncodersParams, names: Iterable[str]) -> None:
    """Check that the weight files of these encoders are there.

    Raises:
        ParamsError: naming each that isn't, with the nearest file beside it.
    """
    problems = []
    for name in names:
        path = getattr(encoders, name).weights
        if not path.is_file():
            neighbours = sorted(p.name for p in path.parent.glob("*") if p.suffix in SUFFIXES)
            problems.append(f"encoders.{name}.weights: {path}: no such file")
            problems[-1] += nearest(path.name, neighbours)
    if problems:
        advice = "`python -m benchmarks weights` says where to get them"
        raise ParamsError("; ".join([*problems, advice]))
