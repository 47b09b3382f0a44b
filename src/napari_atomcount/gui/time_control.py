"""Between the plots of section 4, the analysis and the viewer: what is drawn, saved, and shown as layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import pandas as pd
from napari.layers import Shapes
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_atomcount.gui import time_plots
from napari_atomcount.gui.geometry import Geometry
from napari_atomcount.gui.rolling import AVERAGE_LAYER, RollingAverage
from napari_atomcount.gui.time_others import OtherMovies
from napari_atomcount.gui.time_plots import TimePlots
from napari_atomcount.records.errors import AtomcountError, InputError

if TYPE_CHECKING:
    from napari_atomcount.gui.session_model import SessionModel
    from napari_atomcount.io.logs import Log
    from napari_atomcount.pipeline.pictures import Asked
    from napari_atomcount.pipeline.results import Results
    from napari_atomcount.records.movie import Movie

__all__ = ["ADATOM_LAYER", "AVERAGE_LAYER", "LINE_LAYER", "TimeControl"]

LINE_LAYER, ADATOM_LAYER = "facet", "adatoms"
FEW = "Of fewer than three frames, or without sites, there is nothing to plot in time."
ENDINGS = "Pictures (*.png *.svg *.pdf);;Tables (*.csv)"


class TimeControl(QObject):
    """Keeps the plots in line with the analysis.

    Signals
    -------
    failed(str)
        A sentence for the user.
    noted(str)
        A sentence: what was done.
    overlay_wanted(str)
        The overlay that shows the chosen map.
    """

    failed = Signal(str)
    noted = Signal(str)
    overlay_wanted = Signal(str)

    def __init__(
        self, viewer: napari.Viewer, model: SessionModel, plots: TimePlots, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.plots = viewer, model, plots
        self.rolling = RollingAverage(viewer, model)
        self.log: Log | None = None
        self.others = OtherMovies(model)
        self.tracks: pd.DataFrame | None = None
        self._found: Any = None
        self._of: Any = None
        self._workers: list[Any] = []
        plots.plot_chosen.connect(self._on_plot)
        plots.line_requested.connect(self.draw_line)
        plots.log_requested.connect(self.choose_log)
        plots.movies_requested.connect(self.choose_movie)
        plots.save_requested.connect(self.choose_file)
        plots.average_changed.connect(self.rolling.show)
        model.analysis_changed.connect(self.refresh)
        model.movie_changed.connect(self._on_movie)

    def refresh(self) -> None:
        """Draw the chosen plot of the shown analysis."""
        analysis, movie = self.model.analysis, self.model.movie
        self.plots.setVisible(analysis is not None)
        if analysis is None or movie is None:
            self._found = self._of = self.tracks = None
            self._drop(ADATOM_LAYER)
            self.plots.clear()
            return
        if len(analysis.frame) < 3 or not len(analysis.sites):
            self.plots.clear(FEW)
            return
        if self._of is not analysis:
            from napari_atomcount.pipeline.time_tables import in_time

            self._found, self._of, self.tracks = in_time(analysis, movie.calibration), analysis, None
            self._drop(ADATOM_LAYER)
            self.plots.allow(self._missing())
        self._draw(self.plots.chosen)

    def _missing(self) -> dict[str, str]:
        """Plots that this analysis does not give, and why."""
        missing = {}
        if "label" not in self._found.groups:
            missing[time_plots.CLASSES] = "The model knows one class of columns."
        if not len(self._found.intensity):
            missing[time_plots.INTENSITY] = "Measured by models of several classes, when a run ends."
        if "rotation" not in self._found.motion:
            missing[time_plots.TURN] = "Tick “follow rotation” or “follow scale” above."
        return missing

    def _on_plot(self, name: str) -> None:
        overlay = time_plots.OVERLAY_OF.get(name)
        if overlay is not None and self.model.analysis is not None:
            self.overlay_wanted.emit(overlay)
        self.refresh()

    def _draw(self, chosen: str) -> None:
        """Draw one of the plots of `time_plots`."""
        found, draw = self._found, self.plots.drawing
        self.plots.begin()
        words: str | None = None
        if chosen == time_plots.RATE:
            words = draw.rate(found)
        elif chosen in (time_plots.GROUPS, time_plots.CLASSES):
            words = draw.groups(found, "coordination" if chosen == time_plots.GROUPS else "label")
        elif chosen == time_plots.DWELL:
            words = draw.dwell(found)
        elif chosen == time_plots.ATOMS:
            words = draw.atoms(found, self._counts())
        elif chosen == time_plots.INTENSITY:
            words = draw.intensity(found)
        elif chosen == time_plots.DRIFT:
            words = draw.drift(found)
        elif chosen == time_plots.TURN:
            words = draw.turn(found)
        elif chosen == time_plots.KYMOGRAPH:
            words = self._draw_kymograph()
        elif chosen == time_plots.ADATOMS:
            words = self._draw_adatoms()
        elif chosen in time_plots.SEVERAL:
            words = self._draw_several(chosen)
        else:
            self.plots.clear(
                "Drawn over the movie. Save… writes the map over the mean frame, "
                + ("with the ends of each interval." if chosen == time_plots.MAP else "with its legend.")
            )
            return
        if words is None:
            return
        self.plots.show_words(words)
        if chosen in time_plots.WITH_LOG and self.log is not None and found.unit == "s" and self.log.drawn:
            draw.log(self.log)

    def _counts(self) -> bool:
        analysis = self.model.analysis
        return analysis is not None and bool((analysis.columns["count"] > 0).any())

    # -- kymograph ---------------------------------------------------------
    def _draw_kymograph(self) -> str | None:
        kymograph = self._kymograph()
        if kymograph is None or not len(kymograph.site_id):
            self.plots.clear(
                "Press Draw line and click along a facet (double click ends the line): the sites beside it "
                "appear here through time."
            )
            return None
        return self.plots.drawing.kymograph(self._found, kymograph)

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

    def _corners(self) -> list[tuple[float, float]] | None:
        layer = self._line_layer()
        if layer is None or not len(layer.data):
            return None
        return [(float(y), float(x)) for y, x in np.asarray(layer.data[-1])[:, -2:]]

    def _kymograph(self) -> Any:
        corners, analysis, movie = self._corners(), self.model.analysis, self.model.movie
        if corners is None or analysis is None or movie is None:
            return None
        from napari_atomcount.pipeline.time_tables import facet

        try:
            return facet(analysis, movie.calibration, corners)
        except ValueError:  # a line of one point, while it is being drawn
            return None

    # -- free adatoms ------------------------------------------------------
    def _draw_adatoms(self) -> str | None:
        analysis, movie = self.model.analysis, self.model.movie
        assert analysis is not None
        assert movie is not None
        if self.tracks is None:
            self.plots.clear("Following the adatoms…")

            def done(tracks: pd.DataFrame) -> None:
                if self.model.analysis is analysis:
                    self.tracks = tracks
                    self.refresh()

            def follow() -> pd.DataFrame:
                from napari_atomcount.pipeline.time_tables import adatoms_of

                return adatoms_of(analysis, movie.calibration)

            self._work(follow, done)
            return None
        from napari_atomcount.pipeline.time_output import tracks_title

        if not len(self.tracks):
            self.plots.clear("No free adatom was seen: every column belongs to a lattice.")
            return None
        self._show_tracks(self.tracks, movie)
        return self.plots.drawing.adatoms(self._found, self.tracks, tracks_title(self.tracks))

    def _show_tracks(self, tracks: pd.DataFrame, movie: Movie) -> None:
        """The trajectories over the movie, where each adatom was in its frame."""
        long = tracks[tracks.groupby("track_id")["frame"].transform("size") > 1]
        if ADATOM_LAYER in self.viewer.layers or not len(long):
            return
        data = long[["track_id", "frame", "y", "x"]].to_numpy(float)
        keywords = Geometry.of_movie(movie).keywords()
        active = self.viewer.layers.selection.active
        self.viewer.add_tracks(data, name=ADATOM_LAYER, tail_width=3, tail_length=30, **keywords)
        self.viewer.layers.selection.active = active

    # -- other movies ------------------------------------------------------
    def choose_movie(self) -> None:
        """Ask for another analysed movie."""
        name = QFileDialog.getExistingDirectory(self.plots, "The results, or the session, of another movie")
        if name:
            self.add_movie(Path(name))

    def add_movie(self, folder: Path) -> None:
        """Put another analysed movie beside this one."""
        from napari_atomcount.pipeline.results import read_results

        def done(found: Results) -> None:
            self.others.add(found, folder)
            self.refresh()

        self._work(lambda: read_results(folder), done)

    def _draw_several(self, chosen: str) -> str | None:
        try:
            return self.others.draw(self.plots.drawing, chosen)
        except InputError as error:  # there is no other movie yet
            self.plots.clear(str(error))
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

    # -- saving ------------------------------------------------------------
    def choose_file(self) -> None:
        """Ask where to save what is shown."""
        name = self.plots.chosen.replace(" ", "_") + ".png"
        path, _ = QFileDialog.getSaveFileName(self.plots, "Save the picture, or its table", name, ENDINGS)
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Save the picture that is shown, drawn for the page, or its table, by the ending of the path."""
        chosen, analysis, movie = self.plots.chosen, self.model.analysis, self.model.movie
        if analysis is None or movie is None:
            return
        if not path.suffix:
            path = path.with_suffix(".png")
        line, log, own = self._corners(), self.log, self.model.site if self.model.site >= 0 else None

        def write() -> Path:
            from napari_atomcount.pipeline import pictures

            if chosen in time_plots.SEVERAL:
                return pictures.save_either(*self.others.picture(chosen), path)
            asked: Asked = pictures.Asked(analysis, movie.calibration, movie, site=own, line=line, log=log)
            return pictures.write_picture(time_plots.PICTURE[chosen], asked, path)

        self._work(write, lambda written: self.noted.emit(f"Saved {written}."))

    # -- parts -------------------------------------------------------------
    def _work(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do something in a thread, and then something with its result; errors become sentences."""

        def guarded() -> tuple[bool, Any]:
            try:
                return True, work()
            except AtomcountError as error:
                return False, str(error)
            except OSError as error:
                return False, f"{error.filename or 'The file'} cannot be used: {error.strerror or error}."

        worker = create_worker(guarded)
        self._workers.append(worker)

        def returned(answer: tuple[bool, Any]) -> None:
            self._workers.remove(worker)
            good, value = answer
            if good:
                done(value)
            else:
                self.failed.emit(value)

        worker.returned.connect(returned)
        worker.start()

    @property
    def working(self) -> bool:
        """Whether something is being done in a thread."""
        return bool(self._workers)

    def _drop(self, name: str) -> None:
        if name in self.viewer.layers:
            self.viewer.layers.remove(name)

    def _on_movie(self) -> None:
        self.log, self.tracks = None, None
        self.others.movies = []
        self.plots.average.setValue(1)
        for name in (LINE_LAYER, ADATOM_LAYER):
            self._drop(name)
        self.refresh()
