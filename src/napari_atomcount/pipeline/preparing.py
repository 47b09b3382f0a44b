"""A movie as its preparation says, when a frame is read: dark level and hot pixels gone, bad frames blank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.finding import find_regions
from napari_atomcount.measure.preparing import BadFrame, Cleaned, RollingMean, find_bad_frames
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings


def prepared(movie: Movie, preparation: Preparation) -> Movie:
    """The movie that the network sees; the same object where there is nothing to do.

    Its `content_hash` is that of the prepared pixels: ask the movie as read for a session's.
    """
    if not preparation.hot_pixels and not preparation.bad_frames and not preparation.dark_level:
        return movie
    sigma = preparation.hot_sigma if preparation.hot_pixels else None
    data = Cleaned(movie.data, sigma, preparation.bad_frames, preparation.dark_level)
    return replace(movie, data=data, preparation=preparation)


def stated_level(movie: Movie, settings: AnalysisSettings) -> float | None:
    """The beam level that a person stated, counts, without the dark level that was taken off the frames.

    Raises
    ------
    InputError
        If nothing is left of it.
    """
    level, dark = settings.detect.beam_level, movie.preparation.dark_level
    if level is not None and level <= dark:
        raise InputError(f"A beam level of {level:g} counts is not above the dark level of {dark:g}.")
    return None if level is None else level - dark


def viewed(movie: Movie, preparation: Preparation) -> Movie:
    """The movie that a person looks at: prepared, and averaged over some frames around each."""
    seen = prepared(movie, preparation)
    if preparation.rolling_frames == 1:
        return seen
    return replace(seen, data=RollingMean(seen.data, preparation.rolling_frames, preparation.bad_frames))


def outside_particle(movie: Movie, frames: int = 8) -> npt.NDArray[np.bool_]:
    """What is not the particle, to be left out: bool (Y, X), from so many frames of the movie.

    Raises
    ------
    InputError
        If no crystal is found, or the movie has no pixel size.
    """
    size = movie.calibration.require_pixel_size()
    numbers = np.unique(np.linspace(0, movie.n_frames - 1, frames).round().astype(int))
    found = find_regions((movie.frame(int(t)) for t in numbers), size)
    if not found.particle.any():
        raise InputError(f"No crystal stands out in {movie.name}: draw the mask by hand.")
    return np.asarray(~found.particle)


def bad_frames(movie: Movie) -> list[BadFrame]:
    """Frames that differ from the others; reads the whole movie once, a frame at a time."""
    return find_bad_frames(movie.frames())
