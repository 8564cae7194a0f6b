"""Pretraining: targets, folding, files, and what the committed weights reach on fresh data."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.pretrain import (
    PretrainConfig,
    adopt,
    backbones,
    pca,
    pretrain,
    sam,
    verify,
    vggish,
)
from benchmarks.miniature.pretrain.common import Scenes, draws, render_scenes, turned, write_half
from benchmarks.miniature.pretrain.weights import describe, write_report
from benchmarks.miniature.scenes import RADIUS
from gavs.backbones import build_backbone
from gavs.vggish import VGGish, build_pca, build_vggish

WEIGHTS = Path(__file__).parents[3] / "weights" / "miniature"
FRESH = 77_000_000  # a seed that neither pretraining nor its evaluation draws from
SMALL = PretrainConfig(pool=4, steps=1, batch=2, lr=1e-3)


# Scenes and batches


def test_scene_is_a_function_of_seed_and_index() -> None:
    three, two, other = render_scenes(3, 5), render_scenes(2, 5), render_scenes(2, 6)
    assert torch.equal(three.images[:2], two.images) and torch.equal(three.owner[:2], two.owner)
    assert not torch.equal(two.images, other.images)


def test_scene_tables_agree_with_the_pixels() -> None:
    scenes = render_scenes(6, 5)
    for i in range(6):
        seen, count = scenes.owner[i].unique(return_counts=True)
        areas = {int(k): int(n) for k, n in zip(seen, count, strict=True) if k >= 0}
        assert areas == {k: int(a) for k, a in enumerate(scenes.area[i]) if a > 0}


def test_about_half_of_the_scenes_have_few_and_larger_objects_than_avsbench() -> None:
    scenes = render_scenes(80, 5)
    objects = scenes.labels >= 0
    largest = (2 * 0.85 * RADIUS[1]) ** 2  # pixels of a square, the shape that fills most
    large = (scenes.area.where(objects, torch.tensor(0.0)) > 1.1 * largest).any(1)
    assert 0.2 < large.float().mean() < 0.5
    assert objects[large].sum(1).max() <= 3 and objects[~large].sum(1).max() == 5


def test_tags_are_the_visible_objects_classes() -> None:
    labels = torch.tensor([[-1, 3, 3, 7, 9, -2, -2], [-1, 23, -2, -2, -2, -2, -2]])
    area = torch.tensor([[500.0, 300, 300, 39, 40, 0, 0], [500, 0, 0, 0, 0, 0, 0]])
    scenes = Scenes(torch.empty(0), torch.empty(0), labels, area)
    assert [row.nonzero().flatten().tolist() for row in scenes.tags] == [[3, 9], []]


def test_turns_are_the_eight_symmetries_and_alike_for_image_and_owner() -> None:
    square = torch.arange(4).view(1, 2, 2).expand(8, 2, 2)
    planes = turned(square, torch.arange(8))
    assert len({tuple(p.flatten().tolist()) for p in planes}) == 8
    assert torch.equal(turned(square[:, None], torch.arange(8))[:, 0], planes)


def test_draws_pass_over_the_whole_pool_before_repeating() -> None:
    config = PretrainConfig(pool=10, steps=10, batch=4, lr=1.0)
    batches = list(draws(config, torch.Generator().manual_seed(0)))
    assert [len(b) for b in batches] == [4] * 10
    drawn = torch.cat(batches)
    assert all(sorted(part.tolist()) == list(range(10)) for part in drawn.split(10))


# SAM's prompts and losses


def test_boxes_and_clicks_of_a_hand_made_mask() -> None:
    masks = torch.zeros(2, 128, 128)
    masks[0, 32:64, 8:120] = 1  # rows 32..63, columns 8..119
    masks[1, 4, 100] = 1
    scale = 96 / 128
    expected = torch.tensor([[8.0, 32, 120, 64], [100, 4, 101, 5]]) * scale
    assert torch.equal(sam.boxes(masks), expected)
    clicks = sam.random_clicks(masks, torch.Generator().manual_seed(0))
    assert torch.equal(clicks[1], torch.tensor([[100.0, 4.0]]) * scale)


def test_clicks_are_uniform_over_the_mask() -> None:
    mask = torch.zeros(4, 4)
    mask[0, 1] = mask[2, 2] = mask[3, 3] = 1
    clicks = sam.random_clicks(mask.expand(3000, 4, 4), torch.Generator().manual_seed(0))
    places, counts = (clicks[:, 0] * 4 / 96).unique(dim=0, return_counts=True)
    assert places.tolist() == [[1, 0], [2, 2], [3, 3]]
    assert (counts - 1000).abs().max() < 100  # 4 standard deviations


def test_mask_prompt_is_a_damaged_copy_in_place() -> None:
    mask = torch.zeros(64, 128, 128)
    mask[:, 70:100, 20:60] = 1
    coarse = sam.coarse_masks(mask, torch.Generator().manual_seed(0))
    assert coarse.shape == (64, 1, 48, 48)
    small = nn.functional.interpolate(mask[:, None], (48, 48), mode="area") > 0.5
    overlap = sam.iou(coarse > 0, small)
    assert 0.4 < overlap.mean() < 0.9 and overlap.max() < 1


def test_mask_loss_by_hand() -> None:
    # Even odds everywhere on a half-covered target: BCE ln 2, dice 1 - (2 * 1 + 1) / (2 + 2 + 1).
    target = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    loss = sam.mask_losses(torch.zeros(1, 3, 2, 2), target)
    torch.testing.assert_close(loss, torch.full((1, 3), 5 * 0.693147 + 0.4))


def test_semantic_loss_counts_only_cells_on_objects() -> None:
    # A 2 x 2 grid over 4 x 4 pixels; cell centres are pixels (1 or 3, 1 or 3).
    owner = torch.full((1, 4, 4), -1)
    owner[0, 1, 1], owner[0, 1, 3], owner[0, 3, 1] = 0, 1, 2
    labels = torch.tensor([[-1, 6, 23, -2]])  # furniture, square-checker, ring-dots
    logits = torch.zeros(1, 10, 2, 2)
    logits[0, 1, 0, 1] = logits[0, 6 + 2, 0, 1] = 50.0  # square, checker: right
    logits[0, 5, 1, 0] = logits[0, 6 + 3, 1, 0] = 50.0  # ring, dots: right
    assert sam.semantic_loss(logits, owner, labels) < 1e-5
    logits[0, 0, 0, 0] = logits[0, 0, 1, 1] = 50.0  # on furniture and background: no matter
    assert sam.semantic_loss(logits, owner, labels) < 1e-5
    logits[0, 8, 0, 1], logits[0, 9, 0, 1] = 0.0, 50.0  # dots for checker: one of two cells
    torch.testing.assert_close(sam.semantic_loss(logits, owner, labels), torch.tensor(25.0))


# VGGish's batch norm


def test_folded_vggish_equals_the_normalised_one() -> None:
    torch.manual_seed(0)
    normed = vggish.with_batch_norm(VGGish("mini"))
    for layer in normed.features:
        if isinstance(layer, nn.BatchNorm2d):
            for value in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(value, 0.5, 0.3)
            nn.init.uniform_(layer.running_var, 0.3, 3)
    folded = vggish.fold_batch_norm(normed.eval())
    assert folded.state_dict().keys() == VGGish("mini").state_dict().keys()
    x = torch.randn(4, 96, 64)
    torch.testing.assert_close(folded(x), normed(x), atol=1e-5, rtol=1e-5)


def test_principal_components_whiten_by_hand() -> None:
    # Along (3, 4) / 5 with variance 100, across it with variance 25, and one dead channel.
    along, across = torch.tensor([0.6, 0.8, 0.0]), torch.tensor([-0.8, 0.6, 0.0])
    steps = torch.tensor([[1.0, 0], [-1, 0], [0, 0.5], [0, -0.5]]) * 10 * (3 / 2) ** 0.5
    x = torch.tensor([7.0, -2, 1]) + steps @ torch.stack([along, across])
    state = pca.principal_components(x)
    torch.testing.assert_close(state["pca_means"], torch.tensor([7.0, -2, 1]))
    vectors = state["pca_eigen_vectors"]
    torch.testing.assert_close(vectors[:2], torch.stack([along / 10, -across / 5]))
    least = 1 / (10 * pca.LEAST_VARIANCE**0.5)  # not infinite
    torch.testing.assert_close(vectors[2], torch.tensor([0, 0, least]))


def test_tag_figures_by_hand() -> None:
    tags = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]])
    logits = torch.tensor([[3.0, 1, 0.1], [4, 2, 0.2], [2, 1.5, 0.9], [0, 1.8, 2]])
    figures = vggish.tag_figures(logits, tags)
    assert figures["single_top1"] == 0.5  # first right, second not
    assert figures["mixture_recall"] == 0.75  # 1 of 2, 2 of 2
    # Class 0 is at ranks 2 and 3, classes 1 and 2 at ranks 1 and 2.
    assert figures["map"] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 + 1) / 3)


# Files


def _made(folder: Path, name: str, value: float) -> None:
    write_half(folder / f"{name}.safetensors", {"w": torch.full((3,), value)})
    describe(folder / f"{name}.safetensors", SMALL, {"map": 0.5}, cpu_seconds=2.0)


def test_adopt_replaces_what_was_rebuilt_and_keeps_the_rest(tmp_path) -> None:
    first, second, kept, results = (tmp_path / n for n in ("first", "second", "kept", "results"))
    _made(first, "pvt", 1.0)
    _made(first, "resnet", 1.0)
    before = adopt(first, kept, results)
    _made(second, "resnet", 2.0)
    after = adopt(second, kept, results)
    assert after == verify(kept)
    assert after["pvt"] == before["pvt"]
    assert after["resnet"].sha256 != before["resnet"].sha256
    report = json.loads((results / "pretraining.json").read_text())
    assert report["resnet"]["figures"] == {"map": 0.5}
    page = (results / "pretraining.md").read_text()
    assert "| resnet | 0.500 |" in page and f"| {WorldConfig().version} | 2 |" in page


def test_nothing_is_adopted_from_a_damaged_build(tmp_path) -> None:
    _made(tmp_path / "new", "pvt", 1.0)
    _made(tmp_path / "new", "resnet", 1.0)
    (tmp_path / "new" / "resnet.safetensors").write_bytes(save({"w": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"resnet\.safetensors: sha256 .* pretrain resnet"):
        adopt(tmp_path / "new", tmp_path / "kept", tmp_path / "results")
    assert not (tmp_path / "kept").exists()
    with pytest.raises(FileNotFoundError, match="no weights"):
        adopt(tmp_path / "kept", tmp_path / "other", tmp_path / "results")


def test_verify_names_the_changed_or_missing_file(tmp_path) -> None:
    _made(tmp_path / "new", "pvt", 1.0)
    adopt(tmp_path / "new", tmp_path / "kept", tmp_path / "results")
    file = tmp_path / "kept" / "pvt.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"pvt\.safetensors: sha256"):
        verify(tmp_path / "kept")
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"pvt\.safetensors: missing"):
        verify(tmp_path / "kept")
    with pytest.raises(FileNotFoundError, match=r"checksums\.json: missing"):
        verify(tmp_path / "new")


@pytest.mark.parametrize("name", ["vggish", "resnet", "sam"])
def test_one_step_twice_gives_the_same_file(name, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sam, "HELD_OUT_SCENES", 8)
    monkeypatch.setattr(backbones, "HELD_OUT_SCENES", 80)  # so many that each class occurs
    monkeypatch.setattr(vggish, "HELD_OUT_SOUNDS", 120)
    cards = [pretrain(name, tmp_path / run / f"{name}.safetensors", SMALL) for run in "ab"]
    assert cards[0].sha256 == cards[1].sha256
    assert cards[0].figures == cards[1].figures


def test_unknown_encoder() -> None:
    with pytest.raises(KeyError, match="unknown encoder 'clip'.*vggish"):
        pretrain("clip", Path("clip.safetensors"))


# The committed weights


def test_committed_weights_match_their_checksums_and_fit_in_8_mb() -> None:
    cards = verify(WEIGHTS)
    assert {"sam", "vggish", "pvt", "resnet"} <= cards.keys()
    assert sum(card.bytes for card in cards.values()) <= 8_000_000


def test_committed_report_is_of_the_committed_weights(tmp_path) -> None:
    results = WEIGHTS.parents[1] / "results"
    write_report(verify(WEIGHTS), tmp_path)
    for name in ("pretraining.md", "pretraining.json"):
        assert (results / name).read_text() == (tmp_path / name).read_text()


def test_committed_sam_segments_fresh_scenes() -> None:
    figures = sam.evaluate(WEIGHTS / "sam.safetensors", FRESH, scenes=24)
    assert figures["click_iou"] > 0.75
    assert figures["box_iou"] > 0.75
    assert figures["mask_iou"] > figures["mask_prompt_iou"] + 0.05


def _probe(features: Tensor, tags: Tensor) -> float:
    """Accuracy of a linear probe on the examples of one class, fitted on the first 400."""
    alone = tags.sum(1) == 1
    x, y = features[alone].numpy(), tags[alone].argmax(1).numpy()
    probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x[:400], y[:400])
    return probe.score(x[400:], y[400:])


@torch.inference_mode()
def test_committed_vggish_tells_fresh_sounds_apart() -> None:
    sounds = vggish.make_sounds(1_000, FRESH)
    encoder = build_vggish("mini", WEIGHTS / "vggish.safetensors")
    heard = encoder(sounds.log_mel)
    assert _probe(heard.relu(), sounds.tags) > 0.85
    assert _probe(build_pca(WEIGHTS / "vggish_pca.safetensors")(heard), sounds.tags) > 0.85


@torch.inference_mode()
def test_committed_backbones_tell_fresh_scenes_apart() -> None:
    """Far above the .05 that untrained weights reach on the 24 classes."""
    scenes = render_scenes(600, FRESH, most_objects=1)
    for name, least in (("pvt", 0.25), ("resnet", 0.8)):
        weights = WEIGHTS / f"{name}.safetensors"
        backbone = build_backbone(backbones.ARCHITECTURES[name], weights).eval()
        maps = [backbone(backbones.normalised(x))[-2:] for x in scenes.images.split(50)]
        pooled = torch.cat([torch.cat([m.mean((2, 3)) for m in pair], 1) for pair in maps])
        assert _probe(pooled, scenes.tags) > least, name
