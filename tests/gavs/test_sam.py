"""gavs/sam.py against segment_anything's own predictor, decoder and encoder."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.utils.transforms import ResizeLongestSide

from gavs import sam as gavs_sam
from gavs.sam import build_sam, decode
from gavs.sizes import SAM_SIZES, SamSize

WINDOWED = SamSize(
    48, 8, 32, 4, 4, 2, 4, (1, 3), 32, 4, 64
)  # 6x6 tokens: windows of 4 need padding


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    model = build_sam("mini")
    for p in model.parameters():  # SAM starts with zero position embeddings and unit norms
        p.add_(0.02 * torch.randn_like(p))
    return model


@pytest.mark.parametrize("size", ["vit_b", "vit_l", "vit_h"])
def test_published_sizes_have_the_state_of_segment_anything(size):
    with torch.device("meta"):
        ours = build_sam(size)
        theirs = sam_model_registry[size]()
    shapes = {k: v.shape for k, v in ours.state_dict().items()}
    assert shapes == {k: v.shape for k, v in theirs.state_dict().items()}
    for a, b in zip(ours.image_encoder.blocks, theirs.image_encoder.blocks, strict=True):
        assert (a.window_size, a.attn.num_heads) == (b.window_size, b.attn.num_heads)
        assert a.norm1.eps == b.norm1.eps
    attention = ours.mask_decoder.transformer.layers[0].self_attn
    assert attention.num_heads == theirs.mask_decoder.transformer.layers[0].self_attn.num_heads
    assert not any(p.requires_grad for p in ours.parameters())


def test_weights_of_another_size_are_refused(tmp_path):
    small = build_sam(SamSize(32, 8, 16, 2, 2, 2, 0, (), 16, 2, 32))
    save_file(small.state_dict(), tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match="small.safetensors.*image_encoder.blocks.2"):
        build_sam("mini", tmp_path / "small.safetensors")


@pytest.mark.parametrize("multimask", [False, True, None])
def test_decode_equals_segment_anything_for_clicks(sam, multimask):
    torch.manual_seed(1)
    embeddings = torch.randn(5, 64, 12, 12)
    points, labels = 96 * torch.rand(5, 2, 2), torch.tensor([[1, 0]] * 5)
    sparse, dense = sam.prompt_encoder((points, labels), None, None)

    masks, iou = decode(sam, embeddings, sparse, multimask=multimask)

    for i in range(5):
        all_masks, all_iou = sam.mask_decoder.predict_masks(
            embeddings[i : i + 1],
            sam.prompt_encoder.get_dense_pe(),
            sparse[i : i + 1],
            dense[i : i + 1],
        )
        wanted = {False: [0], True: [1, 2, 3], None: [0, 1, 2, 3]}[multimask]
        torch.testing.assert_close(masks[i], all_masks[0, wanted], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(iou[i], all_iou[0, wanted], atol=1e-5, rtol=1e-5)


def test_decode_takes_mask_prompts_and_whole_token_sets(sam):
    embeddings, boxes = torch.randn(2, 64, 12, 12), 96 * torch.rand(2, 4)
    sparse, dense = sam.prompt_encoder(None, boxes, torch.randn(2, 1, 48, 48))
    whole = torch.cat([gavs_sam.output_tokens(sam).expand(2, -1, -1), sparse], dim=1)
    theirs = torch.cat(
        [
            sam.mask_decoder(e[None], sam.prompt_encoder.get_dense_pe(), s[None], d[None], False)[0]
            for e, s, d in zip(embeddings, sparse, dense, strict=True)
        ]
    )
    for ours in (
        decode(sam, embeddings, sparse, dense)[0],
        decode(sam, embeddings, dense=dense, tokens=whole)[0],
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_gradients_of_decode_equal_segment_anythings(sam):
    torch.manual_seed(2)
    decoder = copy.deepcopy(sam.mask_decoder).requires_grad_(True)
    ours = copy.deepcopy(sam)
    ours.mask_decoder = decoder
    inputs = torch.randn(3, 64, 12, 12), torch.randn(3, 2, 64)
    embeddings, sparse = (x.requires_grad_() for x in inputs)
    dense = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    pe = sam.prompt_encoder.get_dense_pe()
    theirs = [
        decoder.predict_masks(e[None], pe, s[None], dense.expand(1, -1, 12, 12))[0]
        for e, s in zip(embeddings, sparse, strict=True)
    ]
    probe = torch.randn(3, 4, 48, 48) / 48
    wanted = {"embeddings": embeddings, "sparse": sparse, **dict(decoder.named_parameters())}
    found, expected = (
        torch.autograd.grad((logits * probe).sum(), list(wanted.values()), allow_unused=True)
        for logits in (decode(ours, embeddings, sparse, multimask=None)[0], torch.cat(theirs))
    )
    for name, a, b in zip(wanted, found, expected, strict=True):
        assert (a is None) == (b is None) == name.startswith("iou_prediction_head"), name
        if a is not None:
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_adapters_see_each_place_of_each_layer_and_change_the_mask(sam):
    embeddings = torch.randn(2, 64, 12, 12)
    before, _ = decode(sam, embeddings)
    seen = []

    def double(place, layer, x):
        seen.append((place, layer, x.shape))
        return 2 * x if place == "mlp" else x

    after, _ = decode(sam, embeddings, adapters=double)
    places = ["attention", "mlp", "context"]
    assert seen == [(p, layer, (2, 5, 64)) for layer in range(2) for p in places]
    assert not torch.allclose(before, after)


def test_adapter_on_the_mlp_output_equals_scaling_that_mlp(sam):
    embeddings, sparse = torch.randn(2, 64, 12, 12), torch.randn(2, 1, 64)
    ours, _ = decode(sam, embeddings, sparse, adapters=lambda p, i, x: 3 * x if p == "mlp" else x)
    hooks = [
        block.mlp.register_forward_hook(lambda module, args, out: 3 * out)
        for block in sam.mask_decoder.transformer.layers
    ]
    theirs, _ = decode(sam, embeddings, sparse)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (96, 96), (33, 50), (7, 300), (300, 299)])
def test_preprocess_and_postprocess_equal_the_predictor(sam, shape):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    resized = ResizeLongestSide(96).apply_image(frame)
    assert gavs_sam.input_size(shape, 96) == resized.shape[:2]

    ours = gavs_sam.preprocess([frame, frame], 96)
    theirs = sam.preprocess(torch.from_numpy(resized).permute(2, 0, 1)[None])
    torch.testing.assert_close(ours, theirs.repeat(2, 1, 1, 1), atol=1e-6, rtol=0)

    logits = torch.randn(2, 3, 48, 48)
    torch.testing.assert_close(
        gavs_sam.postprocess(logits, resized.shape[:2], shape),
        sam.postprocess_masks(logits, resized.shape[:2], shape),
        atol=1e-6,
        rtol=0,
    )


def test_click_on_a_frame_equals_the_predictor_end_to_end(sam):
    frame = np.random.default_rng(1).integers(0, 256, (60, 110, 3), dtype=np.uint8)
    predictor = SamPredictor(sam)
    predictor.set_image(frame)
    click = np.array([[70.0, 20.0]])
    theirs, _, _ = predictor.predict(click, np.array([1]), multimask_output=False, return_logits=1)

    embedding = sam.image_encoder(gavs_sam.preprocess([frame], 96))
    point = predictor.transform.apply_coords_torch(torch.from_numpy(click)[None], (60, 110))
    sparse, _ = sam.prompt_encoder((point.float(), torch.ones(1, 1)), None, None)
    masks = gavs_sam.postprocess(decode(sam, embedding, sparse)[0], (52, 96), (60, 110))
    torch.testing.assert_close(masks[0], torch.from_numpy(theirs), atol=1e-5, rtol=1e-5)


def test_bgr_swaps_the_channels_but_not_the_statistics():
    frame = np.zeros((8, 8, 3), dtype=np.uint8)
    frame[..., 0] = 255  # red
    square = gavs_sam.preprocess([frame], 8, "bgr")[0]
    expected = [(0 - 123.675) / 58.395, (0 - 116.28) / 57.12, (255 - 103.53) / 57.375]
    torch.testing.assert_close(square[:, 0, 0], torch.tensor(expected))


@given(st.integers(1, 400), st.integers(1, 400))
@settings(max_examples=200)
def test_input_size_is_segment_anythings(height, width):
    assert gavs_sam.input_size((height, width), 96) == ResizeLongestSide.get_preprocess_shape(
        height, width, 96
    )


@pytest.mark.parametrize("size", [SAM_SIZES["mini"], WINDOWED], ids=["global", "windowed"])
def test_cut_and_continue_equals_the_whole_encoder(size):
    torch.manual_seed(0)
    sam = build_sam(size)
    for p in sam.parameters():
        p.add_(0.05 * torch.randn_like(p))
    images = torch.randn(2, 3, size.img_size, size.img_size)
    whole = sam.image_encoder(images)
    for cut in range(size.depth + 1):
        part = gavs_sam.tokens(sam, images, cut)
        assert part.shape == (2, size.grid, size.grid, size.dim)
        torch.testing.assert_close(gavs_sam.continue_from_tokens(sam, part, cut), whole)
        untouched = [torch.nn.Identity()] * (size.depth - cut)
        adapted = gavs_sam.continue_from_tokens(sam, part, cut, untouched)
        torch.testing.assert_close(adapted, whole, atol=1e-5, rtol=1e-5)


def test_encoder_adapters_map_the_mlp_output():
    torch.manual_seed(0)
    sam = build_sam(WINDOWED)
    part = torch.randn(2, 6, 6, 32)
    double = torch.nn.Linear(32, 32, bias=False).requires_grad_(False)
    double.weight.copy_(2 * torch.eye(32))
    adapted = gavs_sam.continue_from_tokens(sam, part, 2, [double, double])
    for block in sam.image_encoder.blocks[2:]:
        block.mlp.lin2.weight.mul_(2)
        block.mlp.lin2.bias.mul_(2)
    expected = gavs_sam.continue_from_tokens(sam, part, 2)
    torch.testing.assert_close(adapted, expected, atol=1e-5, rtol=1e-5)


def test_recomputed_blocks_give_the_same_gradients(encoders):
    sam = encoders.sam()
    torch.manual_seed(0)
    adapters = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in sam.image_encoder.blocks[2:])
    tokens, found = torch.randn(2, 8, 8, 16), []
    for recompute in (False, True):
        adapters.zero_grad()
        embedding = gavs_sam.continue_from_tokens(sam, tokens, 2, adapters, recompute)
        embedding.square().sum().backward()
        found.append([embedding.detach(), *(p.grad.clone() for p in adapters.parameters())])
    for kept, again in zip(*found, strict=True):
        assert torch.equal(kept, again)
