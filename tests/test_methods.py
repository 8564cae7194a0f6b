"""Laws that every registered method obeys, and GAVS's variants with them."""

import copy
import math

import pytest
import torch

import baselines.configs  # noqa: F401  registers every method
from gavs.configs import CONFIGS
from gavs.method import Method, network
from gavs.vggish import LOG_OFFSET

SEGFORMER = {"dim": 16, "heads": 2, "layers": 2, "hidden": 32, "queries": 5}
QUERIES = {"backbone": "pvt", "image_size": 64, "dim": 16, "heads": 2, "hidden": 32, "queries": 5}
MASK2FORMER = {**QUERIES, "encoder_layers": 1, "encoder_hidden": 32, "rounds": 1, "classes": 7}
LOCALISER = {"image_size": 64, "audio_blocks": (1, 1, 1, 1)}
SPECTROGRAM = {**LOCALISER, "audio_channels": (8, 8, 16, 16), "dim": 32}
# Small sizes where the defaults are large
SMALL = {
    "gavs": {"prompt": {"hidden": 32, "noise_dim": 16}, "cola": {"width": 8}},
    "audio_sam": {"hidden": 32},
    "sam_fusion": {"hidden": 32, "cola": {"width": 8}},
    "avsbench": {"image_size": 64, "channels": 16},
    "tpavi_sam": {"channels": 16},
    "avsegformer": {"image_size": 64, **SEGFORMER},
    "avsegformer_sam": SEGFORMER,
    "autr": {**QUERIES, "encoder_layers": 1, "decoder_layers": 2, "mask_channels": 4},
    "auss": MASK2FORMER,
    "avsc": {**MASK2FORMER, "audio_hidden": 32},
    "av_sam": {"blocks": (1, 1, 1, 1), "channels": (8, 8, 16, 16)},
    "sama": {"hidden": 32},
    "hardway": {**LOCALISER, "audio_channels": (8, 8, 16, 160)},  # as wide as the image trunk
    "ez_vsl": SPECTROGRAM,
    "slavc": SPECTROGRAM,
    "margin_nce": SPECTROGRAM,
    "avin": {"image_size": 64, "dim": 32},
}
VARIANTS = {
    "gavs-adapters": ("gavs", {"encoder_adapters": {"from_block": 2}}),
    "gavs-released": (
        "gavs",
        {
            "prompt": {"cue": False, "noise_mode": "replace"},
            "alignment": {"loss": "none"},
            "cola": {"activation": "gelu", "zero_init": False},
            "encoder_adapters": {"from_block": 3, "train_norms": True, "zero_init": False},
            "loss_resolution": "input",
        },
    ),
    "gavs-lora": (
        "gavs",
        {
            "prompt": {"cue": False, "noise_mode": "add", "audio": "pca_8bit"},
            "alignment": {"loss": "none"},
            "cola": {"enabled": False},
            "encoder_lora": {"from_block": 3},
            "decoder_lora": {"enabled": True},
            "loss_resolution": "input",
        },
    ),
    "gavs-norms": ("gavs", {"encoder_adapters": {"from_block": 1, "train_norms": True}}),
    "gavs-decoder": ("gavs", {"decoder": "full", "cola": {"enabled": False}}),
    "gavs-decoder-six": ("gavs", {"decoder": "full", "prompt": {"slots": "six"}}),
    "gavs-six": ("gavs", {"prompt": {"slots": "six"}}),
    "gavs-learned-scale": ("gavs", {"prompt": {"noise_mode": "learned_scale"}}),
    "gavs-infonce": ("gavs", {"alignment": {"loss": "infonce", "negatives": "other_class"}}),
    "gavs-context": ("gavs", {"cola": {"place": "context", "residual": False}}),
    "sam_fusion-film": ("sam_fusion", {"operator": "film"}),
    "sam_fusion-tpavi": ("sam_fusion", {"operator": "tpavi"}),
}
SILENCE = {"vggish": 0.0, "logmel": math.log(LOG_OFFSET), "spectrogram": math.log(1e-7) / 12}
CASES = {**{name: (name, SMALL.get(name, {})) for name in sorted(CONFIGS)}, **VARIANTS}


@pytest.fixture(params=CASES)
def build(request, encoders):
    """build(seed) -> the method, with trained-looking values in everything that it trains."""
    name, overrides = CASES[request.param]
    cls = network(name)

    def make(seed: int = 0) -> Method:
        torch.manual_seed(seed)
        method = cls(cls.Config(**overrides), encoders)
        method.start_epoch(10_000)  # past every phase
        with torch.no_grad():
            for p in method.parameters():
                if p.requires_grad:
                    p.add_(0.03 * torch.randn_like(p))
        return method

    return make


def trained(method: Method) -> dict[str, torch.Tensor]:
    return {name: p for name, p in method.named_parameters() if p.requires_grad}


def total_loss(method: Method, batch) -> torch.Tensor:
    terms = method.loss(method(batch), batch)
    assert all(term.shape == () for term in terms.values())
    return sum(terms.values())


