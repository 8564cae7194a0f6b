"""Beside the released GAVS code: one frame, from its pixels to the gradients of its loss.

GAVS_OFFICIAL: the folder `GAVS/segment_anything` of the first release. GAVS_LORA_OFFICIAL: the
folder `GAVS/segment_anything/modeling` of the second one, of whose code `lora.py` alone is used, on
segment_anything's modules, at the places that `tests/gavs/test_lora.py` lists.
"""

from functools import partial
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from segment_anything import modeling
from torch import Tensor, nn

from benchmarks.params import load
from benchmarks.params.profile import profile_file
from gavs import GAVS, GavsConfig
from gavs.method import Batch
from gavs.sam import SamSize, build_sam, tokens
from tests.baselines.originals import compare, gradients, original, renamed

SIZE = SamSize(64, 8, 32, 4, 2, 2, 3, (3,), 256, 8, 64)  # windows of 3 on 8 x 8; block 3 is global


def method_of(row: str) -> GAVS:
    """A row of the paper profile on a small SAM, its trained parts moved."""
    config = load(profile_file("paper")).row(row, "v2").config
    parts = ("encoder_adapters", "encoder_lora")
    adapted = [k for k in parts if config.get(k, {}).get("from_block") is not None]
    config |= {k: config[k] | {"from_block": 3} for k in adapted}
    torch.manual_seed(0)
    sam = build_sam(SIZE)
    for p in sam.parameters():
        p.add_(0.05 * torch.randn_like(p))
    encoders = SimpleNamespace(audio_dim=128, sam=lambda: sam, pca=nn.Identity)  # 8 bits come in
    method = GAVS(GavsConfig(**config), encoders)
    with torch.no_grad():
        for p in method.parameters():
            if p.requires_grad:
                p.add_(0.05 * torch.randn_like(p))
    return method


def batch_of(method: GAVS, image: Tensor, audio: Tensor, mask: Tensor) -> Batch:
    everything = torch.ones(1, 1)
    return Batch(
        audio=audio[None],
        features={"tokens": tokens(method.sam, image, 3)[None]},
        masks=mask[None, None],
        valid=torch.ones(1, 64, 64),
        supervised=everything.bool(),
        video=torch.zeros(1),
        classes=everything.bool(),
    )


def modules(package) -> nn.Module:
    """SAM of `SIZE` from a package's own classes."""
    s = SIZE
    return package.Sam(
        package.ImageEncoderViT(
            *(s.img_size, s.patch, 3, s.dim, s.depth, s.heads, s.mlp_ratio, s.out),
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=s.window,
            global_attn_indexes=s.global_blocks,
        ),
        package.PromptEncoder(s.out, (s.grid, s.grid), (s.img_size, s.img_size), 16),
        package.MaskDecoder(
            transformer_dim=s.out,
            transformer=package.TwoWayTransformer(2, s.out, s.decoder_heads, s.decoder_mlp),
        ),
    )


