"""The second particle generator: columns along the beam, gaps that are gaps, isolated columns apart."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_atomcount.physics.specimens.wulff import WulffSettings, thermal_pairs, wulff_particle


def particle(seed, **changes):
    settings = WulffSettings(diameter_A=(20, 24), relax_steps=0, **changes)
    return wulff_particle(np.random.default_rng(seed), settings)


def test_the_same_seed_gives_the_same_particle():
    a, b = particle(3), particle(3)
    assert np.array_equal(a.specimen.atoms.positions, b.specimen.atoms.positions)
    assert not np.array_equal(a.specimen.columns().to_numpy(), particle(4).specimen.columns().to_numpy())


def test_columns_are_straight_and_as_far_apart_as_in_the_110_projection_of_gold():
    p = particle(0, tilt_deg=(0, 0), disorder=0.0)
    atoms, column = p.specimen.atoms.positions, p.specimen.column
    for k in np.unique(column):
        own = atoms[column == k]
        assert np.ptp(own[:, :2], axis=0).max() < 1e-6
        steps = np.diff(np.sort(own[:, 2])) / (4.08 / np.sqrt(2))
        assert steps == pytest.approx(np.rint(steps), abs=1e-6)
        assert (np.rint(steps) >= 1).all()
    truth = p.specimen.columns()
    nearest = cKDTree(truth[["y_A", "x_A"]]).query(truth[["y_A", "x_A"]], k=2)[0][:, 1]
    assert nearest.min() == pytest.approx(4.08 * np.sqrt(3 / 8), abs=1e-3)
    assert truth["count"].sum() == len(atoms)


def test_missing_columns_are_gaps_at_lattice_sites():
    p = particle(1, missing=2, isolated=0, disorder=0.0, tilt_deg=(0, 0))
    truth = p.specimen.columns()[["y_A", "x_A"]].to_numpy()
    assert len(p.missing) == 2
    distance = cKDTree(truth).query(p.missing[["y_A", "x_A"]].to_numpy())[0]
    assert distance == pytest.approx(4.08 * np.sqrt(3 / 8), abs=1e-3)
    assert (p.missing["count"] >= 2).all()


def test_isolated_columns_stand_apart():
    p = particle(2, isolated=2)
    truth = p.specimen.columns()
    assert len(p.isolated) == 2
    own = truth.loc[p.isolated, ["y_A", "x_A"]].to_numpy()
    rest = truth.drop(p.isolated)[["y_A", "x_A"]].to_numpy()
    assert cKDTree(rest).query(own)[0].min() > 3.4


def test_all_atoms_lie_in_the_cell():
    for seed in range(3):
        p = particle(seed, isolated=2, missing=1)
        positions, cell = p.specimen.atoms.positions, p.specimen.atoms.cell.lengths()
        assert (positions > 1.0).all()
        assert (positions < cell - 1.0).all()


def test_thermal_pairs_average_to_the_structure():
    p = particle(5)
    snapshots = thermal_pairs(p.specimen, 0.08, 3, np.random.default_rng(0))
    positions = np.stack([s.atoms.positions for s in snapshots])
    assert positions.mean(0) == pytest.approx(p.specimen.atoms.positions, abs=1e-9)
    assert (positions - p.specimen.atoms.positions).std() == pytest.approx(0.08, rel=0.05)
