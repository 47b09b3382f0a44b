"""How bright the image is at each site in each frame: beside the occupancy, what shows a vacancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_atomcount.measure.sites import positions_in_frames
from napari_atomcount.pipeline.area import repair
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.movie import Movie

if TYPE_CHECKING:
    from collections.abc import Callable

#: Width of the Gaussian that averages the intensity of a column, nm: a third of the distance of Ce and O.
WIDTH_NM = 0.04

Single = npt.NDArray[np.float32]


def frame_intensity(
    frame: npt.NDArray[Any],
    y: npt.NDArray[np.floating],
    x: npt.NDArray[np.floating],
    pixel_size_nm: tuple[float, float],
    valid: npt.NDArray[np.bool_] | None = None,
) -> Single:
    """Mean intensity around places of one frame, relative to the local beam level: I / level - 1.

    Parameters
    ----------
    frame : ndarray, shape (Y, X)
        Finite.
    y, x : ndarray, shape (S,)
        Places, px.
    pixel_size_nm : tuple of float
        (y, x).
    valid : ndarray of bool, shape (Y, X), optional
        False where the frame is broken.

    Returns
    -------
    ndarray, shape (S,)
        NaN outside of the frame.
    """
    import torch

    from napari_atomcount.networks.normalise import normalise

    image = torch.from_numpy(np.ascontiguousarray(frame, dtype=np.float32))[None]
    good = None if valid is None else torch.from_numpy(valid)[None]
    contrast = normalise(image, float(np.mean(pixel_size_nm)) * 10, good)[0].numpy()
    smooth = gaussian_filter(contrast, [WIDTH_NM / p for p in pixel_size_nm])
    found = map_coordinates(smooth, np.array([y, x]), order=1, mode="constant", cval=np.nan)
    return np.asarray(found, dtype=np.float32)


def site_intensities(
    movie: Movie, analysis: Analysis, progress: Callable[[str, int, int], None] | None = None
) -> Single:
    """Intensity at every site of an analysis in every frame of it; reads the movie once more.

    Parameters
    ----------
    movie : Movie
        What was analysed.
    analysis : Analysis
        For its sites and the drift.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    ndarray, shape (T, S)
        As in :func:`frame_intensity`; NaN where the site was not observed.
    """
    say = progress or (lambda _stage, _done, _total: None)
    y, x = positions_in_frames(analysis.sites, analysis.drift)
    pixel = movie.calibration.require_pixel_size()
    out = np.full(analysis.state.shape, np.nan, np.float32)
    for row, t in enumerate(analysis.frame.tolist()):
        say("intensity", row, len(analysis.frame))
        seen = analysis.state[row] >= 0
        if seen.any():
            fixed = repair(movie.frame(t))
            out[row, seen] = frame_intensity(fixed.image, y[row, seen], x[row, seen], pixel, fixed.valid)
    say("intensity", len(analysis.frame), len(analysis.frame))
    return out
