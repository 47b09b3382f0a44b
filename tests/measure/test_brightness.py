"""Mean brightness of each class in time: its interval holds the truth as often as it says."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.brightness import COLUMNS, class_brightness

FRAME = np.arange(30)


def drawn(seed, sites=24, step=-0.05):
    """Oxygen columns that dim together in frame 15, each with its own level; cerium that does not."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0.3, 0.15, 2 * sites)
    oxygen = np.arange(2 * sites) < sites
    change = np.where((FRAME[:, None] >= 15) & oxygen, step, 0.0)
    noisy = level + change + rng.normal(0, 0.04, (30, 2 * sites))
    noisy[rng.random(noisy.shape) < 0.1] = np.nan
    return noisy.astype(np.float32), pd.Series(np.where(oxygen, "O", "Ce"))


def test_the_change_of_a_class_and_its_interval():
    inside, steps = [], []
    for seed in range(30):
        table = class_brightness(*drawn(seed), FRAME, 0.5)
        o, ce = (table[table["label"] == name].set_index("frame") for name in ("O", "Ce"))
        steps.append(o["mean"][15:].mean() - o["mean"][:15].mean())
        still = ce["mean"].mean()
        inside += ((ce["low"] <= still) & (still <= ce["high"])).tolist()
        assert (o["n_sites"] <= 24).all()
        assert o["time_s"].iloc[-1] == pytest.approx(14.5)
    assert np.mean(steps) == pytest.approx(-0.05, abs=0.003)
    # sites that differ from each other by 0.15 do not make the interval of the change wide
    assert (ce["high"] - ce["low"]).mean() < 0.05
    assert 0.90 <= np.mean(inside) <= 0.985


def test_nothing_of_nothing():
    for intensity in (None, np.zeros((0, 0), np.float32)):
        empty = class_brightness(intensity, pd.Series([], dtype=str), FRAME[:0], None)
        assert list(empty.columns) == list(COLUMNS)
        assert not len(empty)
    lost = class_brightness(np.full((3, 2), np.nan, np.float32), pd.Series(["O", "O"]), FRAME[:3], None)
    assert lost[["mean", "low", "high"]].isna().all(axis=None)
    one = class_brightness(np.ones((3, 1), np.float32), pd.Series(["O"]), FRAME[:3], None)
    assert (one["mean"] == 1).all()
    assert one["low"].isna().all()
