"""Strain of the columns that an analysis found: frame by frame, and of the time average (frame -1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from napari_atomcount.measure.position_errors import Correlation
from napari_atomcount.measure.refine import refine_positions, typical_spacing
from napari_atomcount.measure.strain import StrainTable, strain_table
from napari_atomcount.measure.strain_reference import Reference, parse_reference
from napari_atomcount.measure.strain_time import average_positions
from napari_atomcount.measure.templates import Doubles, Structure, load_structure
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.motion import Motion
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, StrainSettings

#: Columns closer than this part of the usual distance are one column twice.
TOO_CLOSE = 0.35


@dataclass
class FrameStrain:
    """Strain of one frame, and the refined positions it was measured from."""

    frame: int
    strain: StrainTable
    positions: pd.DataFrame  # frame, site_id, y, x, y_sigma, x_sigma
    correlation: Correlation | None = None  # of their errors

    @property
    def table(self) -> pd.DataFrame:
        """Of the schema STRAIN."""
        return self.strain.table


@dataclass
class MovieStrain:
    """Strain of a movie: all frames, then the time average with frame -1."""

    table: pd.DataFrame
    warnings: list[str] = field(default_factory=list)


def load_structures(settings: StrainSettings, material: str | None = None) -> list[Structure]:
    """The templates that the settings name.

    Raises
    ------
    InputError
        If none is named or one does not exist.
    """
    if not settings.templates:
        raise InputError("Strain needs a template: give one with --template, for instance fcc110:Au.")
    return [load_structure(name, material, settings.neighbours) for name in settings.templates]


def strain_frames(
    movie: Movie,
    columns: pd.DataFrame,
    structures: Sequence[Structure],
    settings: StrainSettings,
    frames: Sequence[int] | None = None,
    cancelled: Callable[[], bool] | None = None,
    drift: pd.DataFrame | None = None,
) -> Iterator[FrameStrain]:
    """Measure the strain of one frame after the other.

    Parameters
    ----------
    movie : Movie
        Its frames are read again for the refinement of positions.
    columns : DataFrame
        COLUMNS of any number of frames.
    structures : sequence of Structure
        Of :func:`load_structures`.
    settings : StrainSettings
        Reference, refinement, limits.
    frames : sequence of int, optional
        Which frames; all that have columns if not given.
    cancelled : callable, optional
        Asked before each frame; True ends the iteration.
    drift : DataFrame, optional
        DRIFT: a reference region is given in frame 0 and follows the specimen.

    Yields
    ------
    FrameStrain
        Frames with too few columns for a template have an empty table and a warning.
    """
    reference = parse_reference(settings.reference)
    there = np.unique(columns["frame"].to_numpy())
    for frame in there.tolist() if frames is None else frames:
        if cancelled is not None and cancelled():
            return
        own = columns[columns["frame"] == frame]
        if not len(own):
            continue
        positions, related = refined_columns(movie.frame(frame), own, movie, settings)
        here = reference.moved(*_drift_of(drift, frame, reference))
        table = _measured(positions, structures, movie, settings, here, frame, related)
        yield FrameStrain(frame, table, positions, related)


def _drift_of(drift: pd.DataFrame | None, frame: int, reference: Reference) -> tuple[float, float]:
    """How far (dy, dx), px, the middle of the reference has moved in a frame; 0 where it is not known."""
    if drift is None or not len(drift) or reference.region is None:
        return 0.0, 0.0
    own = drift[drift["frame"] == frame]
    if not len(own) or not np.isfinite(own[["dy", "dx"]].to_numpy(float)).all():
        return 0.0, 0.0
    y0, y1, x0, x1 = reference.region
    middle = np.array([[(y0 + y1) / 2, (x0 + x1) / 2]])
    moved = Motion.of(own).forward(middle, np.zeros(1, np.intp)) - middle
    return float(moved[0, 0]), float(moved[0, 1])


def _measured(
    positions: pd.DataFrame,
    structures: Sequence[Structure],
    movie: Movie,
    settings: StrainSettings,
    reference: Reference,
    frame: int,
    correlation: Correlation | None,
) -> StrainTable:
    try:
        return strain_table(
            positions,
            structures,
            movie.calibration,
            reference=reference,
            frame=frame,
            max_rmsd=settings.max_rmsd,
            min_matched=settings.min_matched,
            correlation=correlation,
        )
    except InputError as err:  # a frame without enough columns must not end the movie
        return StrainTable(tables.empty(tables.STRAIN), [f"no strain: {err}"])


def refined_columns(
    image: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    columns: pd.DataFrame,
    movie: Movie,
    settings: StrainSettings,
) -> tuple[pd.DataFrame, Correlation | None]:
    """Positions of one frame's columns, refined in the image; the network's where that fails.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        The frame.
    columns : DataFrame
        Its rows of COLUMNS.
    movie : Movie
        Its dose, where it is known, gives the standard errors their scale.
    settings : StrainSettings
        Method and pre-filter.

    Returns
    -------
    table : DataFrame
        frame, site_id, y, x, y_sigma, x_sigma; columns that became one are one.
    correlation : Correlation or None
        Of their errors, behind a Wiener filter.
    """
    related = None
    kept = columns[["frame", "site_id", "y", "x", "y_sigma", "x_sigma"]].reset_index(drop=True)
    if settings.refine != "none" and len(kept) >= 2:
        values = np.asarray(image, dtype=np.float64)
        y, x = kept["y"].to_numpy(float), kept["x"].to_numpy(float)
        electrons = movie.calibration.electrons_per_pixel()
        level = float(np.nanmean(values))
        per_unit = electrons / level if np.isfinite(electrons) and level > 0 else None
        r = refine_positions(
            values,
            y,
            x,
            method=settings.refine,
            prefilter=settings.prefilter,
            electrons_per_unit=per_unit,
            dark=dark_columns(values, y, x),
        )
        near = np.hypot(r.y - y, r.x - x) < TOO_CLOSE * typical_spacing(y, x)
        good = r.found & near
        related = r.correlation
        for name, new in (("y", r.y), ("x", r.x), ("y_sigma", r.y_sigma), ("x_sigma", r.x_sigma)):
            kept[name] = np.where(good, new, kept[name])
    return one_each(kept), related


def dark_columns(image: Doubles, y: Doubles, x: Doubles) -> bool:
    """Whether columns are darker than what surrounds them at half the distance to their neighbours."""
    reach = typical_spacing(y, x) / 2
    angle = np.arange(8) * np.pi / 4

    def at(rows: Doubles, cols: Doubles) -> float:
        r = np.clip(np.rint(rows), 0, image.shape[0] - 1).astype(int)
        c = np.clip(np.rint(cols), 0, image.shape[1] - 1).astype(int)
        return float(np.nanmedian(image[r, c]))

    return at(y, x) < at(
        (y[:, None] + reach * np.sin(angle)).ravel(), (x[:, None] + reach * np.cos(angle)).ravel()
    )


def one_each(columns: pd.DataFrame) -> pd.DataFrame:
    """Drop the second of two columns that are closer than columns can be."""
    if len(columns) < 3:
        return columns
    from scipy.spatial import cKDTree

    places = columns[["y", "x"]].to_numpy(float)
    reach = TOO_CLOSE * typical_spacing(places[:, 0], places[:, 1])
    keep = np.ones(len(places), bool)
    for i, j in sorted(cKDTree(places).query_pairs(reach)):
        if keep[i]:
            keep[j] = False
    return columns[keep].reset_index(drop=True)


def measure_strain(
    analysis: Analysis,
    movie: Movie,
    settings: AnalysisSettings,
    progress: Callable[[str, int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MovieStrain:
    """Measure the strain of an analysed movie: every frame, and the time average as frame -1.

    Parameters
    ----------
    analysis : Analysis
        Its columns with their sites, and its drift.
    movie : Movie
        Read again, a frame at a time.
    settings : AnalysisSettings
        Its strain and its material.
    progress : callable, optional
        Called as ``progress("strain", done, total)``.
    cancelled : callable, optional
        Asked before each frame; what is finished is averaged.

    Raises
    ------
    InputError
        For a template or reference that does not exist.
    """
    own = settings.strain
    structures = load_structures(own, settings.material)
    say = progress or (lambda _stage, _done, _total: None)
    total = int(analysis.columns["frame"].nunique())
    parts: list[FrameStrain] = []
    say("strain", 0, total + 1)
    for part in strain_movie(movie, analysis.columns, analysis.drift, structures, own, cancelled=cancelled):
        parts.append(part)
        say("strain", total + 1 if part.frame < 0 else len(parts), total + 1)
    return together(parts)


def strain_movie(
    movie: Movie,
    columns: pd.DataFrame,
    drift: pd.DataFrame,
    structures: Sequence[Structure],
    settings: StrainSettings,
    frames: Sequence[int] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[FrameStrain]:
    """Measure the strain of one frame after the other, then of the time average, which is frame -1.

    Parameters
    ----------
    movie, columns, structures, settings, frames, cancelled
        As in :func:`strain_frames`.
    drift : DataFrame
        DRIFT of those frames: the average is made in the coordinates of frame 0, where a reference region is
        given, too.

    Yields
    ------
    FrameStrain
        Of a single frame, its average is the frame itself.
    """
    positions: list[pd.DataFrame] = []
    related: Correlation | None = None
    last: FrameStrain | None = None
    for last in strain_frames(movie, columns, structures, settings, frames, cancelled, drift):
        positions.append(last.positions)
        related = last.correlation or related
        yield last
    if last is None:
        return
    if len(positions) == 1:
        again = StrainTable(last.table.assign(frame=-1), [], last.strain.match, last.strain.structures)
        yield FrameStrain(-1, again, last.positions, related)
        return
    mean = one_each(
        average_positions(pd.concat(positions, ignore_index=True), drift, settings.min_occurrence)
    )
    reference = parse_reference(settings.reference)
    table = _measured(mean, structures, movie, settings, reference, -1, related)
    yield FrameStrain(-1, table, mean, related)


def together(parts: Sequence[FrameStrain]) -> MovieStrain:
    """One table of all frames and their average, each warning once."""
    said: dict[str, int] = {}
    frames = sum(part.frame >= 0 for part in parts)
    for part in parts:
        for text in part.strain.warnings:
            if part.frame < 0:
                said[f"time average: {text}"] = frames
            else:
                said[text] = said.get(text, 0) + 1
    filled = [part.table for part in parts if len(part.table)]
    table = pd.concat(filled, ignore_index=True) if filled else tables.empty(tables.STRAIN)
    return MovieStrain(tables.validate(table, tables.STRAIN), gathered(said, frames))


def gathered(said: dict[str, int], frames: int) -> list[str]:
    """Warnings of many frames, those of one template in one sentence, with the number of frames."""
    kinds: dict[str, tuple[str, int]] = {}
    for text, number in said.items():
        kind = text.split(":")[0] if text.startswith(("the template", "no strain", "time average")) else text
        first, total = kinds.get(kind, (text, 0))
        kinds[kind] = first, total + number
    return [
        f"strain: {text}" + (f" (in {number} of {frames} frames)" if 0 < number < frames else "")
        for text, number in kinds.values()
    ]
