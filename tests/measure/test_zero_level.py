"""Unit tests of whether intensities start at zero electrons, on Poisson images of columns."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.measure.zero_level import ZeroLevel, common_zero, cut_share, zero_level

PIXEL = (0.02, 0.02)


def image(dose: float, seed: int = 0, gain: float = 7.0, side: int = 320) -> np.ndarray:
    """Columns that take up to two thirds of the beam; no structure finer than 0.5 Å."""
    y, x = np.indices((side, side)) * 0.2
    columns = 0.7 * np.cos(np.pi * y / 2.3) ** 2 * np.cos(np.pi * x / 2.3) ** 2
    inside = np.hypot(y - y.mean(), x - x.mean()) < 22
    expected = gaussian_filter(1 - columns * inside, 1.6) * dose * 0.04
    return gain * np.random.default_rng(seed).poisson(expected)


@pytest.mark.parametrize("dose", [100.0, 1000.0, 1e4])
def test_counted_electrons_begin_at_zero(dose):
    said = [zero_level(image(dose, seed), PIXEL) for seed in range(6)]
    slopes, errors = np.array([(one.slope, one.slope_error) for one in said]).T
    assert np.median(slopes) == pytest.approx(1.0, abs=0.05)
    assert np.abs((slopes - 1) / errors).max() < 4
    together = common_zero([*said, None])
    assert abs(together.counts) < 3 * together.error
    assert together.error < 0.6 * np.median([one.error for one in said])


@pytest.mark.parametrize("share", [0.5, -0.5, -2.0])
def test_where_electrons_begin_is_found_after_an_offset(share):
    """Variance over mean of I + z: the slope is (level + z) / level, electrons begin at z."""
    frame = image(1e4)
    zero = share * frame.mean()
    found = zero_level(frame - zero, PIXEL)
    assert found.slope == pytest.approx(1 - share, abs=4 * found.slope_error)
    assert found.counts == pytest.approx(-zero, abs=4 * found.error)
    assert found.error < 0.15 * frame.mean()
    assert found.level == pytest.approx((1 - share) * frame.mean(), rel=0.1)


def test_hot_pixels_change_nothing():
    frame = image(1000.0)
    hot = np.where(np.random.default_rng(3).random(frame.shape) < 2e-4, 20 * frame, frame)
    assert zero_level(hot, PIXEL).slope == pytest.approx(zero_level(frame, PIXEL).slope, abs=0.05)


def test_what_cannot_say_says_nothing():
    assert zero_level(np.ones((320, 320)), PIXEL) is None
    assert zero_level(image(1000.0)[:40, :40], PIXEL) is None
    assert zero_level(image(1000.0), (0.03, 0.03)) is None  # hardly any noise beyond the microscope's reach
    assert zero_level(image(1000.0) - 1e6, PIXEL) is None
    assert common_zero([None, None]) is None
    assert np.isnan(ZeroLevel(0.1, 0.2, 50.0).counts)  # noise that hardly grows ends nowhere
    assert np.isnan(ZeroLevel(0.1, 0.2, 50.0).error)


def test_the_script_knows_where_electrons_begin_after_each_change():
    """`scripts/input_checks.py` measures on simulations; its changes and errors are checked here."""
    path = Path(__file__).parents[2] / "scripts" / "input_checks.py"
    spec = importlib.util.spec_from_file_location("input_checks", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    seen = {how: (frames, true) for how, frames, true in script.changed([image(1000.0), image(1000.0, 1)])}
    assert len(seen) == 5
    for how, (frames, true) in seen.items():
        error, stated = script.off(common_zero(zero_level(frame, PIXEL) for frame in frames), true)
        assert abs(error) < 4 * stated < 0.5, how
    assert seen["as it is"][1] == 0
    assert seen["8 bit, all"][1] < -5
    assert seen["50 % more"][1] > 100
    assert np.isnan(script.off(None, 0.0)).all()


def test_cut_off_contrast_shows_in_the_largest_value():
    for dose in (25.0, 1000.0):
        assert cut_share(image(dose)) < 3e-4
    frame = image(1000.0)
    low, high = np.percentile(frame, (0.2, 99.8))
    assert cut_share(np.clip((frame - low) / (high - low) * 255, 0, 255).astype(np.uint8)) > 1e-3
    assert cut_share(np.ones((8, 8))) == cut_share(np.full((8, 8), np.nan)) == 0
