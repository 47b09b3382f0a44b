"""Unit tests of rates, hops, dwell times and comparisons against chains that were drawn with known rates."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure import along, comparing, dwelling, kinetics
from napari_atomcount.records import tables


def drawn(seed, frames=400, sites=60, up=0.05, down=0.02, gaps=0.0):
    """States (T, S) of sites that fill and empty at known rates per frame, with their events and sites."""
    rng = np.random.default_rng(seed)
    state = np.empty((frames, sites), np.int8)
    state[0] = rng.random(sites) < up / (up + down)
    for t in range(1, frames):
        move = rng.random(sites) < np.where(state[t - 1] > 0, down, up)
        state[t] = np.where(move, 1 - state[t - 1], state[t - 1])
    t, s = np.nonzero(state[1:] != state[:-1])
    events = pd.DataFrame(
        {
            "frame": t + 1,
            "time_s": (t + 1) * 0.2,
            "site_id": s,
            "kind": np.where(state[1:][t, s] > 0, "appear", "vanish"),
            "before": state[:-1][t, s],
            "after": state[1:][t, s],
            "probability": 1.0,
        }
    )
    state[rng.random(state.shape) < gaps] = -1
    table = tables.empty(tables.SITES).reindex(range(sites))
    table["site_id"] = np.arange(sites)
    table["coordination"] = np.where(np.arange(sites) < sites // 2, 3, 5)
    table["y_nm"], table["x_nm"] = np.divmod(np.arange(sites), 10) * np.array([[0.25], [0.25]])
    table["n_events"] = np.bincount(s, minlength=sites)
    table["occupancy"] = (state > 0).sum(0) / np.maximum((state >= 0).sum(0), 1)
    table["mean_count"] = 3.0
    return state, events, table


def expected_rate(up, down):
    return 2 * up * down / (up + down)


def test_rate_in_time_covers_the_truth():
    inside = []
    for seed in range(40):
        state, events, _ = drawn(seed, frames=100, sites=20)
        table = kinetics.rate_in_time(events, state, np.arange(100), 0.5, bins=5)
        truth = expected_rate(0.05, 0.02) / 0.5
        inside += ((table["low"] <= truth) & (truth <= table["high"])).tolist()
        assert table["n_events"].sum() == len(events)
        assert table["exposure"].sum() == pytest.approx(99 * 20 * 0.5)
    assert 0.9 <= np.mean(inside) <= 0.99


def test_frames_that_are_not_observed_are_no_exposure():
    state = np.zeros((10, 4), np.int8)
    state[5:] = -1
    none = drawn(0)[1].iloc[:0]
    table = kinetics.rate_in_time(none, state, np.arange(10), None, bins=2)
    assert table["exposure"].tolist() == [16, 0]
    assert np.isnan(table["rate"]).tolist() == [False, True]
    assert len(kinetics.rate_in_time(none, state[:0], np.arange(0), None)) == 0


def test_rates_by_coordination():
    state, events, sites = drawn(1)
    table = kinetics.rates_by(sites, events, state, 0.2).set_index("coordination")
    assert table["n_sites"].tolist() == [30, 30]
    assert (table["low"] < table["rate"]).all()
    assert table["rate"].to_numpy() == pytest.approx(expected_rate(0.05, 0.02) / 0.2, rel=0.15)
    assert (table["share"] == 1).all()
    assert (table["share_low"] > 0.85).all()


def test_poisson_interval_of_none_and_some():
    low, high = kinetics.poisson_interval([0, 10, 3], [2.0, 2.0, 0.0])
    assert low[0] == 0
    assert high[0] == pytest.approx(3.689 / 2, rel=1e-3)
    assert (low[1], high[1]) == pytest.approx((4.795 / 2, 18.39 / 2), rel=1e-3)
    assert np.isnan(low[2])


def test_hops_pair_neighbours_and_chance_is_told():
    sites = drawn(0, sites=40)[2]
    rows = [(10, 0, "vanish"), (10, 1, "appear"), (20, 5, "vanish"), (21, 6, "appear"), (30, 2, "vanish"),
            (30, 38, "appear"), (60, 9, "appear")]  # fmt: skip
    events = pd.DataFrame(rows, columns=["frame", "site_id", "kind"]).assign(probability=0.9)
    found = kinetics.hops(events, sites, 0.5)
    assert found[["site_from", "site_to"]].to_numpy().tolist() == [[0, 1], [5, 6]]
    assert found["distance_nm"].to_numpy() == pytest.approx(0.25)
    assert found["delay"].tolist() == [0, 1]
    assert found["time_s"].tolist() == [5.0, 10.5]
    assert found["probability"].to_numpy() == pytest.approx(0.81)
    assert kinetics.hops_by_chance(events, sites, 100) < 0.5
    assert len(kinetics.hops(events.iloc[:0], sites)) == 0
    _, events, sites = drawn(3)
    paired, chance = len(kinetics.hops(events, sites)), kinetics.hops_by_chance(events, sites, 400)
    assert paired == pytest.approx(chance, rel=0.25)  # independent sites: all pairs are chance


def test_stays_and_their_censoring():
    state = np.array([[1, 1, 0, 0, -1, 0, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0], [-1] * 8], np.int8).T
    table = dwelling.stays(state, np.arange(10, 18), np.array([4, 7, 9]))
    assert table["site_id"].tolist() == [4, 4, 4, 7]
    assert table["kind"].tolist() == ["occupied", "empty", "occupied", "empty"]
    assert table["start"].tolist() == [10, 12, 16, 10]
    assert table["frames"].tolist() == [2, 4, 2, 8]
    assert table["begun"].tolist() == [False, True, True, False]
    assert table["ended"].tolist() == [True, True, False, False]
    assert len(dwelling.stays(state[:, 2:], np.arange(8), np.array([9]))) == 0


def test_survival_of_a_known_rate_with_censoring():
    state, _, _ = drawn(6, frames=600, sites=80, gaps=0.05)
    table = dwelling.stays(state, np.arange(600), np.arange(80))
    full = table[(table["kind"] == "occupied") & table["begun"]]
    curve = dwelling.survival(full["frames"].to_numpy(), full["ended"].to_numpy())
    truth = 0.98 ** curve["time"]
    early = curve["at_risk"] > 30
    assert np.abs(curve["survival"] - truth)[early].max() < 0.06
    assert (curve["survival"].diff().dropna() <= 0).all()
    _, low, high = dwelling.mean_dwell(full["frames"].to_numpy(), full["ended"].to_numpy())
    assert low < 50 < high
    assert dwelling.median_survival(curve) == pytest.approx(np.log(0.5) / np.log(0.98), rel=0.2)


def test_survival_by_hand():
    # Kaplan and Meier's estimate of 3, 5+, 6, 6, 8+: 0.8 after 3, 0.8 / 3 after 6
    curve = dwelling.survival(np.array([3, 5, 6, 6, 8]), np.array([True, False, True, True, False]))
    assert curve["time"].tolist() == [0, 3, 6]
    assert curve["survival"].to_numpy() == pytest.approx([1, 0.8, 0.8 / 3])
    assert curve["at_risk"].tolist() == [5, 5, 3]
    assert np.isnan(dwelling.mean_dwell(np.array([5.0]), np.array([False]))[0])


def test_sites_along_a_facet():
    state, _, sites = drawn(7, frames=12, sites=40)
    line = np.array([[0.0, 0.0], [0.0, 2.25], [0.75, 2.25]])
    found = along.kymograph(sites, state, line, 0.2)
    assert found.site_id.tolist() == [*range(10), 19, 29, 39]
    assert np.diff(found.distance_nm) == pytest.approx(0.25)
    np.testing.assert_array_equal(found.value[:, 3], state[:, 3])
    with pytest.raises(ValueError, match="two different points"):
        along.along_line(np.zeros((1, 2)), np.zeros((2, 2)))


def watched(seed, down, sites=60):
    state, events, table = drawn(seed, frames=200, sites=sites, down=down)
    return comparing.Watched(f"movie {seed}", table, events, state, 0.2)


def test_two_movies_of_unlike_rates_differ_and_of_like_ones_do_not():
    table = comparing.compare_movies(watched(1, 0.01), watched(2, 0.03)).set_index(["what", "group"])
    row = table.loc[("event rate", "all")]
    truth = expected_rate(0.05, 0.03) / expected_rate(0.05, 0.01)
    assert row["low"] < truth < row["high"]
    assert row["p"] < 1e-3
    occupancy = table.loc[("occupancy", "all")]
    assert occupancy["low"] < 5 / 8 - 5 / 6 < occupancy["high"]
    assert ("event rate", "3 neighbours") in table.index
    inside, p = [], []
    for seed in range(40):
        first, second = watched(2 * seed, 0.02, sites=10), watched(2 * seed + 1, 0.02, sites=10)
        _, low, high, chance = comparing.rate_ratio(
            len(first.events), first.exposure(), len(second.events), second.exposure()
        )
        inside.append(low <= 1 <= high)
        p.append(chance)
    assert np.mean(inside) > 0.85
    assert np.mean(np.array(p) < 0.05) < 0.15


def test_nothing_to_compare_is_nan():
    assert np.isnan(comparing.rate_ratio(0, 5.0, 0, 5.0)).all()
    assert np.isnan(comparing.mean_difference(np.zeros(0), np.ones(3))).all()
    assert comparing.rate_ratio(0, 5.0, 4, 5.0)[0] == np.inf


def test_dose_and_kinetics_of_one_movie():
    state, events, sites = drawn(9)
    row = kinetics.movie_figures("m", sites, events, state, 0.2, 310.0)
    assert row["dose_rate_e_per_A2_s"] == pytest.approx(1550)
    assert row["accumulated_e_per_A2"] == pytest.approx(310 * 400)
    assert row["low"] < row["rate"] < row["high"]
    assert np.isnan(kinetics.movie_figures("m", sites, events, state, None, None)["rate"])


def test_atoms_in_time():
    state = np.array([[3, 0, 2], [3, -1, 2], [-1, -1, -1]], np.int8)
    table = kinetics.atoms_in_time(state)
    assert table["occupied"].tolist()[:2] == [2, 3]
    assert table["atoms"].tolist()[:2] == [5, 7.5]
    assert np.isnan(table["atoms"].iloc[2])


def test_the_rate_of_a_site_whose_path_is_in_doubt():
    sure = np.full((400, 1), 4.0)
    doubt = np.where(np.arange(400) % 2, 4.0, 0.0)[:, None]
    low, high = kinetics.hidden_rate_interval(np.hstack([sure, doubt, sure * 0]), np.full(3, 10.0))
    assert (low[0], high[0]) == pytest.approx((2.7 / 2 / 10, 19.02 / 2 / 10), rel=1e-3)  # Gamma(4.5)
    assert low[1] == 0
    assert high[1] < high[0]
    assert (low[2], high[2]) == pytest.approx((0, 5.024 / 2 / 10), rel=1e-3)
    assert np.isnan(kinetics.hidden_rate_interval(sure, np.array([np.nan]))).all()


def test_intervals_of_rates_cover_them():
    state, _, _ = drawn(11, frames=80, sites=2000)
    changes = (np.diff(state, axis=0) != 0).sum(0)[None].astype(float)
    low, high = kinetics.hidden_rate_interval(changes, np.full(2000, 79.0))
    truth = expected_rate(0.05, 0.02)
    assert 0.9 <= np.mean((low <= truth) & (truth <= high)) <= 0.99
