"""A rolling average of the movie, the drift taken out: a view, on which nothing is ever counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from scipy import ndimage

from napari_atomcount.gui.lazy import LazyFrames
from napari_atomcount.records.motion import Motion

if TYPE_CHECKING:
    from napari_atomcount.gui.session_model import SessionModel
    from napari_atomcount.records.movie import Movie

AVERAGE_LAYER = "rolling average"


class RollingAverage:
    """Shows the average as a layer of its own, above the movie."""

    def __init__(self, viewer: napari.Viewer, model: SessionModel) -> None:
        self.viewer, self.model = viewer, model

    def show(self, frames: int) -> None:
        """Show the movie averaged over some frames around each, the drift taken out; 1: do not."""
        movie = self.model.movie
        if AVERAGE_LAYER in self.viewer.layers:
            self.viewer.layers.remove(AVERAGE_LAYER)
        if movie is None or frames < 2:
            return
        shape = (movie.n_frames, int(movie.shape[1]), int(movie.shape[2]))
        image = next((one for one in self.viewer.layers if one.ndim == 3), None)
        look: dict[str, Any] = {} if image is None else {"scale": image.scale, "units": image.units}
        average = LazyFrames(shape, np.float32, lambda t: self._average(t, frames // 2))
        first = average[0]
        limits = tuple(np.percentile(first, (0.5, 99.5)).tolist())
        self.viewer.add_image(average, name=AVERAGE_LAYER, contrast_limits=limits, colormap="gray", **look)
        at = 0 if image is None else self.viewer.layers.index(image) + 1
        self.viewer.layers.move(len(self.viewer.layers) - 1, at)

    def _average(self, frame: int, half: int) -> np.ndarray:
        """Mean of the frames around one, each moved by whole pixels to where this one is.

        Where rotation or scale was followed, frames are interpolated: this is for looking at only.
        """
        movie = self.model.movie
        assert movie is not None
        drift = np.zeros((movie.n_frames, 2))
        if self.model.analysis is not None:
            table = self.model.analysis.drift
            motion = Motion.of(table)
            if motion.linear is not None:
                return turned_average(movie, motion, frame, half)
            drift[table["frame"].to_numpy(int)] = np.nan_to_num(table[["dy", "dx"]].to_numpy(float))
        total = np.zeros(movie.shape[1:], np.float64)
        weight = np.zeros(movie.shape[1:], np.float64)
        for t in range(max(0, frame - half), min(movie.n_frames, frame + half + 1)):
            image = np.asarray(movie.frame(t), float)
            dy, dx = np.rint(drift[frame] - drift[t]).astype(int)
            to_y, from_y = _overlap(dy, image.shape[0])
            to_x, from_x = _overlap(dx, image.shape[1])
            total[to_y, to_x] += np.nan_to_num(image[from_y, from_x])
            weight[to_y, to_x] += np.isfinite(image[from_y, from_x])
        return (total / np.maximum(weight, 1)).astype(np.float32)


def turned_average(movie: Movie, motion: Motion, frame: int, half: int) -> np.ndarray:
    """Mean of the frames around one, each turned, enlarged and moved to how this one shows the specimen."""
    to, from_here = motion.at(frame).mapping(0)
    back = np.linalg.inv(to)
    total, weight = (np.zeros(movie.shape[1:], np.float64) for _ in range(2))
    for t in range(max(0, frame - half), min(movie.n_frames, frame + half + 1)):
        image = np.asarray(movie.frame(t), float)
        matrix, offset = motion.at(t).mapping(0)
        matrix = matrix @ back
        start = offset - matrix @ from_here
        total += ndimage.affine_transform(np.nan_to_num(image), matrix, start, order=1, cval=0.0)
        seen = np.isfinite(image).astype(float)
        weight += ndimage.affine_transform(seen, matrix, start, order=1, cval=0.0)
    return (total / np.maximum(weight, 1e-6)).astype(np.float32)


def _overlap(move: int, size: int) -> tuple[slice, slice]:
    """Where pixels go and where they come from when an axis of a size is moved."""
    move = int(np.clip(move, -size, size))
    return slice(max(0, move), min(size, size + move)), slice(max(0, -move), min(size, size - move))
