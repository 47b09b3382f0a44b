"""How much of a view is free of columns: only vacuum tells what the beam brings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

#: From this distance on, nm, nothing of a column is seen: the mean of such pixels is the beam level.
FREE_NM = 0.33
#: Area, nm², that has to be free of columns for the level to be known: its electrons tell it within 1 % at
#: 100 e/Å². Without any it is read 10 to 17 % low (one to four atoms).
LEAST_NM2 = 1.0
FEWEST_COLUMNS = 8
LITTLE_VACUUM = (
    "hardly any vacuum is in view, so that what the beam brings is not known: counts are read too low, by "
    "one to four atoms where there is none, and their probabilities are not to be trusted. Take a view with "
    "vacuum beside the specimen, or state the beam level: the mean of an image of vacuum at the same exposure"
)
#: Spacing of the points that are looked at, nm.
GRID_NM = 0.1


def free_area(
    y: npt.ArrayLike,
    x: npt.ArrayLike,
    shape: tuple[int, ...],
    pixel_size_nm: tuple[float, float],
    valid: npt.NDArray[np.bool_] | None = None,
) -> float:
    """Area of a view that lies farther than :data:`FREE_NM` from every column.

    Parameters
    ----------
    y, x : array_like, shape (N,)
        Columns, px.
    shape : tuple of int
        (Y, X) of the view.
    pixel_size_nm : tuple of float
        Along y and x.
    valid : ndarray of bool, shape (Y, X), optional
        False where nothing was seen: not counted.

    Returns
    -------
    float
        nm².
    """
    steps = [max(1, round(GRID_NM / p)) for p in pixel_size_nm]
    rows, cols = (np.arange(0, n, step) for n, step in zip(shape[:2], steps, strict=True))
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
    if valid is not None:
        points = points[valid[points[:, 0], points[:, 1]]]
    each = float(np.prod(steps) * np.prod(pixel_size_nm))
    columns = np.column_stack([np.asarray(y, float), np.asarray(x, float)])
    if not len(columns) or not len(points):
        return each * len(points)
    near, _ = cKDTree(columns * pixel_size_nm).query(points * pixel_size_nm, distance_upper_bound=FREE_NM)
    return each * int(np.isinf(near).sum())


def little_vacuum(
    y: npt.ArrayLike,
    x: npt.ArrayLike,
    shape: tuple[int, ...],
    pixel_size_nm: tuple[float, float],
    valid: npt.NDArray[np.bool_] | None = None,
) -> bool:
    """Whether too little vacuum is in view for the beam level to be known; parameters as of `free_area`."""
    return np.size(y) >= FEWEST_COLUMNS and free_area(y, x, shape, pixel_size_nm, valid) < LEAST_NM2
