"""Columns of a particle counted together: a common factor is found where noise does not hide the steps."""

import numpy as np
import pytest

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.measure.shared_scale import count_together, particles
from napari_atomcount.networks.card import Calibration

K = 16
N = np.arange(1, K + 1)
SPREAD = 0.04


def hexagons(number, at=0.0):
    i = np.arange(number)
    return at + 0.27 * (i // 10), 0.27 * (i % 10.0)


def read(true, factor, noise, rng):
    """What a network says that reads all counts too large by a factor, and knows that it may."""
    expected = true * factor + rng.normal(0, noise, len(true))
    width = np.hypot(noise, SPREAD * expected)[:, None]
    p = np.exp(-0.5 * ((N - expected[:, None]) / width) ** 2)
    return p / p.sum(1, keepdims=True)


def exact(p, true):
    return float((p.argmax(1) + 1 == true).mean())


@pytest.mark.parametrize("factor", [0.94, 1.0, 1.06])
def test_a_factor_that_all_share_is_found_by_whole_numbers(factor):
    rng = np.random.default_rng(1)
    true = rng.integers(2, 14, 120)
    p = read(true, factor, 0.15, rng)
    together = count_together(p, *hexagons(120), np.ones(120), SPREAD)
    assert exact(together, true) > 0.97
    assert together.sum(1) == pytest.approx(1)
    assert (together >= 0).all()
    if factor != 1:
        assert exact(p, true) < 0.8


def test_where_noise_hides_the_steps_no_count_gets_worse():
    rng = np.random.default_rng(2)
    true = rng.integers(2, 14, 600)
    p = read(true, 1.0, 0.9, rng)
    together = count_together(p, *hexagons(600), np.ones(600), SPREAD)
    assert exact(together, true) > exact(p, true) - 0.02
    assert together.max(1).mean() < exact(together, true) + 0.05  # and none is surer than it may be


def test_the_factor_comes_from_the_columns_that_the_network_is_sure_of():
    rng = np.random.default_rng(6)
    true = rng.integers(2, 14, 160)
    sure = np.arange(160) < 60
    p = np.where(sure[:, None], read(true, 1.06, 0.12, rng), read(true, 1.06, 1.5, rng))
    together = count_together(p, *hexagons(160), np.ones(160), SPREAD)
    assert exact(p[sure], true[sure]) < 0.8
    assert exact(together[sure], true[sure]) > 0.97
    assert exact(together[~sure], true[~sure]) > exact(p[~sure], true[~sure]) - 0.02


def test_each_particle_has_its_own_factor_and_a_few_columns_none():
    rng = np.random.default_rng(3)
    true = rng.integers(2, 14, 125)
    factor = np.repeat([0.95, 1.05, 1.0], [60, 60, 5])
    p = np.concatenate([read(true[i : i + 1], factor[i], 0.12, rng) for i in range(125)])
    y = np.concatenate([hexagons(60)[0], hexagons(60, 9.0)[0], hexagons(5, 20.0)[0]])
    x = np.concatenate([hexagons(60)[1], hexagons(60)[1], hexagons(5)[1]])
    assert sorted(len(own) for own in particles(y, x)) == [5, 60, 60]
    together = count_together(p, y, x, np.ones(125), SPREAD)
    assert exact(together[:120], true[:120]) > 0.97
    np.testing.assert_array_equal(together[120:], p[120:])


def test_columns_that_are_hardly_there_do_not_sway_the_others():
    rng = np.random.default_rng(4)
    true = rng.integers(2, 14, 60)
    good, junk = read(true, 1.05, 0.12, rng), read(true + 0.5, 1.05, 0.05, rng)
    y, x = hexagons(60)
    both = count_together(
        np.concatenate([good, junk]), np.append(y, y), np.append(x, x + 0.1), np.repeat([1, 1e-3], 60), SPREAD
    )
    assert exact(both[:60], true) > 0.97


def test_no_columns_stay_no_columns():
    nothing = np.zeros(0)
    assert count_together(np.zeros((0, K)), nothing, nothing, nothing, SPREAD).shape == (0, K)


def test_a_card_says_whether_its_columns_are_counted_together():
    from tests.measure.test_columns import drawn_maps

    rng = np.random.default_rng(5)
    places = np.stack(np.meshgrid(6 + 6.0 * np.arange(8), 6 + 6.0 * np.arange(8)), -1).reshape(-1, 2)
    alone = Calibration(evidence=[-13.0, 13.0], score=[2e-6, 1 - 2e-6])
    maps = drawn_maps(places, counts=rng.integers(2, 9, 64), shape=(60, 60))
    table = find_columns(maps, alone, 0.5)
    joint = find_columns(maps, alone.model_copy(update={"scale_spread": SPREAD}), 0.5)
    assert len(table) == 64
    assert joint["count"].tolist() == table["count"].tolist()
    assert not np.allclose(joint.count_prob, table.count_prob)
