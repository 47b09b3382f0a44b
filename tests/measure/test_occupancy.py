"""Unit tests of the sites' chains: events, false events, intervals, gaps, what little data allow to say."""

import tracemalloc

import numpy as np
import pytest

from napari_atomcount.measure import markov
from napari_atomcount.measure.occupancy import decode, hidden_markov
from napari_atomcount.records.settings import OccupancySettings


def scores(made, found, seen=None):
    """True, false and missed events of one movie, matched within one frame at the same site."""
    seen = np.ones_like(made.occupied) if seen is None else seen
    frame, site, appeared, _ = markov.change_probabilities(found.chain, found.state == 1, seen)
    true_frame, true_site = np.nonzero(made.occupied[1:] != made.occupied[:-1])
    true_frame = true_frame + 1
    kind = made.occupied[true_frame, true_site]
    left = np.ones(len(true_frame), bool)
    hits = 0
    for f, s, up in zip(frame, site, appeared, strict=True):
        near = np.flatnonzero(left & (true_site == s) & (kind == up) & (abs(true_frame - f) <= 1))
        if len(near):
            left[near[0]] = False
            hits += 1
    return np.array([hits, len(frame) - hits, left.sum()])


def run(made, **settings):
    return hidden_markov(
        made.logit, np.ones(made.logit.shape, bool), made.coordination, OccupancySettings(**settings)
    )


def test_events_of_hopping_columns_are_found(traces):
    hits, false, missed = sum(scores(m := traces(seed), run(m)) for seed in range(6))
    assert 2 * hits / (2 * hits + false + missed) > 0.85


def test_static_movies_show_hardly_any_event(traces):
    made = [traces(seed, mobile=0) for seed in range(10)]
    false = sum(scores(m, run(m))[1] for m in made)
    assert false / sum(m.logit.size for m in made) * 1000 <= 0.2


def test_toggling_would_be_far_worse(traces):
    """What the chain is for: thresholding the same logits makes dozens of false events for each of ours."""
    made = traces(0, mobile=0)
    toggles = np.abs(np.diff((made.logit > 0).astype(int), axis=0)).sum()
    assert toggles > 20 * max(1, scores(made, run(made))[1])


def test_occupancy_and_its_interval(traces):
    error, covered = [], []
    for seed in range(6):
        made = traces(seed)
        found, truth = run(made), made.occupied.mean(axis=0)
        error.append(np.abs(found.occupancy - truth).mean())
        covered.append(((found.low <= truth + 1e-6) & (found.high >= truth - 1e-6)).mean())
    assert np.mean(error) < 0.03
    assert np.mean(covered) > 0.93


def test_a_prior_repeated_in_every_frame_is_not_evidence(traces):
    """A site whose logit is always a little positive is occupied all the time or never, and says so."""
    made = traces(1)
    mixed = 60  # among sites of which many are empty
    made.logit[:, mixed] = 0.3 * np.sin(np.arange(40))
    found = run(made)
    assert set(np.unique(found.state[:, mixed])) in ({0}, {1})
    assert found.low[mixed] < 0.1
    assert found.high[mixed] > 0.9


def test_one_odd_frame_makes_no_event(traces):
    made = traces(2, mobile=0)
    made.logit[20, 5] = -9.0
    assert found_changes(run(made), 5) == 0


def test_a_dimmer_frame_makes_no_events(traces):
    made = traces(3, mobile=0)
    made.logit[17] -= 2.5
    found = run(made)
    assert found.model.offset[17] < -1.5
    assert scores(made, found)[1] == 0


def test_a_lost_frame_is_not_observed(traces):
    made = traces(3, mobile=0)
    made.logit[17] -= 9
    found = run(made)
    assert (found.state[17] == -1).all()
    assert np.isnan(found.probability[17]).all()


def found_changes(found, site):
    return int((np.diff(found.state[:, site].astype(int)) != 0).sum())


