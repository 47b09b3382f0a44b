"""Unit tests of the two-state chains against sums over all paths."""

import itertools

import numpy as np
import pytest

from napari_atomcount.measure import markov

FRAMES = 6
APPEAR, VANISH, START = 0.1, 0.2, 0.3


def all_paths():
    """Every path of six frames, shape (64, 6)."""
    return np.array(list(itertools.product([0, 1], repeat=FRAMES)))


def path_weights(odds):
    """Joint weight of each path with the data, relative to p(data | always empty)."""
    paths = all_paths()
    weight = np.where(paths[:, 0], START, 1 - START) * np.where(paths[:, 0], odds[0], 1)
    step = np.array([[1 - APPEAR, APPEAR], [VANISH, 1 - VANISH]])
    for t in range(1, FRAMES):
        weight = weight * step[paths[:, t - 1], paths[:, t]] * np.where(paths[:, t], odds[t], 1)
    return paths, weight


@pytest.fixture
def odds():
    return np.exp(np.random.default_rng(3).normal(0, 1.5, FRAMES)).astype(np.float32)


def chain_of(odds):
    one = np.ones((1, 1), np.float32)
    return markov.posterior(odds[:, None, None], one * APPEAR, one * VANISH, one * START, one)


def test_evidence_is_the_sum_over_all_paths(odds):
    codes = np.arange(FRAMES)[:, None]
    found = markov.log_evidence(codes, odds[:, None], [APPEAR], [VANISH], [START])
    assert found[0, 0, 0] == pytest.approx(np.log(path_weights(odds)[1].sum()), abs=1e-4)


def test_posterior_is_the_average_over_all_paths(odds):
    paths, weight = path_weights(odds)
    weight = weight / weight.sum()
    chain = chain_of(odds)
    np.testing.assert_allclose(chain.occupied[:, 0], weight @ paths, atol=1e-5)
    up = weight @ ((paths[:, 1:] == 1) & (paths[:, :-1] == 0))
    down = weight @ ((paths[:, 1:] == 0) & (paths[:, :-1] == 1))
    np.testing.assert_allclose(chain.appear[1:, 0], up, atol=1e-5)
    np.testing.assert_allclose(chain.vanish[1:, 0], down, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_most_probable_path_is_the_best_of_all(seed):
    odds = np.exp(np.random.default_rng(seed).normal(0, 2, FRAMES)).astype(np.float32)
    paths, weight = path_weights(odds)
    np.testing.assert_array_equal(
        markov.most_probable_path(chain_of(odds))[:, 0], paths[weight.argmax()] == 1
    )


def test_a_penalty_takes_changes_away(odds):
    chain = chain_of(np.exp(np.array([4, 4, -5, 4, 4, 4])).astype(np.float32))
    assert np.diff(markov.most_probable_path(chain)[:, 0]).sum() == 2
    assert np.diff(markov.most_probable_path(chain, penalty=20)[:, 0]).sum() == 0


def test_drawn_paths_have_the_posterior_mean(odds):
    chain = chain_of(odds)
    observed = np.array([True, True, False, True, True, True])[:, None]
    drawn, _ = markov.sample_paths(chain, observed, 20_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(float(chain.occupied[observed[:, 0], 0].mean()), abs=0.01)


def test_what_is_drawn_for_a_site_does_not_depend_on_the_others(odds):
    one = np.ones((3, 1), np.float32)
    many = np.stack([odds, odds[::-1], odds], axis=1)[:, :, None]
    chain = markov.posterior(many, one * APPEAR, one * VANISH, one * START, one)
    seen = np.ones((FRAMES, 3), bool)
    whole = markov.sample_paths(chain, seen, 50, np.random.default_rng(0))
    some = markov.sample_paths(chain.of_sites(np.array([1])), seen[:, :1], 50, np.random.default_rng(0))
    for both, alone in zip(whole, some, strict=True):
        np.testing.assert_array_equal(both[:, 1:2], alone)


def test_weights_average_explanations():
    odds = np.full((3, 1, 2), 1.0, np.float32)
    start = np.float32([[0.9, 0.1]])
    rates = np.float32([[1e-4, 1e-4]])
    chain = markov.posterior(odds, rates, rates, start, np.float32([[0.75, 0.25]]))
    np.testing.assert_allclose(chain.occupied[:, 0], 0.75 * 0.9 + 0.25 * 0.1, atol=1e-3)


def test_a_change_hidden_by_a_gap_is_found_at_the_first_observed_frame():
    odds = np.exp(np.array([8, 8, 0, 0, -8, -8], np.float32))
    seen = np.array([1, 1, 0, 0, 1, 1], bool)[:, None]
    chain = chain_of(odds)
    frame, site, appeared, probability = markov.change_probabilities(
        chain, markov.most_probable_path(chain), seen
    )
    assert (frame.tolist(), site.tolist(), appeared.tolist()) == ([4], [0], [False])
    assert probability[0] > 0.95


def test_strong_evidence_does_not_overflow():
    odds = np.full((1000, 1, 1), np.exp(markov.LARGEST_LOG_ODDS), np.float32)
    odds[500:] = 1 / odds[500:]
    one = np.ones((1, 1), np.float32)
    chain = markov.posterior(odds, one * 2e-4, one * 2e-4, one * 0.5, one)
    assert np.isfinite(chain.occupied).all()
    codes = np.repeat([[0], [1]], 500, axis=0)
    assert np.isfinite(markov.log_evidence(codes, odds[[0, -1], :, 0], [2e-4], [2e-4], [0.5])).all()
    assert chain.occupied[499, 0] > 0.99
    assert chain.occupied[500, 0] < 0.01
