"""The last digits of a drift: each frame's columns against the sites, shifted, and turned and scaled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.drift import drift_table
from napari_atomcount.measure.peaks import density_peaks, nearest

Doubles = npt.NDArray[np.float64]


def refine_drift(
    drift: pd.DataFrame,
    columns: pd.DataFrame,
    pixel_size_nm: tuple[float, float],
    radius_nm: float = 0.08,
    rounds: int = 3,
) -> pd.DataFrame:
    """Sharpen a drift with the columns that were found: each frame's median distance to the sites.

    Parameters
    ----------
    drift : DataFrame
        DRIFT, right within half of `radius_nm` or so.
    columns : DataFrame
        With frame, y, x (px) and score.
    pixel_size_nm : (float, float)
        (y, x), nm.
    radius_nm : float
        A column belongs to the nearest site within this distance.
    rounds : int
        Sites and shifts are found in turns.

    Returns
    -------
    DataFrame
        DRIFT; frames with fewer than five matched columns keep the shift they had, moved with their
        neighbours.
    """
    frames = drift["frame"].to_numpy()
    shift = np.array(drift[["dy", "dx"]], dtype=np.float64)
    pixel = np.array(pixel_size_nm)
    row = np.searchsorted(frames, columns["frame"].to_numpy())
    position = columns[["y", "x"]].to_numpy(dtype=np.float64)
    score = columns["score"].to_numpy(dtype=np.float64)
    order = np.argsort(row, kind="stable")
    row, position, score = row[order], position[order], score[order]
    bounds = np.searchsorted(row, np.arange(len(frames) + 1))
    if len(row) < 5:
        return drift.copy()
    for _ in range(rounds):
        home = (position - shift[row]) * pixel
        sites, _ = density_peaks(home, score, radius_nm)
        if not len(sites):
            return drift.copy()
        distance, at = nearest(sites, home, radius_nm)
        matched = np.isfinite(distance)
        rest = np.full_like(home, np.nan)
        rest[matched] = home[matched] - sites[at[matched]]
        correction = np.full((len(frames), 2), np.nan)
        for t in range(len(frames)):
            mine = rest[bounds[t] : bounds[t + 1]]
            mine = mine[np.isfinite(mine[:, 0])]
            if len(mine) >= 5:
                correction[t] = _robust_mean(mine)
        known = np.flatnonzero(np.isfinite(correction[:, 0]))
        if not len(known):
            return drift.copy()
        for axis in (0, 1):
            shift[:, axis] += np.interp(np.arange(len(frames)), known, correction[known, axis]) / pixel[axis]
    return drift_table(frames, shift - shift[0], drift["confidence"].to_numpy(dtype=np.float64))


def _robust_mean(rows: Doubles) -> Doubles:
    """Huber's mean of (n, 2) vectors, two steps from the median."""
    centre = np.median(rows, axis=0)
    for _ in range(2):
        away = np.hypot(*(rows - centre).T)
        limit = 1.5 * max(float(np.median(away)), 1e-6)
        weight = np.minimum(1, limit / np.maximum(away, 1e-12))
        centre = (rows * weight[:, None]).sum(axis=0) / weight.sum()
    return np.asarray(centre)