def test_blank_frames_are_not_observed_and_make_no_events(traces):
    made = traces(1, mobile=0)
    seen = np.ones(made.logit.shape, bool)
    seen[[0, 10, 11, 39]] = False
    logit = np.where(seen, made.logit, np.nan)
    found = hidden_markov(logit, seen, made.coordination)
    assert (found.state[~seen] == -1).all()
    assert np.isnan(found.probability[~seen]).all()
    assert (found.state[seen] >= 0).all()
    assert scores(made, found, seen)[1] == 0


def test_a_site_that_was_never_observed_has_no_occupancy(traces):
    made = traces(4)
    seen = np.ones(made.logit.shape, bool)
    seen[:, 3] = False
    found = hidden_markov(made.logit, seen, made.coordination)
    assert np.isnan([found.occupancy[3], found.low[3], found.high[3]]).all()


@pytest.mark.parametrize("frames", [1, 2])
def test_one_or_two_frames_make_no_events(traces, frames):
    made = traces(5, frames=frames, mobile=0)
    found = run(made)
    assert scores(made, found)[1] == 0
    assert found.state.shape == made.logit.shape
    clear = np.abs(made.logit).min(axis=0) > 3
    np.testing.assert_array_equal(found.state[:, clear], made.occupied[:, clear])


def test_an_unclear_single_frame_has_a_wide_interval(traces):
    made = traces(5, frames=1)
    made.logit[0, 60] = 0.1
    found = run(made)
    assert (found.low[60], found.high[60]) == (0, 1)


def test_nothing_to_follow():
    found = hidden_markov(np.zeros((5, 0), np.float32), np.zeros((5, 0), bool), np.zeros(0, int))
    assert found.state.shape == (5, 0)
    assert found.occupancy.shape == (0,)


def test_a_person_overrules_the_network(traces):
    made = traces(6)
    made.logit[5:9, 0] = 0.5
    known = np.full(made.logit.shape, -1, np.int8)
    known[5:9, 0] = 0
    settings = OccupancySettings()
    found = hidden_markov(made.logit, np.ones(made.logit.shape, bool), made.coordination, settings, known)
    assert (found.state[5:9, 0] == 0).all()
    assert (found.state[9:, 0] == 1).all()


def test_one_site_is_decoded_again_on_its_own(traces):
    made = traces(7)
    whole = run(made)
    some = [3, 90, 99]
    again = decode(
        whole.model, made.logit[:, some], np.ones((40, 3), bool), made.coordination[some], OccupancySettings()
    )
    np.testing.assert_array_equal(again.state, whole.state[:, some])
    np.testing.assert_allclose(again.probability, whole.probability[:, some], atol=1e-4)


def test_fewer_false_events_can_be_asked_for(traces):
    made = traces(8, noise=2.2)
    few = run(made, false_events_per_1000=0.01)
    many = run(made, false_events_per_1000=20)
    assert few.model.penalty > many.model.penalty
    assert scores(made, few)[:2].sum() < scores(made, many)[:2].sum()


def test_same_seed_same_interval(traces):
    made = traces(9)
    np.testing.assert_array_equal(run(made).low, run(made).low)


def test_rates_are_learned_by_coordination(traces):
    made = traces(10, frames=200, mobile=40, still=60, rate=0.06)
    made.coordination[:] = 6
    made.coordination[60:100] = 3
    rates = run(made).rates.set_index("coordination")
    assert rates.loc[3, "vanish"] == pytest.approx(0.06, rel=0.5)
    assert rates.loc[6, "vanish"] < 0.005


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="frames, sites"):
        hidden_markov(np.zeros((3, 4)), np.ones((4, 3), bool), np.zeros(4, int))


def test_memory_grows_linearly_with_frames(traces):
    """No array of frames by frames: eight times the frames take eight times the memory at most."""

    def peak(frames):
        made = traces(0, frames=frames)
        tracemalloc.start()
        run(made)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)  # what is imported or compiled at the first call does not count
    assert peak(400) < 1.1 * 8 * peak(50)
