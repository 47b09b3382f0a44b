"""A movie as its preparation says: hot pixels replaced, bad frames blank, all when a frame is read."""

from __future__ import annotations

from dataclasses import replace

from napari_atomcount.measure.preparing import BadFrame, Cleaned, RollingMean, find_bad_frames
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation


def prepared(movie: Movie, preparation: Preparation) -> Movie:
    """The movie that the network sees; the same object where there is nothing to do.

    Its `content_hash` is that of the prepared pixels: ask the movie as read for a session's.
    """
    if not preparation.hot_pixels and not preparation.bad_frames:
        return movie
    sigma = preparation.hot_sigma if preparation.hot_pixels else None
    return replace(movie, data=Cleaned(movie.data, sigma, preparation.bad_frames))


def viewed(movie: Movie, preparation: Preparation) -> Movie:
    """The movie that a person looks at: prepared, and averaged over some frames around each."""
    seen = prepared(movie, preparation)
    if preparation.rolling_frames == 1:
        return seen
    return replace(seen, data=RollingMean(seen.data, preparation.rolling_frames, preparation.bad_frames))


def bad_frames(movie: Movie) -> list[BadFrame]:
    """Frames that differ from the others; reads the whole movie once, a frame at a time."""
    return find_bad_frames(movie.frames())
