"""A template learned from a region of an image: the mean neighbourhood of each kind of place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from napari_atomcount.measure.templates import (
    SHELL_GAP,
    Complex,
    Doubles,
    Structure,
    Template,
    own_period,
    turned,
)
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

#: Columns are of one kind when no neighbour is farther off than this, in units of the nearest distance.
ALIKE = 0.25
#: Kinds of fewer columns are taken for defects.
FEWEST = 3


def learn_structure(
    columns: pd.DataFrame,
    inside: npt.NDArray[np.bool_],
    calibration: Calibration,
    *,
    neighbours: int = 6,
    name: str = "learned",
) -> Structure:
    """Learn the templates of a crystal from its columns in a region.

    Columns whose neighbours lie alike, without any rotation, are one kind of place, and their mean is its
    template: the region has no mean strain by definition.

    Parameters
    ----------
    columns : DataFrame
        y, x in px; those outside the region are neighbours too.
    inside : ndarray of bool, shape (M,)
        The region, of one grain and one phase.
    calibration : Calibration
        With a pixel size the template has one too.
    neighbours : int
        Wanted; raised to the next gap between distances.
    name : str
        For the table.

    Raises
    ------
    InputError
        If the region holds too few columns of any one kind.
    """
    per_y, per_x = calibration.pixel_size_nm or (1.0, 1.0)
    z: Complex = columns["x"].to_numpy(float) * per_x + 1j * columns["y"].to_numpy(float) * per_y
    reach = min(len(z) - 1, 2 * neighbours + 4)
    rows = np.flatnonzero(inside)
    if reach <= neighbours or len(rows) < FEWEST:
        raise InputError(
            f"A template cannot be learned from {len(rows)} columns of {len(z)}: draw a larger region."
        )
    flat = np.column_stack([z.real, z.imag])
    near = np.asarray(cKDTree(flat).query(flat[rows], k=reach + 1)[1])[:, 1:]
    local = z[near] - z[rows, None]
    centre = z[rows].mean()
    left = list(np.argsort(np.abs(z[rows] - centre)))  # from the middle outwards
    kinds: list[Complex] = []
    while len(left) >= FEWEST:
        first = left[0]
        wanted = _full(local[first], neighbours)
        members, means = _alike(local[left], wanted)
        if members.sum() >= FEWEST:
            members, means = _alike(local[left], means)
            kinds.append(means)
        members[0] = True
        left = [row for row, gone in zip(left, members, strict=True) if not gone]
    if not kinds:
        raise InputError(
            "The columns of the region are not alike: draw it inside one grain, away from surfaces."
        )
    kept: list[Complex] = []
    for points in kinds:
        if not any(turned(points, other) for other in kept):
            kept.append(points)
    templates = tuple(Template(points[np.argsort(np.abs(points))]) for points in kept)
    unit = 1.0 if calibration.pixel_size_nm is not None else None
    return Structure(name, templates, unit, rough_period(kinds))


def _full(local: Complex, neighbours: int) -> Complex:
    """The nearest neighbours up to the widest gap in their distances from the wanted number on."""
    distance = np.abs(local)
    ratio: Doubles = distance[neighbours:-1] / distance[neighbours - 1 : -2]
    gaps = np.flatnonzero(ratio > max(SHELL_GAP, 1.04))
    return np.asarray(local[: neighbours + (int(gaps[0]) if len(gaps) else 0)])


def _alike(local: Complex, wanted: Complex) -> tuple[npt.NDArray[np.bool_], Complex]:
    """Rows (P, K) that have all the wanted neighbours, and the mean of those."""
    distance = np.abs(local[:, None, :] - wanted[None, :, None])
    closest = distance.argmin(2)
    least = np.take_along_axis(distance, closest[:, :, None], 2)[:, :, 0]
    good = (least < ALIKE * np.abs(wanted).min()).all(1)
    chosen = np.take_along_axis(local, closest, 1)
    return good, np.asarray(chosen[good].mean(0) if good.any() else wanted)


def rough_period(kinds: list[Complex]) -> float:
    """As :func:`~napari_atomcount.measure.templates.own_period`, for neighbourhoods with errors."""

    def near(a: Complex, b: Complex) -> bool:
        if len(a) != len(b):
            return False
        return bool((np.abs(a[:, None] - b[None]).min(1) < 0.1 * np.abs(b).min()).all())

    for n in (12, 8, 6, 4, 3, 2):
        turn = np.exp(2j * np.pi / n)
        if all(any(near(points * turn, other) for other in kinds) for points in kinds):
            return 360.0 / n
    return own_period(kinds)
