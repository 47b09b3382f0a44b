"""Tests of the review queue and of two runs held against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.review import compare_columns, review_queue
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis


def columns_of(scores: list[float], frame: list[int], count_prob: float = 1.0) -> pd.DataFrame:
    n = len(scores)
    return tables.conform(
        pd.DataFrame(
            {
                "frame": frame,
                "column_id": np.arange(n),
                "site_id": 0,
                "y": 10.0 * np.arange(n) + 5,
                "x": 5.0,
                "y_nm": 0.0,
                "x_nm": 0.0,
                "y_sigma": 0.1,
                "x_sigma": 0.1,
                "score": scores,
                "label": "column",
                "count": 4,
                "count_prob": count_prob,
                "count_low": 3,
                "count_high": 6,
                "origin": "network",
            }
        ),
        tables.COLUMNS,
    )


def analysis_of(state: np.ndarray, probability: np.ndarray) -> tuple[pd.DataFrame, Analysis]:
    """An analysis with a column wherever a site is occupied."""
    n_frames, n_sites = state.shape
    row, col = np.nonzero(state > 0)
    columns = columns_of([0.9] * len(row), row.tolist())
    columns["site_id"], columns["x"] = col, 10.0 * col
    sites = pd.DataFrame({name: np.zeros(n_sites) for name in tables.SITES.names})
    sites = sites.assign(site_id=np.arange(n_sites), x=10.0 * np.arange(n_sites), label="column")
    drift = pd.DataFrame(
        {"frame": range(n_frames), "dy": 1.0 * np.arange(n_frames), "dx": 0.0, "confidence": 1.0}
    )
    found = Analysis(
        columns,
        tables.conform(sites, tables.SITES),
        tables.empty(tables.EVENTS),
        drift,
        state.astype(np.int8),
        probability.astype(np.float32),
        np.arange(n_sites),
        np.arange(n_frames),
        {},
    )
    return columns, found


NOBODY = np.zeros(0, np.int64)


def events_of(*rows: tuple[int, int, str, float]) -> pd.DataFrame:
    """EVENTS of (frame, site, kind, probability)."""
    return tables.conform(
        pd.DataFrame(
            {
                "frame": [r[0] for r in rows],
                "time_s": 0.0,
                "site_id": [r[1] for r in rows],
                "kind": [r[2] for r in rows],
                "before": 0,
                "after": 0,
                "probability": [r[3] for r in rows],
            }
        ),
        tables.EVENTS,
    )


def test_the_least_sure_column_of_an_image_comes_first():
    review = review_queue(columns_of([0.99, 0.6, 0.8, 1.0], [0] * 4), NOBODY)
    assert review.answer == "columns"
    assert review.queue["column_id"].tolist() == [1, 2, 0]
    assert review.deciding == 2  # 0.4 and 0.2 of 0.61 are more than 90 %
    assert review.wrong_left == pytest.approx(0.61)
    assert review.queue["share"].tolist() == pytest.approx([0.4 / 0.61, 0.2 / 0.61, 0.01 / 0.61])
    assert (review.reviewed, review.share_reviewed, review.places_reviewed) == (0, 0.0, 0)


def test_what_was_reviewed_has_no_risk_left():
    table = columns_of([0.99, 0.6, 0.8, 1.0], [0, 0, 1, 1])
    review = review_queue(table, np.array([1]), reviewed_frames=(1,))
    assert review.queue["column_id"].tolist() == [0]
    assert (review.reviewed, review.share_reviewed) == (3, 0.75)
    assert review.wrong_left == pytest.approx(0.01)


def test_uncertain_counts_do_not_drown_what_the_events_depend_on():
    """Every count is a coin's throw, and one column of 80 may be gone for a moment: it alone decides."""
    state = np.ones((8, 10))
    probability = np.ones((8, 10))
    probability[4, 3] = 0.7
    columns, found = analysis_of(state, probability)
    columns["count_prob"] = 0.5
    review = review_queue(columns, NOBODY, analysis=found)
    assert review.answer == "events"
    assert (review.deciding, len(review.queue)) == (1, 1)
    first = review.queue.iloc[0]
    assert (first["site_id"], first["frame"], first["why"]) == (3, 4, "it may be gone here")
    assert review.wrong_left == pytest.approx(0.6)  # it would vanish and come back, with 0.3


def test_counts_are_asked_for_site_by_site():
    state = np.full((8, 3), 4)
    columns, found = analysis_of(state, np.ones((8, 3)))
    columns["count_prob"] = np.where(columns["site_id"] == 2, 0.4, 0.9)
    found = replace(found, columns=columns)
    review = review_queue(columns, NOBODY, analysis=found, answer="counts")
    assert review.queue["site_id"].tolist() == [2, 0, 1]
    assert review.wrong_left == pytest.approx(0.6 + 0.1 + 0.1)
    assert (review.queue["first"].tolist(), review.queue["last"].tolist()) == ([0] * 3, [7] * 3)
    accepted = columns.loc[(columns["site_id"] == 2) & (columns["frame"] == 5), "column_id"].to_numpy()
    review = review_queue(columns, accepted, analysis=found, answer="counts")
    assert review.queue["site_id"].tolist() == [0, 1]
    assert review.places_reviewed == 1


