"""What the desk knows of strain: the table of a job, what is drawn, what is shown. Plain data, no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.measure.facets import Facet, facets_of_matched
from napari_atomcount.measure.strain_views import COMPONENTS, resolved
from napari_atomcount.records.analysis import Analysis

AVERAGE = -1
#: What can be coloured: name, words. The last three need a drawn line, or facets.
SHOWN = {
    "planar": "planar strain (exx + eyy) / 2",
    "exx": "strain along x, exx",
    "eyy": "strain along y, eyy",
    "exy": "shear strain, exy",
    "rotation": "rotation",
    "parallel": "along the drawn line",
    "normal": "across the drawn line",
    "relaxation": "facets: along their normals",
}
Place = tuple[float, float]


@dataclass(frozen=True)
class Drawn:
    """Something drawn with the mouse: two corners or ends, (y, x) px in the coordinates of frame 0."""

    start: Place
    end: Place

    @property
    def region(self) -> tuple[float, float, float, float]:
        """y0, y1, x0, x1."""
        (y0, x0), (y1, x1) = self.start, self.end
        return min(y0, y1), max(y0, y1), min(x0, x1), max(x0, x1)

    @property
    def direction_deg(self) -> float:
        """Counter-clockwise from +x as seen on the screen."""
        return float(np.degrees(np.arctan2(self.start[0] - self.end[0], self.end[1] - self.start[1])))

    @property
    def words(self) -> str:
        """As the settings write a reference."""
        return "region:{:.0f}:{:.0f},{:.0f}:{:.0f}".format(*self.region)

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows (y, x) lie inside."""
        y0, y1, x0, x1 = self.region
        y, x = table["y"].to_numpy(float), table["x"].to_numpy(float)
        return (y >= y0) & (y < y1) & (x >= x0) & (x < x1)


@dataclass
class StrainFound:
    """The result of a job.

    Parameters
    ----------
    table : DataFrame
        STRAIN of the frames and, where it is complete, of the time average (-1).
    warnings : list of str
        Sentences.
    drift : DataFrame
        DRIFT of the frames, or empty.
    counts : DataFrame
        COLUMNS with their counts, for the artefact simulation.
    structures : list
        The templates that were used.
    reference : str
        As it was asked for.
    """

    table: pd.DataFrame
    warnings: list[str]
    drift: pd.DataFrame
    counts: pd.DataFrame
    structures: list[Any]
    reference: str
    artefact: pd.DataFrame | None = None
    artefact_words: str = ""

    @property
    def frames(self) -> list[int]:
        """Frames that were measured."""
        return sorted(int(f) for f in self.table["frame"].unique() if f >= 0)

    @property
    def averaged(self) -> bool:
        """Whether there is a time average."""
        return bool((self.table["frame"] == AVERAGE).any())

    def of(self, frame: int) -> pd.DataFrame:
        """Rows of a frame, or of the average (-1)."""
        return self.table[self.table["frame"] == frame].reset_index(drop=True)

    @cached_property
    def facets(self) -> list[Facet]:
        """Facets of the time average, or of the only frame."""
        own = self.of(AVERAGE) if self.averaged else self.of(self.frames[0]) if self.frames else self.table
        return facets_of_matched(own)

    def facet_sites(self, number: int) -> list[int]:
        """Sites on a facet."""
        own = self.of(AVERAGE) if self.averaged else self.of(self.frames[0])
        return [int(s) for s in own["site_id"].iloc[self.facets[number].columns] if s >= 0]


@dataclass
class StrainView:
    """What is shown."""

    average: bool = True
    component: str = "planar"
    points: bool = True
    map: bool = False
    axes: bool = False
    artefact: bool = False
    limit: float | None = None
    line: Drawn | None = None
    selection: Drawn | None = None
    reference: Drawn | None = None
    shown: list[str] = field(default_factory=list)


def values_of(
    found: StrainFound, table: pd.DataFrame, component: str, line: Drawn | None
) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard errors of what is shown, %: rotation in degrees; NaN where it is not defined."""
    if component in COMPONENTS:
        scale = 1.0 if component == "rotation" else 100.0
        return scale * table[component].to_numpy(float), scale * table[f"sigma_{component}"].to_numpy(float)
    missing = np.full(len(table), np.nan)
    if component == "relaxation":
        value, sigma = missing.copy(), missing.copy()
        site = table["site_id"].to_numpy()
        for number, facet in enumerate(found.facets):
            sites = found.facet_sites(number)
            rows = np.flatnonzero(np.isin(site, sites)) if sites else facet.columns
            rows = rows[rows < len(table)]
            along = resolved(table.iloc[rows], facet.normal_deg)
            value[rows], sigma[rows] = 100 * along["parallel"], 100 * along["sigma_parallel"]
        return value, sigma
    if line is None:
        return missing, missing
    turned = resolved(table, line.direction_deg)
    return 100 * turned[component].to_numpy(float), 100 * turned[f"sigma_{component}"].to_numpy(float)


def unit_of(component: str) -> str:
    """% or degrees."""
    return "°" if component == "rotation" else "%"


def drift_of(analysis: Analysis | None) -> pd.DataFrame:
    """DRIFT of an analysis; an empty table without one."""
    return pd.DataFrame(columns=["frame", "dy", "dx"]) if analysis is None else analysis.drift
