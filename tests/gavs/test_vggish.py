import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvggish import torchvggish, vggish_input

from gavs.vggish import VGGish, build_pca, build_vggish, log_mel
from gavs.weights import WeightsError

RATE = 16_000


def _sound(kind: str, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(3)
    match kind:
        case "noise":
            return rng.normal(0, 0.1, len(t)).astype(np.float32)
        case "silence":
            return np.zeros(len(t), np.float32)
        case (
            "loud partial"
        ):  # the hardest for single precision: silent bands beside a full-scale tone
            return (0.99 * np.sin(2 * np.pi * 1000 * t) * (t > 0.7)).astype(np.float32)
    raise ValueError(kind)


@pytest.mark.parametrize("kind", ["noise", "silence", "loud partial"])
@pytest.mark.parametrize(("seconds", "windows"), [(5.0, 5), (10.0, 10)])
def test_front_end_is_torchvggish(kind: str, seconds: float, windows: int) -> None:
    wave = _sound(kind, seconds)
    theirs = vggish_input.waveform_to_examples(wave.astype(np.float64), RATE)[:, 0].detach()
    ours = log_mel(torch.from_numpy(wave), 0.96, windows)
    assert ours.shape == theirs.shape == (windows, 96, 64)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_one_second_hop_starts_each_window_on_its_second() -> None:
    wave = _sound("noise", 4.0)
    ours = log_mel(torch.from_numpy(wave), 1.0, 4)
    for second in range(4):
        alone = wave[second * RATE : (second + 1) * RATE].astype(np.float64)
        theirs = vggish_input.waveform_to_examples(alone, RATE)[0, 0].detach()
        torch.testing.assert_close(ours[second], theirs, atol=1e-5, rtol=0)


def test_front_end_takes_batches_and_ignores_the_rest() -> None:
    waves = torch.from_numpy(np.stack([_sound("noise", 3.0), _sound("silence", 3.0)]))[None]
    both = log_mel(waves, 1.0, 2)
    assert both.shape == (1, 2, 2, 96, 64)
    assert torch.equal(both[0, 0], log_mel(waves[0, 0, : 2 * RATE], 1.0, 2))
    assert torch.equal(both[0, 1], torch.full((2, 96, 64), float(np.log(0.01))))


def test_shortest_waveform_and_one_sample_less() -> None:
    # The last of 5 windows begins at STFT frame 384 and ends with frame 479: 479 * 160 + 400.
    assert log_mel(torch.zeros(77_040), 0.96, 5).shape == (5, 96, 64)
    with pytest.raises(ValueError, match=r"need 77040 samples .* has 77039"):
        log_mel(torch.zeros(77_039), 0.96, 5)


@pytest.fixture(scope="module")
def original() -> torch.nn.Module:
    torch.manual_seed(0)
    return torchvggish._vgg(postprocess=False).eval()


def test_full_size_loads_torchvggish_weights_and_agrees(original, tmp_path) -> None:
    torch.save(original.state_dict(), tmp_path / "vggish-10086976.pth")
    ours = build_vggish("full", tmp_path / "vggish-10086976.pth")
    examples = torch.randn(3, 1, 96, 64)
    with torch.no_grad():
        before_relu, expected = ours(examples), original(examples)
    torch.testing.assert_close(before_relu.relu(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours(examples[:, 0]), before_relu)
    assert (before_relu < 0).any(), "the stored value is taken before the last ReLU"


@pytest.mark.parametrize("column", [False, True])
def test_pca_is_torchvggishs_postprocessing(column, tmp_path) -> None:
    """Its file holds numpy arrays in double precision."""
    rng = np.random.default_rng(0)
    vectors, means = rng.normal(0, 0.1, (128, 128)), rng.normal(0, 1, 128)
    arrays = {"pca_eigen_vectors": vectors, "pca_means": means[:, None] if column else means}
    path = tmp_path / "vggish_pca_params-970ea276.pth"
    torch.save(arrays, path, _use_new_zipfile_serialization=False)
    theirs = torchvggish.Postprocessor.__new__(torchvggish.Postprocessor)  # it would download
    theirs._pca_matrix = torch.from_numpy(vectors).float()
    theirs._pca_means = torch.from_numpy(means).float().reshape(-1, 1)

    embeddings = torch.randn(50, 128)
    found, expected = build_pca(path)(embeddings), theirs.postprocess(embeddings.relu())
    assert (found - expected).abs().max() <= 1  # a sum in another order may round the other way
    assert (found != expected).sum() <= 2
    assert found.min() == 0 and found.max() == 255
    del arrays["pca_means"]
    torch.save(arrays, path)
    with pytest.raises(WeightsError, match="970ea276.*this PCA.*pca_means"):
        build_pca(path)


def test_published_sizes() -> None:
    sizes = {size: sum(p.numel() for p in VGGish(size).parameters()) for size in ("mini", "full")}
    assert sizes == {"mini": 662_864, "full": 72_141_184}


def test_weights_of_another_size_are_refused(tmp_path) -> None:
    save_file(VGGish("mini").state_dict(), tmp_path / "mini.safetensors")
    with pytest.raises(ValueError, match=r"mini.safetensors.*features.0.weight.*\(64, 1, 3, 3\)"):
        build_vggish("full", tmp_path / "mini.safetensors")


def test_frozen_and_in_eval_mode() -> None:
    model = build_vggish("mini")
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
