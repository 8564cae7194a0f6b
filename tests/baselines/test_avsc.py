import math

import pytest
import torch

from baselines._mask2former import Decoded
from baselines.avsc import AVSC, AvscConfig, select, silence_weight

SMALL = dict(
    image_size=64, dim=16, heads=2, encoder_layers=1, encoder_hidden=16, rounds=1, hidden=16
)


def test_selection_by_hand():
    p = torch.tensor(
        [
            [
                [0.50, 0.10, 0.10, 0.30],  # candidate of class 0
                [0.60, 0.20, 0.10, 0.10],  # a better one
                [0.30, 0.10, 0.20, 0.40],  # no object
                [0.10, 0.45, 0.25, 0.20],  # candidate of class 1
            ]
        ]
    )
    query, exists = select(p.log())
    assert exists.tolist() == [[True, True, False]]
    assert query[0, :2].tolist() == [1, 3]


def test_selection_equals_the_slow_version():
    torch.manual_seed(0)
    logits = 2 * torch.randn(30, 6, 4)
    query, exists = select(logits)
    for n in range(30):
        p = logits[n].softmax(-1)
        for k in range(3):
            candidates = [q for q in range(6) if p[q].argmax() == k]
            assert exists[n, k].item() == bool(candidates)
            if candidates:
                assert query[n, k] == max(candidates, key=lambda q: p[q, k].item())


def test_silent_objects_are_not_punished_by_hand():
    sure = 50.0
    truth = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    masks = torch.full((1, 1, 4, 2, 2), -sure)
    masks[0, 0, 0, 0] = sure  # on what sounds: a duplicate
    masks[0, 0, 1, 1] = sure  # elsewhere: maybe a silent object
    masks[0, 0, 2, :, 0] = sure  # half and half
    weight = silence_weight(masks.requires_grad_(), truth, no_object=0.1)
    assert not weight.requires_grad  # a mask must not flee from what sounds to be left alone
    torch.testing.assert_close(weight[0, 0], torch.tensor([0.1, 0.0, 0.05, 0.0]))


def test_silent_objects_keep_their_class(encoders, make_batch):
    """In a frame where nothing sounds the class term has no gradient: all may be silent."""
    torch.manual_seed(0)
    method = AVSC(AvscConfig(**SMALL, queries=4, classes=5), encoders)
    batch = make_batch(method, frames=1)
    batch.masks.zero_()
    prediction = method(batch)
    prediction.aux["classes"].retain_grad()
    terms = method.loss(prediction, batch)
    terms["class"].backward()
    assert prediction.aux["classes"].grad.abs().max() == 0


def build(encoders, sure_of=((9.0, 0, 0), (0, 9.0, 0)), **overrides) -> AVSC:
    """Two queries, sure of class 0 and class 1, whose masks are the left and the right half."""
    torch.manual_seed(0)
    method = AVSC(AvscConfig(**SMALL, queries=2, classes=2, **overrides), encoders).eval()

    def decoder(queries, features, maps):
        n, _, h, w = features.shape
        classes = torch.tensor(sure_of).expand(4, n, 2, 3)
        masks = torch.full((4, n, 2, h, w), -9.0)
        masks[:, :, 0, :, : w // 2] = masks[:, :, 1, :, w // 2 :] = 9.0
        return Decoded(classes, masks, queries)

    method.decoder.forward = decoder
    return method


def test_what_is_heard_picks_and_weighs_the_candidates(encoders, make_batch):
    method = build(encoders)
    batch = make_batch(method, clips=1, frames=1)
    with torch.no_grad():
        method.hear[-1].weight.zero_()
        for heard, left, right in (((9, -9), 1.0, 0.0), ((-9, 9), 0.0, 1.0), ((0, 9), 0.5, 1.0)):
            method.hear[-1].bias.copy_(torch.tensor(heard, dtype=torch.float))
            p = method(batch).logits.sigmoid()[0, 0]
            torch.testing.assert_close(p[:, :28], torch.full((64, 28), left), atol=5e-3, rtol=0)
            torch.testing.assert_close(p[:, 36:], torch.full((64, 28), right), atol=5e-3, rtol=0)


def test_no_object_is_no_candidate(encoders, make_batch):
    """The query on the left says "no object", the other class 1, but class 0 is heard: darkness."""
    method = build(encoders, sure_of=((8.0, 0, 9.0), (0, 9.0, 0)))
    with torch.no_grad():
        method.hear[-1].weight.zero_()
        method.hear[-1].bias.copy_(torch.tensor([9.0, -9.0]))
    assert (method(make_batch(method, clips=1, frames=1)).logits < -5).all()


def test_chosen_masks_learn_the_truth_by_hand(encoders, make_batch):
    method = build(encoders, select_weight=3.0)
    batch = make_batch(method, clips=1, frames=1)
    batch.classes = batch.classes[:, :2]
    batch.masks[..., :32], batch.masks[..., 32:] = 1.0, 0.0
    with torch.no_grad():  # the left half, which sounds, at one half; the right half not at all
        method.hear[-1].weight.zero_()
        method.hear[-1].bias.copy_(torch.tensor([0.0, -50.0]))
    term = method.loss(method(batch), batch)["select"].item()
    assert term == pytest.approx(3 * math.log(2) / 2, rel=1e-2)


def test_stage_two_begins_on_time(encoders, make_batch):
    method = build(encoders, stage_one_epochs=3)
    batch = make_batch(method, clips=2)
    batch.classes = batch.classes[:, :2]
    for epoch, expected in ((2, False), (3, True), (0, False)):
        method.start_epoch(epoch)
        assert ("select" in method.loss(method(batch), batch)) is expected
