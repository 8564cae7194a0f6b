"""The stores that there can be: their names, the clips that they cover, the shape of a row."""

import re

import pandas as pd

from benchmarks.common.files import sha256
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import StoreError
from gavs import spectrogram
from gavs.configs import STORE_NAME
from gavs.sizes import SAM_SIZES

COVERS = {  # what is segmented, and what the localisers of Table 3 learn from and are tested on
    "avs": ("v1s", "v1m", "v2", "vggss"),
    "vgg": ("vggss", "vggsound"),
}


def covered(index: pd.DataFrame, cover: str) -> pd.DataFrame:
    """The consecutive rows of the clip index that stores of this cover hold.

    Raises:
        StoreError: there are none.
    """
    part = index[index.benchmark.isin(COVERS[cover])]
    if part.empty:
        names = ", ".join(COVERS[cover])
        raise StoreError(f"no clips of {names}: no store can cover '{cover}'")
    return part


def kind_of(name: str) -> re.Match[str]:
    """What a store holds, by the groups of `STORE_NAME`.

    Raises:
        StoreError: no store has such a name.
    """
    match = STORE_NAME.fullmatch(name)
    if match is None:
        raise StoreError(f"no feature store is called '{name}'")
    return match


def layout(name: str, encoders: ProfileEncoders) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a row of a store.

    Raises:
        StoreError: no store has such a name.
    """
    match = kind_of(name)
    if name == "vggish":
        # Small, and fp16 would round what tests compare with torchvggish.
        return (encoders.audio_dim,), "float32"
    if name == "logmel":
        return (96, 64), "float16"
    if name == "spectrogram":
        columns = spectrogram.frames(encoders.audio.spectrogram_hop)
        return (1, spectrogram.BINS, columns), "float16"
    if match["pixels"]:
        return (3, int(match["pixels"]), int(match["pixels"])), "uint8"
    size = SAM_SIZES[encoders.params.sam.size]
    if match["cut"]:
        return (size.grid, size.grid, size.dim), "float16"
    return (size.out, size.grid, size.grid), "float16"


def frames_checksum(index: pd.DataFrame) -> str:
    """Checksum of the frames' content and order: what the rows of every store stand for."""
    columns = index[["uid", "second", "frames", "digest"]]
    return sha256(columns.to_csv(index=False, lineterminator="\n").encode())
