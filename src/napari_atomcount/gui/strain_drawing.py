"""Drawing with the mouse over the movie: a press, a drag, a release make a rectangle or a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from qtpy.QtCore import QObject, Signal

DRAG_PX = 4.0  # px of the screen; less is no drawing


class StrainMouse(QObject):
    """Takes the next drag over the canvas as a drawing.

    Signals
    -------
    moved(str, object)
        What is being drawn: its kind, and two places ((y, x), (y, x)) px of the shown frame.
    drawn(str, object)
        The same at the release; None: it was too short.
    """

    moved = Signal(str, object)
    drawn = Signal(str, object)

    def __init__(
        self, viewer, scale: Callable[[], tuple[float, float, float]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self._scale = viewer, scale
        self.kind = ""

    def begin(self, kind: str) -> None:
        """Draw this with the next drag; an empty kind: nothing."""
        self.kind = kind
        callbacks = self.viewer.mouse_drag_callbacks
        if kind and self._on_press not in callbacks:
            callbacks.insert(0, self._on_press)
        elif not kind:
            self.close()

    def close(self) -> None:
        """Let the viewer go."""
        if self._on_press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_press)

    def _place(self, position) -> tuple[float, float]:
        scale = self._scale()
        return float(position[-2]) / scale[1], float(position[-1]) / scale[2]

    def _on_press(self, viewer, event) -> Iterator[None]:
        if event.button != 1 or event.modifiers or not self.kind:
            return
        kind, start = self.kind, self._place(event.position)
        pressed = np.asarray(event.pos, float)
        camera = viewer.scene.camera
        pans = camera.mouse_pan
        camera.mouse_pan = False
        end, far = start, False
        try:
            yield
            while event.type == "mouse_move":
                end = self._place(event.position)
                far = far or float(np.linalg.norm(np.asarray(event.pos, float) - pressed)) >= DRAG_PX
                if far:
                    self.moved.emit(kind, (start, end))
                yield
        finally:
            camera.mouse_pan = pans
        self.begin("")
        self.drawn.emit(kind, (start, end) if far else None)
