import pytest
import torch
from pydantic import ValidationError

from gavs.prompt import PromptConfig, SemanticAudioPrompt, pool_valid

SAM_TOKENS = torch.arange(5.0)[:, None].expand(5, 32).contiguous()


def sap(**config) -> SemanticAudioPrompt:
    return SemanticAudioPrompt(PromptConfig(**config), 128, SAM_TOKENS)


def inputs(clips: int = 3, frames: int = 2) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(0)
    embedding = torch.randn(clips, frames, 32, 4, 4, generator=g)
    valid = torch.ones(clips, 16, 16)
    valid[:, 8:] = 0
    return torch.randn(clips, frames, 128, generator=g), embedding, valid


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_at_full_width():
    tokens = torch.zeros(5, 256)
    full = SemanticAudioPrompt(PromptConfig(), 128, tokens)
    cue = 256 * 512 + 512 + 512 * 128 + 128
    projection = (128 + 128 + 128) * 512 + 512 + 512 * 256 + 256
    assert parameters(full) == cue + projection + 128
    released = PromptConfig(cue=False, noise_mode="replace")  # the code's audio_proj
    assert parameters(SemanticAudioPrompt(released, 128, tokens)) == 197_376


def test_pooling_leaves_out_the_padding():
    embedding = torch.randn(2, 3, 8, 4, 4)
    valid = torch.zeros(2, 16, 16)
    valid[0, :8] = 1  # rows 0 and 1 of the four
    valid[1, :, :6] = 1  # column 0, and half of column 1
    pooled = pool_valid(embedding, valid)
    torch.testing.assert_close(pooled[0], embedding[0, :, :, :2].mean((-2, -1)))
    columns = embedding[1].mean(-2)
    torch.testing.assert_close(pooled[1], (columns[..., 0] + 0.5 * columns[..., 1]) / 1.5)


def test_cue_sees_padding_only_when_told_to():
    audio, embedding, valid = inputs()
    changed = embedding.clone()
    changed[..., 2:, :] += 1
    for pool, same in (("valid", True), ("all", False)):
        prompt = sap(cue_pool=pool)
        a, b = prompt(audio, embedding, valid)[1], prompt(audio, changed, valid)[1]
        assert torch.allclose(a, b) is same


def test_learned_noise_folds_into_the_bias():
    """A learned constant before a linear layer is a bias: the same function without it exists."""
    torch.manual_seed(0)
    audio, embedding, valid = inputs()
    noisy, plain = sap(noise_dim=40), sap(noise_mode="none")
    plain.cue.load_state_dict(noisy.cue.state_dict())
    first = noisy.project[0]
    with torch.no_grad():
        plain.project[0].weight.copy_(first.weight[:, :256])
        plain.project[0].bias.copy_(first.bias + first.weight[:, 256:] @ noisy.noise)
        plain.project[2].load_state_dict(noisy.project[2].state_dict())
    expected, _ = noisy(audio, embedding, valid)
    torch.testing.assert_close(plain(audio, embedding, valid)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", ["add", "replace", "learned_scale"])
def test_random_noise_acts_in_training_only(mode):
    torch.manual_seed(0)
    audio, embedding, valid = inputs()
    prompt, plain = sap(noise_mode=mode), sap(noise_mode="none")
    plain.load_state_dict(prompt.state_dict(), strict=mode != "learned_scale")
    first, second = (prompt.train()(audio, embedding, valid)[0] for _ in range(2))
    assert not torch.allclose(first, second)
    torch.testing.assert_close(
        prompt.eval()(audio, embedding, valid)[0], plain(audio, embedding, valid)[0]
    )


@pytest.mark.parametrize("mode", ["add", "replace", "learned_scale"])
def test_random_noise_has_the_audios_own_deviation(mode):
    torch.manual_seed(0)
    audio = torch.cat([torch.zeros(1, 1, 128), 3 * torch.randn(1, 1, 128)], dim=1)
    prompt = sap(noise_mode=mode)
    draws = torch.stack([prompt._with_noise(audio) for _ in range(500)])
    mean = torch.zeros_like(audio) if mode == "replace" else audio
    deviation = audio.std(-1)  # (1, 2): silence, sound
    torch.testing.assert_close((draws - mean).std((0, -1)), deviation, rtol=0.03, atol=0)
    torch.testing.assert_close(draws.mean(0), mean, atol=1.0, rtol=0)
    if mode == "learned_scale":
        with torch.no_grad():
            prompt.noise_scale.zero_()
        torch.testing.assert_close(prompt._with_noise(audio), audio)


def test_replacing_noise_hides_the_audio():
    """What the released code trains: nothing in a training step tells one sound from another."""
    audio, embedding, valid = inputs()
    prompt = sap(noise_mode="replace", cue=False)
    shuffled = audio.flip(-1)  # other content, same deviation
    outputs = []
    for sound in (audio, shuffled):
        torch.manual_seed(0)
        outputs.append(prompt(sound, embedding, valid)[0])
    torch.testing.assert_close(*outputs)


def test_six_slots_start_near_sams_tokens_and_are_all_rewritten():
    torch.manual_seed(0)
    audio, embedding, valid = inputs()
    prompt = sap(slots="six")
    tokens, _ = prompt(audio, embedding, valid)
    assert tokens.shape == (3, 2, 6, 32)
    assert (tokens[..., :5, :].mean((0, 1, 3)) - torch.arange(5.0)).abs().max() < 0.2
    tokens.square().sum().backward()
    rows = prompt.project[-1].weight.grad.view(6, 32, -1).abs().amax((1, 2))
    assert (rows > 0).all()


@pytest.mark.parametrize("wrong", [{"noise_mode": "gauss"}, {"hidden": 0}, {"noise": 3}])
def test_wrong_values_and_unknown_keys_are_errors(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PromptConfig(**wrong)
