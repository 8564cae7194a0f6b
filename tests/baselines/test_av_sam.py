from types import SimpleNamespace

import pytest
import torch

from baselines.av_sam import AvSam, AvSamConfig
from gavs.sam import build_sam

SMALL = AvSamConfig(temperature=0.05, blocks=(1, 1, 1, 1), channels=(8, 8, 16, 16))


@pytest.fixture
def method(encoders):
    torch.manual_seed(0)
    return AvSam(SMALL, encoders).eval()


def test_similarity_is_the_cosine_at_every_pixel(method):
    image, log_mel = torch.randn(2, 32, 4, 4), torch.randn(2, 96, 64)
    similar = method.similarity(image, log_mel)
    weight, bias = method.see.weight[..., 0, 0], method.see.bias
    for n in range(2):
        heard = method.hear(method.ear(log_mel[n][None, None]))[0]
        for i in range(4):
            for j in range(4):
                seen = weight @ image[n, :, i, j] + bias
                cosine = seen @ heard / (seen.norm() * heard.norm())
                assert similar[n, 0, i, j].item() == pytest.approx(cosine.item() / 0.05, abs=1e-3)


def test_it_is_sam_with_the_similarity_as_its_mask_prompt(method, encoders, make_batch):
    assert method.config.hears() == "logmel"
    batch = make_batch(method)
    sam = encoders.sam()
    logits = method(batch).logits
    for b in range(4):
        for t in range(2):
            image = batch.features["sam"][b, t][None]
            similar = method.similarity(image, batch.audio[b, t][None])
            prompt = torch.nn.functional.interpolate(similar, (32, 32), mode="bilinear")
            sparse, dense = sam.prompt_encoder(None, None, prompt)
            expected, _ = sam.mask_decoder(
                image, sam.prompt_encoder.get_dense_pe(), sparse, dense, False
            )
            torch.testing.assert_close(logits[b, t], expected[0, 0], atol=1e-4, rtol=1e-4)


def test_parameters_at_full_width():
    """torchvision's ResNet-18 has 11,689,512: less its classifier and two of three input channels;
    SAM's decoder without the IoU head and three of four hypernetworks, and the mask prompt's convs.
    """
    with torch.device("meta"):
        sam = build_sam("vit_b")
        method = AvSam(AvSamConfig(), SimpleNamespace(sam=lambda: sam))
    resnet = sum(p.numel() for p in method.ear.parameters())
    assert resnet == 11_689_512 - 513_000 - 2 * 64 * 49
    assert not any(p.requires_grad for p in method.sam.image_encoder.parameters())
    assert not any(p.requires_grad for p in sam.parameters())
    trained = {k: p.numel() for k, p in method.named_parameters() if p.requires_grad}
    mine = sum(v for k, v in trained.items() if k.startswith(("hear.", "see.")))
    assert mine == 512 * 256 + 256 + 256 * 256 + 256
    assert sum(v for k, v in trained.items() if "mask_downscaling" in k) == 4684
    decoder = sum(v for k, v in trained.items() if "mask_decoder" in k)
    assert decoder == 3_506_304 and sum(trained.values()) == resnet + mine + 4684 + decoder
