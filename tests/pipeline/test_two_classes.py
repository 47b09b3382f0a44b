"""Two classes of columns from the frames to the tables: vacancies of oxygen are followed, cerium stays."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from two_classes import CE, FRAMES, PIXEL_NM, TwoClasses, Vacancies

from napari_atomcount import pipeline
from napari_atomcount.io.tables import read_analysis, write_analysis
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.corrections import Gesture
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings


@pytest.fixture(scope="module")
def scene():
    return Vacancies()


@pytest.fixture(scope="module")
def analysis(scene):
    return pipeline.analyze(scene.movie(), TwoClasses()).validate()


def test_every_site_keeps_its_class(scene, analysis):
    assert len(analysis.sites) == len(scene.points)
    for column, kind in enumerate(scene.kind):
        assert analysis.sites["label"].iloc[scene.site_of(analysis, column)] == ("Ce" if kind == CE else "O")
    at = analysis.columns.merge(analysis.sites, on="site_id", suffixes=("", "_of_site"))
    assert (at["label"] == at["label_of_site"]).mean() > 0.999


def test_each_class_has_a_lattice_and_neighbours_of_its_own(analysis):
    sites = analysis.sites
    assert sites.groupby("label")["lattice_id"].nunique().to_dict() == {"Ce": 1, "O": 1}
    assert sites["lattice_id"].nunique() == 2
    assert not sites.duplicated(["lattice_id", "h", "k"]).any()
    # cerium: four neighbours at 0.33 and two at 0.38 nm; oxygen: two at 0.19, the next ones are at 0.27 nm
    assert sites.groupby("label")["coordination"].max().to_dict() == {"Ce": 6, "O": 2}


def test_vacancies_are_followed_through_time(scene, analysis):
    for column in scene.mobile:
        site = scene.site_of(analysis, column)
        np.testing.assert_array_equal(analysis.state[:, site] > 0, scene.present[:, column])
        row = analysis.sites.iloc[site]
        assert row["occupancy"] == pytest.approx(scene.present[:, column].mean())
        assert row["n_events"] == np.sum(np.diff(scene.present[:, column].astype(int)) != 0)
    still = np.setdiff1d(np.arange(len(scene.points)), scene.mobile)
    sites = [scene.site_of(analysis, column) for column in still]
    assert (analysis.state[:, sites] > 0).all()
    labels = analysis.sites.set_index("site_id")["label"]
    assert set(labels[analysis.events["site_id"]]) == {"O"}


def test_counts_are_those_of_the_class(analysis):
    assert analysis.sites.groupby("label")["mean_count"].mean().round().to_dict() == {"Ce": 5, "O": 3}


def test_the_intensity_of_a_column_falls_when_it_is_gone(scene, analysis):
    assert analysis.intensity.shape == (FRAMES, len(analysis.sites))
    for column in scene.mobile:
        trace = analysis.intensity[:, scene.site_of(analysis, column)]
        there = scene.present[:, column]
        assert trace[there].min() > trace[~there].max() + 0.1


def test_the_summary_tells_the_classes_apart(analysis):
    both = analysis.summary["totals"]["by_label"]
    assert set(both) == {"Ce", "O"}
    for name in ("columns", "sites", "events"):
        assert sum(part[name] for part in both.values()) == analysis.summary["totals"][name]
    assert both["Ce"]["events"] == 0
    assert both["Ce"]["mean_occupancy"] == 1
    assert both["O"]["mean_occupancy"] < 1
    assert {row["label"] for row in analysis.summary["hop_rates_per_frame"]} == {"Ce", "O"}
    assert max(row["coordination"] for row in analysis.summary["hop_rates_per_frame"]) <= 6


def test_the_summary_says_how_often_a_frame_was_read(scene, analysis):
    assert analysis.summary["model"]["symmetries"] == 1
    card, movie = TwoClasses().card, scene.movie()
    for of_card, asked, number in ((None, None, 8), (None, 2, 2), (4, None, 4), (4, 1, 1)):
        settings = AnalysisSettings(detect={"symmetries": asked})
        bare = replace(analysis, summary={})
        chosen = card.model_copy(update={"symmetries": of_card})
        assert pipeline.describe(bare, movie, chosen, settings).summary["model"]["symmetries"] == number


def test_the_tables_on_disk(analysis, tmp_path):
    write_analysis(analysis, tmp_path)
    again = read_analysis(tmp_path)
    np.testing.assert_array_equal(again.intensity, analysis.intensity)
    assert set(pd.read_csv(tmp_path / "columns.csv")["label"]) == {"Ce", "O"}
    assert set(pd.read_csv(tmp_path / "sites.csv")["label"]) == {"Ce", "O"}
    tables.validate(again.sites, tables.SITES)


def test_a_corrected_column_runs_its_own_sites_chain_again(scene):
    movie, detector = scene.movie(), TwoClasses()
    parts, store = [], pipeline.LogitStore(movie, detector.card)
    for result in pipeline.detect_frames(movie, detector, AnalysisSettings()):
        store.add(result)
        parts.append(result.columns)
    network = pd.concat(parts, ignore_index=True)
    followed = pipeline.follow_sites(movie, network, store, AnalysisSettings())
    site = scene.site_of(followed.analysis, int(np.flatnonzero(scene.kind != CE)[20]))
    drift = followed.analysis.drift
    place = followed.analysis.sites[["y", "x"]].iloc[site].to_numpy()
    edited = CorrectedColumns(network, 0, movie.calibration)
    gone = [corrections.remove(t, *(place + drift[["dy", "dx"]].iloc[t].to_numpy())) for t in (4, 5, 6)]
    edited.do(Gesture(number=1, run=0, edits=tuple(gone)))
    alone = pipeline.redecode(followed, edited).analysis.validate()
    assert (alone.state[4:7, site] == 0).all()
    others = np.arange(len(alone.sites)) != site
    np.testing.assert_array_equal(alone.state[:, others], followed.analysis.state[:, others])
    # a column that a person adds far off makes a site of the class that the person gave
    added = [corrections.add(t, 12.0, 12.0, count=2, label="O") for t in range(5, 15)]
    edited.do(Gesture(number=2, run=0, edits=tuple(added)))
    more = pipeline.redecode(followed, edited).analysis.validate()
    assert more.sites["label"].iloc[-1] == "O"
    assert (more.state[5:15, -1] == 2).all()
    # and the site is what most of its columns are
    others = [corrections.set_label(t, 12.0, 12.0, "Ce") for t in range(5, 9)]
    edited.do(Gesture(number=3, run=0, edits=tuple(others)))
    assert pipeline.redecode(followed, edited).analysis.sites["label"].iloc[-1] == "O"
    changed = edited.do(Gesture(number=4, run=0, edits=(corrections.set_label(9, 12.0, 12.0, "Ce"),)))
    assert changed == (9,)
    edited.do(Gesture(number=5, run=0, edits=(corrections.set_label(10, 12.0, 12.0, "Ce"),)))
    both = pipeline.redecode(pipeline.redecode(followed, edited), edited, (10,))
    assert both.analysis.validate().sites["label"].iloc[-1] == "Ce"
    assert both.analysis.summary["totals"]["by_label"]["Ce"]["sites"] == 1 + int(
        (followed.analysis.sites["label"] == "Ce").sum()
    )
    assert both.analysis.classes == ("Ce", "O")
    store.close()


def test_places_are_looked_up_no_farther_than_columns_may_stand_apart(scene):
    movie, detector = scene.movie(), TwoClasses()
    store = pipeline.LogitStore(movie, detector.card)
    store.add(next(iter(pipeline.detect_frames(movie, detector))))
    gone = scene.points[scene.mobile[1]]  # empty in frame 0, with a cerium column 0.135 nm beside it
    there = store.look_up(np.array([[gone[0]]]), np.array([[gone[1]]]))
    cerium = scene.points[scene.kind == CE]
    beside = np.hypot(*(cerium - gone).T).min() * PIXEL_NM
    assert beside == pytest.approx(0.135, abs=0.002)
    assert there[0, 0] < -6
    store.close()
