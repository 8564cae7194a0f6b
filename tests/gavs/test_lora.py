"""LoRA against segment_anything with layers that add it rank by rank; its start and its places."""

import copy
from functools import partial

import pytest
import torch
from pydantic import ValidationError
from segment_anything.modeling import ImageEncoderViT
from torch import nn

from gavs import GAVS, GavsConfig
from gavs.lora import LoRA, LoraConfig
from gavs.sam import tokens
from tests.conftest import TINY_SAM
from tests.gavs.test_model import sam_with_token

PROMPT = {"prompt": {"cue": False, "noise_mode": "none"}, "alignment": {"loss": "none"}}
LORA = {
    **PROMPT,
    "cola": {"enabled": False},
    "encoder_lora": {"from_block": 2, "rank": 3, "alpha": 6},
    "decoder_lora": {"enabled": True, "rank": 5, "alpha": 1},
}
PLACES = {f"{side}_proj" for side in "qkv"} | {"out_proj"}


class Slow(nn.Module):
    """A linear layer plus scale x sum over ranks r of (x . A[r]) B[:, r]."""

    def __init__(self, layer: nn.Linear, lora: LoRA, scale: float) -> None:
        super().__init__()
        self.layer, self.lora, self.scale = layer, lora, scale

    def forward(self, x):
        y = self.layer(x)
        for a, b in zip(self.lora.lora_A, self.lora.lora_B.T, strict=True):
            y = y + self.scale * (x * a).sum(-1, keepdim=True) * b
        return y


def adapted(module: nn.Module) -> dict[str, LoRA]:
    """LoRA by the name of its layer."""
    end = ".parametrizations.weight.0"
    return {n.removesuffix(end): m for n, m in module.named_modules() if n.endswith(end)}


def slowly(module: nn.Module, loras: dict[str, LoRA], scale: float) -> nn.Module:
    for name, lora in loras.items():
        parent, _, child = name.rpartition(".")
        holder = module.get_submodule(parent)
        setattr(holder, child, Slow(getattr(holder, child), lora, scale))
    return module


def make(encoders, **config) -> GAVS:
    torch.manual_seed(0)
    method = GAVS(GavsConfig(**config), encoders)
    with torch.no_grad():
        for p in method.parameters():
            if p.requires_grad:
                p.add_(0.2 * torch.randn_like(p))
    return method


def test_lora_is_segment_anythings_with_slow_layers(encoders, make_batch):
    method, plain, s = make(encoders, **LORA), encoders.sam(), TINY_SAM
    images, batch = torch.randn(8, 3, 64, 64), make_batch(method)
    batch.features = {"tokens": tokens(plain, images, 2).unflatten(0, (4, 2))}

    original = ImageEncoderViT(
        *(s.img_size, s.patch, 3, s.dim, s.depth, s.heads, s.mlp_ratio, s.out),
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    original.load_state_dict(plain.image_encoder.state_dict())
    slowly(original, adapted(method.sam.image_encoder), 2.0)
    decoder_only = copy.deepcopy(plain)
    slowly(decoder_only.mask_decoder, adapted(method.sam.mask_decoder), 0.2)
    token, _ = method.prompt(batch.audio, batch.features["tokens"], batch.valid)
    expected = sam_with_token(decoder_only, original(images), token.flatten(0, 1))
    logits = method(batch).logits.flatten(0, 1)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)

    untouched = sam_with_token(plain, plain.image_encoder(images), token.flatten(0, 1))
    assert not torch.allclose(logits, untouched, atol=1e-2)  # it acts
    mine = [p for name, p in method.named_parameters() if "lora_" in name]
    for gradients in zip(
        torch.autograd.grad(logits.square().mean(), mine),
        torch.autograd.grad(expected.square().mean(), mine),
        strict=True,
    ):
        torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_lora_sits_on_the_last_blocks_attention_and_on_all_of_the_decoders(encoders):
    sam = make(encoders, **LORA).sam
    blocks = {f"blocks.{i}.attn.{layer}" for i in (2, 3) for layer in ("qkv", "proj")}
    assert set(adapted(sam.image_encoder)) == blocks
    places = set(adapted(sam.mask_decoder))
    attentions = {name.rpartition(".")[0].removeprefix("transformer.") for name in places}
    in_layers = ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
    expected = {f"layers.{i}.{name}" for i in (0, 1) for name in in_layers}
    assert attentions == expected | {"final_attn_token_to_image"}
    assert len(places) == 28 and {name.rpartition(".")[2] for name in places} == PLACES
    assert not adapted(encoders.sam())  # which other methods hold


def test_lora_starts_as_no_change_with_a_as_a_linear_layers_weight():
    torch.manual_seed(0)
    weight = torch.randn(30, 400)
    lora = LoRA(weight, LoraConfig(rank=64, alpha=16))
    assert torch.equal(lora(weight), weight)
    # Kaiming-uniform with a = sqrt(5): between -1 / sqrt(400) and 1 / sqrt(400).
    assert lora.lora_A.shape == (64, 400) and 0.0499 < lora.lora_A.abs().max() <= 0.05
    assert lora.lora_A.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.02)
    with torch.no_grad():
        lora.lora_B.fill_(1)
    change = lora(weight) - weight
    torch.testing.assert_close(change, 0.25 * lora.lora_A.sum(0).expand(30, -1))


def test_adapters_and_lora_in_one_encoder_are_read_from_the_first_of_them(encoders, make_batch):
    both = {**LORA, "encoder_adapters": {"from_block": 3}}
    method = make(encoders, **both)
    assert method.config.inputs() == {"tokens": "tokens2_rgb"}
    calls = []
    for block in method.sam.image_encoder.blocks:
        block.register_forward_pre_hook(lambda block, inputs: calls.append(inputs[1]))
    method(make_batch(method))
    assert calls == [None, method.encoder_adapters[0]]


def test_the_prompt_hears_eight_bits(encoders, make_batch):
    method = make(encoders, **{**PROMPT, "prompt": {**PROMPT["prompt"], "audio": "pca_8bit"}})
    batch, heard = make_batch(method), []
    method.prompt.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    method(batch)
    pca = encoders.pca()
    for value, embedding in zip(heard[0].flatten(0, 1), batch.audio.flatten(0, 1), strict=True):
        white = [
            sum(float(row[i] * (max(embedding[i], 0) - pca.pca_means[i])) for i in range(128))
            for row in pca.pca_eigen_vectors[:4]
        ]
        bits = [round((min(max(w, -2), 2) + 2) * 63.75) for w in white]
        assert value[:4].tolist() == bits
    assert heard[0].std() > 20


@pytest.mark.parametrize(
    "config, message",
    [
        ({"decoder": "full", "decoder_lora": {"enabled": True}}, "set decoder_lora.enabled false"),
        ({"encoder_lora": {"rank": 0}}, "greater than 0"),
    ],
)
def test_switches_that_contradict_are_config_errors(config, message):
    with pytest.raises(ValidationError, match=message):
        GavsConfig(**config)


def test_lora_beyond_the_encoder_names_its_blocks(encoders):
    config = GavsConfig(**{**LORA, "encoder_lora": {"from_block": 8}})
    with pytest.raises(ValueError, match="encoder_lora.from_block is 8, but .* blocks 0 to 3"):
        GAVS(config, encoders)
