"""Unit tests of sites: identity through drift, lattices, free positions, columns that belong to none."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.drift import drift_table
from napari_atomcount.measure.sites import assign, build_sites, positions_in_frames
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.settings import SiteSettings

PIXEL_NM = 0.02
CALIBRATION = Calibration(pixel_size_nm=PIXEL_NM)


def columns_of(points_px, shift, rng, present=None):
    """COLUMNS of points (S, 2) seen in every frame with 0.3 px of scatter, `present` (T, S)."""
    rows = []
    for t, d in enumerate(shift):
        here = points_px if present is None else points_px[present[t]]
        at = here + d + rng.normal(0, 0.3, here.shape)
        rows.append(pd.DataFrame({"frame": t, "y": at[:, 0], "x": at[:, 1]}))
    table = pd.concat(rows, ignore_index=True)
    y_nm, x_nm = CALIBRATION.to_nm(table["y"].to_numpy(), table["x"].to_numpy())
    table = table.assign(
        column_id=np.arange(len(table)), site_id=-1, y_nm=y_nm, x_nm=x_nm, y_sigma=0.3, x_sigma=0.3,
        score=0.9, label="column", count=-1, count_prob=np.nan, count_low=-1, count_high=-1, origin="network",
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


@pytest.fixture
def shift():
    return np.random.default_rng(0).normal(0, 1, (20, 2)).cumsum(axis=0)


def drift_of(shift):
    return drift_table(np.arange(len(shift)), shift - shift[0], np.ones(len(shift)))


def test_every_column_finds_its_site_through_the_drift(particle, shift):
    rng = np.random.default_rng(1)
    points = particle(1.2) / PIXEL_NM + 128
    columns = columns_of(points, shift - shift[0], rng)
    sites, columns = build_sites(columns, drift_of(shift), CALIBRATION)
    assert sites.seen.sum() == len(points)
    assert (columns["site_id"] >= 0).all()
    assert (columns.groupby("site_id").size() == 20).all()
    own = sites.table.loc[columns["site_id"], ["y", "x"]].to_numpy()
    at = columns[["y", "x"]].to_numpy() - (shift - shift[0])[columns["frame"]]
    assert np.abs(own - at).max() < 2
    tables.validate(sites.table, tables.SITES)
    tables.validate(columns, tables.COLUMNS)


def test_lattice_indices_and_coordination(particle, shift):
    points = particle(1.2) / PIXEL_NM + 128
    columns = columns_of(points, shift - shift[0], np.random.default_rng(1))
    sites, _ = build_sites(columns, drift_of(shift), CALIBRATION)
    table = sites.table[sites.seen]
    assert (table["lattice_id"] == 0).all()
    assert not table.duplicated(["h", "k"]).any()
    assert table["coordination"].max() == 6
    assert sites.spacing_nm == pytest.approx(0.25, abs=0.01)


def test_places_beside_the_particle_are_sites_without_columns(particle, shift):
    points = particle(1.2) / PIXEL_NM + 128
    columns = columns_of(points, shift - shift[0], np.random.default_rng(1))
    sites, _ = build_sites(columns, drift_of(shift), CALIBRATION)
    assert (~sites.seen).sum() > 10
    assert (sites.table.loc[~sites.seen, "lattice_id"] == 0).all()


def test_a_rarely_occupied_lattice_site_is_a_site(particle, shift):
    rng = np.random.default_rng(2)
    points = particle(1.2) / PIXEL_NM + 128
    rare = int(np.argmax(points[:, 0]))
    present = np.ones((20, len(points)), bool)
    present[:, rare] = False
    present[7, rare] = True
    sites, columns = build_sites(
        columns_of(points, shift - shift[0], rng, present), drift_of(shift), CALIBRATION
    )
    nearest = np.hypot(sites.table["y"] - points[rare, 0], sites.table["x"] - points[rare, 1])
    assert nearest[sites.seen].min() < 2
    assert (columns["site_id"] >= 0).all()


def test_an_adatom_is_a_free_site_and_a_false_column_is_none(particle, shift):
    rng = np.random.default_rng(3)
    points = np.vstack([particle(1.0) / PIXEL_NM + 128, [[30.0, 40.0], [220.0, 200.0]]])
    present = np.ones((20, len(points)), bool)
    present[10:, -2] = False
    present[:, -1] = False
    present[4, -1] = True
    sites, columns = build_sites(
        columns_of(points, shift - shift[0], rng, present), drift_of(shift), CALIBRATION
    )
    free = sites.table[sites.table["lattice_id"] < 0]
    assert len(free) == 1
    assert free[["y", "x"]].to_numpy()[0] == pytest.approx([30, 40], abs=1)
    assert free[["h", "k"]].to_numpy().tolist() == [[-1, -1]]
    assert (columns["site_id"] < 0).sum() == 1


def test_one_column_a_site_and_frame():
    home = np.array([[0, 0.01], [0, 0.05], [1, 1], [0, 0.0]])
    found = assign(np.array([0, 0, 0, 1]), home, np.array([[0, 0.0], [1, 1.02]]), 0.1)
    assert found.tolist() == [0, -1, 1, 0]


def test_a_single_image_has_its_columns_as_sites(particle):
    points = particle(1.0) / PIXEL_NM + 128
    columns = columns_of(points, np.zeros((1, 2)), np.random.default_rng(0))
    sites, columns = build_sites(columns, drift_of(np.zeros((1, 2))), CALIBRATION)
    assert sites.seen.sum() == len(points)
    assert (columns["site_id"] >= 0).all()


def test_nothing_found():
    sites, columns = build_sites(tables.empty(tables.COLUMNS), drift_of(np.zeros((3, 2))), CALIBRATION)
    assert (len(sites.table), len(columns)) == (0, 0)
    tables.validate(sites.table, tables.SITES)


def test_where_sites_are_in_every_frame():
    drift = drift_table(np.arange(2), np.array([[0, 0], [1.5, -2]]), np.ones(2))
    y, x = positions_in_frames(pd.DataFrame({"y": [10.0, 20], "x": [5.0, 6]}), drift)
    assert y.tolist() == [[10, 20], [11.5, 21.5]]
    assert x.tolist() == [[5, 6], [3, 4]]


def test_sites_need_a_pixel_size():
    with pytest.raises(InputError, match="--pixel-size-nm"):
        build_sites(tables.empty(tables.COLUMNS), drift_of(np.zeros((1, 2))), Calibration(pixel_size_nm=None))


def test_the_least_occurrence_is_kept(particle, shift):
    points = np.vstack([particle(1.0) / PIXEL_NM + 128, [[30.0, 40.0]]])
    present = np.ones((20, len(points)), bool)
    present[5:, -1] = False
    columns = columns_of(points, shift - shift[0], np.random.default_rng(3), present)
    sites, _ = build_sites(columns, drift_of(shift), CALIBRATION, SiteSettings(min_occurrence=0.5))
    assert (sites.table["lattice_id"] >= 0).all()
