"""Tests of the review queue and of two runs held against each other."""

from __future__ import annotations

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


def test_the_least_sure_column_of_an_image_comes_first():
    review = review_queue(columns_of([0.99, 0.6, 0.8, 1.0], [0] * 4), np.zeros(0, np.int64))
    assert review.queue["column_id"].tolist() == [1, 2, 0]
    assert review.errors_left == pytest.approx(0.61)
    assert (review.reviewed, review.share_reviewed, review.share_settled) == (0, 0.0, 0.0)
    assert review.queue["why"].iloc[0] == "it may not be there"


def test_what_was_reviewed_has_no_risk_left():
    table = columns_of([0.99, 0.6, 0.8, 1.0], [0, 0, 1, 1])
    review = review_queue(table, np.array([1]), reviewed_frames=(1,))
    assert review.queue["column_id"].tolist() == [0]
    assert (review.reviewed, review.share_reviewed) == (3, 0.75)
    assert review.errors_left == pytest.approx(0.01)
    assert review.share_settled == pytest.approx(0.6 / 0.61)


def test_an_uncertain_count_is_a_risk_too():
    review = review_queue(columns_of([1.0, 1.0], [0, 0], count_prob=0.7), np.zeros(0, np.int64))
    assert review.queue["risk"].tolist() == pytest.approx([0.3, 0.3])
    assert set(review.queue["why"]) == {"the count is uncertain"}


def test_what_an_event_depends_on_comes_before_what_changes_one_frame():
    state = np.ones((6, 2))
    state[3:, 1] = 0  # vanishes
    probability = np.where(state > 0, 0.8, 0.0)
    columns, found = analysis_of(state, probability)
    queue = review_queue(columns, np.zeros(0, np.int64), analysis=found).queue
    # a lone frame within a stay would be two events if it were empty; at the end of a stay none comes or goes
    first = queue.iloc[0]
    assert first["why"] == "an event depends on it"
    edge = queue[(queue["frame"] == 2) & (queue["site_id"] == 1)].iloc[0]
    assert edge["stake"] < first["stake"]


def test_a_place_that_may_hold_a_missed_column_is_listed_where_the_drift_puts_it():
    state = np.ones((6, 1))
    state[3] = 0
    probability = np.where(state > 0, 1.0, 0.4)
    columns, found = analysis_of(state, probability)
    review = review_queue(columns, np.zeros(0, np.int64), analysis=found)
    gap = review.queue.iloc[0]
    assert (gap["column_id"], gap["frame"], gap["y"], gap["x"]) == (-1, 3, 3.0, 0.0)
    assert gap["why"] == "a column may be missing"
    assert review_queue(columns, np.zeros(0, np.int64), (3,), found).queue.empty


def test_nothing_at_all_is_nothing_to_review():
    review = review_queue(tables.empty(tables.COLUMNS), np.zeros(0, np.int64))
    assert review.queue.empty
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
