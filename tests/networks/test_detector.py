"""Unit tests of the detector's geometry and of its treatment of bad pixels, with an untrained network."""

import numpy as np
import pytest
import torch

from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import (
    Detector,
    raised_frequencies,
    resample_frame,
    tiles,
    to_contrast,
)
from napari_atomcount.networks.normalise import BLURRED_NORMALISATION, NORMALISATION
from napari_atomcount.records.mtf import Mtf


@pytest.fixture
def detector(tmp_path, write_model):
    return Detector(load_card(write_model(tmp_path / "m")), device="cpu")


def gaussian(shape, centre, width):
    y, x = np.indices(shape)
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2)).astype(np.float32)


@pytest.mark.parametrize("new", [(50, 60), (140, 180), (100, 120)])
def test_resampling_keeps_places_and_levels(new):
    """Pixel centre i of the file lies at (i + 0.5) / scale - 0.5 of the resampled frame."""
    old = (100, 120)
    frame = 2 + gaussian(old, (40.3, 61.7), 5)
    small = resample_frame(frame, new)
    bump = small - 2
    y, x = np.indices(new)
    found = [(bump * axis).sum() / bump.sum() for axis in (y, x)]
    expected = [(c + 0.5) * n / o - 0.5 for c, n, o in zip((40.3, 61.7), new, old, strict=True)]
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert small.mean() == pytest.approx(frame.mean(), rel=1e-4)


def test_tiles_cover_each_pixel_once():
    for length in (300, 1024, 2000):
        inner = [part for _, part in tiles(length, 512, 16)]
        covered = np.concatenate([np.arange(s.start, s.stop) for s in inner])
        np.testing.assert_array_equal(covered, np.arange(length))


def test_tiling_does_not_change_the_answer(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    frame = np.random.default_rng(0).poisson(12, (700, 640)).astype(np.float32)
    whole = Detector(card, "cpu", tile=1000).detect(frame, (0.02, 0.02))
    tiled = Detector(card, "cpu", tile=200).detect(frame, (0.02, 0.02))
    np.testing.assert_allclose(tiled.column, whole.column, atol=0.05)


def test_counts_per_electron_do_not_matter(detector):
    frame = np.random.default_rng(0).poisson(12, (128, 128))
    one = detector.detect(frame, (0.02, 0.02)).column
    gained = detector.detect(frame * 37.0, (0.02, 0.02)).column
    np.testing.assert_allclose(gained, one, atol=0.05)


def test_a_stated_beam_level_is_what_contrast_is_relative_to():
    image = 100 + 10 * torch.rand((1, 64, 64), generator=torch.Generator().manual_seed(0))
    contrast = to_contrast(image, 0.2, torch.ones_like(image), 125.0)
    torch.testing.assert_close(contrast, image / 125 - 1)


def test_maps_lead_back_to_the_file(detector):
    frame = np.random.default_rng(0).poisson(12, (200, 300))
    maps = detector.detect(frame, (0.01, 0.015))
    assert maps.column.shape == (50, 113)  # 0.04 nm per map pixel
    y, x = maps.to_file(*maps.to_map(np.array([17.25]), np.array([250.5])))
    assert (y[0], x[0]) == pytest.approx((17.25, 250.5))
    assert maps.to_file(np.array([49.5]), np.array([0.0]))[0][0] == pytest.approx(199.5)


def test_a_blank_frame_is_not_observed(detector):
    for frame in (np.zeros((64, 64)), np.full((64, 64), 7), np.full((64, 64), np.nan)):
        maps = detector.detect(frame, (0.02, 0.02))
        assert not maps.observed.any()
        assert np.isfinite(maps.column).all()


def test_broken_pixels_are_not_observed_and_stay_local(detector):
    frame = np.random.default_rng(0).poisson(12, (256, 256)).astype(float)
    clean = detector.detect(frame, (0.02, 0.02))
    frame[10:20, 10:20] = np.nan
    maps = detector.detect(frame, (0.02, 0.02))
    assert not maps.observed[6:9, 6:9].any()
    assert maps.observed[30:, 30:].all()
    assert np.isfinite(maps.column).all()
    np.testing.assert_allclose(maps.column[90:, 90:], clean.column[90:, 90:], atol=0.1)


def test_the_blur_of_the_camera_is_undone_whatever_the_pixel_size():
    """A wave of one frequency comes back with the amplitude that it had before the camera."""
    mtf = Mtf(0.0, 0.4, 2.0)
    x = np.arange(160) + 0.5
    wave = np.cos(np.pi * x * 40 / 160)  # 40 half periods: 0.125 cycles per pixel
    frame = np.tile(10 + mtf.at(np.array(0.125)) * wave, (120, 1)).astype(np.float32)
    sharp = resample_frame(frame, (120, 160), raised_frequencies((120, 160), mtf))
    np.testing.assert_allclose(sharp, np.tile(10 + wave, (120, 1)), atol=1e-4)
    fine = resample_frame(frame, (120, 320), raised_frequencies((120, 160), mtf))
    assert np.ptp(fine) == pytest.approx(2.0, abs=0.05)


def test_only_networks_trained_without_the_blur_see_images_without_it(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    frame = np.random.default_rng(0).poisson(12, (96, 96)).astype(np.float32)

    def column(normalisation, mtf):
        own = card.model_copy(update={"normalisation": normalisation})
        return Detector(own, "cpu").detect(frame, (0.02, 0.02), mtf=mtf).column

    assert np.array_equal(
        column(BLURRED_NORMALISATION, Mtf(0.0, 0.4, 2.0)), column(BLURRED_NORMALISATION, None)
    )
    assert np.array_equal(column(NORMALISATION, None), column(NORMALISATION, Mtf()))
    assert not np.allclose(column(NORMALISATION, Mtf(0.0, 0.4, 2.0)), column(NORMALISATION, None))
