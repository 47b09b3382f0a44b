"""Where points crowd: the peaks of a weighted density in the plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

Doubles = npt.NDArray[np.float64]
MOST_CELLS = 1 << 26
MANY_POINTS = 20_000  # worth a second thread


def nearest(places: Doubles, points: Doubles, reach: float = np.inf) -> tuple[Doubles, npt.NDArray[np.int64]]:
    """Distance to, and index of, the place nearest to each point.

    Parameters
    ----------
    places : ndarray, shape (S, 2)
        Where to look; may be empty.
    points : ndarray, shape (N, 2)
        For which points.
    reach : float
        Farther places do not count.

    Returns
    -------
    distance : ndarray, shape (N,)
        inf where there is none.
    index : ndarray of int, shape (N,)
        len(places) where there is none.
    """
    if not len(places) or not len(points):
        return np.full(len(points), np.inf), np.full(len(points), len(places), np.int64)
    threads = -1 if len(points) > MANY_POINTS else 1
    distance, index = cKDTree(places).query(points, distance_upper_bound=reach, workers=threads)
    return np.asarray(distance, dtype=np.float64), np.asarray(index, dtype=np.int64)


def nearest_other(points: Doubles) -> Doubles:
    """Distance of each of two or more points (S, 2) to the nearest other one, shape (S,)."""
    distance, _ = cKDTree(points).query(points, k=2)
    return np.asarray(distance, dtype=np.float64)[:, 1]


def density_peaks(points: Doubles, weight: Doubles, radius: float) -> tuple[Doubles, Doubles]:
    """Find the places around which weighted points crowd.

    Parameters
    ----------
    points : ndarray, shape (N, 2)
        Positions, in any unit of length.
    weight : ndarray, shape (N,)
        Weight of each point, >= 0.
    radius : float
        Peaks are at least this far apart, and a point within it belongs to its nearest peak.

    Returns
    -------
    centres : ndarray, shape (P, 2)
        Weighted mean of each peak's points, by falling weight.
    total : ndarray, shape (P,)
        Sum of their weights.
    """
    good = np.isfinite(points).all(axis=1) & (weight > 0)
    points, weight = points[good], weight[good]
    if not len(points):
        return np.zeros((0, 2)), np.zeros(0)
    low = points.min(axis=0) - 2 * radius
    extent = points.max(axis=0) + 2 * radius - low
    cell = max(radius / 5, float(np.sqrt(extent.prod() / MOST_CELLS)))
    shape = np.ceil(extent / cell).astype(int) + 1
    index = ((points - low) / cell).astype(int)
    counts = np.bincount(index[:, 0] * shape[1] + index[:, 1], weight, minlength=int(shape.prod()))
    density = gaussian_filter(counts.reshape(shape), 0.35 * radius / cell)
    width = 2 * max(1, round(0.6 * radius / cell)) + 1
    top = (density == maximum_filter(density, width)) & (density > 1e-6 * density.max())
    rows, cols = np.nonzero(top)
    order = np.argsort(-density[rows, cols], kind="stable")
    centres = low + (np.column_stack([rows, cols])[order] + 0.5) * cell
    for _ in range(3):
        centres = _thin_out(centres, radius)
        centres, total = _move_to_mean(centres, points, weight, radius)
    order = np.argsort(-total, kind="stable")
    return centres[order], total[order]


def _thin_out(centres: Doubles, radius: float) -> Doubles:
    """Drop every centre that has an earlier (heavier) one within the radius."""
    keep = np.ones(len(centres), bool)
    for i, j in sorted(cKDTree(centres).query_pairs(radius)):
        if keep[i]:
            keep[j] = False
    return centres[keep]


def _move_to_mean(
    centres: Doubles, points: Doubles, weight: Doubles, radius: float
) -> tuple[Doubles, Doubles]:
    """Move each centre to the weighted mean of its points; drop those without; heaviest first."""
    distance, at = nearest(centres, points, radius)
    mine = np.isfinite(distance)
    n = len(centres)
    total = np.asarray(np.bincount(at[mine], weight[mine], minlength=n), dtype=np.float64)
    sums = [np.bincount(at[mine], weight[mine] * points[mine, a], minlength=n) for a in (0, 1)]
    some = total > 0
    order = np.argsort(-total[some], kind="stable")
    moved = np.column_stack([s[some] / total[some] for s in sums])
    return moved[order], total[some][order]
