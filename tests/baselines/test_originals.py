"""Beside the released code: start values, and with equal weights equal outputs and gradients.

AVSEGFORMER_OFFICIAL: a checkout of vvvb-github/AVSegFormer. AVSBENCH_OFFICIAL: `avs_scripts/avs_s4`
of OpenNLPLab/AVSBench. HARDWAY_OFFICIAL: hche11/Localizing-Visual-Sounds-the-Hard-Way.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from baselines._localiser import audio_trunk
from baselines._segformer_head import SegFormerConfig, SegFormerHead
from baselines._tpavi import TPAVIHead
from tests.baselines.originals import compare, compare_starts, gradients, original, renamed

CHANNELS = [8, 16, 24, 32]
SIDES = (8, 4, 2, 1)
Named = Mapping[str, Tensor]


def maps_of(frames: int) -> list[Tensor]:
    return [torch.randn(frames, c, s, s) for c, s in zip(CHANNELS, SIDES, strict=True)]


# AVSegFormer

SEGFORMER = {
    r"audio_proj\.": "audio.",
    r"in_proj\.": "inputs.",
    r"query_generator\.query\.weight": "queries.start",
    r"learnable_query\.weight": "queries.added",
    r"query_generator\.layers\.(\d)\.self_attn\.": r"queries.layers.\1.attention.",
    r"query_generator\.layers\.(\d)\.cross_attn\.out_proj\.": r"queries.layers.\1.audio.1.",
    r"query_generator\.layers\.(\d)\.ffn\.": r"queries.layers.\1.mlp.",
    r"query_generator\.layers\.(\d)\.norm": r"queries.layers.\1.norm",
    r"level_embed": "encoder.level",
    r"transformer\.(encoder.*)\.self_attn\.(sampling|attention)_": r"\1.attention.",
    r"transformer\.(encoder.*)\.self_attn\.value_proj": r"\1.attention.value",
    r"transformer\.(encoder.*)\.self_attn\.output_proj": r"\1.attention.out",
    r"transformer\.encoder\.layers\.(\d)\.linear1": r"encoder.layers.\1.mlp.0",
    r"transformer\.encoder\.layers\.(\d)\.linear2": r"encoder.layers.\1.mlp.3",
    r"transformer\.encoder\.": "encoder.",
    r"transformer\.decoder\.layers\.(\d)\.cross_attn\.": r"decoder.layers.\1.multihead_attn.",
    r"transformer\.decoder\.": "decoder.",
    r"lateral_conv\.": "lateral.",
    r"out_conv\.": "smooth.",
    r"fusion_block\.proj\.": "mixer.attention.out_proj.",
    r"mlp\.layers\.0": "combine.0",
    r"mlp\.layers\.1": "combine.2",
    r"mlp\.layers\.2": "combine.4",
    r"fc\.0": "reduce",
    r"fc\.2": "classify.0",
    r"fc\.4": "classify.2",
}


def as_segformer(theirs: Named) -> dict[str, Tensor]:
    named = renamed(theirs, SEGFORMER)
    for name, tensor in theirs.items():
        if match := re.match(r"query_generator\.layers\.(\d)\.cross_attn\.in_proj_weight", name):
            named[f"queries.layers.{match[1]}.audio.0.weight"] = tensor.chunk(3)[2]
    parts = [theirs[f"fusion_block.{part}_proj.weight"] for part in ("q", "kv")]
    return named | {"mixer.attention.in_proj_weight": torch.cat(parts)}


def test_avsegformers_head() -> None:
    config = SegFormerConfig(layers=2, queries=20)
    layer = {"dim": 256, "ffn_dim": 2048, "dropout": 0.1}
    with original("AVSEGFORMER_OFFICIAL", "model", "ops", MultiScaleDeformableAttention={}):
        from model.head import build_head  # noqa: PLC0415

        torch.manual_seed(0)
        theirs = build_head(
            type="AVSegHead",
            in_channels=CHANNELS,
            num_classes=1,
            query_num=20,
            fusion_block={"type": "CrossModalMixer"},
            positional_encoding={"type": "SinePositionalEncoding", "num_feats": 128},
            query_generator={"type": "AttentionGenerator", "num_layers": 2, "query_num": 20},
            transformer={
                "type": "AVSTransformer",
                "encoder": {"num_layers": 2, "layer": layer},
                "decoder": {"num_layers": 2, "layer": layer},
            },
        ).eval()
        theirs.audio_proj = nn.Linear(128, 256)
        ours = SegFormerHead(CHANNELS, config, 32).eval()
        compare_starts(ours.state_dict(), as_segformer(theirs.state_dict()))

        ours.load_state_dict(as_segformer(theirs.state_dict()))
        maps, audio = maps_of(6), torch.randn(2, 3, 128)
        heard = theirs.audio_proj(audio.relu().flatten(0, 1)[:, None])
        logits, mix = theirs(maps, heard)
        prediction = ours(maps, audio)
        mine = prediction.logits.flatten(0, 1)
        torch.testing.assert_close(mine, logits[:, 0], atol=1e-5, rtol=1e-4)
        up = nn.functional.interpolate(mix.mean(1, keepdim=True), (32, 32), mode="bilinear")
        torch.testing.assert_close(
            prediction.aux["mix"].flatten(0, 1), up[:, 0], atol=1e-5, rtol=1e-4
        )
        wanted = torch.randn_like(mine)
        compare(
            gradients(ours, (mine * wanted).mean()),
            gradients(theirs, (logits[:, 0] * wanted).mean()),
            as_segformer,
        )


# AVSBench


TPAVI = {
    r"conv(\d)\.conv2d_list": lambda m: f"necks.{int(m[1]) - 1}.convs",
    r"tpavi_b(\d)\.align_channel": lambda m: f"fusion.{int(m[1]) - 1}.audio",
    r"tpavi_b(\d)\.W_z\.0": lambda m: f"fusion.{int(m[1]) - 1}.out",
    r"tpavi_b(\d)\.W_z\.1": lambda m: f"fusion.{int(m[1]) - 1}.out_norm",
    r"tpavi_b(\d)\.norm_layer": lambda m: f"fusion.{int(m[1]) - 1}.norm",
    r"tpavi_b(\d)\.": lambda m: f"fusion.{int(m[1]) - 1}.",
    r"path(\d)\.resConfUnit1\.conv1": lambda m: f"lateral.{int(m[1]) - 1}.conv_a",
    r"path(\d)\.resConfUnit1\.conv2": lambda m: f"lateral.{int(m[1]) - 1}.conv_b",
    r"path(\d)\.resConfUnit2\.conv1": lambda m: f"refine.{int(m[1]) - 1}.conv_a",
    r"path(\d)\.resConfUnit2\.conv2": lambda m: f"refine.{int(m[1]) - 1}.conv_b",
    r"output_conv\.0": "reduce",
    r"output_conv\.2": "classify.0",
    r"output_conv\.4": "classify.2",
}


def as_tpavi(theirs: Named) -> dict[str, Tensor]:
    named = renamed(theirs, TPAVI)
    kept = {n: t for n, t in named.items() if not n.startswith("lateral.3.")}  # never called
    return {n: t.flatten(1) if t.dim() == 5 else t for n, t in kept.items()}  # 1 x 1 x 1


def test_avsbenchs_head(monkeypatch) -> None:
    with original("AVSBENCH_OFFICIAL", "model"):
        from model import PVT_AVSModel  # noqa: PLC0415

        maps = maps_of(10)
        monkeypatch.setattr(PVT_AVSModel, "pvt_v2_b5", nn.Identity)
        monkeypatch.setattr(
            PVT_AVSModel.Pred_endecoder, "initialize_pvt_weights", lambda self: None
        )
        monkeypatch.setattr(torch.Tensor, "cuda", lambda self, *_: self)
        torch.manual_seed(0)
        theirs = PVT_AVSModel.Pred_endecoder(vis_dim=CHANNELS, tpavi_stages=[0, 1, 2, 3])
        ours = TPAVIHead(CHANNELS, 256, 32)
        compare_starts(ours.state_dict(), as_tpavi(theirs.state_dict()))

        with torch.no_grad():
            for name, p in theirs.named_parameters():
                if "W_z.1" in name:  # 0 at the start: mute
                    p.copy_(0.5 * torch.randn_like(p))
        ours.load_state_dict(as_tpavi(theirs.state_dict()))
        audio = torch.randn(2, 5, 128).relu()
        logits = theirs([m.clone() for m in maps], audio.flatten(0, 1))[0][:, 0]
        mine = ours(maps, audio).logits.flatten(0, 1)
        torch.testing.assert_close(mine, logits, atol=1e-5, rtol=1e-4)
        wanted = torch.randn_like(mine)
        compare(
            gradients(ours, (mine * wanted).mean()),
            gradients(theirs, (logits * wanted).mean()),
            as_tpavi,
        )


# HardWay


def as_trunk(theirs: Named, stem: str) -> list[Tensor]:
    """The values of torchvision's ResNet-18 in order; the release has one stem for each input."""
    unused = {"conv1.weight", "conv1_a.weight", "conv1_flow.weight"} - {f"{stem}.weight"}
    return [t for n, t in theirs.items() if n not in unused and not n.startswith("fc.")]


def test_hardways_trunk() -> None:
    with original("HARDWAY_OFFICIAL", "models"):
        from models.base_models import resnet18  # noqa: PLC0415

        torch.manual_seed(0)
        theirs = resnet18(modal="audio").eval()
        ours = audio_trunk((2, 2, 2, 2), (64, 128, 256, 512), 1).eval()
        values = as_trunk(theirs.state_dict(), "conv1_a")
        ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
        sound = torch.randn(2, 1, 257, 200)
        expected = nn.functional.adaptive_max_pool2d(theirs(sound), 1).flatten(1)
        torch.testing.assert_close(ours(sound), expected, atol=1e-4, rtol=1e-4)
        strided = audio_trunk((2, 2, 2, 2), (64, 128, 256, 512)).eval()
        strided.load_state_dict(ours.state_dict())
        assert not torch.allclose(strided(sound), expected, atol=0.1)  # stride 2 in layer 4
