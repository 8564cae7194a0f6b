import numpy as np
import pytest

from gavs.spectrogram import HOP, SECONDS, WINDOW, frames, spectrogram

RATE = 16_000


def slow(piece, hop):
    """The definition, one piece at a time: Tukey window, mean removed, power per Hz, one side."""
    x = np.linspace(0, 1, WINDOW + 1)[:-1]  # periodic
    edge = np.minimum(x, 1 - x)
    window = np.where(edge < 0.125, 0.5 * (1 - np.cos(np.pi * edge / 0.125)), 1.0)
    columns = []
    for start in range(0, len(piece) - WINDOW + 1, hop):
        part = piece[start : start + WINDOW].astype(float)
        power = np.abs(np.fft.rfft((part - part.mean()) * window)) ** 2
        power /= RATE * (window**2).sum()
        power[1:-1] *= 2
        columns.append(np.log(power + 1e-7) / 12)
    return np.stack(columns, 1)


@pytest.mark.parametrize("hop", [HOP, 476])
def test_it_is_the_slow_one_of_the_middle_three_seconds(hop):
    wave = 0.3 * np.random.default_rng(0).standard_normal(10 * RATE).clip(-3, 3)
    made = spectrogram(wave.astype(np.float32), 5.0, hop)
    assert made.shape == (1, 257, frames(hop)) and made.dtype == np.float32
    expected = slow(wave[round(3.5 * RATE) : round(6.5 * RATE)], hop)
    np.testing.assert_allclose(made[0], expected, atol=1e-4)


def test_the_originals_shape():
    assert frames() == 200 and frames(476) == 100
    assert spectrogram(np.zeros(SECONDS * RATE)).shape == (1, 257, 200)


def test_a_tone_lights_its_bin():
    """1 kHz at 16 kHz and 512 samples a piece: bin 32."""
    wave = np.sin(2 * np.pi * 1000 * np.arange(10 * RATE) / RATE)
    assert (spectrogram(wave, 5.0)[0].argmax(0) == 32).all()


def test_silence_is_the_offset_alone():
    np.testing.assert_allclose(spectrogram(np.zeros(10 * RATE), 5.0), np.log(1e-7) / 12, rtol=1e-6)


def test_windows_at_the_ends_are_moved_inside_and_short_sounds_repeat():
    rng = np.random.default_rng(0)
    wave = 0.1 * rng.standard_normal(5 * RATE)
    np.testing.assert_array_equal(spectrogram(wave, 0.0), spectrogram(wave[: 3 * RATE]))
    np.testing.assert_array_equal(spectrogram(wave, 4.9), spectrogram(wave[2 * RATE :]))
    short = wave[:RATE]
    np.testing.assert_array_equal(spectrogram(short), spectrogram(np.tile(short, 3)))
    with pytest.raises(ValueError, match="empty"):
        spectrogram(wave[:0])