def assert_finite(method: Method, loss: torch.Tensor) -> None:
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in trained(method).values() if p.grad is not None)


@pytest.mark.parametrize("clips, frames", [(1, 1), (2, 3)])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_logits_fill_the_targets_grid(build, make_batch, clips, frames, training):
    method = build().train(training)
    batch = make_batch(method, clips, frames)
    logits = method(batch).logits
    assert logits.shape == batch.masks.shape == (clips, frames, *[method.target_size] * 2)
    assert logits.isfinite().all()


def test_gradients_reach_exactly_what_the_groups_train(build, encoders, make_batch):
    method = build().train()
    parameters = trained(method)
    if method.config.oracle:
        assert not parameters
        return
    grouped = [p for group in method.parameter_groups() for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped})
    assert {id(p) for p in grouped} == {id(p) for p in parameters.values()}

    shared = copy.deepcopy(encoders.sam().state_dict())
    frozen = {k: p.clone() for k, p in method.named_parameters() if not p.requires_grad}
    total_loss(method, make_batch(method)).backward()
    unreached = [k for k, p in parameters.items() if p.grad is None or not p.grad.any()]
    # a key's bias shifts all scores of a softmax alike
    assert [k for k in unreached if not k.endswith("k_proj.bias")] == []
    with torch.no_grad():
        for p in grouped:
            p -= 0.01 * p.grad
    for name, p in method.named_parameters():
        assert name in parameters or torch.equal(p, frozen[name])
    for key, value in encoders.sam().state_dict().items():
        torch.testing.assert_close(value, shared[key], rtol=0, atol=0)


def test_trained_state_is_the_whole_model(build, make_batch):
    """Parameters that train, with buffers, restore a method built from another seed."""
    first, second = build(0).eval(), build(1).eval()
    batch = make_batch(first)
    expected = first(batch).logits
    if not first.config.oracle:
        assert not torch.equal(second(batch).logits, expected)
    fixed = {name for name, p in first.named_parameters() if not p.requires_grad}
    state = {name: v for name, v in first.state_dict().items() if name not in fixed}
    assert second.load_state_dict(state, strict=False).unexpected_keys == []
    torch.testing.assert_close(second(batch).logits, expected, rtol=0, atol=0)


def test_empty_masks_and_silence_stay_finite(build, make_batch):
    method = build().train()
    batch = make_batch(method, frames=1)
    batch.masks.zero_()
    batch.audio.fill_(SILENCE[method.config.hears()])
    if method.config.oracle:
        assert method(batch).logits.isfinite().all()
        return
    assert_finite(method, total_loss(method, batch))


def test_mixed_precision(build, make_batch):
    method = build().train()
    batch = make_batch(method)
    with torch.autocast("cpu", torch.bfloat16):
        if method.config.oracle:
            assert method(batch).logits.isfinite().all()
            return
        loss = total_loss(method, batch)
    assert_finite(method, loss)


def test_a_clip_is_predicted_alike_alone_and_in_a_batch(build, make_batch):
    method = build().eval()
    batch = make_batch(method, clips=3, frames=2)
    logits = method(batch).logits
    frames = [slice(None)] if method.config.temporal() else [slice(0, 1), slice(1, 2)]
    for clip in range(3):
        for t in frames:
            alone = make_batch(method, clips=3, frames=2)
            alone.audio = alone.audio[clip : clip + 1, t]
            alone.valid = alone.valid[clip : clip + 1]
            alone.features = {k: v[clip : clip + 1, t] for k, v in alone.features.items()}
            got, expected = method(alone).logits[0], logits[clip, t]
            if not method.config.supervised:  # a map is 0 and 1 somewhere, where logits are steep
                got, expected = got.sigmoid(), expected.sigmoid()
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_unlabelled_frames_have_no_say(build, make_batch):
    losses = []
    for value in (0.0, 1.0):
        method = build().train()
        batch = make_batch(method)
        if method.config.oracle:
            return
        silenced = (
            ~batch.supervised if method.config.supervised else torch.ones_like(batch.supervised)
        )
        batch.masks[silenced] = value
        torch.manual_seed(0)
        losses.append(total_loss(method, batch).item())
    assert losses[0] == losses[1]


def test_only_the_decoded_frames_matter(build, make_batch):
    """Loss, gradients and the decoded frames' logits, if the others' masks may be skipped."""
    method = build().train()
    if not method.config.temporal():
        return
    batch, found = make_batch(method), []
    for decoded in (None, batch.supervised):
        batch.decoded = decoded
        prediction = method(batch)
        loss = sum(method.loss(prediction, batch).values())
        gradients = torch.autograd.grad(loss, list(trained(method).values()))
        found.append((prediction.logits[batch.supervised], loss, *gradients))
    assert not batch.supervised.all()
    assert not prediction.logits[~batch.supervised].any()  # skipped
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_what_is_heard_changes_the_mask_of_methods_that_hear(build, make_batch):
    method = build().eval()
    batch = make_batch(method)
    before = method(batch).logits
    batch.audio = batch.audio.flip(0)
    assert torch.allclose(method(batch).logits, before) is method.config.oracle
