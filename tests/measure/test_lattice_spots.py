"""The lattice in the spectrum: seen down to few electrons; not in noise or another lattice."""

import numpy as np
import pytest

from napari_atomcount.measure.lattice_spots import first_spacings, look_for_lattice

PIXEL = (0.02, 0.02)
GOLD = first_spacings(["Au", "nothing known"], "110")


def lattice(spacing_nm, dose=1e6, size=256, pixel=PIXEL, height=0.3, seed=0):
    """Two sets of fringes in a Gaussian patch, in counted electrons."""
    y, x = (np.arange(size) - size / 2)[:, None] * pixel[0], (np.arange(size) - size / 2)[None, :] * pixel[1]
    fringes = np.cos(2 * np.pi * x / spacing_nm) + np.cos(2 * np.pi * (0.5 * x + 0.866 * y) / spacing_nm)
    patch = np.exp(-(x**2 + y**2) / (2 * 1.0**2))
    image = (1 + height * patch * fringes) * dose * pixel[0] * pixel[1] * 100
    return np.random.default_rng(seed).poisson(np.maximum(image, 0)).astype(np.float32)


def test_spacings_of_gold_and_ceria():
    assert GOLD == pytest.approx((0.2355, 0.2039), abs=1e-3)
    assert first_spacings(["CeO2"], "[110]")[0] == pytest.approx(0.3124, abs=1e-3)
    assert first_spacings(["no such"], "110") == ()


@pytest.mark.parametrize("dose", [100, 1e6])
@pytest.mark.parametrize("pixel", [(0.02, 0.02), (0.012, 0.02)])
def test_a_lattice_is_seen(dose, pixel):
    look = look_for_lattice([lattice(0.2355, dose, pixel=pixel)], pixel, GOLD)
    assert look.seen
    assert look.strongest_nm == pytest.approx(0.2355, rel=0.03)


def test_noise_and_other_lattices_are_not_taken_for_it():
    for seed in range(5):
        noise = np.random.default_rng(seed).poisson(20, (256, 256)).astype(np.float32)
        assert not look_for_lattice([noise], PIXEL, GOLD).seen
    other = look_for_lattice([lattice(0.39)], PIXEL, GOLD)
    assert not other.seen
    assert other.strongest_nm == pytest.approx(0.39, rel=0.03)


def test_where_it_cannot_be_judged_nothing_is_said():
    image = lattice(0.2355)
    assert look_for_lattice([image], (0.1, 0.1), GOLD) is None  # the camera cannot record it
    assert look_for_lattice([image[:40, :40]], PIXEL, GOLD) is None
    assert look_for_lattice([image], PIXEL, ()) is None
    assert look_for_lattice([], PIXEL, GOLD) is None
