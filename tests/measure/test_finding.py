"""Tests of finding crystal and support: a lattice, a film and vacuum of which it is known where they lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.io.readers import open_movie
from napari_atomcount.measure.finding import find_regions
from napari_atomcount.records.errors import InputError
from napari_atomcount.resources import sample_movie

PIXEL = (0.02, 0.02)


def scene(lattice: float, film: float, drift: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames with a disc of crystal at the left and a film at the right; and where the disc is."""
    rng = np.random.default_rng(1)
    yy, xx = np.mgrid[:256, :256].astype(float)
    disc = (yy - 128) ** 2 + (xx - 80) ** 2 < 50**2
    waves = np.cos(2 * np.pi * xx / 11.5) + np.cos(2 * np.pi * (0.8 * yy + 0.6 * xx) / 11.5)
    speckle = gaussian_filter(rng.normal(size=(256, 256)), 3.0)
    speckle *= (xx >= 150) / speckle.std()
    image = 20 * (1 + lattice * waves * disc + film * speckle)
    return [rng.poisson(np.roll(image.clip(0), t * drift, axis=0)) for t in range(4)], disc


@pytest.mark.parametrize("drift", [0, 2])
def test_the_disc_is_the_particle_and_the_film_the_support(drift: int):
    frames, disc = scene(0.3, 0.2, drift)
    found = find_regions(frames, PIXEL)
    assert found.particle[disc].mean() > 0.99
    assert found.particle.mean() < 2.4 * disc.mean()
    assert not found.particle[:, 160:].any()
    assert found.support[:, 175:].mean() > 0.8
    assert not found.support[:, :20].any()
    assert not (found.particle & found.support).any()


def test_nothing_is_found_in_noise_and_no_particle_in_a_film():
    frames, _ = scene(0.0, 0.0)
    found = find_regions(frames, PIXEL)
    assert not found.particle.any()
    assert not found.support.any()
    frames, _ = scene(0.0, 0.3)
    assert not find_regions(frames, PIXEL).particle.any()


def test_the_sample_particle_holds_its_columns():
    movie = open_movie(sample_movie())
    truth = pd.read_csv(sample_movie().with_name("hopping_au_310_truth.csv"))
    truth = truth[truth["frame"] == 0]
    found = find_regions([movie.frame(t) for t in range(0, 40, 5)], PIXEL)
    y, x = truth["y"].round().astype(int), truth["x"].round().astype(int)
    assert found.particle[y, x].mean() > 0.98
    assert found.particle.mean() < 0.5
    assert found.support.mean() < 0.02


def test_what_cannot_show_a_lattice_is_refused():
    with pytest.raises(InputError, match="do not show a lattice"):
        find_regions([np.ones((64, 64))], (0.2, 0.2))
    with pytest.raises(InputError, match="too small"):
        find_regions([np.ones((20, 20))], PIXEL)
    with pytest.raises(InputError, match="no frame"):
        find_regions([], PIXEL)
