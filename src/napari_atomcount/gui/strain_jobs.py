"""Jobs of the strain section: measuring, simulating what could be an artefact, comparing, writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.gui.jobs import Progress, Result
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import StrainSettings

if TYPE_CHECKING:
    from napari_atomcount.gui.strain_state import Drawn, StrainFound
    from napari_atomcount.measure.gpa import PhaseStrain
    from napari_atomcount.pipeline.straining import FrameStrain


@dataclass(frozen=True)
class Built:
    """The templates, ready to be matched."""

    structures: list[Any]


@dataclass(frozen=True)
class Part:
    """Strain of one frame, or of the time average (frame -1)."""

    strain: FrameStrain


@dataclass
class Compared:
    """Phase analysis and peak pairs of one image.

    Parameters
    ----------
    phase : PhaseStrain or None
        None where the image has no two spots; ``warnings`` say why.
    pairs : DataFrame or None
        Peak pairs of each column.
    spectrum : ndarray
        Logarithm of the power spectrum, zero frequency in the middle.
    image : ndarray, shape (Y, X)
        What was analysed, in the coordinates of ``frame``.
    frame : int
        -1: the mean of the frames, in the coordinates of frame 0.
    """

    phase: PhaseStrain | None
    pairs: pd.DataFrame | None
    spectrum: np.ndarray
    image: np.ndarray
    frame: int
    warnings: list[str] = field(default_factory=list)


def measuring(
    movie: Movie,
    columns: pd.DataFrame,
    drift: pd.DataFrame,
    templates: Sequence[Any],
    material: str | None,
    settings: StrainSettings,
    frames: Sequence[int] | None,
    stop: Event,
) -> Iterator[Any]:
    """Measure the strain of the frames, then of their average; templates are names or Structures."""
    from napari_atomcount.measure.templates import load_structure
    from napari_atomcount.pipeline.straining import strain_movie

    yield Progress("building the templates")
    structures = [
        load_structure(t, material, settings.neighbours) if isinstance(t, str) else t for t in templates
    ]
    yield Built(structures)
    total = (columns["frame"].nunique() if frames is None else len(frames)) + 1
    yield Progress("measuring strain", 0, total)
    parts = strain_movie(movie, columns, drift, structures, settings, frames, stop.is_set)
    for done, part in enumerate(parts, start=1):
        yield Part(part)
        yield Progress("measuring strain", min(done, total), total)


def simulating(
    movie: Movie,
    table: pd.DataFrame,
    counts: pd.DataFrame,
    structures: Sequence[Any],
    settings: StrainSettings,
    element: str,
    given: dict[str, float],
    cache: Path,
) -> Iterator[Progress | Result]:
    """Measure a particle without strain under the user's conditions."""
    yield Progress("simulating a particle without strain")
    from napari_atomcount.pipeline.strain_artefact import (
        Conditions,
        element_of,
        with_usual_counts,
        zero_strain_artefact,
    )

    named = element_of([s.name for s in structures], element)
    known: dict[str, Any] = {"element": named} | given
    conditions = Conditions(**known)
    places = with_usual_counts(table, counts)
    found = zero_strain_artefact(
        places, movie.calibration, list(structures), settings, conditions, cache=cache
    )
    words = (
        f"{conditions.element}, defocus {conditions.defocus_nm:+g} nm, Cs {conditions.cs_um:g} µm, "
        f"tilt {conditions.tilt_deg:g}° about {conditions.tilt_direction_deg:g}°"
    )
    yield Result((found, words))


def comparing(
    movie: Movie,
    columns: pd.DataFrame,
    drift: pd.DataFrame,
    frame: int,
    spots: np.ndarray | None,
    averaging_px: float | None,
    reference: Drawn | None,
) -> Iterator[Progress | Result]:
    """Phase analysis and peak pairs of a frame, or of the mean of the frames (-1)."""
    from napari_atomcount.measure.gpa import phase_strain, power_picture
    from napari_atomcount.measure.peak_pairs import peak_pairs

    yield Progress("phase analysis and peak pairs")
    if frame < 0:
        from napari_atomcount.io.figures import aligned_mean

        image = np.asarray(aligned_mean(movie, drift), float)
    else:
        image = np.asarray(movie.frame(frame), float)
    region = None if reference is None else reference.region
    result = Compared(None, None, power_picture(image), image, frame)
    try:
        whole = None if region is None else _inside(region, image.shape)
        result.phase = phase_strain(image, spots=spots, averaging_px=averaging_px, region=whole)
        result.warnings += [f"phase analysis: {text}" for text in result.phase.warnings]
    except InputError as error:
        result.warnings.append(f"phase analysis: {error}")
    try:
        result.pairs, said = peak_pairs(columns, movie.calibration, region)
        result.warnings += [f"peak pairs: {text}" for text in said]
    except InputError as error:
        result.warnings.append(f"peak pairs: {error}")
    yield Result(result)


def _inside(region: tuple[float, float, float, float], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    y0, y1, x0, x1 = (round(n) for n in region)
    return max(0, y0), min(shape[0], y1), max(0, x0), min(shape[1], x1)


def writing(
    found: StrainFound, movie: Movie, folder: Path, line: Drawn | None
) -> Iterator[Progress | Result]:
    """Write strain.csv, the derived tables and the figures."""
    from napari_atomcount.io.figures import aligned_mean
    from napari_atomcount.io.tables import write_table
    from napari_atomcount.pipeline.strain_output import Line, write_strain_output
    from napari_atomcount.records import tables

    yield Progress("writing strain.csv")
    folder.mkdir(parents=True, exist_ok=True)
    table = found.table
    if not found.averaged:  # of a single frame its average is the frame itself
        first = found.frames[0] if found.frames else 0
        table = pd.concat([table, found.of(first).assign(frame=-1)], ignore_index=True)
    write_table(table, tables.STRAIN, folder)
    yield Progress("drawing the figures")
    frames = pd.DataFrame({"frame": found.frames[:1] or [0], "dy": 0.0, "dx": 0.0})
    image = aligned_mean(movie, found.drift if len(found.drift) else frames)
    drawn = None if line is None else Line(line.start, line.end)
    write_strain_output(table, image, movie.calibration, folder, line=drawn, artefact=found.artefact)
    yield Result(folder)
