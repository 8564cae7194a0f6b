import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gavs.losses import (
    AlignmentConfig,
    alignment,
    box_projection,
    frame_bce,
    frame_dice,
    mask_terms,
    supervised_mean,
)
from gavs.method import Batch


def batch_of(masks: Tensor, valid: Tensor, supervised: Tensor) -> Batch:
    return Batch(None, {}, masks, valid, supervised, None, None)


def test_bce_by_hand():
    """One clip, two frames, left half valid: only its cells and only frame 0 count."""
    logits = torch.tensor([[[0.0, 9.0], [2.0, -9.0]], [[5.0, 5.0], [5.0, 5.0]]])[None]
    masks = torch.tensor([[[1.0, 0.0], [0.25, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])[None]
    valid = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    batch = batch_of(masks, valid, torch.tensor([[True, False]]))

    per_frame = frame_bce(logits, batch)

    p = 1 / (1 + math.exp(-2))
    frame0 = (math.log(2) - 0.25 * math.log(p) - 0.75 * math.log(1 - p)) / 2
    frame1 = -math.log(1 - 1 / (1 + math.exp(-5)))
    torch.testing.assert_close(per_frame, torch.tensor([[frame0, frame1]]))
    torch.testing.assert_close(supervised_mean(per_frame, batch), torch.tensor(frame0))


def test_dice_by_hand():
    """The same: only the left half counts, where frame 0 has 1 and 1/4 of mask, frame 1 none."""
    logits = torch.tensor([[[0.0, 9.0], [2.0, -9.0]], [[5.0, 5.0], [5.0, 5.0]]])[None]
    masks = torch.tensor([[[1.0, 0.0], [0.25, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])[None]
    valid = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    batch = batch_of(masks, valid, torch.tensor([[True, False]]))

    p, q = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-5))
    frame0 = 1 - (2 * (0.5 + 0.25 * p) + 1) / (0.5 + p + 1.25 + 1)
    frame1 = 1 - 1 / (2 * q + 1)
    torch.testing.assert_close(frame_dice(logits, batch), torch.tensor([[frame0, frame1]]))
    plain, both = (mask_terms(kind, logits, batch) for kind in ("bce", "bce_dice"))
    assert plain.keys() == {"bce"} and both.keys() == {"bce", "dice"}
    assert both["bce"] == plain["bce"]
    torch.testing.assert_close(both["dice"], torch.tensor(frame0))


def test_dice_is_0_for_the_mask_itself_and_for_nothing_where_there_is_none():
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, 1:3] = 1
    batch = batch_of(masks, torch.ones(1, 4, 4), torch.ones(1, 2, dtype=torch.bool))
    logits = torch.where(masks > 0, torch.inf, -torch.inf)
    torch.testing.assert_close(frame_dice(logits, batch), torch.zeros(1, 2))


def test_box_projection_by_hand():
    """One column of four lit at p against a box two wide and one high; padding is never lit."""
    p = 0.8
    logits = torch.full((1, 1, 4, 4), -torch.inf)
    logits[0, 0, :, 1] = math.log(p / (1 - p))
    logits[0, 0, 3, 3] = 9.0  # in the padding
    masks = torch.zeros(1, 1, 4, 4)
    masks[0, 0, 0, 1:3] = 1
    valid = torch.ones(1, 4, 4)
    valid[0, 3, 3] = 0
    batch = batch_of(masks, valid, torch.tensor([[True]]))
    rows = 1 - 2 * p / (4 * p**2 + 1)  # four rows at p against one
    columns = 1 - 2 * p / (p**2 + 2)  # one column at p against two
    torch.testing.assert_close(
        box_projection(logits, batch), torch.tensor(rows + columns), atol=1e-4, rtol=0
    )


def test_no_supervised_frame_is_zero_with_zero_gradient():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    no = torch.zeros(1, 2, dtype=torch.bool)
    batch = batch_of(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4), no)
    loss = supervised_mean(frame_bce(logits, batch), batch)
    loss.backward()
    assert loss.item() == 0 and logits.grad.abs().max() == 0


