import numpy as np
import pytest
import torch
from segment_anything.utils.transforms import ResizeLongestSide

from baselines.oracle_click import EMPTY_LOGIT, OracleClick, OracleClickConfig, source_points


def test_union_of_one_click_per_source_and_empty_without(encoders, make_batch):
    """Against segment_anything's decoder, click by click, maximum of the logits."""
    method = OracleClick(OracleClickConfig(), encoders)
    batch = make_batch(method, clips=3, frames=3)
    sources = batch.features["sources"]
    sources[0, 0, :, 2] = 0
    sources[1, 1, :, 2] = 1
    logits = method(batch).logits
    sam = encoders.sam()
    for b, t in np.ndindex(3, 3):
        expected = torch.full((32, 32), EMPTY_LOGIT)
        for x, y, present in sources[b, t].tolist():
            if present:
                click = (torch.tensor([[[x, y]]]), torch.ones(1, 1))
                sparse, dense = sam.prompt_encoder(click, None, None)
                pe, image = sam.prompt_encoder.get_dense_pe(), batch.features["sam"][b, t][None]
                mask, _ = sam.mask_decoder(image, pe, sparse, dense, False)
                expected = torch.maximum(expected, mask[0, 0])
        torch.testing.assert_close(logits[b, t], expected, atol=1e-5, rtol=1e-5)
    assert (logits[0, 0] == EMPTY_LOGIT).all()


def test_nothing_sounds_anywhere(encoders, make_batch):
    method = OracleClick(OracleClickConfig(), encoders)
    batch = make_batch(method)
    batch.features["sources"][..., 2] = 0
    assert (method(batch).logits == EMPTY_LOGIT).all()


def test_nothing_to_train(encoders):
    method = OracleClick(OracleClickConfig(), encoders)
    assert not any(p.requires_grad for p in method.parameters())


def test_points_are_the_deepest_pixels_of_each_large_component():
    labels = np.zeros((40, 80), dtype=np.int64)
    labels[10:15, 20:25] = 3  # 25 pixels, deepest at its centre
    labels[30:33, 60:63] = 3  # 9 pixels: more than a tenth of class 3
    labels[0, 0] = 3  # 1 pixel of 35: a speck
    labels[20:25, 0:5] = 7  # touches the border, which bounds it like any other side
    points = source_points(labels, img_size=160)  # twice the native size
    assert points == [(44, 24), (122, 62), (4, 44)]


def test_points_of_silence():
    assert source_points(np.zeros((5, 5), dtype=int), 96) == []


@pytest.mark.parametrize("shape", [(30, 47), (47, 30), (301, 200)])
def test_points_are_scaled_as_the_predictor_scales_clicks(shape):
    labels = np.zeros(shape, dtype=int)
    labels[17, 23] = 1
    click = ResizeLongestSide(96).apply_coords(np.array([[23, 17]]), shape)[0]
    assert source_points(labels, 96) == [pytest.approx(tuple(click))]
