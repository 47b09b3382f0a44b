"""The whole frame in view, also when docks open beside it, until the user moves the camera."""

from __future__ import annotations

import weakref

import numpy as np
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget


class FittedView(QObject):
    """Fits the frame into the canvas, and again when the canvas gets another size.

    napari fits it once, into a canvas that docks which open later make narrower: the sides would be cut off.
    """

    def __init__(self, viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._fitted: tuple[float, ...] | None = None
        self._canvas: weakref.ref[QWidget] | None = None  # napari's to keep and to let go
        self._later = QTimer(self)  # napari's own canvas has to know its size first
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._again)

    def attach(self, canvas: QWidget) -> None:
        """Follow the size of this widget, which napari draws on."""
        if self._canvas is None:
            self._canvas = weakref.ref(canvas)
            canvas.installEventFilter(self)
            self._later.start(0)

    def fit(self) -> None:
        """Show the whole frame."""
        self.viewer.reset_view()
        self._fitted = self._camera()

    @property
    def holds(self) -> bool:
        """Whether nobody has moved the camera since."""
        return self._fitted is not None and bool(np.allclose(self._fitted, self._camera(), rtol=1e-6))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice another size."""
        if event.type() == QEvent.Type.Resize:
            self._later.start(0)
        return False

    def close(self) -> None:
        """Leave the camera alone."""
        self._fitted = None
        self._later.stop()
        canvas = None if self._canvas is None else self._canvas()
        if canvas is not None:
            try:
                canvas.removeEventFilter(self)
            except RuntimeError:
                return  # the canvas is gone already

    def _again(self) -> None:
        if self.holds:
            self.fit()

    def _camera(self) -> tuple[float, ...]:
        camera = self.viewer.scene.camera
        return (*(float(c) for c in camera.center[-2:]), float(camera.zoom))
