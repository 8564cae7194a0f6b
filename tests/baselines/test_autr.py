import torch
import torch.nn.functional as F
from torch import nn

from baselines.autr import AudioVisualLayer, AuTR, AutrConfig, DynamicConv

SMALL = dict(
    backbone="pvt", image_size=64, dim=16, heads=2, encoder_layers=1, decoder_layers=2, hidden=16
)


def test_dynamic_convolution_equals_one_convolution_per_query():
    torch.manual_seed(0)
    conv = DynamicConv(16, 4)
    for p in conv.parameters():
        nn.init.normal_(p, std=0.3)
    queries, features = torch.randn(2, 3, 16), torch.randn(2, 4, 5, 7)
    reference = torch.rand(3, 2)
    fast = conv(queries, features, reference)
    assert fast.shape == (2, 3, 5, 7)
    for n in range(2):
        for q in range(3):
            w1, b1, w2, b2, w3, b3 = (part[n, q] for part in conv.kernels(queries))
            x = (torch.arange(7) + 0.5) / 7 - reference[q, 0]
            y = (torch.arange(5) + 0.5) / 5 - reference[q, 1]
            place = torch.stack([x.expand(5, 7), y[:, None].expand(5, 7)])
            z = torch.cat([features[n], place])[None]
            z = F.relu(F.conv2d(z, w1[..., None, None], b1))
            z = F.relu(F.conv2d(z, w2[..., None, None], b2))
            z = F.conv2d(z, w3[..., None, None], b3)
            torch.testing.assert_close(fast[n, q], z[0, 0], atol=1e-4, rtol=1e-4)


def test_kernels_have_condinsts_size():
    conv = DynamicConv(256, 8)
    assert conv.make[-1].out_features == 169  # (8 + 2) 8 + 8, 8 8 + 8, 8 + 1


def test_dynamic_convolution_by_hand():
    """A kernel that only reads the x seen from its reference point: relu(x - r) twice."""
    conv = DynamicConv(4, 1)
    with torch.no_grad():
        conv.make[-1].weight.zero_()
        # w1 (feature, x, y), b1, w2, b2, w3, b3
        conv.make[-1].bias.copy_(torch.tensor([0, 1.0, 0, 0, 2.0, 0, 10.0, -1.0]))
    out = conv(
        torch.randn(1, 2, 4), torch.randn(1, 1, 1, 4), torch.tensor([[0.125, 0.5], [0.625, 0.5]])
    )
    expected = torch.tensor([[[-1, 4, 9, 14.0]], [[-1, -1, -1, 4.0]]])
    torch.testing.assert_close(out[0], expected)


def test_single_key_attention_is_linear_in_the_audio():
    """Why `hear` is a linear map: attention with one key gives its value, whatever the query."""
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(16, 2, batch_first=True)
    pixels, audio = torch.randn(2, 9, 16), torch.randn(2, 1, 16)
    heard, _ = attention(pixels, audio, audio)
    value = audio @ attention.in_proj_weight[32:].T + attention.in_proj_bias[32:]
    torch.testing.assert_close(heard, attention.out_proj(value).expand(-1, 9, -1))


def test_audio_and_pixels_reach_each_other():
    torch.manual_seed(0)
    layer = AudioVisualLayer(AutrConfig(**SMALL), levels=1).eval()
    x, audio, position = torch.randn(2, 6, 16), torch.randn(2, 1, 16), torch.randn(6, 16)
    reference = torch.rand(6, 2)
    looked = []
    layer.look.register_forward_hook(lambda _, inputs, out: looked.append(inputs))
    pixels, heard = layer(x, audio, position, reference, [(2, 3)])
    torch.testing.assert_close(looked[0][1] - looked[0][2], position.expand(2, -1, -1))
    louder = layer(x, 2 * audio, position, reference, [(2, 3)])[0]
    assert ((louder - pixels).abs().amax(-1) > 1e-4).all()
    x[0, 4] += 1
    changed = layer(x, audio, position, reference, [(2, 3)])[1]
    assert (changed - heard)[0].abs().max() > 1e-4 and torch.equal(changed[1], heard[1])


def test_queries_start_from_the_audio_and_every_layers_queries_make_masks(encoders, make_batch):
    torch.manual_seed(0)
    method = AuTR(AutrConfig(**SMALL, queries=3), encoders).eval()
    calls = {name: [] for name in ("encoder", "layer", "finest", "conv")}

    def record(module, name):
        module.register_forward_hook(lambda _, inputs, out: calls[name].append((inputs, out)))

    record(method.encoder, "encoder")
    record(method.finest, "finest")
    record(method.conv, "conv")
    for layer in method.decoder:
        record(layer, "layer")
    method(make_batch(method))

    [(_, (memory, audio, _))], [((_, finest), _)] = calls["encoder"], calls["finest"]
    assert torch.equal(finest.flatten(2).transpose(1, 2), memory[:, :64])  # stride 8 of 64 pixels
    (first, after_one), (second, after_two) = calls["layer"]
    torch.testing.assert_close(first[0], audio + method.start)
    assert second[0] is after_one
    (one, _), (two, _) = calls["conv"]
    assert one[0] is after_one and two[0] is after_two
    reference = method.reference(method.place).sigmoid()
    assert all(torch.equal(x, reference) for x in (first[3], second[3], one[2], two[2]))


def test_every_decoder_layer_learns(encoders, make_batch):
    method = AuTR(AutrConfig(**SMALL, queries=3, dropout=0), encoders)
    batch = make_batch(method)
    prediction = method(batch)
    assert prediction.aux["masks"].shape == (2, 8, 3, 16, 16)
    prediction.aux["masks"].retain_grad()
    sum(method.loss(prediction, batch).values()).backward()
    supervised = batch.supervised.flatten()
    gradient = prediction.aux["masks"].grad.abs().amax((2, 3, 4)) > 0
    assert gradient[:, supervised].all() and not gradient[:, ~supervised].any()


def test_silence_can_put_out_every_mask(encoders, make_batch):
    method = AuTR(AutrConfig(**SMALL, queries=3), encoders).eval()
    with torch.no_grad():
        method.score.bias[1] = 50
    assert (method(make_batch(method)).logits < -5).all()
