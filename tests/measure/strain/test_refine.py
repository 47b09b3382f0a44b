"""Refined positions against Gaussians put at known places, and their errors against the Cramér–Rao bound."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomcount.measure.noise import Noise, estimate_noise
from napari_atomcount.measure.refine import cramer_rao, refine_positions

WIDTH, SPACING, SIDE = 2.6, 14.0, 140


@pytest.fixture(scope="module")
def dots(scenes):
    """An image of 64 Gaussians of height one and their places (y, x)."""
    rng = np.random.default_rng(0)
    line = np.arange(20.0, 125.0, SPACING)
    places = np.array([(y, x) for y in line for x in line]) + rng.uniform(-0.5, 0.5, (len(line) ** 2, 2))
    return scenes.spots(places[:, 0], places[:, 1], WIDTH, (SIDE, SIDE)), places


METHODS = [
    ("quadratic", "none", 0.03),
    ("quadratic", "gaussian", 0.03),
    ("gaussian", "none", 6e-3),
    ("mass", "none", 0.05),
]


@pytest.mark.parametrize(("method", "prefilter", "tolerance"), METHODS)
def test_clean_gaussians_are_found_to_a_small_part_of_a_pixel(dots, method, prefilter, tolerance):
    image, places = dots
    start = places + np.random.default_rng(1).uniform(-1.5, 1.5, places.shape)
    r = refine_positions(image, start[:, 0], start[:, 1], method=method, prefilter=prefilter)
    assert r.found.all()
    assert np.abs(np.column_stack([r.y, r.x]) - places).max() < tolerance
    dark = refine_positions(1 - image, *start.T, method=method, prefilter=prefilter, dark=True)
    assert np.abs(dark.y - places[:, 0]).max() < tolerance


@pytest.mark.parametrize(
    ("method", "prefilter", "over_bound"),
    [
        ("quadratic", "gaussian", 1.35),
        ("gaussian", "none", 1.12),
        ("gaussian", "gaussian", 1.12),
        ("mass", "gaussian", 1.25),
    ],
)
def test_errors_near_the_bound_and_stated_right(dots, method, prefilter, over_bound):
    image, places = dots
    sigma = 0.08
    errors, stated = [], []
    for seed in range(12):
        noisy = image + np.random.default_rng(seed).normal(scale=sigma, size=image.shape)
        r = refine_positions(noisy, *places.T, method=method, prefilter=prefilter)
        assert r.found.all()
        errors.append(np.concatenate([r.y - places[:, 0], r.x - places[:, 1]]))
        stated.append(np.concatenate([r.y_sigma, r.x_sigma]))
    rms = np.sqrt(np.mean(np.square(errors)))
    assert 0.9 < rms / cramer_rao(1.0, sigma) < over_bound
    pull = np.concatenate(errors) / np.concatenate(stated)
    assert 0.85 < np.sqrt(np.mean(pull**2)) < 1.15


def test_counting_noise_makes_bright_columns_worse_than_white_noise_says(dots):
    image, places = dots
    expected = 20 + 60 * image
    errors, stated = [], []
    for seed in range(12):
        counts = np.random.default_rng(seed).poisson(expected).astype(float)
        r = refine_positions(counts, *places.T, electrons_per_unit=1.0)
        errors.append(r.y - places[:, 0])
        stated.append(r.y_sigma)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.median(stated), rel=0.15)


def test_the_wiener_filter_finds_more_than_none(dots):
    image, places = dots

    def rms(prefilter):
        errors = []
        for seed in range(6):
            noisy = image + np.random.default_rng(seed).normal(scale=0.2, size=image.shape)
            r = refine_positions(noisy, *places.T, prefilter=prefilter)
            errors.append((r.y - places[:, 0])[r.found])
        return np.sqrt(np.mean(np.square(np.concatenate(errors))))

    assert rms("wiener") < 0.75 * rms("none")


def test_a_place_without_a_column_is_not_found_and_stays(dots):
    image, places = dots
    y, x = np.append(places[:, 0], 5.0), np.append(places[:, 1], 27.0)
    r = refine_positions(image, y, x, prefilter="none")
    assert r.found[:-1].all()
    if not r.found[-1]:
        assert (r.y[-1], r.x[-1]) == (5.0, 27.0)
        assert np.isnan(r.y_sigma[-1])
    empty = refine_positions(np.zeros((40, 40)), np.array([20.0]), np.array([20.0]))
    assert not empty.found[0]
    assert len(refine_positions(image, np.zeros(0), np.zeros(0)).y) == 0


def test_gaps_in_the_image_are_filled(dots):
    image, places = dots
    holed = image.copy()
    holed[:6] = np.nan
    r = refine_positions(holed, *places.T)
    assert r.found.all()


def test_noise_is_estimated_from_the_high_frequencies(dots):
    image, _ = dots
    noisy = image + np.random.default_rng(0).normal(scale=0.3, size=image.shape)
    found = estimate_noise(noisy)
    assert found.variance == pytest.approx(0.09, rel=0.15)
    assert found.falloff > 0.8
    assert estimate_noise(image).variance < 1e-4
    assert Noise(2.0).spectrum((8, 8)) == pytest.approx(2.0)
