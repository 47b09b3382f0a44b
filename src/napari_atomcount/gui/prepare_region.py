"""One drag over the image draws the region that counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.review_marks import box_sides

LAYER, COLOUR = "region", "#2ec4e6"


class RegionMouse(QObject):
    """Takes the next drag, and shows the box meanwhile.

    Signals
    -------
    drawn(object, object)
        Two corners (y, x) px.
    ended()
        The next drag is the camera's again.
    """

    drawn = Signal(object, object)
    ended = Signal()

    def __init__(self, viewer, layers: ResultLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.layers = viewer, layers

    def set_on(self, on: bool) -> None:
        """Wait for a drag, or do not."""
        callbacks = self.viewer.mouse_drag_callbacks
        if on and self._on_press not in callbacks:
            callbacks.append(self._on_press)
        elif not on and self._on_press in callbacks:
            callbacks.remove(self._on_press)
            self.ended.emit()

    def _place(self, position) -> tuple[float, float]:
        scale = self.layers.scale
        return float(position[-2]) / scale[1], float(position[-1]) / scale[2]

    def _on_press(self, viewer, event) -> Iterator[None]:
        if event.button != 1:
            return
        start = here = self._place(event.position)
        camera = viewer.scene.camera
        pans, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                here = self._place(event.position)
                self._show(start, here)
                yield
        finally:
            camera.mouse_pan = pans
        self.set_on(False)
        self.drawn.emit(start, here)

    def show_region(self, roi: tuple[int, int, int, int] | None) -> None:
        """Show the region that counts; None: all does."""
        if roi is None:
            self.layers.drop((LAYER,))
        else:
            self._show((roi[0] - 0.5, roi[2] - 0.5), (roi[1] - 0.5, roi[3] - 0.5))

    def _show(self, corner: tuple[float, float], other: tuple[float, float]) -> None:
        layer: Any = self.layers.get(LAYER)
        if layer is None:
            width = 0.05 / self.layers.scale[-1] if self.layers.scale[-1] < 1 else 1.5
            look = {"edge_color": COLOUR, "edge_width": width, "vector_style": "line"}
            self.layers.make(LAYER, "vectors", np.zeros((0, 2, 2)), **look)
            layer = self.layers.get(LAYER)
        layer.data = box_sides(corner, other)
