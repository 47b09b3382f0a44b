"""What takes its time in Prepare: bad frames, the particle, the scales. Generators for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_atomcount.gui.jobs import Progress, Result
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

FRAMES = 8  # to find the particle in


def finding_bad(movie: Movie) -> Iterator[Progress | Result]:
    """Frames that differ from the others, with words."""
    from napari_atomcount.pipeline.preparing import bad_frames

    yield Progress("looking for bad frames")
    yield Result(bad_frames(movie))


def finding_particle(movie: Movie) -> Iterator[Progress | Result]:
    """What is not the particle: bool (Y, X)."""
    from napari_atomcount.pipeline.preparing import outside_particle

    yield Progress("looking for the particle")
    yield Result(outside_particle(movie))


def calibrating(
    movie: Movie,
    lattice: str,
    roi: tuple[int, int, int, int] | None,
    dark_level: float,
    spots: NDArray[np.float64] | None = None,
) -> Iterator[Progress | Result]:
    """Pixel size, gain, dose and dark level, as `pipeline.calibrating.calibrate` gives them."""
    from napari_atomcount.pipeline.calibrating import calibrate

    yield Progress("measuring the scales")
    yield Result(calibrate(movie, lattice, roi=roi, dark_level=dark_level, spots=spots))


def spectrum(movie: Movie, roi: tuple[int, int, int, int] | None) -> Iterator[Progress | Result]:
    """The power spectrum and the spots that stand out of it."""
    from napari_atomcount.measure.spots import find_spots
    from napari_atomcount.pipeline.calibrating import movie_spectrum

    yield Progress("making the power spectrum")
    power = movie_spectrum(movie, roi)
    yield Result((power, find_spots(power)[:12]))


def write_mask(mask: NDArray[np.bool_], folder: Path) -> Path:
    """Keep a mask as a TIFF of 0 and 255 among a session's files, under a new number; return its path."""
    from napari_atomcount.io.tiff import write_tiff

    place = folder / "masks"
    place.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(p.stem.split("-")[-1]) for p in place.glob("mask-*.tif")), default=0)
    path = place / f"mask-{number}.tif"
    write_tiff(path, np.where(mask, 255, 0).astype(np.uint8)[None], Calibration())
    return path