def test_a_change_of_count_makes_two_stretches_that_weigh_as_long_as_they_last():
    state = np.full((8, 1), 4)
    state[6:] = 3
    columns, found = analysis_of(state, np.ones((8, 1)))
    columns["count"], columns["count_prob"] = state[:, 0], 0.5
    found = replace(found, columns=columns)
    queue = review_queue(columns, NOBODY, analysis=found, answer="counts").queue
    assert queue["expected"].tolist() == pytest.approx([0.5 * 6 / 8, 0.5 * 2 / 8])


def test_a_lone_frame_within_a_stay_is_two_events_and_one_at_the_end_of_the_movie_is_one():
    state = np.ones((6, 2))
    probability = np.ones((6, 2))
    probability[2, 0] = probability[5, 1] = 0.8
    columns, found = analysis_of(state, probability)
    queue = review_queue(columns, NOBODY, analysis=found).queue
    assert queue["site_id"].tolist() == [0, 1]
    assert queue["expected"].tolist() == pytest.approx([0.4, 0.2])
    queue = review_queue(columns, NOBODY, analysis=found, answer="occupancy").queue
    assert queue["expected"].tolist() == pytest.approx([0.2, 0.2])


def test_an_event_is_wrong_with_what_its_probability_leaves_however_long_the_site_wavers():
    state = np.ones((9, 1))
    state[5:] = 0
    probability = np.array([1, 1, 1, 0.9, 0.6, 0.3, 0.02, 0, 0])[:, None]
    columns, found = analysis_of(state, probability)
    found = replace(found, events=events_of((5, 0, "vanish", 0.95)))
    review = review_queue(columns, NOBODY, analysis=found)
    assert len(review.queue) == 1
    place = review.queue.iloc[0]
    assert (place["first"], place["last"], place["frame"]) == (3, 6, 4)
    assert place["expected"] == pytest.approx(0.05)
    assert place["why"] == "that it vanishes may be false, or at another time"
    assert review.whole == 1


def test_an_event_of_counts_is_a_place_although_nothing_wavers():
    columns, found = analysis_of(np.ones((6, 1)), np.ones((6, 1)))
    found = replace(found, events=events_of((3, 0, "gain", 0.25)))
    place = review_queue(columns, NOBODY, analysis=found).queue.iloc[0]
    assert (place["frame"], place["column_id"]) == (3, 3)
    assert place["expected"] == pytest.approx(0.75)


def test_a_place_that_may_hold_a_missed_column_is_listed_where_the_drift_puts_it():
    state = np.ones((6, 1))
    state[3] = 0
    probability = np.where(state > 0, 1.0, 0.4)
    columns, found = analysis_of(state, probability)
    review = review_queue(columns, NOBODY, analysis=found)
    gap = review.queue.iloc[0]
    assert (gap["column_id"], gap["frame"], gap["y"], gap["x"]) == (-1, 3, 3.0, 0.0)
    assert gap["why"] == "a column may be missing here"
    assert review_queue(columns, NOBODY, (3,), found).queue.empty


def test_places_reviewed_are_sites_and_not_frames():
    columns, found = analysis_of(np.ones((6, 2)), np.ones((6, 2)))
    looked = columns.loc[(columns["site_id"] == 1) & columns["frame"].isin([1, 2, 5]), "column_id"].to_numpy()
    empty = pd.DataFrame({"frame": [0], "y": [5.0], "x": [50.0], "present": [False]})
    review = review_queue(columns, looked, analysis=found, said=empty)
    assert review.places_reviewed == 3  # frames 1 and 2, frame 5, and a place that was found empty


def test_nothing_at_all_is_nothing_to_review():
    review = review_queue(tables.empty(tables.COLUMNS), NOBODY)
    assert review.queue.empty
    assert review.deciding == 0
    assert np.isnan(review.share_reviewed)


def test_two_runs_are_matched_one_to_one():
    one, two = columns_of([0.9] * 3, [0] * 3), columns_of([0.9] * 3, [0] * 3)
    two["y"] += 1.0
    two.loc[2, "y"] += 20
    two["count"] = 5
    both = compare_columns(one, two, (3.0, 3.0))
    assert both["found"].tolist() == ["both", "both", "one", "two"]
    assert both["distance"].iloc[0] == pytest.approx(1.0)
    assert (both["count_one"].iloc[0], both["count_two"].iloc[0]) == (4, 5)
