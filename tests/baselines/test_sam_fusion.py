from types import SimpleNamespace

import pytest
import torch

from baselines.sam_fusion import Fusion, SamFusion, SamFusionConfig
from gavs.configs.adapter import ColaConfig
from gavs.model import GAVS, GavsConfig
from gavs.sam import build_sam, decode


def mute(fusion: Fusion) -> None:
    torch.nn.init.zeros_(fusion.project[-1].weight)
    torch.nn.init.zeros_(fusion.project[-1].bias)


@pytest.mark.parametrize("operator", ["concat", "add", "film"])
def test_without_sound_the_embedding_starts_as_sams(operator):
    torch.manual_seed(0)
    fusion = Fusion(operator, 32, 128, 16)
    x = torch.randn(2, 3, 32, 4, 4)
    loud = fusion(x, torch.randn(2, 3, 128))
    assert loud.shape == x.shape and not torch.allclose(loud, x)
    mute(fusion)
    fused = fusion(x, torch.randn(2, 3, 128))
    if operator == "concat":
        fused = fused - fusion.mix.bias[:, None, None]
    torch.testing.assert_close(fused, x)


def test_operators_by_hand():
    x = torch.tensor([2.0, 3.0]).view(1, 1, 2, 1, 1).expand(1, 1, 2, 2, 2)
    audio = torch.zeros(1, 1, 4)
    add, film = Fusion("add", 2, 4, 3), Fusion("film", 2, 4, 3)
    concat = Fusion("concat", 2, 4, 3)
    for fusion, heard in ((add, [10.0, 20.0]), (film, [1, 2, 10, 20]), (concat, [10.0, 20.0])):
        mute(fusion)
        fusion.project[-1].bias.data = torch.tensor(heard, dtype=torch.float)
    concat.mix.weight.data = torch.tensor([[1.0, 0, 0, 1], [0, 1, 1, 1]])[..., None, None]
    concat.mix.bias.data = torch.tensor([0.5, 0.0])
    # film is x (1 + scale) + shift
    expected = {add: [12.0, 23], film: [14.0, 29], concat: [22.5, 33]}
    for fusion, value in expected.items():
        out = fusion(x, audio)
        torch.testing.assert_close(out, torch.tensor(value).view(1, 1, 2, 1, 1).expand_as(out))


@pytest.mark.parametrize("operator", ["concat", "add", "film", "tpavi"])
def test_fuses_before_a_decoder_without_audio_token(encoders, make_batch, operator):
    method = SamFusion(SamFusionConfig(operator=operator, hidden=16), encoders).eval()
    batch = make_batch(method)
    fused = method.fusion(batch.features["sam"], batch.audio).flatten(0, 1)
    expected, _ = decode(encoders.sam(), fused)  # ColA starts at zero; SAM's five tokens only
    torch.testing.assert_close(method(batch).logits.flatten(0, 1), expected[:, 0])
    assert method.config.temporal() is (operator == "tpavi")


def test_the_full_decoder_trains_what_gavss_trains(encoders):
    def of_sam(method):
        return {n for n, p in method.sam.named_parameters() if p.requires_grad}

    frozen = encoders.sam()
    settings = {"decoder": "full", "cola": ColaConfig(enabled=False)}
    fusion = SamFusion(SamFusionConfig(hidden=16, **settings), encoders)
    prompt = GAVS(GavsConfig(**settings), encoders)
    assert of_sam(fusion) == of_sam(prompt) and len(of_sam(fusion)) > 20
    assert fusion.sam is not frozen
    assert not of_sam(SamFusion(SamFusionConfig(hidden=16), encoders))


def test_trainable_parameters_at_full_width():
    with torch.device("meta"):
        sam = build_sam("vit_b")
        encoders = SimpleNamespace(audio_dim=128, sam=lambda: sam)
        counts = {
            operator: sum(
                p.numel()
                for p in SamFusion(SamFusionConfig(operator=operator), encoders).parameters()
                if p.requires_grad
            )
            for operator in ("concat", "add", "film")
        }
    cola, projection = 131_840, 197_376
    assert counts == {
        "concat": cola + projection + 512 * 256 + 256,
        "add": cola + projection,
        "film": cola + projection + 512 * 256 + 256,
    }
