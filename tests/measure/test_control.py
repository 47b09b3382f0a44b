"""Unit tests of the static control: false events are counted where nothing happens."""

import numpy as np
import pytest

from napari_atomcount.measure.control import shuffled, static_control
from napari_atomcount.measure.occupancy import hidden_markov
from napari_atomcount.records.settings import OccupancySettings

SETTINGS = OccupancySettings()


def measured(made, found=None, model=None):
    seen = np.ones(made.logit.shape, bool)
    found = found or hidden_markov(made.logit, seen, made.coordination, SETTINGS)
    inside = made.coordination >= 6
    return static_control(model or found.model, made.logit, found.state, made.coordination, inside, SETTINGS)


def test_frames_are_shuffled_within_stretches_only():
    state = np.array([[1, 1, 1, 0, 0, -1, 0, 2, 2]], np.int8).T
    order = shuffled(state, np.random.default_rng(0))[:, 0]
    assert sorted(order[:3]) == [0, 1, 2]
    assert sorted([*order[3:5], order[6]]) == [3, 4, 6]
    assert order[5] == 5
    assert sorted(order[7:]) == [7, 8]


def test_little_is_found_where_nothing_happens(traces):
    control = measured(traces(3))
    assert control.site_frames == 40 * 120
    assert control.false_per_1000 <= 1.0
    assert control.high_per_1000 > control.false_per_1000
    assert control.bulk_site_frames > 0


def test_a_careless_threshold_shows(traces):
    from dataclasses import replace

    made = traces(4, noise=2.6, mobile=30)
    found = hidden_markov(made.logit, np.ones(made.logit.shape, bool), made.coordination, SETTINGS)
    careful = measured(made, found)
    careless = measured(made, found, replace(found.model, penalty=0.0))
    assert careless.false_events > careful.false_events


def test_without_frames_nothing_is_claimed():
    control = static_control(
        hidden_markov(np.zeros((3, 0)), np.zeros((3, 0), bool), np.zeros(0, int)).model,
        np.zeros((3, 0), np.float32),
        np.zeros((3, 0), np.int8),
        np.zeros(0, int),
        np.zeros(0, bool),
        SETTINGS,
    )
    assert control.site_frames == 0
    assert control.as_dict()["false_per_1000"] is None
    assert control.false_per_1000 != pytest.approx(0)
