"""Between the plots of section 4, the analysis and the viewer: line, log, rolling average."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog
from scipy import ndimage

from napari_atomcount.gui.lazy import LazyFrames
from napari_atomcount.gui.time_plots import TimePlots
from napari_atomcount.records.errors import AtomcountError
from napari_atomcount.records.motion import Motion

if TYPE_CHECKING:
    from napari_atomcount.gui.session_model import SessionModel
    from napari_atomcount.io.logs import Log
    from napari_atomcount.records.movie import Movie

LINE_LAYER, AVERAGE_LAYER = "facet", "rolling average"


class TimeControl(QObject):
    """Keeps the plots in line with the analysis.

    Signals
    -------
    failed(str)
        A sentence for the user.
    """

    failed = Signal(str)

    def __init__(
        self, viewer: napari.Viewer, model: SessionModel, plots: TimePlots, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.plots = viewer, model, plots
        self.log: Log | None = None
        self._found: Any = None
        self._of: Any = None
        plots.plot_chosen.connect(lambda _name: self.refresh())
        plots.line_requested.connect(self.draw_line)
        plots.log_requested.connect(self.choose_log)
        plots.average_changed.connect(self.show_average)
        model.analysis_changed.connect(self.refresh)
        model.movie_changed.connect(self._on_movie)

    def refresh(self) -> None:
        """Draw the chosen plot of the shown analysis."""
        analysis, movie = self.model.analysis, self.model.movie
        self.plots.setVisible(analysis is not None)
        if analysis is None or movie is None:
            self._found = self._of = None
            self.plots.clear()
            return
        if len(analysis.frame) < 3 or not len(analysis.sites):
            self.plots.clear(
                "Of fewer than three frames, or without sites, there is nothing to plot in time."
            )
            return
        if self._of is not analysis:
            from napari_atomcount.pipeline.time_tables import in_time

            self._found, self._of = in_time(analysis, movie.calibration), analysis
        counts = bool((analysis.columns["count"] > 0).any())
        self.plots.draw(self._found, self.log, self._kymograph(), counts)

    # -- kymograph ---------------------------------------------------------
    def draw_line(self) -> None:
        """Let the user draw a line in a Shapes layer of its own."""
        layer = self._line_layer()
        if layer is None:
            movie = next((one for one in self.viewer.layers if one.ndim == 3), None)
            scale = (1.0, 1.0) if movie is None else tuple(float(s) for s in movie.scale[-2:])
            units = None if movie is None else movie.units[-2:]
            width = 2.0
            layer = self.viewer.add_shapes(
                name=LINE_LAYER, ndim=2, scale=scale, units=units, edge_color="#E69F00", edge_width=width
            )
            layer.events.data.connect(lambda _event: self.refresh())
        layer.data = []
        self.viewer.layers.selection.active = layer
        layer.mode = "add_path"

    def set_line(self, corners: list[tuple[float, float]]) -> None:
        """Put a line (corners (y, x), px of frame 0) into the layer, as if it had been drawn."""
        self.draw_line()
        layer = self._line_layer()
        assert layer is not None
        layer.add(np.array(corners, float), shape_type="path")
        layer.mode = "pan_zoom"
        self.refresh()

    def _line_layer(self) -> Shapes | None:
        return self.viewer.layers[LINE_LAYER] if LINE_LAYER in self.viewer.layers else None

    def _kymograph(self) -> Any:
        layer, analysis, movie = self._line_layer(), self.model.analysis, self.model.movie
        if layer is None or analysis is None or movie is None or not len(layer.data):
            return None
        from napari_atomcount.pipeline.time_tables import facet

        corners = [(float(y), float(x)) for y, x in np.asarray(layer.data[-1])[:, -2:]]
        try:
            return facet(analysis, movie.calibration, corners)
        except ValueError:  # a line of one point, while it is being drawn
            return None

    # -- log ---------------------------------------------------------------
    def choose_log(self) -> None:
        """Ask for a log and show it under the plots that have a time."""
        name, _ = QFileDialog.getOpenFileName(
            self.plots, "Log of temperature, gas or bias", "", "CSV (*.csv)"
        )
        if name:
            self.load_log(Path(name))

    def load_log(self, path: Path, start: str | None = None) -> None:
        """Read a log; it is taken to begin with the movie unless ``start`` says when the movie began."""
        from napari_atomcount.io.logs import read_log

        try:
            self.log = read_log(path).aligned(start)
        except AtomcountError as error:
            self.failed.emit(str(error))
            return
        self.refresh()

    # -- rolling average ---------------------------------------------------
    def show_average(self, frames: int) -> None:
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

    def _on_movie(self) -> None:
        self.log = None
        self.plots.average.setValue(1)
        if LINE_LAYER in self.viewer.layers:
            self.viewer.layers.remove(LINE_LAYER)
        self.refresh()


def turned_average(movie: Movie, motion: Motion, frame: int, half: int) -> np.ndarray:
    """Mean of the frames around one, each turned, enlarged and moved to how this one shows the specimen."""
    to, from_here = motion.at(frame).mapping(0)
    back = np.linalg.inv(to)
    total, weight = (np.zeros(movie.shape[1:], np.float64) for _ in range(2))
    for t in range(max(0, frame - half), min(movie.n_frames, frame + half + 1)):
        image = np.asarray(movie.frame(t), float)
        matrix, offset = motion.at(t).mapping(0)
        matrix = matrix @ back
        place = {"matrix": matrix, "offset": offset - matrix @ from_here, "order": 1, "cval": 0.0}
        total += ndimage.affine_transform(np.nan_to_num(image), **place)
        weight += ndimage.affine_transform(np.isfinite(image).astype(float), **place)
    return (total / np.maximum(weight, 1e-6)).astype(np.float32)


def _overlap(move: int, size: int) -> tuple[slice, slice]:
    """Where pixels go and where they come from when an axis of a size is moved."""
    move = int(np.clip(move, -size, size))
    return slice(max(0, move), min(size, size + move)), slice(max(0, -move), min(size, size - move))
