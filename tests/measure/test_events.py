"""Unit tests of counts and event tables."""

import numpy as np
import pandas as pd

from napari_atomcount.measure import markov
from napari_atomcount.measure.events import counts_of_sites, find_events
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration


def column_table(site, counts, n=5):
    """Columns with p(count) mostly on the given counts."""
    p = np.full((len(counts), n), 0.1 / (n - 1))
    p[np.arange(len(counts)), np.array(counts) - 1] = 0.9
    return pd.DataFrame({"site_id": site, "count_p": list(p)})


def test_counts_follow_the_columns_of_the_same_stay():
    occupied = np.zeros((20, 2), bool)
    occupied[:8, 0] = occupied[12:, 0] = True
    row = np.array([0, 1, 2, 5, 7, 12, 14, 19, 3])
    columns = column_table([0] * 9, [3, 3, 4, 3, 3, 5, 5, 5, 2])
    count, mean = counts_of_sites(columns, row, occupied, 5)
    assert (count[:8, 0] == 3).all()
    assert (count[8:12, 0] == 0).all()
    assert (count[12:, 0] == 5).all()
    assert 3 < mean[0] < 4
    assert (count[:, 1] == 0).all()
    assert np.isnan(mean[1])


def test_a_stay_in_which_no_column_was_found_takes_the_sites_count():
    occupied = np.ones((10, 2), bool)
    occupied[5, 0] = False
    count, _ = counts_of_sites(column_table([0, 0], [4, 4]), np.array([0, 1]), occupied, 5)
    assert (count[6:, 0] == 4).all()
    assert (count[:, 1] == 1).all()


def test_columns_without_a_site_or_counts_do_not_matter():
    columns = column_table([0, -1], [2, 5])
    columns.loc[2] = [0, None]
    count, _ = counts_of_sites(columns, np.array([0, 0, 1]), np.ones((2, 1), bool), 5)
    assert count[:, 0].tolist() == [2, 2]


def test_event_table():
    odds = np.exp(np.array([[7, 7, 7, -7, -7, -7, 7, 7]], np.float32)).T[:, :, None]
    one = np.ones((1, 1), np.float32)
    chain = markov.posterior(odds, one * 0.05, one * 0.05, one * 0.5, one)
    state = np.array([[4, 4, 4, 0, 0, 0, 3, 3]], np.int8).T
    frame = np.arange(10, 18)
    events = find_events(chain, state, frame, np.array([2]), Calibration(frame_time_s=0.2))
    tables.validate(events, tables.EVENTS)
    assert events["frame"].tolist() == [13, 16]
    assert events["kind"].tolist() == ["vanish", "appear"]
    assert events[["before", "after"]].to_numpy().tolist() == [[4, 0], [0, 3]]
    np.testing.assert_allclose(events["time_s"], [2.6, 3.2])
    assert (events["probability"] > 0.95).all()
    assert (events["site_id"] == 2).all()


def test_no_sites_no_events():
    none = np.zeros((3, 0), np.float32)
    chain = markov.Posterior(none, none, none)
    events = find_events(chain, np.zeros((3, 0), np.int8), np.arange(3), np.zeros(0, int), Calibration())
    assert len(events) == 0
    tables.validate(events, tables.EVENTS)