def released(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parts that the first release trains, by our names; SAM's own keep theirs behind `sam.`."""
    rules = {
        r"image_encoder\.blocks\.3\.adapter_v\.0": "encoder_adapters.0.down",
        r"image_encoder\.blocks\.3\.adapter_v\.2": "encoder_adapters.0.up",
        r"mask_decoder\.transformer\.layers\.(\d)\.adapter_tf\.dense": r"cola.layers.\1.down",
        r"mask_decoder\.transformer\.layers\.(\d)\.adapter_tf\.proj": r"cola.layers.\1.up",
        r"mask_decoder\.audio_proj": "prompt.project",
        r"(.*)\.linear\.(weight|bias)": r"sam.\1.\2",
        r"(.*)\.lora_([AB])": r"sam.\1.parametrizations.weight.0.lora_\2",
        r"(?=image_encoder|mask_decoder|prompt_encoder|pixel)": "sam.",
    }
    return renamed(theirs, rules)


def values_for(theirs: nn.Module, ours: GAVS) -> dict[str, Tensor]:
    """Our values by their names."""
    state = {n.replace(".parametrizations.weight.original", ".weight"): v
             for n, v in ours.state_dict().items()}  # fmt: skip
    mine = {name: name for name in theirs.state_dict()}
    names = {n: next(iter(released({n: torch.empty(0)})), None) for n in mine}
    return {n: state[names[n]] for n in mine if names[n] in state}


def check(method: GAVS, theirs: nn.Module, predict, audio: Tensor) -> None:
    """`predict(image)`: their logits of a frame that fills SAM's square, (64, 64)."""
    loaded = theirs.load_state_dict(values_for(theirs, method), strict=False)
    assert not loaded.unexpected_keys
    assert all("adapter_v" in name for name in loaded.missing_keys)  # of blocks 0 to 2
    image, mask = torch.randn(1, 3, 64, 64), (torch.rand(64, 64) > 0.5).float()
    batch = batch_of(method, image, audio, mask)
    torch.manual_seed(1)
    expected = predict(image)
    torch.manual_seed(1)
    prediction = method(batch)
    torch.testing.assert_close(prediction.logits[0, 0], expected, atol=1e-4, rtol=1e-4)
    loss = method.loss(prediction, batch)["bce"]
    their_loss = F.binary_cross_entropy_with_logits(expected, mask)
    torch.testing.assert_close(loss, their_loss, atol=1e-5, rtol=1e-5)
    trained = {n for n, p in method.named_parameters() if p.requires_grad}
    for p in [*method.parameters(), *theirs.parameters()]:
        p.requires_grad_(True)
    torch.manual_seed(1)
    mine = gradients(method, method.loss(method(batch), batch)["bce"])
    torch.manual_seed(1)
    loss = F.binary_cross_entropy_with_logits(predict(image), mask)
    compare({n: mine[n] for n in trained}, gradients(theirs, loss), released)


def test_gavs_released() -> None:
    args = SimpleNamespace(tune_v=3, device="cpu")
    with original("GAVS_OFFICIAL", "modeling", config={"args": args}):
        import modeling as release  # noqa: PLC0415

        method = method_of("gavs_released").train()
        theirs, audio = modules(release), torch.randn(1, 128)

        def predict(image: Tensor) -> Tensor:
            noise = torch.randn_like(audio) * audio.std()  # in place of the sound
            sparse, dense = theirs.prompt_encoder(None, None, None, noise)
            logits, _ = theirs.mask_decoder(
                theirs.image_encoder(image),
                theirs.prompt_encoder.get_dense_pe(),
                sparse,
                dense,
                False,
            )
            return theirs.postprocess_masks(logits, (64, 64), (64, 64))[0, 0]

        check(method, theirs, predict, audio)


def test_gavs_lora() -> None:
    with original("GAVS_LORA_OFFICIAL", "lora"):
        from lora import apply_lora_to_linear  # noqa: PLC0415

        method = method_of("gavs_lora").train()
        theirs, audio = modules(modeling), torch.randint(256, (1, 128)).float()
        for p in theirs.parameters():
            p.requires_grad_(False)
        count = apply_lora_to_linear(theirs.image_encoder.blocks[3].attn, ["qkv", "proj"])
        for part in list(theirs.mask_decoder.transformer.modules()):
            if type(part).__name__ == "Attention":
                count += apply_lora_to_linear(part, ["q_proj", "k_proj", "v_proj", "out_proj"])
        assert count == 2 + 28
        theirs.mask_decoder.audio_proj = nn.Sequential(
            nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 256)
        )

        def predict(image: Tensor) -> Tensor:
            heard = audio + torch.randn_like(audio) * audio.std()
            prompt = theirs.mask_decoder.audio_proj(heard)[None]
            dense = theirs.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
            logits, _ = theirs.mask_decoder(
                theirs.image_encoder(image),
                theirs.prompt_encoder.get_dense_pe(),
                prompt,
                dense.expand(1, -1, 8, 8),
                False,
            )
            return theirs.postprocess_masks(logits, (64, 64), (64, 64))[0, 0]

        check(method, theirs, predict, audio)
