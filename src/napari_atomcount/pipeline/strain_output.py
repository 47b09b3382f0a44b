"""What is written of a measured strain beside its table: facets, strain against time, a line, figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import strain_figures, strain_plots
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.figures import save_figure
from napari_atomcount.measure.facets import Facet, facets_of_matched, surface_relaxation
from napari_atomcount.measure.refine import typical_spacing
from napari_atomcount.measure.strain_time import against_time
from napari_atomcount.measure.strain_views import COMPONENTS, line_profile, resolved
from napari_atomcount.records.calibration import Calibration

#: Width of the strip beside a drawn line whose columns count, in usual distances of columns.
STRIP = 3.0


@dataclass(frozen=True)
class Line:
    """A drawn line, (y, x) px in the coordinates of the frame, or of frame 0 for the time average."""

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def direction_deg(self) -> float:
        """Counter-clockwise from +x as seen on the screen."""
        return float(np.degrees(np.arctan2(self.start[0] - self.end[0], self.end[1] - self.start[1])))


def facet_table(table: pd.DataFrame, facets: list[Facet]) -> pd.DataFrame:
    """Relaxation of the outermost columns along their facets' normals (eq. 4.2).

    Parameters
    ----------
    table : DataFrame
        STRAIN of one frame, or the time average.
    facets : list of Facet
        Of that table.

    Returns
    -------
    DataFrame
        facet, normal_deg, site_id, y, x, relaxation, sigma_relaxation, reference.
    """
    found = surface_relaxation(table, facets)
    rows = found["row"].to_numpy(np.int64)
    places = table[["site_id", "y", "x", "reference"]].iloc[rows].reset_index(drop=True)
    joined = pd.concat([found.drop(columns="row").reset_index(drop=True), places], axis=1)
    names = ["facet", "normal_deg", "site_id", "y", "x", "relaxation", "sigma_relaxation", "reference"]
    return joined[names]


def time_table(table: pd.DataFrame, facets: list[Facet]) -> pd.DataFrame:
    """Mean planar strain of all sites and of each facet's sites in each frame.

    Returns
    -------
    DataFrame
        part (all, facet 0, …), frame, planar, sigma, columns.
    """
    average = table[table["frame"] == -1].reset_index(drop=True)
    groups = {"all": average["site_id"]}
    groups |= {f"facet {n}": average["site_id"].iloc[facet.columns] for n, facet in enumerate(facets)}
    parts = [
        against_time(table, [s for s in sites if s >= 0]).assign(part=name) for name, sites in groups.items()
    ]
    return pd.concat(parts, ignore_index=True)[["part", "frame", "planar", "sigma", "columns"]]


def along_line(table: pd.DataFrame, line: Line) -> pd.DataFrame:
    """Profile along a line: the components, and the strain parallel and normal to it (thesis Fig. 6.27)."""
    turned = resolved(table, line.direction_deg)
    known = table.assign(
        parallel=turned["parallel"],
        normal=turned["normal"],
        sigma_parallel=turned["sigma_parallel"],
        sigma_normal=turned["sigma_normal"],
    )
    spacing = typical_spacing(table["y"].to_numpy(float), table["x"].to_numpy(float))
    length = float(np.hypot(line.end[0] - line.start[0], line.end[1] - line.start[1]))
    bins = int(np.clip(round(length / spacing), 3, 60))
    return line_profile(
        known, line.start, line.end, STRIP * spacing, bins, (*COMPONENTS, "parallel", "normal")
    )


def write_strain_output(
    table: pd.DataFrame,
    image: NDArray[Any],
    calibration: Calibration,
    out: Path,
    *,
    line: Line | None = None,
    artefact: pd.DataFrame | None = None,
) -> list[Path]:
    """Write the tables and figures of the time average, of facets, of time, of a line, of the artefact.

    Parameters
    ----------
    table : DataFrame
        STRAIN of the frames and of the average (-1).
    image : ndarray, shape (Y, X)
        Background in the coordinates of frame 0.
    calibration : Calibration
        Of the movie.
    out : pathlib.Path
        The folder.
    line : Line, optional
        Of a profile, or an interface.
    artefact : DataFrame, optional
        Of the zero-strain simulation.

    Returns
    -------
    list of pathlib.Path
        What was written; without columns that match a template nothing is.
    """
    written = strain_figures.write_strain_figures(table, image, calibration, out)
    average = table[table["frame"] == -1].reset_index(drop=True)
    if not average["planar"].notna().any():
        return written
    facets = facets_of_matched(average)
    if facets:
        relaxations = facet_table(average, facets)
        written.append(as_csv(relaxations, out / "strain_facets.csv"))
        figure = strain_plots.facets_figure(image, relaxations, calibration)
        written += save_figure(figure, out / "strain_facets")
    if table["frame"].max() > 0:
        series = time_table(table, facets)
        written.append(as_csv(series, out / "strain_time.csv"))
        written += save_figure(strain_plots.time_figure(series, calibration), out / "strain_time")
    if line is not None:
        profile = along_line(average, line)
        written.append(as_csv(profile, out / "strain_line.csv"))
        components = ("parallel", "normal")
        figure = strain_plots.profile_figure(profile, calibration, components)
        written += save_figure(figure, out / "strain_line")
        figure = strain_plots.interface_figure(
            average, resolved(average, line.direction_deg), line.start, line.end, calibration
        )
        written += save_figure(figure, out / "strain_interface")
    if artefact is not None:
        written.append(as_csv(artefact, out / "strain_artefact.csv"))
        limit = strain_figures.even_limit(100 * average["planar"].to_numpy(float))
        figure = strain_figures.artefact_figure(image, artefact, calibration, limit=limit)
        written += save_figure(figure, out / "strain_artefact")
    return written


def as_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a derived table, whole or not at all."""
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, na_rep="NaN", encoding="utf-8", lineterminator="\n")
    return path
