"""The paper profile's models against the published parameter counts, each difference explained.

Published: the modules of OpenNLPLab/AVSBench, vvvb-github/AVSegFormer and the released GAVS code,
built and counted. Of AUSS, AuTR, AVSC and AV-SAM neither code nor count is public: their own tests
count their parts, as SAMA's does against its code.
"""

import pytest
import torch
from torch import nn

from benchmarks.params import load
from benchmarks.params.profile import profile_file
from gavs.backbones import build_backbone
from gavs.method import network
from gavs.sam import build_sam
from gavs.vggish import PCA, VGGish


class OnMeta:
    """A profile's encoders without their weights; for use on the meta device."""

    audio_dim = 128

    def __init__(self, params):
        self.params = params.encoders

    def sam(self):
        return build_sam(self.params.sam.size)

    def pca(self):
        return PCA()

    def backbone(self, name):
        return build_backbone(getattr(self.params, name).size)


@pytest.fixture(scope="module")
def paper():
    return load(profile_file("paper"))


def _count(module: nn.Module, trained_only: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained_only)


# What is counted there and not made here, or the other way round (negative).
RESIDUAL_UNIT = {"top level's first residual unit, never called": 1_180_160}
BRANCH = {"ResNet-50's second copy of layers 3 and 4, never called": 7_098_368 + 14_964_736}
VGGISH = {"VGGish, whose embeddings are a feature store": 72_141_184}
DEAD_HEAD = {
    "`fpn`, never called": 3 * 590_080,
    "`attn_fc`, never called": 331_968,
    "queries and keys of six attentions to one audio token, whose softmax is 1": 12 * 256**2,
}
UNUSED_ADAPTERS = {"adapters in blocks 0 to 8, never called": 9 * 197_504}
SAM_FOR_PVT = {"PVT": 81_443_008, "deconvolution of SAM's map": -(256 * 256 * 4 + 256)}
MLP = 128 * 512 + 512 + 512 * 256 + 256  # the released code's audio_proj
COLA = 2 * (256 * 128 + 128 + 128 * 256 + 256)

CASES = {
    # row, changes to its parameters, only what trains, published, differences
    "AVSBench, PVT": ("avsbench", {}, False, 101_320_577, RESIDUAL_UNIT),
    "AVSBench, ResNet-50": ("avsbench_resnet", {}, False, 91_400_961, RESIDUAL_UNIT | BRANCH),
    "AVSegFormer, PVT": ("avsegformer", {}, False, 186_053_504, VGGISH | DEAD_HEAD),
    "AVSegFormer, PVT, trained": ("avsegformer", {}, True, 186_053_504 - 72_141_184, DEAD_HEAD),
    "AVSegFormer, ResNet-50": (
        "avsegformer",
        {"backbone": "resnet"},
        False,
        150_902_528,
        VGGISH | DEAD_HEAD | BRANCH,
    ),
    "AVSegFormer, ResNet-50, trained": (
        "avsegformer",
        {"backbone": "resnet"},
        True,
        150_902_528 - 72_141_184,
        DEAD_HEAD | BRANCH,
    ),
    "GAVS's code, trained": ("gavs_released", {}, True, 927_872, {}),
    "GAVS's code": ("gavs_released", {}, False, 96_434_736, UNUSED_ADAPTERS),
    "GAVS's code, blocks 12 on": (
        "gavs_released",
        {"encoder_adapters": {"from_block": None, "train_norms": False}},
        True,
        329_216,
        {},
    ),
    "GAVS's second release, trained": ("gavs_lora", {}, True, 680_704, {}),
    "its decoder and projection": (
        "gavs_lora",
        {"encoder_lora": {"from_block": None}},
        True,
        680_704,
        {"encoder": 4 * 16 * (768 + 2304 + 768 + 768)},
    ),
    "its projection": (
        "gavs_lora",
        {"encoder_lora": {"from_block": None}, "decoder_lora": {"enabled": False}},
        True,
        197_376,
        {},
    ),
    # Against the released GAVS code, since the paper gives no counts.
    "GAVS's text, trained": (
        "gavs",
        {},
        True,
        927_872,
        {
            "encoder's adapters and norms: the text's encoder is frozen": 592_512 + 6_144,
            "cue's MLP": -(256 * 512 + 512 + 512 * 128 + 128),
            "first layer of the prompt's MLP, which reads cue and noise too": -2 * 128 * 512,
            "noise": -128,
        },
    ),
    "Audio-SAM, trained": ("audio_sam", {}, True, MLP, {}),
    "SAM-Fusion, trained": (
        "sam_fusion",
        {},
        True,
        MLP + COLA,
        {"1x1 convolution over both": -(512 * 256 + 256)},
    ),
    # PVT's 64 + 128 + 320 + 512 channels are as many as four maps of SAM's 256.
    "TPAVI on SAM": ("tpavi_sam", {}, False, 101_320_577, RESIDUAL_UNIT | SAM_FOR_PVT),
    "AVSegFormer on SAM": (
        "avsegformer_sam",
        {},
        True,
        186_053_504 - 72_141_184,
        DEAD_HEAD | SAM_FOR_PVT,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_counts_at_full_width(case, paper) -> None:
    name, changes, trained_only, published, differences = CASES[case]
    row = paper.row(name, "v2")
    with torch.device("meta"):
        method = row.cls(row.cls.Config(**(row.config | changes)), OnMeta(paper))
    method.start_epoch(1_000)  # past every phase
    assert _count(method, trained_only) + sum(differences.values()) == published


def test_sam_and_vggish(paper) -> None:
    with torch.device("meta"):
        sam, vggish = OnMeta(paper).sam(), VGGish(paper.encoders.vggish.size)
    parts = (sam.image_encoder, sam.prompt_encoder, sam.mask_decoder)
    assert [round(_count(part) / 1e6, 3) for part in parts] == [89.671, 0.006, 4.058]
    assert round(_count(sam) / 1e6, 3) == 93.735 and round(_count(vggish) / 1e6, 3) == 72.141


def test_every_method_of_the_profile_is_made_at_full_width(paper) -> None:
    for row in {r.name: r for r in paper.rows_in_use()}.values():
        with torch.device("meta"):
            method = row.cls(row.method_config, OnMeta(paper))
        assert network(row.method) is type(method)
