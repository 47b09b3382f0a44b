"""Any one picture of an analysed movie, by name: for the command line and the dock alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import figures, motion_figures, time_figures
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.logs import Log
from napari_atomcount.pipeline.time_output import FEWEST_FRAMES, tracks_title
from napari_atomcount.pipeline.time_tables import InTime, adatoms_of, facet, in_time
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "pdf")
TABLE = "csv"


@dataclass(frozen=True, eq=False)
class Asked:
    """What a picture is made from.

    Parameters
    ----------
    analysis : Analysis
        Of one movie.
    calibration : Calibration
        Of that movie.
    movie : Movie, optional
        For the mean frame behind maps; without it they stand on white.
    site : int, optional
        Of the trace; by default the liveliest.
    frame : int, optional
        Of the picture of a frame; by default the fullest.
    line : list of (y, x), optional
        Corners of the kymograph's line, px of frame 0.
    log : Log, optional
        Aligned with the movie.
    """

    analysis: Analysis
    calibration: Calibration
    movie: Movie | None = None
    site: int | None = None
    frame: int | None = None
    line: list[tuple[float, float]] | None = None
    log: Log | None = None

    @property
    def counts(self) -> bool:
        """Whether the model counts."""
        return bool((self.analysis.columns["count"] > 0).any())

    def found(self) -> InTime:
        """The tables in time."""
        return in_time(self.analysis, self.calibration)

    def background(self) -> NDArray[np.float32]:
        """The mean of the observed frames in frame 0's coordinates (Y, X); white without the movie."""
        observed = self.analysis.frame[(self.analysis.state >= 0).any(axis=1)]
        if self.movie is not None:
            drift = self.analysis.drift
            return figures.aligned_mean(self.movie, drift[drift["frame"].isin(observed)])
        shape = self.analysis.summary.get("movie", {}).get("shape")
        if shape is None:
            place = self.analysis.sites[["y", "x"]].to_numpy(float)
            shape = (1, *(np.ceil(place.max(axis=0)).astype(int) + 20))
        return np.ones((int(shape[-2]), int(shape[-1])), np.float32)

    def title(self, words: str) -> str:
        """A title with the length of the movie."""
        return f"{words} in {len(self.analysis.frame)} frames"


Made = tuple["Figure", pd.DataFrame]


def _map(asked: Asked) -> Made:
    sites = asked.analysis.sites
    picture = time_figures.occurrence_figure(
        asked.background(), sites, asked.calibration, title=asked.title("occurrence")
    )
    return picture, sites


def _events(asked: Asked) -> Made:
    analysis = asked.analysis
    picture = figures.events_figure(
        asked.background(), analysis.sites, analysis.events, asked.calibration, title=asked.title("events")
    )
    return picture, analysis.events


def _frame(asked: Asked) -> Made:
    if asked.movie is None:
        raise InputError("The picture of a frame needs the movie: give its file with --movie.")
    columns = asked.analysis.columns
    frame = figures.fullest_frame(asked.analysis) if asked.frame is None else asked.frame
    if frame not in asked.analysis.frame:
        raise InputError(f"Frame {frame} was not analysed: choose one that was.")
    here = columns[columns["frame"] == frame]
    top = int(columns["count"].max()) if asked.counts else None
    title = f"frame {frame}: {len(here)} columns"
    image = asked.movie.frame(int(frame))
    classes = asked.analysis.classes
    picture = figures.counts_figure(
        image, here, asked.calibration, title=title, max_count=top, classes=classes
    )
    return picture, here


def _rate(asked: Asked) -> Made:
    found = asked.found()
    return time_figures.rate_figure(found.rates, found.unit, asked.log), found.rates


def _groups(by: str) -> Callable[[Asked], Made]:
    def make(asked: Asked) -> Made:
        found = asked.found()
        if by not in found.groups:
            raise InputError("The model knows one class of columns only: there is nothing to compare.")
        return time_figures.groups_figure(found.groups[by], by, found.unit), found.groups[by]

    return make


def _dwell(asked: Asked) -> Made:
    found = asked.found()
    table = pd.concat([curve.assign(kind=kind) for kind, curve in found.survival.items()])
    table = table.assign(time=table["time"] * found.step)
    return time_figures.dwell_figure(found.survival, found.step, found.unit), table


def _atoms(asked: Asked) -> Made:
    found = asked.found()
    time = found.atoms["frame"].to_numpy(float) * found.step
    picture = time_figures.atoms_figure(time, found.atoms, found.unit, asked.log, counts=asked.counts)
    return picture, found.atoms


