"""The Laplacian peer finds what anyone would find."""

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.peers import LaplacianBench, laplacian_peaks
from napari_atomcount.benchmark.scenes import Picture


def blobs(sign, seed=0):
    rng = np.random.default_rng(seed)
    y, x = (g.ravel() + rng.uniform(-0.5, 0.5, g.size) for g in np.mgrid[25:180:14, 25:180:14].astype(float))
    grid = np.mgrid[:200, :200]
    image = np.full((200, 200), 50.0)
    for cy, cx in zip(y, x, strict=True):
        image += sign * 25 * np.exp(-((grid[0] - cy) ** 2 + (grid[1] - cx) ** 2) / (2 * 2.5**2))
    truth = pd.DataFrame({"y": y, "x": x, "count": 5, "isolated": False})
    return rng.poisson(image).astype(np.float32), truth


def test_peaks_are_at_the_blobs():
    image, truth = blobs(1)
    peaks = laplacian_peaks(image, 0.02, 0.5, 1)
    strong = peaks[peaks.score > 0.4]
    assert len(strong) == len(truth)
    nearest = [np.hypot(truth.y - r.y, truth.x - r.x).min() for r in strong.itertuples()]
    assert max(nearest) < 1.0


def test_tuning_never_hurts_and_finds_the_contrast():
    bench = LaplacianBench()
    nothing = pd.DataFrame({"y": [], "x": []}, dtype=float)
    for index, sign in enumerate((1, 1, -1)):
        image, truth = blobs(sign, index)
        bench.add("mixed", index, Picture(image, 0.02, truth, nothing))
        if sign == 1:
            bench.add("bright", index, Picture(image, 0.02, truth, nothing))
    rows = bench.rows().set_index(["condition", "tuning"])
    assert rows.loc[("bright", "condition"), "f1"] > 0.99
    assert rows.loc[("mixed", "image"), "f1"] > 0.99
    assert rows.loc[("mixed", "one setting"), "f1"] < 0.9
    assert rows.loc[("mixed", "one setting"), "sign"] == 1
