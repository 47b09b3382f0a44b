"""A corrected column: its site alone is decoded again, and the tables are those of a whole new run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dot_scene import Laplacian, Scene

from napari_atomcount import pipeline
from napari_atomcount.records import corrections
from napari_atomcount.records.corrections import Gesture
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings

SETTINGS = AnalysisSettings(material="Au")


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture(scope="module")
def followed(scene):
    movie, detector = scene.movie(), Laplacian()
    store = pipeline.LogitStore(movie, detector.card)
    parts = []
    for result in pipeline.detect_frames(movie, detector, SETTINGS, list(range(movie.n_frames))):
        store.add(result)
        parts.append(result.columns)
    yield pipeline.follow_sites(movie, pd.concat(parts, ignore_index=True), store, SETTINGS)
    store.close()


def network_of(followed):
    return followed.analysis.columns.drop(columns="site_id").assign(site_id=-1)


def edited(followed, scene, *edits):
    columns = CorrectedColumns(network_of(followed), 0, scene.movie().calibration)
    columns.do(Gesture(number=1, run=0, edits=tuple(edits)))
    return columns


def place_in(followed, site, frame):
    row = followed.analysis.sites.iloc[site]
    drift = followed.analysis.drift.iloc[frame]
    return float(row.y + drift.dy), float(row.x + drift.dx)


def same(a, b):
    np.testing.assert_array_equal(a.state, b.state)
    np.testing.assert_allclose(a.probability, b.probability, atol=1e-6)
    pd.testing.assert_frame_equal(a.sites, b.sites, rtol=1e-6)
    pd.testing.assert_frame_equal(a.events, b.events, rtol=1e-6)
    assert a.summary["totals"] == b.summary["totals"]
    pd.testing.assert_frame_equal(a.columns, b.columns, check_dtype=False)


def test_nothing_changed_changes_nothing(followed, scene):
    same(
        pipeline.redecode(followed, CorrectedColumns(network_of(followed))).analysis,
        followed.analysis,
    )


def test_removed_columns_empty_their_site_and_only_theirs(followed, scene):
    site = scene.site_of(followed.analysis, 20)
    assert (followed.analysis.state[:, site] > 0).all()
    edits = [corrections.remove(t, *place_in(followed, site, t)) for t in range(8, 12)]
    after = pipeline.redecode(followed, edited(followed, scene, *edits))
    new = after.analysis.validate()
    assert (new.state[8:12, site] == 0).all()
    assert (new.state[:8, site] > 0).all()
    others = np.arange(len(new.site_id)) != site
    np.testing.assert_array_equal(new.state[:, others], followed.analysis.state[:, others])
    mine = new.events[new.events["site_id"] == site]
    assert [(int(e.frame), e.kind) for e in mine.itertuples()] == [(8, "vanish"), (12, "appear")]
    assert new.sites["n_events"].iloc[site] == 2
    assert new.sites["occupancy"].iloc[site] == pytest.approx(20 / 24)
    assert len(new.columns) == len(followed.analysis.columns) - 4
    assert new.summary["totals"]["events"] == followed.analysis.summary["totals"]["events"] + 2
    assert followed.analysis.summary["totals"]["events"] == 4  # what was handed in is as it was


def test_undone_edits_give_the_first_analysis_back(followed, scene):
    site = scene.site_of(followed.analysis, 20)
    columns = edited(followed, scene, corrections.remove(8, *place_in(followed, site, 8)))
    after = pipeline.redecode(followed, columns, [8])
    assert after.analysis.state[8, site] == 0
    back = pipeline.redecode(after, CorrectedColumns(network_of(followed)))
    same(back.analysis, followed.analysis)


def test_one_after_the_other_is_as_all_at_once(followed, scene):
    """What was spliced in by and by is what one recomputation of all touched sites gives."""
    sites = [scene.site_of(followed.analysis, n) for n in (20, 3)]
    edits = [[corrections.add(t, 15.0 + 0.1 * t, 15.0, count=1) for t in range(5, 15)]]
    edits += [[corrections.remove(8, *place_in(followed, sites[0], 8))]]
    edits += [[corrections.set_count(t, *place_in(followed, sites[1], t), 5)] for t in (2, 8)]
    columns = CorrectedColumns(network_of(followed), 0, scene.movie().calibration)
    step = followed
    for number, made in enumerate(edits):
        step = pipeline.redecode(step, columns, columns.do(Gesture(number, tuple(made))))
    same(step.analysis, pipeline.redecode(followed, columns).analysis)


def test_the_same_answer_as_a_new_run_with_the_same_edits(followed, scene):
    site = scene.site_of(followed.analysis, 20)
    edits = [corrections.remove(t, *place_in(followed, site, t)) for t in range(8, 12)]
    edits.append(corrections.set_count(3, *place_in(followed, site, 3), 5))
    columns = edited(followed, scene, *edits)
    alone = pipeline.redecode(followed, columns).analysis
    whole = pipeline.follow_sites(
        scene.movie(), network_of(followed), followed.store, SETTINGS, corrected=columns
    ).analysis
    order = [int(np.hypot(*(alone.sites[["y", "x"]] - p).to_numpy().T).argmin())
             for p in whole.sites[["y", "x"]].to_numpy()]  # fmt: skip
    np.testing.assert_array_equal(alone.state[:, order], whole.state)
    assert alone.state[3, site] == 5
    assert alone.summary["totals"]["events"] == whole.summary["totals"]["events"]


def test_a_column_added_where_no_site_is_makes_one(followed, scene):
    edits = [corrections.add(t, 15.0 + 0.1 * t, 15.0, count=1) for t in range(5, 15)]
    columns = edited(followed, scene, *edits)
    new = pipeline.redecode(followed, columns).analysis.validate()
    assert len(new.sites) == len(followed.analysis.sites) + 1
    site = len(new.sites) - 1
    drift = followed.analysis.drift.iloc[10]
    assert new.sites["y"].iloc[site] == pytest.approx(16.0 - drift.dy, abs=1.5)
    assert (new.state[5:15, site] == 1).all()
    assert new.state[0, site] == 0
    assert new.state[-1, site] == 0
    again = CorrectedColumns(network_of(followed), 0, scene.movie().calibration)
    gone = pipeline.redecode(pipeline.redecode(followed, columns), again).analysis.validate()
    assert (gone.state[:, site] == 0).all()  # sites keep their numbers
