"""Trajectories of free adatoms against paths that were drawn: links, gaps, hops; nothing made of nothing."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.adatoms import follow_adatoms, free_adatoms, track_figures
from napari_atomcount.measure.drift import drift_table
from napari_atomcount.records import tables

PIXEL = (0.02, 0.02)


def sites(lattice, coordination, occupancy):
    n = len(lattice)
    table = tables.empty(tables.SITES).reindex(range(n))
    return table.assign(
        site_id=np.arange(n), lattice_id=lattice, coordination=coordination, occupancy=occupancy
    )


def columns(rows, shift):
    """Rows of (frame, y_nm, x_nm, site) as columns of frames that have drifted."""
    frame, y, x, site = (np.array(v) for v in zip(*rows, strict=True)) if rows else (np.zeros(0, int),) * 4
    table = pd.DataFrame({name: np.full(len(frame), np.nan) for name in tables.COLUMNS.names})
    return table.assign(
        frame=frame.astype(int), y=y / PIXEL[0] + shift[frame.astype(int), 0],
        x=x / PIXEL[1] + shift[frame.astype(int), 1], site_id=site.astype(int), score=0.9, count=1,
    )  # fmt: skip


def walkers(seed=0, frames=60, missed=0.0):
    """Three adatoms far apart that rest and hop by 0.28 nm; what each did."""
    rng = np.random.default_rng(seed)
    rows, true = [], []
    for a in range(3):
        place = np.array([3.0 * a, 0.0])
        hops = 0
        for t in range(frames):
            if rng.random() < 0.2:
                angle = rng.uniform(0, 2 * np.pi)
                place = place + 0.28 * np.array([np.sin(angle), np.cos(angle)])
                hops += t > 0
            if rng.random() >= missed:
                rows.append((t, *(place + rng.normal(0, 0.008, 2)), -1))
        true.append(hops)
    order = rng.permutation(len(rows))
    return [rows[i] for i in order], true


def test_each_adatom_is_one_track_with_its_hops():
    rows, hops = walkers()
    shift = np.random.default_rng(1).normal(0, 1, (60, 2)).cumsum(0)
    shift -= shift[0]
    drift = drift_table(np.arange(60), shift, np.ones(60))
    tracks = follow_adatoms(columns(rows, shift), sites([], [], []), drift, PIXEL, 0.5)
    assert tracks["track_id"].nunique() == 3
    figures = track_figures(tracks).sort_values("first", kind="stable")
    place = tracks.groupby("track_id")["y_nm"].median().sort_values()
    assert figures.set_index("track_id").loc[place.index, "hops"].tolist() == hops
    assert (figures["frames"] == 60).all()
    assert tracks["time_s"].max() == pytest.approx(29.5)
    assert (figures["net_nm"] <= figures["path_nm"]).all()


def test_short_gaps_are_closed():
    rows, _ = walkers(3, missed=0.08)
    shift = np.zeros((60, 2))
    drift = drift_table(np.arange(60), shift, np.ones(60))
    assert follow_adatoms(columns(rows, shift), sites([], [], []), drift, PIXEL)["track_id"].nunique() == 3
    open_ = follow_adatoms(columns(rows, shift), sites([], [], []), drift, PIXEL, gap_frames=0)
    assert open_["track_id"].nunique() > 3


def test_far_places_are_not_linked_and_one_sighting_is_a_track_of_one():
    shift = np.zeros((6, 2))
    rows = [(0, 0.0, 0.0, -1), (1, 0.0, 2.0, -1), (5, 9.0, 9.0, -1)]
    drift = drift_table(np.arange(6), shift, np.ones(6))
    tracks = follow_adatoms(columns(rows, shift), sites([], [], []), drift, PIXEL)
    assert tracks["track_id"].tolist() == [0, 1, 2]
    assert track_figures(tracks)["path_nm"].sum() == 0
    for few in ([], rows[:1]):
        found = follow_adatoms(columns(few, shift), sites([], [], []), drift, PIXEL)
        assert len(found) == len(few)
        assert len(track_figures(found)) == len(few)


def test_which_columns_are_free():
    table = sites([0, 0, 0, -1, -1], [6, 3, 2, 0, 3], [1.0, 0.3, 0.9, 0.2, 1.0])
    found = columns([(0, 0, 0, s) for s in (-1, 0, 1, 2, 3, 4)], np.zeros((1, 2)))
    assert free_adatoms(found, table).tolist() == [True, False, True, False, True, False]
