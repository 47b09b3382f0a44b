"""The hand in Correct mode: a click adds or selects, a drag moves a column or, with Shift, draws a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui.review_model import ReviewModel

DRAG_PX = 4.0  # px of the screen; less is a click


class CorrectMouse(QObject):
    """Turns presses over the canvas into edits, while Correct mode is on.

    Signals
    -------
    dragged(int, float, float)
        A column is being dragged: its id and where it is, y, x px; nothing is made before the release.
    boxed(object)
        Two corners ((y, x), (y, x)) px of the box that is being drawn; None: it is gone.
    """

    dragged = Signal(int, float, float)
    boxed = Signal(object)

    def __init__(
        self,
        viewer,
        review: ReviewModel,
        scale: Callable[[], tuple[float, float, float]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.review, self._scale = viewer, review, scale
        self._zooming: list = []
        review.mode_changed.connect(self._on_mode)

    def _on_mode(self, on: bool) -> None:
        callbacks, double = self.viewer.mouse_drag_callbacks, self.viewer.mouse_double_click_callbacks
        if on and self.on_press not in callbacks:
            callbacks.append(self.on_press)
            self._zooming = list(double)  # a second click adds a second column, it does not zoom
            double.clear()
        elif not on and self.on_press in callbacks:
            callbacks.remove(self.on_press)
            double.extend(self._zooming)
            self._zooming = []

    def close(self) -> None:
        """Let the viewer go."""
        self._on_mode(False)

    def place(self, position) -> tuple[float, float]:
        """Y, x px of a place in world coordinates."""
        scale = self._scale()
        return float(position[-2]) / scale[1], float(position[-1]) / scale[2]

    def on_press(self, viewer, event) -> Iterator[None]:
        """One press, with what follows until the release."""
        modifiers = {str(getattr(key, "name", key)) for key in event.modifiers}
        if event.button != 1 or modifiers - {"Shift"}:
            return
        shift = "Shift" in modifiers
        start = self.place(event.position)
        pressed = np.asarray(event.pos, float)
        grasped = self.review.column_at(*start)
        holds = shift or grasped is not None
        camera = viewer.scene.camera
        pans = camera.mouse_pan
        if holds:
            camera.mouse_pan = False  # the drag is ours, not the camera's
        here, moved = start, False
        try:
            yield
            while event.type == "mouse_move":
                here = self.place(event.position)
                moved = moved or float(np.linalg.norm(np.asarray(event.pos, float) - pressed)) >= DRAG_PX
                if moved and shift:
                    self.boxed.emit((start, here))
                elif moved and grasped is not None:
                    self.dragged.emit(grasped, *here)
                yield
        finally:
            if holds:
                camera.mouse_pan = pans
                self.boxed.emit(None)
        if moved and shift:
            self.review.select_box(start, here, extend=True)
        elif moved and grasped is not None:
            self.review.select([grasped])
            self.review.move_column(grasped, here[0] - start[0], here[1] - start[1])
        elif moved:
            return  # the camera was moved
        elif grasped is not None:
            self.review.select([grasped], extend=shift)
        elif not shift:
            self.review.add(*start)
