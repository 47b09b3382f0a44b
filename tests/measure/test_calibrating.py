"""Tests of the pixel size from a crystal: made images, and simulations by other programs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_atomcount.io.readers import open_movie
from napari_atomcount.measure.calibrating import measure_pixel_size
from napari_atomcount.measure.crystal import crystal, lattice_names, parse_axis
from napari_atomcount.measure.few_periods import measure_few_periods
from napari_atomcount.measure.spots import find_spots, power_spectrum
from napari_atomcount.records.errors import InputError

DATA = os.environ.get("ATOMCOUNT_TEST_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ATOMCOUNT_TEST_DATA names no folder of real data")


def fcc_110(
    pixel_nm: tuple[float, float], turn_deg: float, radius_nm: float = 1.8, seed: int = 0
) -> np.ndarray:
    """A particle of gold along [110], few electrons a pixel; placed by hand, not by the measured code."""
    size = 256
    yy, xx = np.mgrid[:size, :size].astype(float)
    y_nm, x_nm = (yy - size / 2) * pixel_nm[0], (xx - size / 2) * pixel_nm[1]
    a = 0.40782
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    image = np.full((size, size), 20.0)
    for i in range(-12, 13):
        for j in range(-18, 19):
            v, u = i * a / 2 * np.array([0, 1]) + (j + (i % 2) / 2) * a / np.sqrt(2) * np.array([1, 0])
            py, px = c * v + s * u, -s * v + c * u
            if np.hypot(py, px) < radius_nm:
                image += 30 * np.exp(-((y_nm - py) ** 2 + (x_nm - px) ** 2) / (2 * 0.045**2))
    return np.random.default_rng(seed).poisson(image).astype(float)


@pytest.mark.parametrize("turn", [0.0, 17.0, 71.0])
def test_a_known_pixel_size_comes_back_within_half_a_percent(turn):
    found = measure_pixel_size(power_spectrum([fcc_110((0.02, 0.02), turn)]), crystal("Au"))
    assert found.mean_nm == pytest.approx(0.02, rel=0.005)
    assert found.zone_axis == (1, 1, 0)
    assert abs(found.anisotropy) < 0.01
    assert found.mean_error_nm < 0.005 * 0.02


def test_axes_of_different_scale_are_told_apart():
    found = measure_pixel_size(power_spectrum([fcc_110((0.0206, 0.0196), 30.0)]), crystal("Au"), (1, 1, 0))
    assert found.size_nm == pytest.approx((0.0206, 0.0196), rel=0.005)
    assert found.anisotropy == pytest.approx(0.051, abs=0.008)


def test_a_wrong_claim_of_the_file_is_corrected():
    found = measure_pixel_size(
        power_spectrum([fcc_110((0.02, 0.02), 5.0)]), crystal("Au"), expected_nm=0.0215
    )
    assert found.mean_nm == pytest.approx(0.02, rel=0.005)


def test_two_spots_that_a_person_points_at_are_enough():
    spectrum = power_spectrum([fcc_110((0.02, 0.02), 17.0)])
    spots = find_spots(spectrum)[:2, :2]
    near = spots + 0.3 * spectrum.smoothing  # nobody points exactly
    assert measure_pixel_size(spectrum, crystal("Au"), (1, 1, 0), spots=near).mean_nm == pytest.approx(
        0.02, rel=0.005
    )


def test_noise_has_no_spots():
    noise = np.random.default_rng(0).poisson(10, (256, 256)).astype(float)
    with pytest.raises(InputError, match="spots"):
        measure_pixel_size(power_spectrum([noise]), crystal("Au"))


def test_a_lattice_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="spots"):
        measure_pixel_size(
            power_spectrum([fcc_110((0.02, 0.02), 5.0)]), crystal("graphene"), expected_nm=0.02
        )


def test_few_unit_cells_are_fitted_by_their_waves():
    yy, xx = np.mgrid[:150, :200].astype(float)
    a, p = 0.2461, 0.004
    waves = [(0.0, 2 / (np.sqrt(3) * a)), (1 / a, 1 / (np.sqrt(3) * a)), (1 / a, -1 / (np.sqrt(3) * a))]
    image = sum(np.cos(2 * np.pi * (gy * yy + gx * xx) * p) for gy, gx in waves)
    found = measure_few_periods(image, crystal("graphene"))
    assert found.size_nm == pytest.approx((p, p), rel=0.002)


def test_every_named_lattice_has_spots_along_its_axes():
    for name in lattice_names():
        ruler = crystal(name)
        for axis in ruler.axes:
            g, strength = ruler.reflections(axis)
            assert len(g) >= 2
            assert strength.max() == 1.0


def test_distances_of_planes_are_those_of_the_books():
    length = np.hypot(*crystal("Au").reflections((1, 1, 0))[0].T)
    assert 1 / length[0] == pytest.approx(0.40782 / np.sqrt(3))  # {111}; {001} and {110} are extinct
    assert 1 / length[2] == pytest.approx(0.40782 / 2)
    length = np.hypot(*crystal("Si").reflections((1, 1, 0))[0].T)
    assert not np.isclose(1 / length, 0.54305 / 2).any()  # {200} is extinct in diamond


def test_a_cif_file_is_a_ruler(tmp_path: Path):
    from ase.build import bulk
    from ase.io import write

    write(tmp_path / "gold.cif", bulk("Au", "fcc", a=4.0782, cubic=True))
    own, named = crystal(str(tmp_path / "gold.cif")), crystal("Au")
    np.testing.assert_allclose(
        np.hypot(*own.reflections((1, 1, 0))[0].T), np.hypot(*named.reflections((1, 1, 0))[0].T), rtol=1e-5
    )
    (tmp_path / "broken.cif").write_text("no crystal")
    with pytest.raises(InputError, match="cannot be read as a CIF"):
        crystal(str(tmp_path / "broken.cif"))
    with pytest.raises(InputError, match="No lattice is called 'Unobtainium'"):
        crystal("Unobtainium")


@pytest.mark.parametrize(
    ("text", "axis"),
    [("110", (1, 1, 0)), ("1,-1,0", (1, -1, 0)), ("[1-10]", (1, -1, 0)), ("1 1 2", (1, 1, 2))],
)
def test_zone_axes_are_read(text, axis):
    assert parse_axis(text) == axis


@pytest.mark.parametrize("text", ["", "11", "1 1", "000", "abc"])
def test_what_is_no_zone_axis_is_refused(text):
    with pytest.raises(InputError, match="zone axis"):
        parse_axis(text)


@needs_data
@pytest.mark.parametrize(
    ("file", "dataset", "lattice", "known_nm"),
    [
        ("stem_sim_cu_nanoparticle/example_Cu_nanoparticle_sim.hspy", None, "Cu", 0.01),
        ("stem_sim_graphene/test_data_1.npz", "image", "graphene", 0.0078),
        ("stem_sim_graphene/test_data_2.npz", "image", "graphene", 0.0039),
    ],
)
def test_simulations_by_other_programs(file, dataset, lattice, known_nm):
    """The step of the probe. Cu: columns 1.805 Å apart in the structure are 18.1 px apart."""
    movie = open_movie(Path(DATA) / file, dataset=dataset)
    found = measure_pixel_size(power_spectrum([movie.frame(0)]), crystal(lattice))
    assert found.mean_nm == pytest.approx(known_nm, rel=0.005)
    assert found.size_nm == pytest.approx((known_nm, known_nm), rel=0.005)


@needs_data
@pytest.mark.slow
def test_a_simulation_of_four_unit_cells():
    """Half of the structure's cell, 11.8 × 7.7 Å, on 1182 × 773 px: a step of 0.01 Å."""
    movie = open_movie(Path(DATA) / "stem_sim_mos2/prism_2Doutput_prismatic_simulation.mrc")
    found = measure_few_periods(movie.frame(0), crystal("MoS2"))
    assert found.size_nm == pytest.approx((0.001, 0.001), rel=0.005)
