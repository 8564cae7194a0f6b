"""Public weight files: where each is, how large, its checksum and licence."""

from dataclasses import dataclass


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
            "numpy arrays; gavs_lora reads it",
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
