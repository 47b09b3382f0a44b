"""Where one was: frame, camera and overlay, kept in the session when they change, and found again."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_atomcount.gui.fitted_view import FittedView
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.view_control import ViewControl
from napari_atomcount.records.errors import AtomcountError

KEEP_MS = 2000


class SessionView(QObject):
    """Keeps where one is, and goes there when a session is opened."""

    def __init__(
        self,
        fitted: FittedView,
        keeper: SessionKeeper,
        layers: ResultLayers,
        view: ViewControl,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.fitted = fitted.viewer, fitted
        self.keeper, self.layers, self.view = keeper, layers, view
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(KEEP_MS)
        self._timer.timeout.connect(self.keep)
        camera = fitted.viewer.scene.camera
        self._emitters = [camera.events.center, camera.events.zoom]
        for emitter in self._emitters:
            emitter.connect(self._on_moved)
        keeper.opened.connect(self.find_again)

    def _on_moved(self, _event=None) -> None:
        if self.keeper.session is not None and not self.keeper.read_only:
            self._timer.start()

    def on_slider(self) -> None:
        """Another frame is shown."""
        self._on_moved()

    def now(self) -> dict[str, Any]:
        """Where one is, in plain values; the camera in px of the movie, or nowhere if it shows all of it."""
        scale = np.array(self.layers.scale[1:])
        center = np.array(self.viewer.scene.camera.center[-2:], float) / scale
        fitted = self.fitted.holds
        return {
            "frame": self.layers.frame,
            "center_px": [] if fitted else [round(float(c), 2) for c in center],
            "zoom_per_px": 0.0 if fitted else round(float(self.viewer.scene.camera.zoom * scale[-1]), 6),
            "overlay": self.layers.overlay,
        }

    def keep(self) -> None:
        """Keep where one is; without room for it nothing is lost but that."""
        self._timer.stop()
        session = self.keeper.session
        if session is None or session.read_only or self.keeper.model.movie is None:
            return
        view = self.now()
        if any(session.record.view.get(name) != value for name, value in view.items()):
            try:
                session.save_view(**view)
            except AtomcountError:
                return  # an edit would say so; where one was is not worth a word

    def find_again(self) -> None:
        """Go where one was."""
        session, movie = self.keeper.session, self.keeper.model.movie
        if session is None or movie is None:
            return
        view = session.record.view
        try:
            frame, overlay = int(view.get("frame", 0)), str(view.get("overlay", ""))
            center = [float(c) for c in view.get("center_px", [])]
            zoom = float(view.get("zoom_per_px", 0))
        except (TypeError, ValueError):  # of another version
            return
        self.layers.show_frame(min(max(frame, 0), movie.n_frames - 1))
        if overlay in ("columns", "occupancy", "events"):
            self.view.set_overlay(overlay)
        scale = np.array(self.layers.scale[1:])
        if len(center) == 2 and zoom > 0:
            camera = self.viewer.scene.camera
            camera.zoom = zoom / scale[-1]
            camera.center = (*camera.center[:-2], *(np.array(center) * scale))

    def close(self) -> None:
        """Keep it a last time and listen no more."""
        self.keep()
        for emitter in self._emitters:
            emitter.disconnect(self._on_moved)
        self._emitters = []
