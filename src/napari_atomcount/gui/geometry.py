"""How a movie lies in napari's world: scale, units and axis names of its layers, from its calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

AXES = ("time", "y", "x")
MOVIE_KEY = "atomcount_movie"  # where a layer's metadata keeps the Movie that it shows
DARK_KEY = "atomcount_dark_level"  # … and the counts that were taken off what it shows


@dataclass(frozen=True)
class Geometry:
    """Scale and units of (time, y, x); pixels and frames where the calibration does not know better.

    Parameters
    ----------
    scale
        World units per frame, px, px.
    units
        Names that napari (pint) knows. A frame is called a pixel: napari knows no "frame".
    """

    scale: tuple[float, float, float]
    units: tuple[str, str, str]

    @classmethod
    def of(cls, calibration: Calibration) -> Geometry:
        """The geometry of a calibration."""
        time, time_unit = 1.0, "pixel"
        if calibration.frame_time_s is not None:
            time, time_unit = calibration.frame_time_s, "s"
        if calibration.pixel_size_nm is None:
            return cls((time, 1.0, 1.0), (time_unit, "pixel", "pixel"))
        y, x = calibration.pixel_size_nm
        return cls((time, y, x), (time_unit, "nm", "nm"))

    @classmethod
    def of_movie(cls, movie: Movie) -> Geometry:
        """The geometry of a movie; a single image has no time axis to speak of, it goes with any movie."""
        geometry = cls.of(movie.calibration)
        if movie.n_frames > 1:
            return geometry
        return cls((1.0, *geometry.scale[1:]), ("s", *geometry.units[1:]))

    def keywords(self, ndim: int = 3) -> dict:
        """Keyword arguments of a layer with the last ``ndim`` axes."""
        return {"scale": self.scale[-ndim:], "units": self.units[-ndim:], "axis_labels": AXES[-ndim:]}

    def apply(self, layer, factor: tuple[float, float] = (1.0, 1.0)) -> None:
        """Give a layer this geometry; ``factor`` is (y, x) px of the movie per px of the layer."""
        scale = np.array(self.scale) * (1.0, *factor)
        layer.scale = scale[-layer.ndim :]
        layer.units = self.units[-layer.ndim :]


def movie_layer(movie: Movie) -> tuple[object, dict, str]:
    """The image layer of a movie, as napari's readers return it."""
    low, high = contrast_limits(movie)
    keywords = {
        "name": movie.name,
        "contrast_limits": (low, high),
        "colormap": "gray",
        "metadata": {MOVIE_KEY: movie},
        **Geometry.of_movie(movie).keywords(),
    }
    return movie.data, keywords, "image"


def contrast_limits(movie: Movie) -> tuple[float, float]:
    """Limits that leave out the outermost 0.2 % on both sides, of the first, middle and last frame."""
    frames = sorted({0, movie.n_frames // 2, movie.n_frames - 1})
    pixels = np.concatenate(
        [np.asarray(movie.frame(frame), np.float64)[::2, ::2].ravel() for frame in frames]
    )
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, (0.2, 99.8)))
    return (low, high) if high > low else (low, low + 1.0)
