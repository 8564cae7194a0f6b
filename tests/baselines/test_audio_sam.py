from types import SimpleNamespace

import torch

from baselines.audio_sam import AudioSam, AudioSamConfig
from gavs.sam import build_sam


def test_only_the_mlp_on_the_audio_trains():
    with torch.device("meta"):
        sam = build_sam("vit_b")
        method = AudioSam(AudioSamConfig(), SimpleNamespace(audio_dim=128, sam=lambda: sam))
    names = {name for name, p in method.named_parameters() if p.requires_grad}
    assert names == {"project.0.weight", "project.0.bias", "project.2.weight", "project.2.bias"}
    trainable = sum(p.numel() for p in method.parameters() if p.requires_grad)
    assert trainable == 197_376  # 128 -> 512 -> 256, as audio_proj of the released GAVS code


def test_it_is_sam_with_the_projected_audio_as_its_only_prompt(encoders, make_batch):
    method = AudioSam(AudioSamConfig(hidden=8), encoders)
    batch = make_batch(method)
    sam = encoders.sam()
    pe, no_mask = sam.prompt_encoder.get_dense_pe(), sam.prompt_encoder.no_mask_embed.weight
    logits = method(batch).logits
    for b in range(4):
        for t in range(2):
            token = method.project(batch.audio[b, t])[None, None]
            image = batch.features["sam"][b, t][None]
            dense = no_mask.reshape(1, -1, 1, 1).expand_as(image)
            expected, _ = sam.mask_decoder(image, pe, token, dense, False)
            torch.testing.assert_close(logits[b, t], expected[0, 0], atol=1e-5, rtol=1e-5)
