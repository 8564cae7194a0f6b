from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from baselines._queries import (
    SetLossConfig,
    dice,
    frame_targets,
    match,
    matching_costs,
    set_loss,
    union_logits,
)

CONFIG = SetLossConfig()


def test_matching_by_hand():
    """Query 0 is the best for both classes; together, class 0 must make do with query 1."""
    cost = torch.tensor([[[1.0, 2.0, 9.0], [2.0, 8.0, 9.0], [7.0, 7.0, 0.0]]])
    assert match(cost, torch.tensor([[True, True, False]])).tolist() == [[1, 0, 3]]
    assert match(cost, torch.tensor([[True, False, False]])).tolist() == [[0, 3, 3]]
    assert match(cost, torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("queries", [5, 2])
def test_matching_is_the_cheapest_of_all_assignments(queries):
    torch.manual_seed(0)
    cost = torch.randn(20, queries, 4)
    present = torch.rand(20, 4) < 0.6
    assigned = match(cost, present)
    for n in range(20):
        wanted = present[n].nonzero()[:, 0].tolist()
        few, many = sorted((queries, len(wanted)))
        chosen = (assigned[n] < 4).nonzero()[:, 0].tolist()
        assert len(chosen) == few
        assert {assigned[n, q].item() for q in chosen} <= set(wanted)
        mine = sum(cost[n, q, assigned[n, q]].item() for q in chosen)
        best = min(
            sum(
                cost[n, q, wanted[k]].item() if queries >= len(wanted) else cost[n, k, wanted[q]]
                for k, q in enumerate(order)
            )
            for order in permutations(range(many), few)
        )
        assert mine == pytest.approx(float(best), abs=1e-5)


def test_costs_equal_the_losses_of_each_pair():
    torch.manual_seed(0)
    classes, masks, truth = torch.randn(2, 3, 5), torch.randn(2, 3, 4, 4), torch.rand(2, 4, 4)
    cost = matching_costs(classes, masks, truth, CONFIG)
    assert cost.shape == (2, 3, 4)
    for n in range(2):
        for q in range(3):
            bce = F.binary_cross_entropy_with_logits(masks[n, q], truth[n])
            overlap = dice(masks[n, q].flatten(), truth[n].flatten())
            for k in range(4):
                expected = 5 * bce + 5 * overlap - 2 * classes[n, q].softmax(0)[k]
                assert cost[n, q, k].item() == pytest.approx(expected.item(), abs=1e-4)


def test_dice_by_hand():
    logits = torch.tensor([0.0, 0.0, 50.0, -50.0])  # p = 1/2, 1/2, 1, 0
    masks = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert dice(logits, masks).item() == pytest.approx(1 - (2 * 1.5 + 1) / (2 + 2 + 1))


def test_loss_of_two_sources_by_hand():
    """Two classes, their union the frame's mask: each query finds one half, the third nothing."""
    sure = 20.0
    masks = torch.full((1, 1, 3, 2, 2), -sure)
    masks[0, 0, 0, :, 0] = sure  # query 0: left column
    masks[0, 0, 1, 0, 1] = sure  # query 1: top right
    masks[0, 0, 2] = sure  # query 2: all, but says "no object"
    classes = torch.full((1, 1, 3, 3), -sure)
    classes[0, 0, 0, 0] = classes[0, 0, 1, 1] = classes[0, 0, 2, 2] = sure
    truth = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    # A matching that minds the mask as much would give a class to query 2, which has more of it.
    config = SetLossConfig(class_weight=100)
    terms = set_loss(classes, masks, truth, torch.tensor([[True, True]]), config)
    assert all(0 <= term.item() < 1e-5 for term in terms.values())

    masks[0, 0, 0, 1, 0] = -sure  # one of the three cells is missed
    terms = set_loss(classes, masks, truth, torch.tensor([[True, True]]), config)
    assert terms["mask"].item() == pytest.approx(5 * sure / 4, rel=1e-4)
    assert terms["dice"].item() == pytest.approx(5 * (1 - (2 * 2 + 1) / (2 + 3 + 1)), rel=1e-4)


def test_queries_without_a_target_count_a_tenth():
    classes = torch.zeros(1, 1, 2, 2, requires_grad=True)
    masks = torch.zeros(1, 1, 2, 2, 2)
    set_loss(classes, masks, torch.ones(1, 2, 2), torch.ones(1, 1, dtype=torch.bool), CONFIG)[
        "class"
    ].backward()
    # softmax - onehot is (-1/2, 1/2) for the matched query; weighted mean over 1 + 0.1
    expected = 2 / 1.1 * torch.tensor([[-0.5, 0.5], [0.05, -0.05]])
    torch.testing.assert_close(classes.grad[0, 0], expected)


def test_terms_sum_over_layers():
    torch.manual_seed(0)
    classes, masks = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4, 4)
    truth, present = torch.rand(2, 4, 4).round(), torch.eye(3, dtype=torch.bool)[:2]
    one = set_loss(classes, masks, truth, present, CONFIG)
    three = set_loss(
        classes.repeat(3, 1, 1, 1), masks.repeat(3, 1, 1, 1, 1), truth, present, CONFIG
    )
    for name, term in one.items():
        assert three[name].item() == pytest.approx(3 * term.item(), rel=1e-4)


def test_silent_frames_leave_the_mask_terms_alone():
    torch.manual_seed(0)
    classes, masks, truth = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4, 4), torch.rand(2, 4, 4)
    present = torch.tensor([[True, False, True], [False, False, False]])
    both = set_loss(classes, masks, truth, present, CONFIG)
    first = set_loss(classes[:, :1], masks[:, :1], truth[:1], present[:1], CONFIG)
    for name in ("mask", "dice"):
        assert both[name].item() == pytest.approx(first[name].item(), rel=1e-5)
    assert both["class"].item() != pytest.approx(first["class"].item(), rel=1e-2)


def test_silent_frames_have_nothing_to_find(encoders, make_batch):
    from baselines.auss import AUSS, AussConfig

    method = AUSS(AussConfig(image_size=32, dim=16, heads=2, hidden=16, queries=3), encoders)
    batch = make_batch(method, clips=2, frames=2)  # labelled: both frames of clip 0, one of clip 1
    batch.masks[0, 1] = 0
    batch.classes[0, 3] = True
    masks, present, chosen = frame_targets(batch, 8, classes=6)
    assert chosen.tolist() == [True, True, True, False]
    assert [p.nonzero()[:, 0].tolist() for p in present] == [[0, 3], [], [1]]
    assert present.shape == (3, 6)
    assert masks[0, 1, 2].item() == pytest.approx(
        batch.masks[0, 0, 4:8, 8:12].mean().item(), abs=1e-6
    )
    with pytest.raises(ValueError, match="`classes` is 4, but the clips have 5"):
        frame_targets(batch, 8, classes=4)
    batch.classes[1] = False
    with pytest.raises(ValueError, match="a mask, but none of AVSBench's classes"):
        frame_targets(batch, 8, classes=6)
    assert frame_targets(batch, 8, classes=None)[1].tolist() == [[True], [False], [True]]


def test_union_takes_the_likeliest_query_at_every_pixel():
    scores = torch.tensor([[0.9, 0.5]])
    masks = torch.tensor([[[[0.0, -9.0]], [[9.0, 9.0]]]])  # p: 1/2, 0 and 1, 1
    probability = union_logits(scores, masks).sigmoid()[0, 0]
    torch.testing.assert_close(probability, torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    assert union_logits(torch.zeros(1, 2), masks).isfinite().all()
