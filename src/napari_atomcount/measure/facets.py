"""Facets of a particle's outline, and the relaxation of its surface along their normals (thesis eq. 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from napari_atomcount.measure.refine import typical_spacing
from napari_atomcount.measure.strain_views import resolved

#: Columns within this of a line through two outer ones lie on the facet, in units of the spacing.
DEPTH = 0.35
#: Sides of the outline whose directions differ by less are one facet.
SAME_DEG = 8.0


@dataclass(frozen=True)
class Facet:
    """A straight piece of the outline.

    Parameters
    ----------
    normal_deg : float
        Outward normal, degrees counter-clockwise from +x as seen on the screen.
    columns : ndarray of int
        Rows of the table that lie on it.
    """

    normal_deg: float
    columns: NDArray[np.int64]


def find_facets(table: pd.DataFrame, least: int = 3) -> list[Facet]:
    """Find straight pieces of the outline of one particle.

    Parameters
    ----------
    table : DataFrame
        y, x in px.
    least : int
        Facets of fewer columns are none.

    Returns
    -------
    list of Facet
        Longest first.
    """
    points = table[["x", "y"]].to_numpy(float)
    if len(points) < 4:
        return []
    spacing = typical_spacing(points[:, 1], points[:, 0])
    hull = ConvexHull(points)
    # the hull's outward normals, weighted by the length of their sides, gathered by direction
    sides = np.linalg.norm(points[hull.simplices[:, 0]] - points[hull.simplices[:, 1]], axis=1)
    order = np.argsort(-sides)
    facets: list[Facet] = []
    taken: list[float] = []
    for side in order:
        nx, ny, offset = hull.equations[side]
        angle = float(np.degrees(np.arctan2(-ny, nx)))
        if any(abs((angle - other + 180) % 360 - 180) < SAME_DEG for other in taken):
            continue
        depth = -(points @ np.array([nx, ny]) + offset)
        on = np.flatnonzero(depth <= DEPTH * spacing)
        if len(on) >= least:
            facets.append(Facet(angle, on.astype(np.int64)))
            taken.append(angle)
    return sorted(facets, key=lambda f: -len(f.columns))


def facets_of_matched(table: pd.DataFrame, least: int = 3) -> list[Facet]:
    """Facets of the columns that match a template; rows are those of the whole strain table.

    A speck beside the particle that is no part of the crystal would otherwise be a corner of its outline.
    """
    rows = np.flatnonzero(table["planar"].notna().to_numpy())
    if len(rows) < 4:
        return []
    found = find_facets(table.iloc[rows], least)
    return [Facet(facet.normal_deg, rows[facet.columns].astype(np.int64)) for facet in found]


def surface_relaxation(table: pd.DataFrame, facets: list[Facet]) -> pd.DataFrame:
    """Strain of the outermost columns along the normal of their facet.

    Returns
    -------
    DataFrame
        facet, normal_deg, row (of the table), relaxation, sigma_relaxation.
    """
    parts = []
    for number, facet in enumerate(facets):
        own = table.iloc[facet.columns]
        across = resolved(own, facet.normal_deg)  # along the normal
        parts.append(
            pd.DataFrame(
                {
                    "facet": number,
                    "normal_deg": facet.normal_deg,
                    "row": facet.columns,
                    "relaxation": across["parallel"].to_numpy(),
                    "sigma_relaxation": across["sigma_parallel"].to_numpy(),
                }
            )
        )
    if not parts:
        return pd.DataFrame(
            {"facet": [], "normal_deg": [], "row": [], "relaxation": [], "sigma_relaxation": []}
        )
    return pd.concat(parts, ignore_index=True)
