"""From matched neighbours to strain: affine least squares, left polar decomposition, standard errors.

Vectors are (x, y) with y downwards; a deformation A = P U maps the template to the image (thesis 3.12–3.14).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.matching import Match
from napari_atomcount.measure.position_errors import Correlation
from napari_atomcount.measure.templates import Complex, Doubles, Structure

#: Matched points whose spread across their longest direction is less than this fraction lie on a line.
FLAT = 0.1
#: Columns whose correlated errors are summed at a time.
CHUNK = 4096


@dataclass
class Deformation:
    """Affine maps from the templates to the neighbourhoods of M columns.

    Parameters
    ----------
    matrix : ndarray, shape (M, 2, 2)
        A, image unit per structure's unit; NaN where no template fits or its points lie on a line.
    weight : ndarray, shape (M, N + 1, 2)
        A = sum of position (x, y) times weight; the column itself is the last of the N + 1 points.
    point : ndarray of int, shape (M, N + 1)
        Which column each point is; -1: none.
    residual : ndarray, shape (M,)
        Sum of squares that the map leaves, image unit².
    freedom : ndarray, shape (M,)
        Degrees of freedom of that sum.
    """

    matrix: Doubles
    weight: Doubles
    point: npt.NDArray[np.int64]
    residual: Doubles
    freedom: Doubles


def affine(z: Complex, found: Match, structures: list[Structure]) -> Deformation:
    """Fit the affine map of every matched column by least squares (eq. 3.12), with its own place.

    The thesis holds the column itself fixed; a free origin weighs all points alike, which is the estimate of
    least variance for equal errors, and the same where the neighbourhood is complete.

    Parameters
    ----------
    z : ndarray of complex, shape (M,)
        Columns x + iy.
    found : Match
        Of :func:`~napari_atomcount.measure.matching.match`.
    structures : list of Structure
        Those that were matched.
    """
    n, most = found.neighbour.shape
    w = np.zeros((n, most + 1, 2))  # the column itself stays at 0, 0
    for s, structure in enumerate(structures):
        for t, template in enumerate(structure.templates):
            own = (found.structure == s) & (found.template == t)
            w[own, : len(template.points)] = np.column_stack([template.points.real, template.points.imag])
    point = np.column_stack([found.neighbour, np.where(found.structure >= 0, np.arange(n), -1)])
    there = point >= 0
    position = np.where(there[..., None], np.stack([z.real, z.imag], -1)[point], 0.0)
    number = np.maximum(there.sum(1), 1)
    # sums are linear in the template, so centring it is enough
    w = np.where(
        there[..., None], w - (w * there[..., None]).sum(1, keepdims=True) / number[:, None, None], 0.0
    )
    spread = np.einsum("mni,mnj->mij", w, w)
    trace, det = spread[:, 0, 0] + spread[:, 1, 1], np.linalg.det(spread)
    flat = ~(det > (FLAT * trace / 2) ** 2 / 4)
    spread[flat] = np.eye(2)
    weight = np.einsum("mni,mij->mnj", w, np.linalg.inv(spread))
    matrix = np.einsum("mni,mnj->mij", position, weight)
    middle = position.sum(1, keepdims=True) / number[:, None, None]
    rest = np.where(there[..., None], position - middle - np.einsum("mij,mnj->mni", matrix, w), 0.0)
    matrix[flat] = np.nan
    weight[flat] = np.nan
    return Deformation(matrix, weight, point, (rest**2).sum((1, 2)), np.where(flat, 0.0, 2.0 * number - 6.0))


def polar(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Left polar decomposition A = P U of matrices (M, 2, 2).

    Returns
    -------
    stretch : ndarray, shape (M, 2, 2)
        P, symmetric, in the image's axes.
    angle : ndarray, shape (M,)
        Of U from +x towards +y, rad.
    """
    angle = np.arctan2(matrix[:, 1, 0] - matrix[:, 0, 1], matrix[:, 0, 0] + matrix[:, 1, 1])
    stretch = matrix @ np.swapaxes(rotation(angle), 1, 2)
    return (stretch + np.swapaxes(stretch, 1, 2)) / 2, angle


def rotation(angle: Doubles) -> Doubles:
    """Matrices (M, 2, 2) that turn by an angle (M,), rad, from +x towards +y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def strain_errors(
    fit: Deformation,
    reference: Doubles,
    angle: Doubles,
    sigma_x: Doubles,
    sigma_y: Doubles,
    correlation: Correlation | None = None,
    places_px: tuple[Doubles, Doubles] | None = None,
) -> dict[str, Doubles]:
    """Standard errors of the components from those of the positions, to first order in the strain.

    Parameters
    ----------
    fit : Deformation
        Its weights make the strain linear in the positions.
    reference : ndarray, shape (M, 2, 2)
        The reference lattice V: strain is of A V⁻¹.
    angle : ndarray, shape (M,)
        Rotation of A V⁻¹, rad.
    sigma_x, sigma_y : ndarray, shape (M,)
        Standard error of each column's position, image unit.
    correlation : Correlation, optional
        Of the errors of two columns; independent if not given.
    places_px : tuple of ndarray, shape (M,) each
        y, x in px, which the correlation needs.

    Returns
    -------
    dict
        sigma_exx, sigma_eyy, sigma_exy, sigma_planar (fractions), sigma_rotation (degrees).
    """
    turned = np.einsum("mnj,mjk,mik->mni", fit.weight, np.linalg.inv(reference), rotation(angle))
    there = fit.point >= 0
    sx = np.where(there, sigma_x[fit.point], 0.0)
    sy = np.where(there, sigma_y[fit.point], 0.0)
    hx, hy = turned[..., 0], turned[..., 1]
    # each component is a sum over the points of x times the first and y times the second
    forms: dict[str, tuple[Doubles | float, Doubles | float]] = {
        "sigma_exx": (hx, 0.0),
        "sigma_eyy": (0.0, hy),
        "sigma_exy": (hy / 2, hx / 2),
        "sigma_rotation": (-hy / 2, hx / 2),
        "sigma_planar": (hx / 2, hy / 2),
    }
    parts = {name: (sx * along_x, sy * along_y) for name, (along_x, along_y) in forms.items()}
    if correlation is None or places_px is None:
        square = {name: (px**2 + py**2).sum(1) for name, (px, py) in parts.items()}
    else:
        square = _correlated(parts, fit.point, correlation, places_px)
    errors = {name: np.sqrt(np.maximum(value, 0.0)) for name, value in square.items()}
    return errors | {"sigma_rotation": np.degrees(errors["sigma_rotation"])}


def _correlated(
    parts: dict[str, tuple[Doubles, Doubles]],
    point: npt.NDArray[np.int64],
    correlation: Correlation,
    places_px: tuple[Doubles, Doubles],
) -> dict[str, Doubles]:
    """Variance of sums over points whose x and y errors belong together, some thousand columns at a time."""
    total = {name: np.zeros(len(point)) for name in parts}
    for first in range(0, len(point), CHUNK):
        own = slice(first, first + CHUNK)
        y, x = (place[point[own]] for place in places_px)
        yy, xx, yx = correlation.at(y[:, None, :] - y[:, :, None], x[:, None, :] - x[:, :, None])
        for name, (px, py) in parts.items():
            a, b = px[own], py[own]
            total[name][own] = (
                np.einsum("mi,mij,mj->m", a, xx, a)
                + np.einsum("mi,mij,mj->m", b, yy, b)
                + 2 * np.einsum("mi,mij,mj->m", b, yx, a)
            )
    return total
