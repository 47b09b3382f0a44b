"""Unit tests of the counts of sites and their chain, on made counts with a bias of their own at each site."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.count_chain import decode_counts, learn_counts
from napari_atomcount.measure.counts import (
    context_offsets,
    count_noise,
    louder_sites,
    read_counts,
    usual_counts,
)
from napari_atomcount.measure.markov import window_probability

K = 20


def column_table(site, counts, n=5):
    """Columns with p(count) mostly on the given counts."""
    p = np.full((len(counts), n), 0.1 / (n - 1))
    p[np.arange(len(counts)), np.array(counts) - 1] = 0.9
    return pd.DataFrame({"site_id": site, "count_p": list(p)})


def made(seed, frames=40, sites=90, noise=0.3, rate=0.0, gaps=0.0):
    """Truth (T, S), expected counts with a bias at each site and noise, and where a column is."""
    rng = np.random.default_rng(seed)
    start = rng.integers(2, 11, sites)
    truth = np.tile(start, (frames, 1))
    changes = []
    for s in np.flatnonzero(rng.random(sites) < rate):
        t = int(rng.integers(8, frames - 8))
        truth[t:, s] += -1 if rng.random() < 0.7 else 1
        changes.append((t, s))
    x = truth + rng.normal(0.2, 0.4, sites) + noise * rng.standard_t(5, (frames, sites)) * np.sqrt(3 / 5)
    x[rng.random(x.shape) < gaps] = np.nan
    return truth, x.astype(np.float32), np.ones(x.shape, bool), changes


def changes_of(step):
    return [(int(t) + 1, int(s)) for t, s in np.argwhere(np.diff(step, axis=0) != 0)]


def decoded(x, occupied, allowed=0.7):
    pool = np.full(x.shape[1], 5)
    return learn_counts(x, occupied, pool, K, allowed)


def test_one_atom_steps_are_found_under_noise_and_bias():
    _, x, occupied, changes = made(0, rate=0.3, gaps=0.05)
    found = decoded(x, occupied)
    got = changes_of(found.step)
    hits = sum(any(s == u and abs(t - v) <= 1 for v, u in changes) for t, s in got)
    assert len(changes) > 20
    assert hits / len(changes) > 0.85
    assert hits / len(got) > 0.9
    for t, s in got:
        assert (found.gain if found.step[t, s] > found.step[t - 1, s] else found.lose)[
            max(t - 1, 0) : t + 2, s
        ].sum() > 0.3


@pytest.mark.parametrize(("noise", "least"), [(0.5, 0.9), (0.7, 0.5)])
def test_stated_probabilities_are_true(noise, least):
    """As many changes are false as their probabilities say, at noise under which many are missed too."""
    stated, true, number = [], 0, 0
    for seed in range(6):
        _, x, occupied, changes = made(seed, frames=60, noise=noise, rate=0.25)
        found = decoded(x, occupied, allowed=3.0)
        got = changes_of(found.step)
        row, site = np.array(got, dtype=int).reshape(-1, 2).T
        up = found.step[row, site] > found.step[row - 1, site]
        both = [window_probability(steps, row, site, row - 1, 2) for steps in (found.gain, found.lose)]
        stated += np.where(up, *both).tolist()
        true += sum(any(s == u and abs(t - v) <= 2 for v, u in changes) for t, s in got)
        number += len(changes)
    assert true / number > least
    assert true == pytest.approx(sum(stated), abs=2.5 * np.sqrt(sum(p * (1 - p) for p in stated)) + 1)


def test_noise_and_bias_make_no_changes():
    total = sum(len(changes_of(decoded(*made(seed)[1:3]).step)) for seed in range(5))
    assert total <= 0.2e-3 * 5 * 40 * 90 + 2


def test_between_two_counts_a_site_is_louder_and_nothing_happens():
    """The network says one count or the other there, and most sites lie on a count and keep still."""
    rng = np.random.default_rng(5)
    quiet = np.tile(rng.integers(4, 9, 60), (40, 1)) + rng.normal(0, 0.1, (40, 60))
    between = np.tile(rng.integers(4, 9, 20) + 0.4, (40, 1)) + rng.normal(0, 0.45, (40, 20))
    x = np.hstack([quiet, between]).astype(np.float32)
    louder = louder_sites(x, count_noise(x, K))
    assert (louder >= 1).all()
    assert np.median(louder[:60]) == 1
    assert np.median(louder[60:]) > 1.3
    assert len(changes_of(decoded(x, np.ones(x.shape, bool)).step)) <= 2
    assert (louder_sites(np.full((40, 3), np.nan, np.float32), count_noise(x, K)) == 1).all()


def test_a_blurred_frame_shifts_all_and_changes_none():
    _, x, occupied, _ = made(1)
    x[20:] -= 0.8
    assert len(changes_of(decoded(x, occupied).step)) <= 1


def test_what_neighbours_make_of_a_count_is_taken_off():
    _, x, occupied, _ = made(2, noise=0.2)
    y, z = np.divmod(np.arange(90), 10)
    place = np.column_stack([y, z]).astype(float)
    near = np.hypot(y - 4, z - 5) < 2.5
    x[18:, near] -= 0.9
    before = len(changes_of(decoded(x, occupied).step))
    assert before > 15
    calm = x - context_offsets(x, occupied, place, 1.0)
    assert len(changes_of(decoded(calm, occupied).step)) < before / 2  # at the rim the neighbours disagree


def test_a_stay_after_an_empty_stretch_begins_anew():
    _, x, occupied, _ = made(3)
    occupied[15:22, 4] = False
    x[22:, 4] += 1
    found = decoded(np.where(occupied, x, np.nan), occupied)
    assert (found.step[22:, 4] - found.step[:15, 4].mean() > 0.5).all()
    assert found.gain[22, 4] == 0  # it appeared: no atom came to a column that was there


def test_few_frames_or_none_have_no_changes():
    for frames in (0, 1, 2):
        x = np.full((frames, 3), 4.0, np.float32)
        found = decoded(x, np.ones((frames, 3), bool))
        assert found.step.shape == (frames, 3)
        assert not found.step.any()
    none = np.zeros((9, 0), np.float32)
    assert decoded(none, none > 0).step.shape == (9, 0)
    nothing = np.full((9, 4), np.nan, np.float32)
    assert not decoded(nothing, np.ones((9, 4), bool)).step.any()


def test_decoding_alone_gives_what_learning_gave():
    _, x, occupied, _ = made(0, rate=0.3)
    pool = np.full(x.shape[1], 5)
    whole = learn_counts(x, occupied, pool, K, 0.7)
    alone = decode_counts(whole.model, x[:, 10:20], occupied[:, 10:20], pool[10:20])
    np.testing.assert_array_equal(alone.step, whole.step[:, 10:20])
    np.testing.assert_allclose(alone.gain, whole.gain[:, 10:20], atol=1e-5)


def test_usual_counts_move_the_steps_back():
    columns = column_table([0] * 8, [4, 4, 4, 3, 3, 3, 3, 3])
    seen = read_counts(columns, np.arange(8), 8, 2, 5)
    step = np.zeros((8, 2), np.int8)
    step[3:, 0] = -1
    usual, mean = usual_counts(seen, step, np.ones((8, 2), bool))
    assert usual.tolist() == [4, 1]
    assert mean[0] == pytest.approx(seen.expected[:, 0].mean(), abs=1e-5)
    assert np.isnan(mean[1])


def test_columns_without_a_site_or_counts_do_not_matter():
    columns = column_table([0, -1], [2, 5])
    columns.loc[2] = [0, None]
    seen = read_counts(columns, np.array([0, 0, 1]), 2, 1, 5)
    assert np.isfinite(seen.expected).ravel().tolist() == [True, False]


def test_noise_is_measured_between_frames():
    _, x, _, _ = made(4, frames=200, noise=0.4)
    assert count_noise(x, K)[2:11] == pytest.approx(0.4, rel=0.15)
