"""The references that speed is measured against, as oracles of the suite on small inputs."""

import numpy as np
import pytest
import torch

from benchmarks.speed import scoring, steps, store
from benchmarks.speed.compare import greatest_difference
from gavs.sam import SamSize, build_sam

TINY = SamSize(64, 8, 16, 2, 2, 2, 0, (), 32, 4, 48)


@pytest.mark.parametrize("size", [(24, 40), (224, 224)])
def test_scores_equal_the_loop_over_thresholds(size):
    p, masks = scoring.clip(*size)
    p[0, :4] = torch.linspace(0, 1, 255)[: size[1]]  # on the thresholds, some of them
    np.testing.assert_allclose(scoring.suite(p, masks), scoring.field(p, masks), atol=1e-6)


def test_a_clip_without_any_target_scores_as_in_the_loop():
    p, masks = scoring.clip(16, 16)
    masks[:] = False
    np.testing.assert_allclose(scoring.suite(p, masks), scoring.field(p, masks), atol=1e-6)


def test_pysodmetrics_has_the_same_scores_of_a_map_without_shades():
    pytest.importorskip("py_sod_metrics")
    masks = scoring.clip(24, 40)[1][:-1]  # an empty frame counts 0 there
    lit = masks.roll(3, dims=2)
    theirs = scoring.pysodmetrics(*(255 * x.byte().numpy() for x in (lit, masks)))
    np.testing.assert_allclose(scoring.suite(lit.float(), masks)[0], theirs[0], atol=1e-6)


@pytest.fixture
def sam():
    torch.manual_seed(0)
    sam = build_sam(TINY)
    for p in sam.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    return sam


def test_a_batched_step_has_the_gradients_of_the_released_loop(sam):
    step = steps.Step(sam, 3, steps.EXACT)
    ours, theirs = step.batched(), step.released()
    assert len(ours) == 1 + len(step.trained)
    assert all(g.abs().max() > 0 for g in ours)
    assert greatest_difference(ours, theirs, relative=True) < 1e-4


def test_every_step_is_the_same_step(sam):
    step = steps.Step(sam, 3, steps.EXACT)
    assert greatest_difference(step.batched(), step.batched()) == 0.0


def test_a_step_on_stored_features_has_the_loss_of_one_through_the_encoder(sam, tmp_path):
    step = steps.Step(sam, 3, steps.EXACT)
    kept = step.stored(tmp_path / "store")
    ours, without = step.batched(kept, np.arange(3)), step.released()
    assert greatest_difference(ours[:1], step.released(sam.image_encoder)[:1]) < 1e-4
    assert greatest_difference(ours, without, relative=True) < 1e-4  # the batch holds them now


def test_a_store_gives_the_rows_of_its_files(tmp_path):
    content = np.random.default_rng(0).random((10, 2, 3)).astype(np.float16)
    built = store.build(tmp_path / "store", content, 4)
    rows = np.array([9, 0, 3, 4, 9])
    np.testing.assert_array_equal(store.plain_reader(built)(rows), content[rows])
    np.testing.assert_array_equal(built[rows], content[rows])
