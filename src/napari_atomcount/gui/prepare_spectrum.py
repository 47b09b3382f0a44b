"""A window with the power spectrum: what stands out is marked, and two spots can be pointed at."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_atomcount.measure.spots import Spectrum

SNAP_PX = 14  # of the screen: a click this near takes the spot that stands out


class SpectrumWindow(QWidget):
    """Shows a power spectrum and takes clicks.

    Signals
    -------
    chosen(object)
        The spots that were pointed at, (N, 2) ky, kx in cycles per px.
    """

    chosen = Signal(object)

    def __init__(self, spectrum: Spectrum, spots: np.ndarray, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setObjectName("atomcount_spectrum")
        self.setWindowTitle("Power spectrum: click two spots of the crystal that are not on one line")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 680)
        self._found = spots[:, :2]
        self.pointed: list[tuple[float, float]] = []
        size = spectrum.power.shape[0]
        half = min(0.5, 1.6 * float(np.hypot(*self._found.T).max()) if len(spots) else 0.5)
        self.plot = pg.PlotWidget()
        self.plot.setObjectName("atomcount_spectrum_plot")
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
            self.plot.setLabel(side, "cycles per pixel")
        image = np.log(np.maximum(spectrum.power, np.quantile(spectrum.power, 0.02)))
        low, high = np.quantile(image, (0.5, 0.9997))
        item = pg.ImageItem(image.T, levels=(low, high))
        item.setRect(-0.5 - 0.5 / size, -0.5 - 0.5 / size, 1.0, 1.0)
        self.plot.addItem(item)
        both = np.vstack([self._found, -self._found]) if len(spots) else np.zeros((0, 2))
        self.plot.addItem(
            pg.ScatterPlotItem(x=both[:, 1], y=both[:, 0], size=16, pen=pg.mkPen("#7fd4ff"), brush=None)
        )
        self._marks = pg.ScatterPlotItem(size=22, pen=pg.mkPen("#ff9f1c", width=2), brush=None)
        self.plot.addItem(self._marks)
        self.plot.setXRange(-half, half)
        self.plot.setYRange(-half, half)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self.words = QLabel("blue: what stands out · click two spots that are not on one line")
        self.words.setObjectName("atomcount_spectrum_words")
        self.use = QPushButton("Measure with these")
        self.use.setObjectName("atomcount_spectrum_use")
        self.use.clicked.connect(self._on_use)
        self.use.setEnabled(False)
        column = QVBoxLayout(self)
        column.addWidget(self.plot, 1)
        row = QHBoxLayout()
        row.addWidget(self.words, 1)
        row.addWidget(self.use)
        column.addLayout(row)

    def _on_click(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            place = self.plot.getViewBox().mapSceneToView(event.scenePos())
            self.point(place.y(), place.x())

    def point(self, ky: float, kx: float) -> None:
        """Point at a place; a spot that stands out nearby is meant, and one pointed at again is let go."""
        width = self.plot.getViewBox().viewPixelSize()[0]
        both = np.vstack([self._found, -self._found])
        if len(both):
            far = np.hypot(both[:, 0] - ky, both[:, 1] - kx)
            if far.min() < SNAP_PX * width:
                ky, kx = (float(v) for v in both[far.argmin()])
        near = [p for p in self.pointed if np.hypot(p[0] - ky, p[1] - kx) < SNAP_PX * width]
        self.pointed = [p for p in self.pointed if p not in near] + ([] if near else [(ky, kx)])
        self._marks.setData(x=[p[1] for p in self.pointed], y=[p[0] for p in self.pointed])
        self.words.setText(
            f"{len(self.pointed)} spots: " + " · ".join(f"{1 / np.hypot(*p):.2f} px" for p in self.pointed)
        )
        self.use.setEnabled(len(self.pointed) >= 2)

    def _on_use(self) -> None:
        self.chosen.emit(np.array(self.pointed))
        self.close()
