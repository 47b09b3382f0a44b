"""What the viewer shows of the session: words in the corner, the clicked site's trace, new results."""

from __future__ import annotations

import time

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_atomcount.gui import site_finder
from napari_atomcount.gui.layers import COLUMNS, ResultLayers
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.trace_plot import EMPTY, TracePanel
from napari_atomcount.gui.traces import site_trace
from napari_atomcount.records.motion import Motion

REFRESH_S = 0.25  # columns are redrawn at most this often while results stream in


class ViewControl(QObject):
    """Keeps layers, the corner's words and the trace in step with the session and the slider.

    Parameters
    ----------
    viewer
        napari's viewer.
    model
        The session.
    layers
        The result layers.
    trace
        The panel under the canvas.
    """

    def __init__(
        self,
        viewer,
        model: SessionModel,
        layers: ResultLayers,
        trace: TracePanel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.layers, self.trace = viewer, model, layers, trace
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refresh_columns)
        trace.frame_chosen.connect(layers.show_frame)
        model.frame_finished.connect(self.on_frame_finished)
        model.run_changed.connect(self.on_run)
        model.analysis_changed.connect(self.on_analysis)
        model.site_selected.connect(self.on_site)

    # -- results -----------------------------------------------------------
    def on_run(self) -> None:
        """Another run is shown: its results, or none."""
        if self.model.run is not None:
            self.layers.make_results()
        elif self.model.movie is not None:  # the layers stay, empty: the user may have changed their looks
            self.layers.refresh_columns()
            self.layers.refresh_sites()
        self._show_legend()

    def on_frame_finished(self, frame: int) -> None:
        """New columns: at once where they can be seen, else with the next ones."""
        if frame == self.layers.frame:
            self.refresh_columns()
        elif not self._timer.isActive():
            self._timer.start(int(1000 * REFRESH_S))

    def refresh_columns(self) -> None:
        """Fill the layers from the table; wait longer before the next time the longer this took."""
        self._timer.stop()
        began = time.monotonic()
        self.layers.refresh_columns()
        self._show_legend()
        self._timer.setInterval(int(1000 * max(REFRESH_S, 4 * (time.monotonic() - began))))

    def flush(self) -> None:
        """Show at once what still waits to be shown: the job has ended."""
        if self._timer.isActive():
            self.refresh_columns()

    def on_analysis(self) -> None:
        """Sites, occupancy and events are new, or gone."""
        if self.model.analysis is not None:
            self.layers.make_results()
        elif self.layers.overlay != COLUMNS:
            self.layers.set_overlay(COLUMNS)
        self._show_legend()

    def set_overlay(self, overlay: str) -> None:
        """Draw columns, occupancy or events."""
        self.layers.overlay = overlay
        self.layers.make_results()
        self._show_legend()

    def _show_legend(self) -> None:
        run = self.model.run
        legend = self.trace.legend
        legend.max_count = None if run is None else run.max_count()
        legend.classes = () if run is None else tuple(run.card.classes)
        legend.with_edits = (
            run is not None and run.corrected is not None and bool(run.corrected.edited_frames)
        )
        legend.setVisible(run is not None)
        legend.set_overlay(self.layers.overlay)

    # -- slider ------------------------------------------------------------
    def on_slider(self) -> None:
        """Another frame is shown."""
        self.layers.read_slider()
        self.layers.follow_slider()
        self.trace.set_frame(self.layers.frame)
        self.show_corner()

    def show_corner(self) -> None:
        """Frame, time and accumulated dose in a corner of the canvas."""
        movie = self.model.movie
        text = self.viewer.canvas.overlays.text
        text.visible = movie is not None
        self.viewer.canvas.overlays.scale_bar.visible = (
            movie is not None and movie.calibration.pixel_size_nm is not None
        )
        if movie is None:
            return
        frame, calibration = self.layers.frame, movie.calibration
        words = [f"frame {frame} / {movie.n_frames - 1}"] if movie.n_frames > 1 else []
        if calibration.frame_time_s is not None and movie.n_frames > 1:
            words.append(f"{calibration.time_s(float(frame)):.4g} s")
        if calibration.dose_e_per_A2 is not None:
            total = calibration.dose_e_per_A2 * (frame + 1)
            words.append(f"{total:,.0f} e/Å²" + (" so far" if movie.n_frames > 1 else ""))
        if frame in self.model.preparation.bad_frames:
            words.append("left out: a bad frame")
        text.text = "   ".join(words)

    # -- clicks ------------------------------------------------------------
    def on_click(self, world: np.ndarray) -> None:
        """Select the site that was clicked."""
        movie, run = self.model.movie, self.model.run
        if movie is None or run is None or movie.calibration.pixel_size_nm is None:
            return
        scale = self.layers.scale
        y, x = world[-2] / scale[1], world[-1] / scale[2]
        analysis, size = self.model.analysis, movie.calibration.pixel_size_nm
        if analysis is not None:
            motion = Motion.of(analysis.drift).at(self.layers.frame)
            home = motion.back(np.array([[y, x]]), np.zeros(1, int))[0]
            row = site_finder.nearest(analysis.sites, float(home[0]), float(home[1]), size)
            self.model.select_site(-1 if row is None else int(analysis.sites["site_id"].iloc[row]))
            return
        columns = run.frame_columns(self.layers.frame)
        row = site_finder.nearest(columns, y, x, size)
        if row is not None:
            words = site_finder.column_words(columns.iloc[row])
            self.trace.clear(f"{words}\nIts trace appears once the columns have been followed through time.")

    def on_site(self) -> None:
        """Another site is selected, or none: its ring and its trace."""
        analysis, site, run = self.model.analysis, self.model.site, self.model.run
        self.layers.refresh_selection()
        if analysis is None or run is None or site < 0:
            self.trace.clear(EMPTY)
        else:
            self.trace.show_trace(site_trace(analysis, site, run.card.counts))
            self.trace.set_frame(self.layers.frame)

    def show_event(self, frame: int, site: int) -> None:
        """Go to an event: its frame and its site."""
        self.layers.show_frame(frame)
        self.model.select_site(site)