def slow_alignment(cue, audio, video, classes, c) -> float:
    """The definition in plain loops."""
    clips, frames, _ = cue.shape
    total = 0.0
    for b in range(clips):
        for t in range(frames):
            own = math_cosine(cue[b, t], audio[b, t])
            others = []
            for u in range(clips):
                if video[u] == video[b]:
                    continue
                if c.negatives == "other_class" and any(
                    x and y for x, y in zip(classes[u].tolist(), classes[b].tolist(), strict=True)
                ):
                    continue
                others += [math_cosine(cue[b, t], audio[u, s]) for s in range(frames)]
            if c.loss == "triplet" and others:
                total += sum(max(0.0, c.margin - own + o) for o in others) / len(others)
            if c.loss == "infonce":
                scores = [math.exp(s / c.temperature) for s in [own, *others]]
                total -= math.log(scores[0] / sum(scores))
    return total / (clips * frames)


def math_cosine(x: Tensor, y: Tensor) -> float:
    dot = sum(a * b for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return dot / math.sqrt(sum(a * a for a in x.tolist()) * sum(b * b for b in y.tolist()))


@pytest.mark.parametrize("loss", ["triplet", "infonce"])
@pytest.mark.parametrize("negatives", ["other_video", "other_class"])
@given(seed=st.integers(0, 2**31), frames=st.integers(1, 3), clips=st.integers(4, 6))
@settings(max_examples=10)
def test_alignment_equals_the_slow_definition(loss, negatives, seed, frames, clips):
    g = torch.Generator().manual_seed(seed)
    cue, audio = torch.randn(2, clips, frames, 5, generator=g, dtype=torch.double)
    video = torch.randint(0, 4, (clips,), generator=g)
    video[:4] = torch.arange(4)
    classes = torch.rand(clips, 3, generator=g) < 0.4
    config = AlignmentConfig(loss=loss, negatives=negatives, temperature=0.5)
    expected = slow_alignment(cue, audio, video, classes, config)
    got = alignment(cue, audio, video, classes, config).item()
    assert got == pytest.approx(expected, abs=1e-9)


def test_alignment_by_hand():
    """Four one-frame clips that sound like unit vectors; cues 0-2 fit, cue 3 is clip 0's."""
    audio = torch.eye(4)[:, None]
    cue = audio.clone()
    cue[3] = 2 * audio[0]  # length doesn't matter
    video, classes = torch.arange(4), torch.zeros(4, 1, dtype=torch.bool)

    def loss(**config) -> float:
        return alignment(cue, audio, video, classes, AlignmentConfig(**config)).item()

    # cues 0-2: own 1, others 0, no violation. Cue 3: own 0; violations .3 + 1, .3 and .3
    assert loss(margin=0.3) == pytest.approx((1.3 + 0.3 + 0.3) / 3 / 4, abs=1e-6)
    fit, misfit = math.log(1 + 3 * math.exp(-1)), math.log(math.e + 3)
    infonce = (3 * fit + misfit) / 4
    assert loss(loss="infonce", temperature=1.0) == pytest.approx(infonce, abs=1e-6)


def test_clips_of_the_same_video_are_not_negatives():
    g = torch.Generator().manual_seed(0)
    cue, audio = torch.randn(2, 5, 2, 8, generator=g)
    video, classes = torch.tensor([0, 1, 2, 3, 0]), torch.zeros(5, 1, dtype=torch.bool)
    anchor_gradient = []
    for _ in range(2):
        a = cue[:1].clone().requires_grad_()
        alignment(
            torch.cat([a, cue[1:]]), audio, video, classes, AlignmentConfig(margin=2)
        ).backward()
        anchor_gradient.append(a.grad)
        audio[4] = -audio[4]  # the other clip of video 0
    torch.testing.assert_close(*anchor_gradient)


@pytest.mark.parametrize("videos", [[0], [0, 1, 2], [0, 0, 1, 1, 2, 2]])
def test_too_few_videos_is_an_error_that_says_what_to_change(videos):
    cue = torch.randn(len(videos), 2, 8)
    classes = torch.zeros(len(videos), 1, dtype=torch.bool)
    message = rf"{len(set(videos))} video\(s\).*at least 4.*clips per batch.*alignment.loss: none"
    with pytest.raises(ValueError, match=message):
        alignment(cue, cue, torch.tensor(videos), classes, AlignmentConfig())


@pytest.mark.parametrize("loss", ["triplet", "infonce"])
def test_silence_and_clips_without_negatives_stay_finite(loss):
    cue = torch.randn(4, 1, 8, requires_grad=True)
    audio, classes = torch.zeros(4, 1, 8), torch.ones(4, 1, dtype=torch.bool)
    config = AlignmentConfig(loss=loss, negatives="other_class")
    value = alignment(cue, audio, torch.arange(4), classes, config)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6) and cue.grad.isfinite().all()
