"""Every row's code on the CPU at tiny sizes, and what its figures must be."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.miniature.scenes import random_scene
from benchmarks.preflight.trial import outline
from benchmarks.speed.clock import Timing
from benchmarks.speed.gpu import drift, extraction, loader, paths, scale, training

PARAMS = Path(__file__).parents[4] / "params.yaml"
CPU = torch.device("cpu")
ROWS = [  # of the issue; the localisers learn from VGG-Sound
    *("gavs", "gavs_adapters", "gavs_released", "audio_sam", "sam_fusion", "avsbench"),
    *("avsegformer", "avsegformer_sam", "tpavi_sam", "autr", "auss", "avsc", "av_sam", "sama"),
    *("hardway", "ez_vsl", "slavc", "margin_nce", "avin"),
]


@pytest.fixture(scope="module")
def tiny() -> scale.Scale:
    return replace(scale.tiny(PARAMS), calls=1)


@pytest.fixture(scope="module")
def published() -> scale.Scale:
    return scale.published(PARAMS)


@pytest.fixture(autouse=True)
def hurried(monkeypatch) -> Iterator[None]:
    """Calls are compared, not timed."""
    monkeypatch.setattr("benchmarks.speed.clock.LEAST", 1)
    monkeypatch.setattr("benchmarks.speed.clock.LONG", 0.0)
    monkeypatch.setattr("benchmarks.speed.clock.LONG_ENOUGH", 0.0)
    monkeypatch.setattr("benchmarks.speed.encoder.MATRICES", (8, 8, 8))
    before = torch.are_deterministic_algorithms_enabled()
    yield
    assert torch.are_deterministic_algorithms_enabled() == before


def figures(module, scale, name):
    [task] = [task for task in module.tasks(scale, CPU) if task.name == name]
    return task.measure()


def test_every_method_has_a_row_in_both_precisions(published):
    names = [task.name for task in training.tasks(published, CPU)]
    assert {f"{row}, {way}" for row in ROWS for way in ("amp", "fp32")} <= set(names)
    assert len(set(names)) == len(names)


def test_the_published_scale_is_the_paper_profiles(published):
    assert published.sam == "vit_b" and published.frames == 16 and published.batch is None
    row = published.params.row("avsegformer", "v2").method_config
    assert (row.queries, row.layers, row.image_size) == (300, 6, 224)
    assert [task.name for task in extraction.tasks(published, CPU)][-1] == "vit_h, bf16"


@pytest.mark.parametrize(
    ("name", "samples", "frames"),
    [
        ("gavs", 4, 4),  # single frames
        ("gavs_released", 4, 4),  # with its loss at the input's size
        ("tpavi_sam", 4, 40),  # clips of V2
        ("slavc", 4, 4),  # a localiser, with a momentum encoder
    ],
)
@pytest.mark.parametrize("way", ["amp", "fp32"])
def test_a_training_step_says_of_how_much(tiny, name, samples, frames, way):
    got = figures(training, tiny, f"{name}, {way}")
    assert (got["samples"], got["frames"]) == (samples, frames)
    assert got["frames/s"] * got["ms"] == pytest.approx(1000 * frames)
    row = tiny.params.row(name, "vggss" if name == "slavc" else "v2")
    method = outline(tiny.params, row)
    trained = sum(p.numel() for p in method.parameters() if p.requires_grad)
    assert got["trained, million"] == trained / 1e6 > 0


def test_a_batch_that_does_not_fit_is_halved_until_it_does(tiny, monkeypatch):
    tried = []

    def timed(step, device, most):
        step()
        tried.append(1)
        if len(tried) == 1:  # with four clips
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Timing(0.5, 70.0)

    monkeypatch.setattr(training, "timed", timed)
    got = figures(training, tiny, "avsbench, amp")
    assert (got["samples"], got["frames"], got["frames/s"]) == (2, 20, 40.0)
    assert got["remark"] == "4 samples don't fit" and got["GiB"] == 70.0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_our_encoder_is_measured_beside_the_original(tiny, precision):
    got = figures(extraction, tiny, f"mini, {precision}")
    assert got["difference"] < (1e-5 if precision == "fp32" else 0.05)
    assert got["ratio"] == got["images/s"] / got["segment_anything, images/s"]
    assert {got["at once"], got["its at once"]} <= set(tiny.batches)


def test_the_compiled_encoder_gives_the_same(tiny):
    got = figures(extraction, tiny, "mini, bf16, compiled")
    assert got["difference"] < 0.05 and got["s to compile"] > 0 and got["at once"] == 2


@pytest.mark.parametrize(("fits", "seconds", "best"), [(9, {1: 1, 2: 1, 4: 4}, 2), (1, {1: 1}, 1)])
def test_the_search_ends_where_more_is_slower_or_does_not_fit(
    tiny, monkeypatch, fits, seconds, best
):
    def encoder(images):
        if len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images

    def timed(call, device):
        return Timing(seconds[len(call())], None)

    monkeypatch.setattr(extraction, "timed", timed)
    searched = replace(tiny, batches=(1, 2, 4, 8))
    rate, at_once, _ = extraction.fastest(encoder, torch.zeros(1, 3, 8, 8), "fp32", searched, CPU)
    assert (rate, at_once) == (best, best)


def test_an_encoder_that_does_not_fit_at_all_fails(tiny):
    def encoder(images):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        extraction.fastest(encoder, torch.zeros(1, 3, 8, 8), "fp32", tiny, CPU)


def test_drift_by_hand():
    exact, drifted = torch.tensor([-1.0, 0, 1, 3]), torch.tensor([-1.0, 0.4, 1, 2.8])
    mask, other = torch.tensor([True, False, True, True]), torch.tensor([True, True, True, True])
    got = drift.drift(exact, drifted, mask, other)
    assert got["greatest difference, %"] == pytest.approx(10)  # 0.4 of 4
    assert got["mean difference, %"] == pytest.approx(3.75)  # 0.6 / 4 of 4
    assert (got["flipped, %"], got["mask, %"]) == (25, 75)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_trained_weights_drift_little(tiny, precision):
    got = figures(drift, tiny, f"mini, the miniature's trained weights, {precision}")
    assert 0 < got["greatest difference, %"] < (2 if precision == "bf16" else 0.3)
    assert got["flipped, %"] < 1 < got["mask, %"] < 50  # an object, not the picture


def test_clicks_are_on_the_foremost_object():
    images, clicks = drift.scenes(8, 96)
    rng = np.random.default_rng(0)
    for click in clicks[:, 0]:
        frame = random_scene(rng).frame(rng)
        x, y = (click * 128 / 96).int().tolist()
        assert frame.owner[y, x] == len(frame.things) - 1
    assert images.shape == (8, 3, 96, 96)


@pytest.mark.parametrize("number", range(6))
def test_two_ways_give_one_result(tiny, number):
    task = paths.tasks(tiny, CPU)[number]
    got = task.measure()
    if got["bound"] is None:  # losses on different grids
        assert "default loss" in task.name
    else:
        assert got["difference"] <= got["bound"] and got["ratio"] > 0


def test_ways_that_differ_are_not_timed(tiny, monkeypatch):
    monkeypatch.setattr("benchmarks.speed.tpavi.naive", lambda block, x, audio: 2 * block(x, audio))
    got = figures(paths, tiny, "TPAVI of 10 frames of 8² in low rank")
    assert got["ratio"] is None and got["ms"] is None and "differ" in got["remark"]


@pytest.mark.parametrize("name", ["from disk", "from the system's cache"])
def test_the_loader_reads_half_of_the_store_on_the_clock(tiny, name):
    got = figures(loader, tiny, name)
    assert got["GB"] == 32 * 64 * 12 * 12 * 2 / 1e9  # 64 rows, fp16
    assert got["GB/s"] > 0 and 0 <= got["waits, % of the step"] < 100
