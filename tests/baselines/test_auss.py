import pytest
import torch

from baselines.auss import AUSS, AussConfig, Unmix, likeness

SMALL = dict(
    image_size=64, dim=16, heads=2, encoder_layers=1, encoder_hidden=16, rounds=1, hidden=16
)


def test_unmixing_equals_the_slow_version_and_keeps_the_whole():
    torch.manual_seed(0)
    unmix, audio = Unmix(6, 3, 8), torch.randn(2, 6)
    parts = unmix.parts(audio)
    for n in range(2):
        whole = unmix.project(audio[n])
        asked = unmix.share(audio[n]).view(3, 8)
        for d in range(8):
            e = [asked[q, d].exp().item() for q in range(3)]
            for q in range(3):
                expected = 3 * whole[d].item() * e[q] / sum(e)
                assert parts[n, q, d].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
        torch.testing.assert_close(parts[n].mean(0), whole)
    queries = unmix(audio)
    torch.testing.assert_close(queries, unmix.norm(parts + unmix.start))


def test_likeness_by_hand():
    x = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]])
    # Of the 12 ordered pairs, queries 0 and 1 are alike (twice); opposite ones count 0.
    assert likeness(x).item() == pytest.approx(2 / 12)
    assert likeness(torch.ones(3, 4, 5)).item() == pytest.approx(1)
    assert likeness(torch.eye(4)[None]).item() == 0


def test_self_supervision_drives_queries_apart():
    x = torch.nn.Parameter(1 + 0.1 * torch.randn(1, 4, 8))
    before = likeness(x).item()
    optimiser = torch.optim.SGD([x], lr=5.0)
    for _ in range(50):
        optimiser.zero_grad()
        likeness(x).backward()
        optimiser.step()
    assert likeness(x).item() < before / 2


def test_terms_and_weights(encoders, make_batch):
    torch.manual_seed(0)
    config = AussConfig(**SMALL, queries=4, query_weight=0.5, overlap_weight=2.0)
    method = AUSS(config, encoders)
    batch = make_batch(method)
    prediction = method(batch)
    terms = method.loss(prediction, batch)
    assert set(terms) == {"class", "mask", "dice", "queries", "overlap"}
    assert terms["queries"].item() == pytest.approx(
        0.5 * likeness(prediction.aux["queries"]).item()
    )
    masks = prediction.aux["masks"][-1].sigmoid().flatten(2)
    assert terms["overlap"].item() == pytest.approx(2 * likeness(masks).item())


def test_silence_can_put_out_every_mask(encoders, make_batch):
    """A frame whose queries all say "no object" is dark, whatever their masks."""
    method = AUSS(AussConfig(**SMALL, queries=4), encoders).eval()
    with torch.no_grad():
        method.decoder.classify.bias[-1] = 50
        method.decoder.kernel[-1].weight.mul_(100)
    assert (method(make_batch(method)).logits < -5).all()
