"""Standard deviations at the start of heads that are re-implemented from public code.

Each number is what the release's own initialisation gives, worked out by hand: xavier-uniform over
the tensor that is packed or split there, Kaiming-normal by fan-out, torch's default 1 / sqrt(3 n).
"""

import math

import pytest
import torch
from torch import Tensor

from baselines._localiser import audio_trunk
from baselines._segformer_head import SegFormerConfig, SegFormerHead
from baselines._tpavi import TPAVIHead
from baselines.ez_vsl import EzVsl, EzVslConfig
from baselines.slavc import Slavc, SlavcConfig

CHANNELS = [8, 16, 24, 32]


def xavier(outputs: int, inputs: int) -> float:
    return math.sqrt(2 / (outputs + inputs))


def torchs(inputs: int) -> float:
    return 1 / math.sqrt(3 * inputs)


def kaiming(fan_out: int) -> float:
    return math.sqrt(2 / fan_out)


def check(state: dict[str, Tensor], expected: dict[str, float]) -> None:
    for name, deviation in expected.items():
        values = state[name]
        margin = 4 / math.sqrt(values.numel())
        assert values.std().item() == pytest.approx(deviation, rel=margin), name
        assert abs(values.mean().item()) < margin * deviation + 1e-9, name


def test_avsegformer() -> None:
    head = SegFormerHead(CHANNELS, SegFormerConfig(layers=1), 32)
    state = head.state_dict()
    gates = state["mixer.attention.in_proj_weight"]
    state |= {"mixer q": gates[:256], "mixer kv": gates[256:]}
    check(
        state,
        {
            "audio.weight": torchs(128),  # .0510: outside the head there
            "inputs.3.0.weight": xavier(256, 32),
            "queries.start": xavier(300, 256),
            "queries.added": xavier(300, 256),
            "queries.layers.0.attention.in_proj_weight": xavier(768, 256),
            "queries.layers.0.audio.0.weight": xavier(768, 256),  # .0442: a third of a packed one
            "queries.layers.0.audio.1.weight": xavier(256, 256),
            "queries.layers.0.mlp.0.weight": xavier(1024, 256),
            "mixer q": xavier(256, 256),  # .0625
            "mixer kv": xavier(512, 256),  # .0510
            "mixer.attention.out_proj.weight": xavier(256, 256),
            "mixer.attention.out_proj.bias": torchs(256),  # .0361
            "encoder.level": 1.0,
            "encoder.layers.0.attention.value.weight": xavier(256, 256),
            "encoder.layers.0.mlp.0.weight": xavier(2048, 256),
            "decoder.layers.0.multihead_attn.in_proj_weight": xavier(768, 256),
            "combine.0.weight": xavier(2048, 300),
            "smooth.0.weight": xavier(256 * 9, 256 * 9),
            "classify.2.weight": xavier(1, 32),
        },
    )
    for zero in (
        "encoder.layers.0.attention.offsets.weight",
        "decoder.layers.0.self_attn.in_proj_bias",
    ):
        assert not state[zero].any()


def test_avsbench() -> None:
    state = TPAVIHead(CHANNELS, 256, 32).state_dict()
    check(
        state,
        {
            "necks.2.convs.1.weight": 0.01,
            "fusion.0.audio.weight": torchs(128),
            "fusion.0.theta.weight": torchs(256),
            "fusion.0.out.weight": torchs(128),
            "lateral.1.conv_a.weight": torchs(256 * 9),
            "reduce.weight": torchs(256 * 9),
        },
    )
    assert not state["fusion.0.out_norm.weight"].any()


@pytest.mark.parametrize("cls, config", [(EzVsl, EzVslConfig), (Slavc, SlavcConfig)])
def test_ez_vsl_and_slavc(encoders, cls, config) -> None:
    method = cls(config(image_size=64, audio_channels=(64, 64, 96, 128)), encoders)
    linear = [m for m in method.modules() if isinstance(m, torch.nn.Linear)]
    seen = [m for m in method.see.modules() if isinstance(m, torch.nn.Conv2d)]
    state = {f"hear {i}": m.weight for i, m in enumerate(linear)}
    # Normal, cut at 2 absolute: that is 200 standard deviations.
    check(state, dict.fromkeys(state, 0.01))
    state = {f"see {i}": m.weight for i, m in enumerate(seen)}
    check(state, dict.fromkeys(state, kaiming(512)))


def test_audio_trunks() -> None:
    trunk = audio_trunk((1, 1, 1, 1), (64, 64, 128, 128))
    convs = [m for m in trunk.modules() if isinstance(m, torch.nn.Conv2d)]
    for conv in convs:
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.std().item() == pytest.approx(kaiming(fan_out), rel=0.08)
    norms = [m for m in trunk.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    gains = torch.cat([m.weight for m in norms])
    assert gains.mean().item() == pytest.approx(1, abs=0.01)
    assert gains.std().item() == pytest.approx(0.02, rel=0.15)
    assert not torch.cat([m.bias for m in norms]).any()
