"""Errors behind a Wiener filter: correlated from column to column, and stated so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.noise import Noise
from napari_atomcount.measure.position_errors import correlation_of, local_level
from napari_atomcount.measure.refine import refine_positions
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration

SPACING, SIDE = 16.0, 320
NM = Calibration(pixel_size_nm=0.01)
COMPONENTS = ("exx", "eyy", "exy", "planar", "rotation")


def square_lattice() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of Gaussians of height one and their places."""
    line = np.arange(8.3, SIDE, SPACING)
    y, x = (n.ravel() for n in np.meshgrid(line, line, indexing="ij"))
    grid = np.arange(SIDE)
    bell = np.exp(-((grid[:, None] - line) ** 2) / (2 * 3.2**2))
    return bell.sum(1)[:, None] * bell.sum(1)[None, :], y, x


@pytest.fixture(scope="module")
def spreads() -> dict[str, dict[str, float]]:
    """Spread of each component over noisy images, over its stated error: with and without correlation."""
    image, y, x = square_lattice()
    inner = (np.minimum(y, x) > 2.5 * SPACING) & (np.maximum(y, x) < SIDE - 2.5 * SPACING)
    found: dict[str, list[pd.DataFrame]] = {"with": [], "without": []}
    for seed in range(14):
        noisy = image + np.random.default_rng(seed).normal(scale=0.45, size=image.shape)
        r = refine_positions(noisy, y, x, prefilter="wiener")
        assert r.correlation is not None
        places = pd.DataFrame({"y": r.y, "x": r.x, "y_sigma": r.y_sigma, "x_sigma": r.x_sigma})
        for name, related in (("with", r.correlation), ("without", None)):
            table = strain_table(
                places, [load_structure("square:0.16")], NM, reference="absolute", correlation=related
            ).table
            found[name].append(table[inner])
    result: dict[str, dict[str, float]] = {}
    for name, parts in found.items():
        values = np.array([part[list(COMPONENTS)].to_numpy() for part in parts])
        sigmas = np.array([part[[f"sigma_{c}" for c in COMPONENTS]].to_numpy() for part in parts])
        ratio = np.sqrt(values.var(0, ddof=1).mean(0) / (sigmas**2).mean((0, 1)))
        result[name] = dict(zip(COMPONENTS, ratio.tolist(), strict=True))
    return result


@pytest.mark.parametrize("component", COMPONENTS)
def test_stated_errors_are_the_spread(spreads, component):
    assert spreads["with"][component] == pytest.approx(1.0, abs=0.12)


def test_independent_errors_would_be_wrong(spreads):
    assert spreads["without"]["rotation"] > 1.05 * spreads["with"]["rotation"]
    assert spreads["without"]["planar"] / spreads["without"]["rotation"] < 0.85


def test_without_a_wiener_filter_errors_are_independent():
    image, y, x = square_lattice()
    noisy = image + np.random.default_rng(0).normal(scale=0.2, size=image.shape)
    assert refine_positions(noisy, y, x, prefilter="gaussian").correlation is None
    assert refine_positions(image, y, x, prefilter="wiener").correlation is None  # no noise, no errors


def weights() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A centre of mass over five by five pixels."""
    dy, dx = (n.ravel().astype(float) for n in np.mgrid[-2:3, -2:3])
    return dy, dx, dy / 50, dx / 50


def test_no_filter_leaves_far_columns_alone_and_a_column_with_itself():
    found = correlation_of(Noise(1.0), np.ones_like, weights(), 12.0)
    assert found is not None
    yy, xx, yx = found.at(np.array([0.0, 12.0, 500.0]), np.array([0.0, 0.0, 0.0]))
    assert yy == pytest.approx([1, 0, 0], abs=1e-9)
    assert xx == pytest.approx([1, 0, 0], abs=1e-9)
    assert yx == pytest.approx([0, 0, 0], abs=1e-9)
    # one pixel aside, the windows share four of five rows: sum of dy * (dy - 1) over them, by hand
    assert found.at(np.array([1.0]), np.array([0.0]))[0] == pytest.approx(
        [sum(d * (d - 1) for d in (-1, 0, 1, 2)) / 10], abs=1e-9
    )


def test_the_level_is_that_of_the_place():
    ramp = np.add.outer(np.arange(90.0), 2.0 * np.arange(100.0)) + 50
    for level in local_level(ramp, Noise(1.0), lambda q: np.exp(-20 * q**2), weights(), 6.0):
        assert level.shape == ramp.shape
        assert level[45, 50] == pytest.approx(ramp[45, 50], rel=1e-6)
