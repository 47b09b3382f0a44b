"""Unit tests of the scores: against cases counted by hand."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.benchmark.scoring import (
    calibration_error,
    column_figures,
    match,
    pooled,
    reliability,
    score_image,
)
from napari_atomcount.benchmark.scoring_time import (
    EventScore,
    OccupancyScore,
    exact_coverage,
    match_events,
)

PIXEL = 0.02  # nm: the matching radius is 4 px, the border 15 px


def found_table(rows):
    return pd.DataFrame(rows, columns=["y", "x", "score", "count", "count_prob"])


def truth_table(rows):
    return pd.DataFrame(rows, columns=["y", "x", "count"])


NOTHING = pd.DataFrame({"y": [], "x": []}, dtype=float)


def test_match_prefers_more_pairs_over_nearer_ones():
    truth = np.array([[0.0, 0.0], [0.0, 3.0]])
    found = np.array(
        [[0.0, 1.0], [0.0, -3.5]]
    )  # the first is nearest to truth 0, but only it reaches truth 1
    i, j = match(found, truth, 4.0)
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_match_of_nothing():
    i, j = match(np.zeros((0, 2)), np.array([[0.0, 0.0]]), 4.0)
    assert len(i) == len(j) == 0


def test_figures_of_one_image_by_hand():
    truth = truth_table([(50, 50, 5), (50, 70, 6), (80, 50, 7), (80, 70, 1), (5, 50, 3)])
    found = found_table(
        [
            (50.5, 50, 0.9, 5, 0.8),  # right
            (50.5, 70, 0.8, 7, 0.6),  # one off
            (80.5, 50, 0.7, 5, 0.5),  # two off
            (110, 110, 0.6, 4, 0.5),  # false
            (80, 70, 0.3, 1, 0.9),  # below the threshold
            (6, 50, 0.9, 3, 0.9),  # in the border, with a true column there
            (140, 140, 0.9, 3, 0.9),  # in the border, false
        ]
    )
    s = score_image(0, found, truth, NOTHING, PIXEL, (150, 150))
    figures = column_figures(s, 0.5)
    assert figures["precision"] == pytest.approx(3 / 4)
    assert figures["recall"] == pytest.approx(3 / 4)
    assert figures["columns"] == 4
    assert figures["count_exact"] == pytest.approx(1 / 3)
    assert figures["count_within_one"] == pytest.approx(2 / 3)
    assert figures["count_bias"] == pytest.approx(-1 / 3)
    assert figures["position_pm"] == pytest.approx(0, abs=1e-9)  # all shifted alike
    low = column_figures(s, 0.2)
    assert low["recall"] == 1.0


def test_position_error_is_per_axis_and_without_the_mean_shift_of_each_image():
    rng = np.random.default_rng(0)
    parts = []
    for image in range(4):
        place = rng.uniform(30, 970, (400, 2))
        truth = truth_table([(y, x, 3) for y, x in place])
        moved = place + rng.normal(0, 0.5, place.shape) + rng.normal(0, 2, 2).clip(-1.5, 1.5)
        found = found_table([(y, x, 0.9, 3, 0.9) for y, x in moved])
        parts.append(score_image(image, found, truth, NOTHING, PIXEL, (1000, 1000)))
    figures = column_figures(pooled(parts), 0.5)
    assert figures["images"] == 4
    assert figures["position_pm"] == pytest.approx(0.5 * PIXEL * 1e3, rel=0.05)


def test_a_strong_detection_is_not_displaced_by_a_faint_nearer_one():
    truth = truth_table([(50, 50, 5)])
    found = found_table([(52, 50, 0.9, 5, 0.9), (49.5, 50, 0.1, 2, 0.9)])
    s = score_image(0, found, truth, NOTHING, PIXEL, (150, 150), 0.5)
    assert column_figures(s, 0.5)["recall"] == 1.0
    assert s.found.true.tolist() == [True, False]


def test_gaps_and_isolated_columns():
    truth = truth_table([(50, 50, 5), (90, 90, 2)]).assign(isolated=[False, True])
    gaps = pd.DataFrame({"y": [70.0, 110.0], "x": [70.0, 110.0]})
    found = found_table([(50, 50, 0.9, 5, 0.9), (70, 71, 0.8, 5, 0.9), (90, 90, 0.9, 2, 0.9)])
    figures = column_figures(score_image(0, found, truth, gaps, PIXEL, (150, 150)), 0.5)
    assert figures["missing_reported"] == 0.5
    assert figures["isolated_found"] == 1.0
    assert figures["isolated"] == 1


def test_nothing_found_and_nothing_there():
    s = score_image(0, found_table([]).astype(float), truth_table([]).astype(float), NOTHING, PIXEL, (64, 64))
    figures = column_figures(s, 0.5)
    assert np.isnan(figures["precision"])
    assert np.isnan(figures["recall"])


def test_calibration_error_of_honest_and_boastful_probabilities():
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 1, 40_000)
    honest = rng.random(len(p)) < p
    assert calibration_error(p, honest) < 0.01
    assert calibration_error(np.full(1000, 0.9), np.arange(1000) < 600) == pytest.approx(0.3)
    stated, true, number = reliability(p, honest)
    assert number.sum() == len(p)
    assert np.abs(stated - true).max() < 0.03


def events(rows):
    return pd.DataFrame(rows, columns=["frame", "kind", "y", "x"])


def test_events_match_within_one_frame_and_at_the_site():
    truth = events([(10, "appear", 50, 50), (20, "vanish", 50, 50), (30, "appear", 90, 90)])
    found = events(
        [
            (11, "appear", 52, 50),  # one frame late
            (20, "appear", 50, 50),  # wrong kind
            (32, "appear", 90, 90),  # two frames late
            (30, "appear", 97, 90),  # 0.14 nm away
        ]
    )
    score = match_events(found, truth, PIXEL, 1000)
    assert (score.hits, score.found, score.truth) == (1, 4, 3)
    figures = (score + EventScore(1, 1, 1, 1000)).figures()
    assert figures["precision"] == pytest.approx(2 / 5)
    assert figures["recall"] == pytest.approx(2 / 4)
    assert figures["false_per_1000"] == pytest.approx(1.5)


def test_no_event_counts_twice():
    truth = events([(10, "appear", 50, 50)])
    found = events([(9, "appear", 50, 50), (10, "appear", 50, 50), (11, "appear", 50, 50)])
    assert match_events(found, truth, PIXEL, 1).hits == 1


def test_occupancy_of_found_and_lost_sites():
    score = OccupancyScore()
    sites = pd.DataFrame(
        {
            "y": [50.0, 70.0],
            "x": [50.0, 70.0],
            "occupancy": [0.9, 0.5],
            "occupancy_low": [0.8, 0.45],
            "occupancy_high": [1.0, 0.55],
        }
    )
    place = np.array([[51.0, 50.0], [70.0, 70.0], [100.0, 100.0]])
    score.add(sites, place, np.array([1.0, 0.7, 0.2]), np.array([False, True, True]), 6.0)
    figures = score.figures()
    assert figures["occupancy_mae"] == pytest.approx((0.1 + 0.2 + 0.2) / 3)
    assert figures["occupancy_mae_mobile"] == pytest.approx(0.2)
    assert figures["interval_coverage"] == pytest.approx(1 / 3)
    assert figures["open_sites"] == 2
    assert figures["interval_coverage_open"] == pytest.approx(0.5)
    assert np.isnan(figures["interval_exact"])


@pytest.mark.parametrize("spread", [0.0, 0.4, 3.0])
def test_exact_coverage_is_95_per_cent_of_calibrated_posteriors_and_less_of_others(spread):
    rng = np.random.default_rng(5)
    frames, sites = 40, 4000
    middle = rng.uniform(8, 32, sites)

    def drawn(n, width):
        return np.clip(np.rint(middle + rng.normal(0, 1, (n, sites)) * width), 0, frames) / frames

    true = drawn(1, spread)[0]
    assert exact_coverage(drawn(800, spread), true, frames).mean() == pytest.approx(0.95, abs=0.015)
    if spread:
        assert exact_coverage(drawn(800, spread / 3), true, frames).mean() < 0.88
    assert exact_coverage(np.ones((5, 2)), np.array([1.0, 0.5]), frames).tolist() == pytest.approx([0.95, 0])
