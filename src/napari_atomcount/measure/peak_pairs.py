"""Peak pairs analysis (Galindo et al. 2007; thesis 3.1.2): strain of each column from two neighbours.

Valid on one lattice without defects; it has no surfaces problem, but no averaging either.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.deformation import polar
from napari_atomcount.measure.lattice import fit_lattices
from napari_atomcount.measure.peaks import nearest
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

#: A neighbour is where the lattice expects it within this part of the shorter vector.
TOLERANCE = 0.3
SIGNS = ((1, 1), (-1, -1), (1, -1), (-1, 1))


def peak_pairs(
    columns: pd.DataFrame,
    calibration: Calibration,
    region: tuple[float, float, float, float] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Measure strain by peak pairs.

    Parameters
    ----------
    columns : DataFrame
        y, x in px.
    calibration : Calibration
        Its pixel size corrects pixels that are not square.
    region : tuple of float, optional
        y0, y1, x0, x1 in px of the columns that make the reference lattice; all of the largest lattice if not
        given.

    Returns
    -------
    table : DataFrame
        y, x, exx, eyy, exy, planar, rotation (degrees, counter-clockwise on the screen); NaN where a pair is
        missing. Rows as in ``columns``.
    warnings : list of str
        Where it is not valid.

    Raises
    ------
    InputError
        If no lattice is found.
    """
    per_y, per_x = calibration.pixel_size_nm or (1.0, 1.0)
    points = np.column_stack([columns["y"].to_numpy(float) * per_y, columns["x"].to_numpy(float) * per_x])
    inside = np.ones(len(points), bool)
    if region is not None:
        y, x = columns["y"].to_numpy(float), columns["x"].to_numpy(float)
        inside = (y >= region[0]) & (y < region[1]) & (x >= region[2]) & (x < region[3])
    lattices = fit_lattices(points[inside]) if inside.sum() >= 4 else []
    if not lattices:
        raise InputError(
            "Peak pairs need a lattice, and the columns of the reference make none: choose others."
        )
    largest = max(lattices, key=lambda one: len(one.member))
    a, b = largest.a, largest.b
    reference = np.array([[a[1], b[1]], [a[0], b[0]]])  # columns are vectors (x, y)
    reach = TOLERANCE * min(float(np.hypot(*a)), float(np.hypot(*b)))
    matrix = np.full((len(points), 2, 2), np.nan)
    for sign_a, sign_b in reversed(SIGNS):  # the first pair that is there counts
        vectors: list[npt.NDArray[np.float64]] = []
        there = np.ones(len(points), bool)
        for sign, vector in ((sign_a, a), (sign_b, b)):
            distance, at = nearest(points, points + sign * vector, reach)
            there &= np.isfinite(distance)
            at = np.where(np.isfinite(distance), at, 0)
            vectors.append(sign * (points[at] - points)[:, ::-1])
        matrix[there] = np.stack(vectors, -1)[there] @ np.linalg.inv(reference)
    stretch, angle = polar(matrix)
    exx, eyy, exy = stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1, stretch[:, 0, 1]
    table = pd.DataFrame(
        {
            "y": columns["y"].to_numpy(float),
            "x": columns["x"].to_numpy(float),
            "exx": exx,
            "eyy": eyy,
            "exy": exy,
            "planar": (exx + eyy) / 2,
            "rotation": -np.degrees(angle),
        }
    )
    said = []
    if len(largest.member) < 0.8 * inside.sum():
        share = 100 * len(largest.member) / inside.sum()
        said.append(
            f"only {share:.0f} % of the columns belong to one lattice: peak pairs are not valid on the others"
        )
    missing = float(np.isnan(exx).mean())
    if missing > 0.1:
        said.append(
            f"{100 * missing:.0f} % of the columns have no pair of neighbours where the lattice has them"
        )
    return table, said
