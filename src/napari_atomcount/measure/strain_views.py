"""What is read from a strain table: along a direction, principal axes, a line's profile, what is sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records.errors import InputError

Bools = npt.NDArray[np.bool_]

COMPONENTS = ("exx", "eyy", "exy", "rotation", "planar")
#: Two-sided 95 % of a normal distribution.
Z95 = 1.96


def resolved(table: pd.DataFrame, direction_deg: float) -> pd.DataFrame:
    """Strain along and across a drawn direction, for interfaces and facets.

    Parameters
    ----------
    table : DataFrame
        exx, eyy, exy and their errors.
    direction_deg : float
        Of the line, counter-clockwise from +x as seen on the screen.

    Returns
    -------
    DataFrame
        ``parallel``, ``normal`` (eq. 4.2 with the line's normal), ``shear`` and ``sigma_`` of the first two,
        with the table's index. Correlations of the components are neglected in the errors.
    """
    angle = np.radians(direction_deg)
    tx, ty = np.cos(angle), -np.sin(angle)  # y points downwards
    nx, ny = -ty, tx
    exx, eyy, exy = (table[name].to_numpy(float) for name in ("exx", "eyy", "exy"))
    sxx, syy, sxy = (table[f"sigma_{name}"].to_numpy(float) for name in ("exx", "eyy", "exy"))
    parts = {}
    for name, (a, b) in {"parallel": (tx, ty), "normal": (nx, ny)}.items():
        parts[name] = a * a * exx + b * b * eyy + 2 * a * b * exy
        parts[f"sigma_{name}"] = np.sqrt((a * a * sxx) ** 2 + (b * b * syy) ** 2 + (2 * a * b * sxy) ** 2)
    parts["shear"] = tx * nx * exx + ty * ny * eyy + (tx * ny + ty * nx) * exy
    return pd.DataFrame(parts, index=table.index)


def principal(table: pd.DataFrame) -> pd.DataFrame:
    """Principal strains and the direction of the larger one: ``first``, ``second``, ``axis_deg`` (screen)."""
    exx, eyy, exy = (table[name].to_numpy(float) for name in ("exx", "eyy", "exy"))
    middle, radius = (exx + eyy) / 2, np.hypot((exx - eyy) / 2, exy)
    axis = -np.degrees(np.arctan2(2 * exy, exx - eyy) / 2)
    return pd.DataFrame(
        {"first": middle + radius, "second": middle - radius, "axis_deg": axis}, index=table.index
    )


def significant(table: pd.DataFrame, component: str = "planar") -> Bools:
    """Whether a component differs from zero by more than its 95 % error; what does not is shown as such."""
    value, sigma = table[component].to_numpy(float), table[f"sigma_{component}"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(value) > Z95 * sigma)


def line_profile(
    table: pd.DataFrame,
    start: tuple[float, float],
    end: tuple[float, float],
    width_px: float,
    bins: int = 24,
    components: Sequence[str] = COMPONENTS,
) -> pd.DataFrame:
    """Mean strain along a drawn line.

    Parameters
    ----------
    table : DataFrame
        One frame of a strain table.
    start, end : tuple of float
        (y, x) in px.
    width_px : float
        Columns within half of it on either side count.
    bins : int
        Steps along the line.
    components : sequence of str
        Which, each with its ``sigma_``.

    Returns
    -------
    DataFrame
        ``distance_px`` and, for each component, its mean and ``sigma_`` of the mean; ``columns`` in each.
        Steps without a column are left out.
    """
    way = np.array(end, float) - np.array(start, float)
    length = float(np.hypot(*way))
    if length == 0:
        raise InputError("The line has no length: draw it from one place to another.")
    rel = table[["y", "x"]].to_numpy(float) - np.array(start, float)
    along = rel @ way / length
    across = (rel[:, 0] * way[1] - rel[:, 1] * way[0]) / length
    good = (
        (np.abs(across) <= width_px / 2) & (along >= 0) & (along <= length) & table["exx"].notna().to_numpy()
    )
    step = np.minimum((along / length * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(step[good]):
        own = table[good & (step == b)]
        row: dict[str, float] = {"distance_px": float((b + 0.5) * length / bins), "columns": len(own)}
        for name in components:
            row[name] = float(own[name].mean())
            row[f"sigma_{name}"] = float(np.sqrt((own[f"sigma_{name}"] ** 2).sum()) / len(own))
        rows.append(row)
    return pd.DataFrame(rows)