def _adatoms(asked: Asked) -> Made:
    tracks = adatoms_of(asked.analysis, asked.calibration)
    picture = motion_figures.adatoms_figure(
        asked.background(), tracks, asked.analysis.sites, asked.calibration, title=tracks_title(tracks)
    )
    return picture, tracks


def _drift(asked: Asked) -> Made:
    found = asked.found()
    return motion_figures.motion_figure(found.motion, found.unit), found.motion


def _intensity(asked: Asked) -> Made:
    found = asked.found()
    if not len(found.intensity):
        raise InputError("Intensities are measured by models of several classes only, such as those of CeO2.")
    return motion_figures.intensity_figure(found.intensity, found.unit), found.intensity


def _trace(asked: Asked) -> Made:
    analysis = asked.analysis
    site = figures.liveliest_site(analysis) if asked.site is None else asked.site
    if site is None or site not in analysis.site_id:
        raise InputError(f"There is no site {site}: sites.csv lists them.")
    column = int(np.flatnonzero(analysis.site_id == site)[0])
    table = pd.DataFrame(
        {
            "frame": analysis.frame,
            "state": analysis.state[:, column],
            "probability": analysis.probability[:, column],
        }
    )
    if analysis.intensity is not None:
        table["intensity"] = analysis.intensity[:, column]
    return figures.trace_figure(analysis, site, asked.calibration), table


def _kymograph(asked: Asked) -> Made:
    if asked.line is None:
        raise InputError("A kymograph needs a line along the facet: --line Y0,X0:Y1,X1, px of frame 0.")
    found = facet(asked.analysis, asked.calibration, asked.line)
    if not len(found.site_id):
        raise InputError("No site lies beside the line: its corners are y,x in px of frame 0.")
    step = asked.calibration.frame_time_s
    time = asked.analysis.frame.astype(np.float64) * (step or 1.0)
    table = pd.DataFrame(found.value.T.astype(float), columns=[str(t) for t in asked.analysis.frame])
    table.insert(0, "distance_nm", found.distance_nm)
    table.insert(0, "site_id", found.site_id)
    unit = "s" if step else "frame"
    return time_figures.kymograph_figure(found.value, found.distance_nm, time, unit), table


PICTURES: dict[str, Callable[[Asked], Made]] = {
    "frame": _frame,
    "map": _map,
    "events": _events,
    "rate": _rate,
    "neighbours": _groups("coordination"),
    "classes": _groups("label"),
    "dwell": _dwell,
    "atoms": _atoms,
    "adatoms": _adatoms,
    "drift": _drift,
    "intensity": _intensity,
    "trace": _trace,
    "kymograph": _kymograph,
}
ANY_LENGTH = ("frame", "map", "drift")  # of one or two frames, too


def make_picture(what: str, asked: Asked) -> Made:
    """Draw one picture.

    Parameters
    ----------
    what : str
        A key of `PICTURES`.
    asked : Asked
        What it is made from.

    Returns
    -------
    Figure, DataFrame
        The picture, and the table that it shows.

    Raises
    ------
    InputError
        If the analysis does not hold what the picture shows.
    """
    if what not in PICTURES:
        raise InputError(f"There is no picture “{what}”: choose one of {', '.join(PICTURES)}.")
    if what not in ANY_LENGTH and len(asked.analysis.frame) < FEWEST_FRAMES:
        raise InputError(f"{len(asked.analysis.frame)} frames say nothing about time: three are the least.")
    if what != "frame" and not len(asked.analysis.sites):
        raise InputError("The analysis found no sites: there is nothing to draw.")
    return PICTURES[what](asked)


def write_picture(what: str, asked: Asked, path: Path) -> Path:
    """Write one picture as PNG, SVG or PDF, or its table as CSV, by the ending of the path.

    Raises
    ------
    InputError
        For another ending, and as `make_picture`.
    """
    check_ending(path)
    return save_either(*make_picture(what, asked), path)


def check_ending(path: Path) -> str:
    """The kind of file that a path asks for.

    Raises
    ------
    InputError
        If no picture or table is written like that.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in (*KINDS, TABLE):
        raise InputError(f"{path.name}: pictures are written as .png, .svg or .pdf, their tables as .csv.")
    return kind


def save_either(figure: Figure, table: pd.DataFrame, path: Path) -> Path:
    """Write the picture, or the table, as the ending of the path says."""
    kind = check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == TABLE:
        plain: dict[str, Any] = {"index": False}
        with whole_file(path) as partial:
            table.drop(columns="count_p", errors="ignore").to_csv(partial, **plain)
        return path
    return figures.save_figure(figure, path.with_suffix(""), (kind,))[0]
