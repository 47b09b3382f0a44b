"""The classical methods find what anyone would find."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.benchmark.peers import METHODS, every_setting, peaks, tuned
from napari_atomcount.benchmark.scenes import Picture

NOTHING = pd.DataFrame({"y": [], "x": []}, dtype=float)


def blobs(sign, seed=0):
    rng = np.random.default_rng(seed)
    y, x = (g.ravel() + rng.uniform(-0.5, 0.5, g.size) for g in np.mgrid[25:180:14, 25:180:14].astype(float))
    grid = np.mgrid[:200, :200]
    image = np.full((200, 200), 50.0)
    for cy, cx in zip(y, x, strict=True):
        image += sign * 25 * np.exp(-((grid[0] - cy) ** 2 + (grid[1] - cx) ** 2) / (2 * 2.5**2))
    truth = pd.DataFrame({"y": y, "x": x, "count": 5, "isolated": False})
    return rng.poisson(image).astype(np.float32), truth


def pictures(*signs):
    for index, sign in enumerate(signs):
        image, truth = blobs(sign, index)
        yield Picture(image, 0.02, truth, NOTHING)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sign", [1, -1])
def test_peaks_are_at_the_blobs(method, sign):
    image, truth = blobs(sign)
    found = peaks(image, 0.02, method, 0.5, sign)
    strong = found[found.score > 0.45]
    assert len(strong) == len(truth)
    nearest = [np.hypot(truth.y - r.y, truth.x - r.x).min() for r in strong.itertuples()]
    assert max(nearest) < 1.2


def test_tuning_never_hurts_and_finds_the_contrast():
    tables = {"mixed": every_setting(pictures(1, 1, -1)), "bright": every_setting(pictures(1, 1))}
    rows = tuned(tables)
    for _method, own in rows.groupby("method"):
        own = own.set_index(["condition", "tuning"])
        assert own.loc[("bright", "condition"), "f1"] > 0.99
        assert own.loc[("mixed", "image"), "f1"] > 0.99
        assert own.loc[("mixed", "one setting"), "f1"] < 0.9
        assert own.loc[("mixed", "one setting"), "sign"] == 1
        for condition in tables:
            f1 = own.f1[condition]
            assert f1["image"] >= f1["condition"] >= f1["one setting"]


def test_the_one_setting_is_chosen_where_it_is_told_to():
    tables = {"bright": every_setting(pictures(1)), "dark": every_setting(pictures(-1))}
    for shared, sign in (("bright", 1), ("dark", -1)):
        rows = tuned(tables, [shared])
        assert (rows[rows.tuning == "one setting"].sign == sign).all()
