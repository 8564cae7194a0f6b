from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from baselines.sama import SAMA, AudioAdapters, SamaConfig, frame_iou
from gavs.sam import build_sam


def test_adapters_block_by_block():
    torch.manual_seed(0)
    adapters = AudioAdapters(3, 6, 8, 4)
    audio = torch.randn(2, 6)
    gains = adapters(audio)
    assert gains.shape == (3, 2, 4)
    for i in range(3):
        expected = adapters.shared(F.gelu(adapters.own[i](audio)))
        torch.testing.assert_close(gains[i], expected)


def test_audio_is_added_to_all_tokens_before_every_block(encoders, make_batch):
    torch.manual_seed(0)
    method = SAMA(SamaConfig(hidden=8), encoders).eval()
    assert method.config.inputs() == {"tokens": "tokens0_rgb"}
    batch = make_batch(method)
    sam = encoders.sam()
    entered = []
    for block in method.sam.image_encoder.blocks:
        block.register_forward_hook(lambda _, inputs, out: entered.append((inputs[0], out)))
    logits = method(batch).logits
    audio = F.relu(batch.audio.flatten(0, 1))
    x = batch.features["tokens"].flatten(0, 1)
    assert len(entered) == len(sam.image_encoder.blocks) == 4
    for i, (got, out) in enumerate(entered):
        gain = method.adapters.shared(F.gelu(method.adapters.own[i](audio)))
        torch.testing.assert_close(got, x + gain[:, None, None].expand_as(x))
        x = out
    image = sam.image_encoder.neck(x.permute(0, 3, 1, 2))
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, 8, 8)
    pe = sam.prompt_encoder.get_dense_pe()
    for n in range(8):
        expected, _ = sam.mask_decoder(image[n][None], pe, torch.empty(1, 0, 32), dense, False)
        torch.testing.assert_close(logits.flatten(0, 1)[n], expected[0, 0], atol=1e-4, rtol=1e-4)


def test_later_blocks_only(encoders, make_batch):
    method = SAMA(SamaConfig(hidden=8, from_block=3), encoders)
    assert method.config.inputs() == {"tokens": "tokens3_rgb"}
    assert len(method.adapters.own) == 1
    used = []
    for i, block in enumerate(method.sam.image_encoder.blocks):
        block.register_forward_hook(lambda *_, i=i: used.append(i))
    method(make_batch(method))
    assert used == [3]
    with pytest.raises(ValueError, match="from_block is 4, but .* blocks 0 to 3"):
        SAMA(SamaConfig(from_block=4), encoders)


def test_soft_iou_by_hand(encoders, make_batch):
    batch = make_batch(SAMA(SamaConfig(hidden=8), encoders), clips=1, frames=2)
    batch.valid = torch.ones(1, 2, 3)
    batch.valid[..., 2] = 0
    batch.masks = torch.tensor([[[[1.0, 0, 1], [1, 0, 0]], [[0.0, 0, 1], [0, 0, 0]]]])
    logits = torch.zeros(1, 2, 2, 3)  # p = 1/2 on four valid cells, two of them sound
    loss = frame_iou(logits, batch)
    assert loss[0, 0].item() == pytest.approx(1 - 1 / (2 + 2 - 1))
    assert loss[0, 1].item() == 1


@pytest.mark.parametrize(
    ("size", "adapters"),
    [("vit_h", 32 * (128 * 512 + 512) + 512 * 1280 + 1280), ("vit_b", 1_186_560)],
)
def test_parameters_at_full_width(size, adapters):
    """At ViT-H, as released: 2.77 M in the adapters."""
    with torch.device("meta"):
        sam = build_sam(size)
        method = SAMA(SamaConfig(), SimpleNamespace(audio_dim=128, sam=lambda: sam))
    trained = {k: p.numel() for k, p in method.named_parameters() if p.requires_grad}
    assert sum(v for k, v in trained.items() if k.startswith("adapters.")) == adapters
    assert {k.split(".")[1] for k in trained if k.startswith("sam.")} == {
        "mask_decoder",
        "prompt_encoder",
    }
    decoder = sum(v for k, v in trained.items() if "mask_decoder" in k)
    assert decoder == 3_506_304 and sum(trained.values()) == adapters + decoder + 256
