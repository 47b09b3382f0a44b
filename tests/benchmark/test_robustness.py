"""One factor at a time: the conditions, larger fields of view, and what counts as a fall."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.benchmark.robustness import (
    BASE,
    BLUR_NM,
    falls,
    robustness_conditions,
    robustness_table,
)
from napari_atomcount.benchmark.scenes import MULTISLICE, Condition, ParticleSet, fixed, picture, scene
from napari_atomcount.physics.multislice import exit_wave

SMALL = ParticleSet(diameter_A=(18.0, 20.0), relax_steps=0, thermal_A=(0.0, 0.0))


def condition(**changes):
    return Condition(
        name="test", title="test", particles=SMALL, dose_e_per_A2=fixed(1e6), draws="x", **changes
    )


def test_every_factor_holds_the_base_or_brackets_it():
    conditions, places = robustness_conditions()
    names = [c.name for c in conditions]
    assert len(set(names)) == len(names)
    assert set(places.condition) == set(names)
    base = conditions[names.index(BASE)]
    for c in conditions:
        parts = ("particles", "optics", "camera", "pixel_A", "surroundings", "view_nm", "dose_e_per_A2")
        changed = [name for name in parts if getattr(c, name) != getattr(base, name)]
        if c.dose_stated:
            assert len(changed) == (c.name != BASE)
        else:  # the cameras once more, A's own among them, when nobody says the dose
            assert changed in ([], ["camera"])
        assert c.draws == base.draws
    # a real-space blur of 0.25 Å rms damps the wave of 1/Å as exp(-2π² 0.25²)
    assert np.exp(-((10 * BLUR_NM) ** 2) / 2) == pytest.approx(np.exp(-2 * np.pi**2 * 0.25**2))


def test_rows_of_one_factor_share_particles_optics_and_noise(tmp_path):
    plain = picture(condition(), 0, 0, 1, tmp_path)
    again = picture(condition().model_copy(update={"name": "other"}), 0, 0, 1, tmp_path)
    assert np.array_equal(plain.frame, again.frame)


def test_a_larger_field_of_view_is_the_same_particle_in_more_vacuum(tmp_path):
    small, large, cropped = (picture(condition(view_nm=v), 0, 0, 1, tmp_path) for v in (None, 10.0, 4.0))
    assert large.frame.shape == (500, 500)
    assert cropped.frame.shape == (200, 200)
    assert small.parameters["defocus_nm"] == large.parameters["defocus_nm"]
    assert large.truth["count"].tolist() == small.truth["count"].tolist()
    move = (large.truth[["y", "x"]] - small.truth[["y", "x"]]).to_numpy()
    assert np.ptp(move, axis=0) == pytest.approx([0, 0], abs=1e-6)
    dy, dx = np.rint(move[0]).astype(int)
    level = np.median(small.frame)
    near = slice(20, 300)  # the cell's rim blends into the vacuum
    part = large.frame[dy : dy + 320, dx : dx + 320]
    difference = (part - small.frame)[near, near] / level
    noise = np.sqrt(2 / (1e6 * 0.04))
    assert np.sqrt(np.mean(difference**2)) < 1.3 * noise


def test_a_wave_set_into_vacuum_is_the_wave_of_the_larger_cell(tmp_path):
    from napari_atomcount.benchmark.scenes import in_more_vacuum

    made = scene(SMALL, 0, 0, tmp_path)
    waves, move, size = in_more_vacuum(made.waves, made.cell_A, 80.0, np.random.default_rng(0))
    atoms = SMALL.particle(0, 0)[0].specimen.atoms.copy()
    atoms.set_cell([size, size, atoms.cell[2, 2]])
    atoms.positions[:, :2] += move[::-1]
    true = exit_wave(atoms, MULTISLICE)
    assert true.shape == waves[0].shape
    assert np.abs(np.abs(true) ** 2 - np.abs(waves[0]) ** 2).max() < 0.02


def test_the_fall_is_measured_from_the_best_of_the_factor():
    _, places = robustness_conditions()
    rows = pd.DataFrame({"condition": places.condition.unique()})
    rows["count_exact"] = 0.7
    rows.loc[rows.condition == "robust: element: Pt", "count_exact"] = 0.55
    rows.loc[rows.condition == BASE, "count_exact"] = 0.8
    found = falls(robustness_table(places, rows))
    assert found["element"] == pytest.approx(0.25)
    assert found["thermal displacement, Å"] == 0
    assert found["structure"] == pytest.approx(0.1)
