"""Unit tests of what an image says about its own exposure, on Poisson frames of a known dose."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.measure.imaging import (
    block_mean,
    column_contrast,
    estimate_dose,
    robust_std,
    unevenness,
)

PIXEL_NM = 0.02
PIXEL = (PIXEL_NM, PIXEL_NM)
AREA_A2 = (10 * PIXEL_NM) ** 2
SHAPE = (256, 256)


def particle(shift=(0.0, 0.0), height=0.3, spacing_nm=0.22, width_nm=0.05):
    """Intensity of a round particle of columns on an even beam of level 1."""
    y, x = (np.indices(SHAPE).T - np.asarray(shift)).T * PIXEL_NM
    centre = SHAPE[0] * PIXEL_NM / 2
    near_y, near_x = (np.abs((a - centre + spacing_nm / 2) % spacing_nm - spacing_nm / 2) for a in (y, x))
    inside = (y - centre) ** 2 + (x - centre) ** 2 < 1.2**2
    return 1 + height * inside * np.exp(-(near_y**2 + near_x**2) / (2 * width_nm**2))


def movie(dose, scenes, seed=0, gain=1.0):
    """Poisson frames of intensities relative to the beam, at a dose in e/Å² per frame."""
    rng = np.random.default_rng(seed)
    return [gain * rng.poisson(scene * dose * AREA_A2).astype(float) for scene in scenes]


@pytest.mark.parametrize(("dose", "error"), [(31, 0.2), (310, 0.1), (3100, 0.1), (31000, 0.1)])
@pytest.mark.parametrize("gain", [1.0, 37.0])
def test_the_dose_of_even_frames_is_found_whatever_the_gain(dose, error, gain):
    frames = movie(dose, [np.ones(SHAPE)] * 6, gain=gain)
    assert estimate_dose(frames, PIXEL) == pytest.approx(dose, rel=error)
    assert estimate_dose(frames[:1], PIXEL) == pytest.approx(dose, rel=error + 0.2)


def test_anisotropic_pixels_have_their_own_area():
    frames = movie(310, [np.ones(SHAPE)] * 6)
    assert estimate_dose(frames, (PIXEL_NM, 2 * PIXEL_NM)) == pytest.approx(155, rel=0.1)


@pytest.mark.parametrize("dose", [310, 3100])
def test_structure_drops_out_between_frames(dose):
    frames = movie(dose, [particle()] * 6)
    assert estimate_dose(frames, PIXEL) == pytest.approx(dose, rel=0.15)


@pytest.mark.parametrize("step_px", [0.25, 1.0])
def test_drift_of_a_particle_hardly_matters(step_px):
    frames = movie(310, [particle(shift=(k * step_px, -k * step_px / 2)) for k in range(6)])
    assert estimate_dose(frames, PIXEL) == pytest.approx(310, rel=0.2)


def test_one_jump_does_not_matter():
    """The median over the pairs of frames leaves out the pair that the specimen jumped between."""
    crystal = 1 + 0.2 * np.sin(np.arange(SHAPE[1]) * PIXEL_NM / 0.25 * 2 * np.pi) * np.ones((SHAPE[0], 1))
    frames = movie(3100, [crystal] * 3 + [np.roll(crystal, 6, axis=1)] * 3)
    assert estimate_dose(frames, PIXEL) == pytest.approx(3100, rel=0.15)


def test_a_single_frame_gives_a_lower_bound():
    crystal = 1 + 0.2 * np.sin(np.arange(SHAPE[1]) * PIXEL_NM / 0.25 * 2 * np.pi) * np.ones((SHAPE[0], 1))
    for dose in (310, 3100, 31000):
        frames = movie(dose, [crystal] * 4)
        alone = estimate_dose(frames[:1], PIXEL)
        assert 0 < alone < 0.8 * dose
        assert alone < estimate_dose(frames, PIXEL)


def test_bad_pixels_are_left_out():
    frames = movie(310, [np.ones(SHAPE)] * 4)
    for frame in frames:
        frame[40:60, 100:140] = np.nan
    assert estimate_dose(frames, PIXEL) == pytest.approx(310, rel=0.1)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros(SHAPE)] * 2,
        [np.full(SHAPE, 7.0)],
        [np.full(SHAPE, 7.0)] * 3,
        [np.full(SHAPE, np.nan)] * 2,
        [np.ones((8, 8))] * 2,
    ],
    ids=["none", "zero", "constant", "constant movie", "not a number", "too small"],
)
def test_images_that_cannot_say_their_dose(frames):
    assert estimate_dose(frames, PIXEL) is None


def test_no_dose_without_a_zero_level():
    """Frames whose mean was subtracted have noise, but no level to hold it against."""
    frames = [frame - 2 * frame.mean() for frame in movie(310, [np.ones(SHAPE)] * 3)]
    assert estimate_dose(frames, PIXEL) is None


def test_unevenness_separates_bright_field_from_dark_field():
    thickness = gaussian_filter(particle(height=1.0) - 1, 12)
    thickness /= thickness.max()
    bright = movie(310, [1 - 0.15 * thickness])[0]
    dark = movie(310, [0.02 + thickness])[0]
    assert unevenness(bright, PIXEL) < 0.2
    assert unevenness(dark, PIXEL) > 0.7


def test_unevenness_does_not_see_columns_nor_noise():
    even = movie(31, [1 + 0.5 * (particle(height=1.0) - 1)])[0]
    assert unevenness(even, PIXEL) < 0.1
    assert np.isnan(unevenness(np.zeros(SHAPE), PIXEL))


def test_contrast_is_relative_to_the_level_and_sees_columns_only():
    columns = particle(height=0.5)
    slope = np.linspace(0.8, 1.2, SHAPE[0])[:, None]
    strong = column_contrast(columns, PIXEL)
    assert column_contrast(37 * columns, PIXEL) == pytest.approx(strong)
    assert column_contrast(particle(height=0.25), PIXEL) == pytest.approx(strong / 2, rel=0.1)
    assert column_contrast(np.ones(SHAPE) * slope, PIXEL) < 0.1 * strong


def test_contrast_of_an_image_with_bad_pixels_is_that_of_the_rest():
    image = particle(height=0.5)
    holed = image.copy()
    holed[:12, :40] = np.nan  # in the vacuum
    assert column_contrast(holed, PIXEL) == pytest.approx(column_contrast(image, PIXEL), rel=0.05)
    assert unevenness(holed, PIXEL) == pytest.approx(unevenness(image, PIXEL), rel=0.1)
    assert np.isnan(column_contrast(np.zeros(SHAPE), PIXEL))
    assert np.isnan(column_contrast(image - 2, PIXEL))
    assert np.isnan(column_contrast(np.full(SHAPE, np.nan), PIXEL))


def test_blocks_leave_the_rest_out():
    blocks = block_mean(np.arange(30.0).reshape(5, 6), 2)
    np.testing.assert_array_equal(blocks, [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])


def test_robust_std_ignores_outliers_and_nothing_has_none():
    values = np.random.default_rng(0).normal(scale=3.0, size=20_000)
    values[:200] = 1e6
    values[200:210] = np.nan
    assert robust_std(values) == pytest.approx(3.0, rel=0.05)
    assert np.isnan(robust_std(np.array([np.nan])))
