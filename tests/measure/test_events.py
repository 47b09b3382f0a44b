"""Unit tests of event tables."""

import numpy as np

from napari_atomcount.measure import markov
from napari_atomcount.measure.events import find_events
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration


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


def test_atoms_come_and_go():
    odds = np.full((12, 1, 1), np.exp(8), np.float32)
    one = np.ones((1, 1), np.float32)
    chain = markov.posterior(odds, one * 0.01, one * 0.01, one * 0.99, one)
    state = np.array([[4, 4, 4, 3, 3, -1, 5, 5, 5, 4, 5, 5]], np.int8).T
    gain, lose = np.zeros((2, 12, 1), np.float32)
    lose[3], gain[5], gain[6] = 0.9, 0.3, 0.5
    given = np.zeros((12, 1), bool)
    given[9] = True
    events = find_events(chain, state, np.arange(12), np.array([0]), Calibration(), gain, lose, given)
    tables.validate(events, tables.EVENTS)
    assert events["kind"].tolist() == ["lose", "gain", "lose", "gain"]
    assert events["frame"].tolist() == [3, 6, 9, 10]
    assert events[["before", "after"]].to_numpy().tolist() == [[4, 3], [3, 5], [5, 4], [4, 5]]
    np.testing.assert_allclose(events["probability"], [0.9, 0.8, 1, 1])
