"""Between napari's viewer and the desk: layers that come and go, the slider, clicks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui.geometry import MOVIE_KEY
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

LENGTHS_NM = {"nanometer": 1.0, "angstrom": 0.1, "micrometer": 1e3, "picometer": 1e-3}


class ViewerLink(QObject):
    """Relays what happens in the viewer.

    Signals
    -------
    movies_changed()
        Layers that could be analysed were added, removed or renamed.
    movie_added(object)
        A layer with a movie of ours was added.
    slider_moved()
        Another point of the axes that are not shown.
    clicked(object)
        World coordinates (array) of a click that was not a drag.
    """

    movies_changed = Signal()
    movie_added = Signal(object)
    slider_moved = Signal()
    clicked = Signal(object)

    def __init__(self, viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.connections: list[tuple] = []
        events = viewer.layers.events
        self._connect(events.inserted, self._on_inserted)
        self._connect(events.removed, self._on_layers_changed)
        self._connect(events.renamed, self._on_layers_changed)
        self._connect(viewer.dims.events.point, self._on_slider)
        viewer.mouse_drag_callbacks.append(self._on_mouse)

    def _connect(self, emitter, slot: Callable) -> None:
        emitter.connect(slot)
        self.connections.append((emitter, slot))

    def close(self) -> None:
        """Stop listening to the viewer."""
        disconnect_all(self.connections)
        if self._on_mouse in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_mouse)

    def movie_layers(self) -> list[Layer]:
        """Layers that can be analysed: our movies, and plain images of two or three axes."""
        return [layer for layer in self.viewer.layers if is_movie_layer(layer)]

    def _on_inserted(self, event) -> None:
        layer = event.value
        if layer.metadata.get(MOVIE_KEY) is not None:
            self.movie_added.emit(layer)
        self._on_layers_changed()

    def _on_layers_changed(self, _event=None) -> None:
        self.movies_changed.emit()

    def _on_slider(self, _event=None) -> None:
        self.slider_moved.emit()

    def _on_mouse(self, _viewer, event):
        if event.button != 1 or event.modifiers:
            return
        pressed = np.asarray(event.pos, float)
        position = np.asarray(event.position, float)
        yield
        while event.type == "mouse_move":
            yield
        if np.linalg.norm(np.asarray(event.pos, float) - pressed) < 4:  # px of the screen; more is a drag
            self.clicked.emit(position)


def disconnect_all(connections: list[tuple]) -> None:
    """Undo connections (emitter, slot) to napari's events; needs nothing of Qt's."""
    for emitter, slot in connections:
        emitter.disconnect(slot)
    connections.clear()


def is_movie_layer(layer: Layer) -> bool:
    """Whether a layer can be analysed."""
    if layer.metadata.get(MOVIE_KEY) is not None:
        return True
    ours = type(getattr(layer, "data", None)).__module__.startswith("napari_atomcount.")
    return isinstance(layer, Image) and not (layer.rgb or layer.multiscale or ours) and layer.ndim in (2, 3)


def movie_of(layer: Layer) -> Movie:
    """The movie that a layer shows: ours, or one made of an image that another plugin opened.

    Scale and units of such a layer are taken as its calibration where they are lengths and seconds.
    """
    movie = layer.metadata.get(MOVIE_KEY)
    if movie is not None:
        return movie
    data = layer.data if layer.ndim == 3 else layer.data[None]
    values: dict[str, object] = {}
    units = [str(unit) for unit in layer.units]
    if units[-1] in LENGTHS_NM and units[-2] in LENGTHS_NM:
        y, x = (float(layer.scale[i]) * LENGTHS_NM[units[i]] for i in (-2, -1))
        values["pixel_size_nm"] = (y, x)
    if layer.ndim == 3 and units[0] == "second":
        values["frame_time_s"] = float(layer.scale[0])
    return Movie(data, Calibration().updated("file", **values), layer.name)


def claim_layer(layer: Layer) -> Movie:
    """The movie of a layer, which from now on is the layer of that movie."""
    movie = movie_of(layer)
    layer.metadata[MOVIE_KEY] = movie
    return movie
