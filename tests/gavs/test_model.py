from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from gavs import GAVS, GavsConfig
from gavs.sam import build_sam, tokens

RELEASED = {
    "prompt": {"cue": False, "noise_mode": "replace"},
    "alignment": {"loss": "none"},
    "cola": {"activation": "gelu", "zero_init": False},
    "encoder_adapters": {"from_block": 9, "train_norms": True, "zero_init": False},
    "colour": "bgr",
    "loss_resolution": "input",
}


def gavs(encoders, **config) -> GAVS:
    torch.manual_seed(0)
    return GAVS(GavsConfig(**config), encoders)


def sam_with_token(sam, embeddings, sparse) -> torch.Tensor:
    """segment_anything's own decoder, one image at a time: (N, G, G)."""
    pe = sam.prompt_encoder.get_dense_pe()
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    logits = [
        sam.mask_decoder(e[None], pe, s[None], dense.expand_as(e[None]), False)[0][0, 0]
        for e, s in zip(embeddings, sparse, strict=True)
    ]
    return torch.stack(logits)


@pytest.mark.parametrize("place", ["attention", "mlp", "context"])
def test_at_step_0_gavs_is_sam_given_the_same_token(encoders, make_batch, place):
    method = gavs(encoders, cola={"place": place})
    batch = make_batch(method)
    token, _ = method.prompt(batch.audio, batch.features["sam"], batch.valid)
    expected = sam_with_token(
        encoders.sam(), batch.features["sam"].flatten(0, 1), token.flatten(0, 1)
    )
    logits = method(batch).logits.flatten(0, 1)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    started = gavs(encoders, cola={"place": place, "zero_init": False})(batch).logits
    assert not torch.allclose(started.flatten(0, 1), expected, atol=1e-3)


@pytest.mark.parametrize("from_block", [0, 2, 3])
def test_at_step_0_encoder_adapters_leave_the_encoder_as_it_is(encoders, make_batch, from_block):
    sam = encoders.sam()
    adapted = gavs(encoders, encoder_adapters={"from_block": from_block})
    plain = gavs(encoders)
    plain.prompt.load_state_dict(adapted.prompt.state_dict())
    images = torch.randn(8, 3, 64, 64)
    batch = make_batch(plain)
    batch.features = {
        "sam": sam.image_encoder(images).unflatten(0, (4, 2)),
        "tokens": tokens(sam, images, from_block).unflatten(0, (4, 2)),
    }
    torch.testing.assert_close(adapted(batch).logits, plain(batch).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "tune_v, trainable", [(None, 329_216), (9, 927_872), (0, 2_733_056)], ids=["12", "9", "0"]
)
def test_released_configuration_has_the_released_codes_parameter_count(tune_v, trainable):
    adapters = {"from_block": tune_v, "train_norms": tune_v is not None}
    config = GavsConfig(**{**RELEASED, "encoder_adapters": adapters})
    with torch.device("meta"):
        sam = build_sam("vit_b")
        method = GAVS(config, SimpleNamespace(audio_dim=128, sam=lambda: sam))
    assert sum(p.numel() for p in method.parameters() if p.requires_grad) == trainable
    assert method.target_size == 1024


def test_released_training_never_hears_the_audio_but_testing_does(encoders, make_batch):
    config = {**RELEASED, "encoder_adapters": {**RELEASED["encoder_adapters"], "from_block": 3}}
    method = gavs(encoders, **config)
    batch = make_batch(method)
    outputs = {True: [], False: []}
    for audio in (batch.audio, batch.audio.flip(-1)):  # equal standard deviation
        batch.audio = audio
        for training, logits in outputs.items():
            torch.manual_seed(0)
            logits.append(method.train(training)(batch).logits)
    torch.testing.assert_close(*outputs[True])
    assert not torch.allclose(*outputs[False])


@pytest.mark.parametrize(
    "config, inputs",
    [
        ({}, {"sam": "sam_rgb"}),
        ({"colour": "bgr"}, {"sam": "sam_bgr"}),
        ({"encoder_adapters": {"from_block": 6}}, {"tokens": "tokens6_rgb"}),
        (RELEASED, {"tokens": "tokens9_bgr"}),
    ],
)
def test_inputs_follow_colour_and_cut(config, inputs):
    assert GavsConfig(**config).inputs() == inputs


def test_loss_at_the_input_resolution_upsamples_the_logits(encoders, make_batch):
    coarse, fine = gavs(encoders), gavs(encoders, loss_resolution="input")
    fine.load_state_dict(coarse.state_dict())
    batch = make_batch(coarse)
    logits = coarse(batch).logits
    expected = F.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
    assert (coarse.target_size, fine.target_size) == (32, 64)
    torch.testing.assert_close(fine(batch).logits, expected)


def test_post_relu_is_deaf_to_what_lies_below_zero(encoders, make_batch):
    for audio, deaf in (("post_relu", True), ("pre_relu", False)):
        method = gavs(encoders, prompt={"audio": audio})
        batch = make_batch(method)
        logits = method(batch).logits
        batch.audio = torch.where(batch.audio < 0, 2 * batch.audio, batch.audio)
        assert torch.allclose(method(batch).logits, logits) is deaf


def test_loss_terms_are_weighted_and_alignment_trains_the_cue_only(encoders, make_batch):
    one, ten = (gavs(encoders, alignment={"weight": w}) for w in (1, 10))
    batch = make_batch(one)
    single, tenfold = one.loss(one(batch), batch), ten.loss(ten(batch), batch)
    torch.testing.assert_close(tenfold["alignment"], 10 * single["alignment"])
    torch.testing.assert_close(tenfold["bce"], single["bce"])

    single["alignment"].backward()
    reached = {name for name, p in one.named_parameters() if p.grad is not None}
    assert reached == {f"prompt.cue.{i}.{part}" for i in (0, 2) for part in ("weight", "bias")}


def test_alignment_trains_the_encoder_adapters_too(encoders, make_batch):
    method = gavs(encoders, encoder_adapters={"from_block": 2})
    batch = make_batch(method)
    method.loss(method(batch), batch)["alignment"].backward()
    assert all(a.up.weight.grad.abs().max() > 0 for a in method.encoder_adapters)


def test_one_clip_a_batch_with_alignment_on_is_one_clear_error(encoders, make_batch):
    method = gavs(encoders)
    batch = make_batch(method, clips=1)
    with pytest.raises(ValueError, match=r"1 video\(s\).*at least 4"):
        method.loss(method(batch), batch)


def test_alignment_without_a_cue_is_a_config_error():
    with pytest.raises(ValidationError, match="with cue false set alignment.loss none"):
        GavsConfig(prompt={"cue": False})
