"""Sites along a line: what is on a facet, from one end to the other, through time (a kymograph)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kymograph:
    """Values of sites through time, ordered along a line.

    Parameters
    ----------
    site_id : ndarray of int, shape (n,)
        From the beginning of the line to its end.
    distance_nm : ndarray, shape (n,)
        How far along the line each of them is.
    value : ndarray, shape (T, n)
        Their states or probabilities; NaN where not observed.
    """

    site_id: npt.NDArray[np.int64]
    distance_nm: Doubles
    value: Doubles


def along_line(points: Doubles, line: Doubles) -> tuple[Doubles, Doubles]:
    """How far along a polyline points lie, and how far from it.

    Parameters
    ----------
    points : ndarray, shape (N, 2)
    line : ndarray, shape (M, 2)
        Its corners, two or more, in the same unit.

    Returns
    -------
    along, beside : ndarray, shape (N,)
        Length of the line up to the nearest place on it, and the distance from that place.

    Raises
    ------
    ValueError
        If the line has no length.
    """
    line = np.asarray(line, dtype=np.float64)
    way = np.diff(line, axis=0)
    length = np.hypot(*way.T) if len(way) else np.zeros(0)
    way, length, start = way[length > 0], length[length > 0], line[:-1][length > 0]
    if not len(length):
        raise ValueError("a line needs two different points")
    before = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    rest = points[:, None] - start[None]
    part = np.clip((rest * way).sum(axis=-1) / length**2, 0, 1)
    far = np.hypot(*np.moveaxis(rest - part[..., None] * way, -1, 0))
    best = far.argmin(axis=1)
    rows = np.arange(len(points))
    return before[best] + part[rows, best] * length[best], far[rows, best]


def kymograph(
    sites: pd.DataFrame, values: npt.NDArray[np.generic], line_nm: Doubles, width_nm: float
) -> Kymograph:
    """Order the sites beside a line along it.

    Parameters
    ----------
    sites : DataFrame
        SITES, in the order of the columns of `values`.
    values : ndarray, shape (T, S)
        States (-1 not observed) or probabilities (NaN not observed).
    line_nm : ndarray, shape (M, 2)
        Corners (y, x) in nm of frame 0.
    width_nm : float
        Sites within half of it on each side count.
    """
    place = sites[["y_nm", "x_nm"]].to_numpy(np.float64)
    if not len(place):
        return Kymograph(np.zeros(0, np.int64), np.zeros(0), np.zeros((len(values), 0)))
    along, beside = along_line(place, line_nm)
    mine = np.flatnonzero(beside <= width_nm / 2)
    mine = mine[np.argsort(along[mine], kind="stable")]
    chosen = np.array(values[:, mine], dtype=np.float64)
    chosen[chosen < 0] = np.nan
    return Kymograph(sites["site_id"].to_numpy(np.int64)[mine], along[mine], chosen)
