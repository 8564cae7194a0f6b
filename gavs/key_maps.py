"""Names of the backbones' tensors in their public files, against timm's, which are ours.

AVSBench and AVSegFormer start from PVT-v2's own file and from torchvision's ResNet-50; their
trained models hold the same tensors under a prefix, ResNet-50's last two stages twice.
"""

from gavs.weights import KeyMap

_IN_MODELS = ("", "encoder_backbone.", "resnet.", "backbone.")  # alone, AVSBench x 2, AVSegFormer

PVT = (
    KeyMap("timm", "patch_embed.proj.weight", [(r"^head\.", None)]),
    KeyMap(
        "whai362/PVT",
        "patch_embed1.proj.weight",
        [
            (r"^head\.", None),
            (r"^patch_embed1\.", "patch_embed."),
            *((rf"^patch_embed{i + 1}\.", f"stages.{i}.downsample.") for i in (1, 2, 3)),
            *((rf"^block{i + 1}\.", f"stages.{i}.blocks.") for i in (0, 1, 2, 3)),
            *((rf"^norm{i + 1}\.", f"stages.{i}.norm.") for i in (0, 1, 2, 3)),
            (r"\.dwconv\.dwconv\.", ".dwconv."),
        ],
        _IN_MODELS,
    ),
)

RESNET = (
    KeyMap("torchvision, timm", "layer3.0.conv1.weight", [(r"^fc\.", None)]),
    KeyMap(
        "OpenNLPLab/AVSBench",
        "layer3_1.0.conv1.weight",
        [(r"^layer[34]_2\.", None), (r"^layer([34])_1\.", r"layer\1.")],  # _2 is never read
        _IN_MODELS,
    ),
)

_SWIN_TABLES = r"\.(relative_position_index|attn_mask)$"  # follow from the window's size
SWIN = (
    KeyMap(  # a stage ends with its downsampling, where timm's begins with it
        "microsoft/Swin-Transformer",
        "layers.0.downsample.reduction.weight",
        [
            (rf"^head\.|{_SWIN_TABLES}", None),
            *((rf"^layers\.{i}\.downsample\.", f"layers.{i + 1}.downsample.") for i in (2, 1, 0)),
        ],
    ),
    KeyMap("timm", "layers.1.downsample.reduction.weight", [(rf"^head\.|{_SWIN_TABLES}", None)]),
)
