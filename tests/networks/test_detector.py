"""Unit tests of the detector's geometry and of its treatment of bad pixels, with an untrained network."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.spatial import cKDTree

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import (
    Detector,
    raised_frequencies,
    resample_frame,
    tiles,
)
from napari_atomcount.networks.normalise import BLURRED_NORMALISATION, NORMALISATION
from napari_atomcount.records.mtf import Mtf

SAMPLE = Path(__file__).parents[2] / "sample_data" / "hopping_au_310.tif"


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


class Listening(Detector):
    """A detector whose network finds columns in a square, and keeps what it was shown."""

    def __init__(self, card, side):
        super().__init__(card, device="cpu")
        self.side, self.shown = side, []

    def _tiled(self, images, symmetries):
        self.shown.append((images, symmetries))
        factor = self.config.unshuffle
        out = np.full((self.channels, images.shape[1] // factor, images.shape[2] // factor), -9, np.float32)
        out[0, : self.side // factor, : self.side // factor] = 9
        return out


@pytest.fixture
def listening(tmp_path, write_model):
    return lambda side: Listening(load_card(write_model(tmp_path / "m")), side)


def particle(size, side, dose=400.0):
    """A square of a tenth less intensity in vacuum."""
    image = np.full((size, size), dose, np.float32)
    image[:side, :side] *= 0.9
    return np.random.default_rng(0).poisson(image).astype(np.float32)


def test_a_stated_beam_level_is_what_contrast_is_relative_to(listening):
    detector = listening(170)
    frame = particle(192, 160)
    detector.detect(frame, (0.02, 0.02), symmetries=8, beam_level=500.0)
    assert [number for _, number in detector.shown] == [8]
    assert detector.shown[0][0].mean() == pytest.approx(frame.mean() / 500 - 1, abs=1e-3)


def test_where_a_particle_fills_the_view_the_level_is_that_of_what_lies_beside_its_columns(listening):
    detector = listening(160)
    detector.detect(particle(192, 160), (0.02, 0.02), symmetries=8)
    (first, once), (second, number) = detector.shown
    assert (once, number) == (1, 8)
    assert float(first[0, 180:, 180:].mean()) > 0.005  # a mean over 0.6 nm has the particle in it
    assert float(second[0, 180:, 180:].mean()) == pytest.approx(0, abs=0.002)
    assert float(second[0, 20:140, 20:140].mean()) == pytest.approx(-0.1, abs=0.003)


def test_with_vacuum_in_view_a_frame_is_not_read_again(listening):
    detector = listening(100)
    detector.detect(particle(400, 100), (0.02, 0.02), symmetries=1)
    assert len(detector.shown) == 1


def test_a_view_that_columns_fill_is_read_with_the_first_level(listening):
    detector = listening(192)
    detector.detect(particle(192, 192), (0.02, 0.02), symmetries=8)
    assert torch.equal(detector.shown[0][0], detector.shown[1][0])


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


def test_counts_of_a_particle_that_fills_the_view_are_those_in_vacuum():
    """The bundled model on three frames of the sample together, whole and cut 0.1 nm beside its columns."""
    card = load_card("fcc-110-hrtem")
    detector = Detector(card, "cpu")
    frame = tifffile.imread(SAMPLE)[:3].astype(np.float32).mean(0)

    def columns(image):
        maps = detector.detect(image, (0.02, 0.02), symmetries=1)
        return find_columns(maps, card.calibration, card.default_threshold)

    whole = columns(frame)
    y0, x0, y1, x1 = (
        round(p[a]) for p in (whole.min(numeric_only=True), whole.max(numeric_only=True)) for a in "yx"
    )
    cut = columns(frame[y0 - 5 : y1 + 6, x0 - 5 : x1 + 6])
    distance, nearest = cKDTree(whole[["y", "x"]]).query(cut[["y", "x"]] + [y0 - 5, x0 - 5])
    same = distance < 3
    off = cut["count"].to_numpy()[same] - whole["count"].to_numpy()[nearest[same]]
    assert same.mean() > 0.95
    assert abs(off.mean()) < 0.25  # half an atom low with the level of the vacuum in view
    assert (off == 0).mean() > 0.75
