"""Where a network reads a count: a known error of its axis is found, and goes into its last layer."""

import numpy as np
import pytest
import torch

from napari_atomcount.count_axis import CountAxis, fit_count_axis

COUNTS = 20


def columns(axis, n=4000, width=0.7):
    """Columns whose p(count) is that of a normal distribution, read with a known error of the axis."""
    rng = np.random.default_rng(0)
    k = np.arange(1, COUNTS + 1)
    centre = rng.uniform(2, 17, (n, 1))
    p = np.exp(-0.5 * ((k - centre) / width) ** 2)
    true = (rng.random((n, 1)) > (p / p.sum(1, keepdims=True)).cumsum(1)).sum(1) + 1
    old = k * (1 + axis.scale) + axis.shift  # the new logit of k - the truth - is the old one at ...
    said = -0.5 * ((np.interp(k, old, k) - centre) / width) ** 2 - axis.tilt * k
    return said - np.logaddexp.reduce(said, axis=1, keepdims=True), true


@pytest.mark.parametrize("axis", [CountAxis(), CountAxis(0.0, 0.2, 0.04), CountAxis(0.3, 0.0, -0.05)])
def test_the_error_of_an_axis_is_found(axis):
    """What matters is not each of three parameters, which can stand in for each other, but the counts."""
    log_p, true = columns(axis)
    found = fit_count_axis(log_p, true)
    best = columns(CountAxis())[0]
    bias = (found.moved(log_p).argmax(1) + 1 - true).mean()
    assert abs(bias) < 0.03
    assert (found.moved(log_p).argmax(1) + 1 == true).mean() > (best.argmax(1) + 1 == true).mean() - 0.02


def test_an_error_of_some_per_cent_costs_counts_before_it_is_taken_out():
    log_p, true = columns(CountAxis(0.0, -0.2, 0.06))
    before = (log_p.argmax(1) + 1 == true).mean()
    after = (fit_count_axis(log_p, true).moved(log_p).argmax(1) + 1 == true).mean()
    assert after > before + 0.05


def test_logits_of_a_normal_distribution_stay_those_of_one():
    k = np.arange(1, COUNTS + 1)
    axis = CountAxis(0.0, 0.3, 0.1)
    moved = axis.moved(-0.5 * ((k - np.array([[6.0], [11.5]])) / 0.6) ** 2)
    inside = (k > 2) & (k < 19)
    expected = -0.5 * (((k - 0.3) / 1.1 - np.array([[6.0], [11.5]])) / 0.6) ** 2
    assert np.allclose(moved[:, inside], expected[:, inside])


def test_no_count_is_made_up_beyond_the_ends_of_the_axis():
    weights = CountAxis(0.0, 1.0, -0.15).weights(COUNTS)
    assert np.allclose(weights.sum(1), 1)
    assert np.allclose(weights[0], np.eye(COUNTS)[0])  # below one atom there is nothing to read
    assert np.allclose(CountAxis().weights(COUNTS), np.eye(COUNTS))


def test_the_axis_goes_into_the_last_layer():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, COUNTS, 1)
    features = torch.randn(5, 8, 1, 1)
    before = layer(features)[..., 0, 0].detach().numpy()
    state = {f"count.2.{name}": value.clone() for name, value in layer.state_dict().items()}
    axis = CountAxis(0.1, 0.2, 0.05)
    axis.into(state)
    layer.load_state_dict({name.removeprefix("count.2."): value for name, value in state.items()})
    assert np.allclose(layer(features)[..., 0, 0].detach().numpy(), axis.moved(before), atol=1e-5)


def test_a_handful_of_columns_changes_nothing():
    log_p, true = columns(CountAxis(0.0, 0.5, 0.05), n=50)
    assert fit_count_axis(log_p, true) == CountAxis()
    assert fit_count_axis(np.zeros((0, 0)), np.zeros(0, np.int64)) == CountAxis()


def test_reported_counts_are_right_on_average_where_p_is_skewed():
    """The most probable count lies below the mean of what the network says, which is right."""
    rng = np.random.default_rng(1)
    k, centre = np.arange(1, COUNTS + 1), rng.uniform(4, 14, (4000, 1))
    log_p = -np.where(k < centre, (centre - k) / 0.4, (k - centre) / 0.6)
    log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
    true = (rng.random((4000, 1)) > np.exp(log_p).cumsum(1)).sum(1) + 1
    assert (log_p.argmax(1) + 1 - true).mean() < -0.1
    moved = fit_count_axis(log_p, true).moved(log_p)
    assert abs((moved.argmax(1) + 1 - true).mean()) < 0.03
