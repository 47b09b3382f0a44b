"""Unit tests of whether intensities start at zero electrons, on Poisson images of columns."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.measure.zero_level import cut_share, noise_slope

PIXEL = (0.02, 0.02)


def image(dose: float, seed: int = 0, gain: float = 7.0, side: int = 320) -> np.ndarray:
    """Columns that take up to two thirds of the beam; no structure finer than 0.5 Å."""
    y, x = np.indices((side, side)) * 0.2
    columns = 0.7 * np.cos(np.pi * y / 2.3) ** 2 * np.cos(np.pi * x / 2.3) ** 2
    inside = np.hypot(y - y.mean(), x - x.mean()) < 22
    expected = gaussian_filter(1 - columns * inside, 1.6) * dose * 0.04
    return gain * np.random.default_rng(seed).poisson(expected)


@pytest.mark.parametrize("dose", [100.0, 1000.0, 1e4])
def test_counted_electrons_have_the_slope_one(dose):
    said = [noise_slope(image(dose, seed), PIXEL) for seed in range(6)]
    slopes, errors = np.array(said).T
    assert np.median(slopes) == pytest.approx(1.0, abs=0.1)
    assert np.abs((slopes - 1) / errors).max() < 4


@pytest.mark.parametrize(("taken_off", "slope"), [(0.5, 0.5), (-0.5, 1.5)])
def test_what_was_taken_off_or_put_on_shows_in_the_slope(taken_off, slope):
    """Variance over mean of I - d: the slope is 1 - d / mean."""
    frame = image(1e4)
    found, error = noise_slope(frame - taken_off * frame.mean(), PIXEL)
    assert found == pytest.approx(slope, abs=4 * error)
    assert error < 0.15


def test_hot_pixels_change_nothing():
    frame = image(1000.0)
    hot = np.where(np.random.default_rng(3).random(frame.shape) < 2e-4, 20 * frame, frame)
    assert noise_slope(hot, PIXEL)[0] == pytest.approx(noise_slope(frame, PIXEL)[0], abs=0.05)


def test_what_cannot_say_says_nothing():
    assert noise_slope(np.ones((320, 320)), PIXEL) is None
    assert noise_slope(image(1000.0)[:40, :40], PIXEL) is None
    assert noise_slope(image(1000.0), (0.03, 0.03)) is None  # hardly any noise beyond the microscope's reach
    assert noise_slope(image(1000.0) - 1e6, PIXEL) is None


def test_cut_off_contrast_shows_in_the_largest_value():
    for dose in (25.0, 1000.0):
        assert cut_share(image(dose)) < 3e-4
    frame = image(1000.0)
    low, high = np.percentile(frame, (0.2, 99.8))
    assert cut_share(np.clip((frame - low) / (high - low) * 255, 0, 255).astype(np.uint8)) > 1e-3
    assert cut_share(np.ones((8, 8))) == cut_share(np.full((8, 8), np.nan)) == 0
