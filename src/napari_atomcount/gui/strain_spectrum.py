"""The power spectrum with the two Bragg spots of phase analysis, which can be moved."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_atomcount.gui.forms import hint
from napari_atomcount.gui.strain_parts import button

EMPTY = "GPA and peak pairs: press the button in section 5. The two Bragg spots can then be moved here."
COLOURS = ("#ff5470", "#56B4E9")


class SpectrumView(QWidget):
    """Shows a spectrum; its two spots are found automatically and follow the mouse.

    Signals
    -------
    spots_moved(object)
        (2, 2) spots (y, x), cycles per pixel, at the end of a drag; None: automatic again.
    """

    spots_moved = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_strain_spectrum_view")
        self.shape = (1, 1)
        self.spots = np.zeros((0, 2))
        self.plot = pg.PlotWidget(background=None)
        self.plot.setObjectName("atomcount_strain_spectrum")
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        for side in ("left", "bottom"):
            self.plot.hideAxis(side)
        self.image = pg.ImageItem()
        self.plot.addItem(self.image)
        self.targets: list[pg.TargetItem] = []
        self.words = hint(EMPTY, "strain_spectrum_words")
        self.automatic = button(
            "Find the spots again",
            "strain_spots_automatic",
            "Take the two strongest spots in different directions.",
            lambda: self.spots_moved.emit(None),
        )
        aside = QVBoxLayout()
        aside.addWidget(self.words)
        aside.addWidget(self.automatic)
        aside.addStretch(1)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(2, 2, 2, 2)
        whole.addWidget(self.plot, 3)
        whole.addLayout(aside, 1)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self.plot.setVisible(False)
        self.automatic.setVisible(False)
        self.words.setText(EMPTY)

    def show_spectrum(self, picture: np.ndarray, spots: np.ndarray | None, words: str) -> None:
        """Draw a spectrum, zero in the middle, and its spots (y, x), cycles per pixel, if it has any."""
        rows, cols = picture.shape
        self.shape = (rows, cols)
        low, high = (float(v) for v in np.percentile(picture, (40, 99.9)))
        self.image.setImage(picture.T, levels=(low, max(high, low + 1e-6)))
        left, top = (-(cols // 2) - 0.5) / cols, (-(rows // 2) - 0.5) / rows
        self.image.setRect(left, top, 1.0, 1.0)
        for target in self.targets:
            self.plot.removeItem(target)
        self.targets.clear()
        if spots is None:  # where to take hold of them
            spots = np.array([[0.1, 0.0], [0.0, 0.1]])
        self.spots = np.array(spots, float)
        for spot, colour in zip(self.spots, COLOURS, strict=True):
            target = pg.TargetItem(
                (float(spot[1]), float(spot[0])), size=18, pen=pg.mkPen(colour, width=2), movable=True
            )
            target.sigPositionChangeFinished.connect(lambda *_: self._on_moved())
            self.plot.addItem(target)
            self.targets.append(target)
        reach = 1.6 * float(np.abs(self.spots).max())
        self.plot.setRange(xRange=(-reach, reach), yRange=(-reach, reach), padding=0)
        self.words.setText(words)
        self.plot.setVisible(True)
        self.automatic.setVisible(True)

    def _on_moved(self) -> None:
        self.spots = np.array([[t.pos().y(), t.pos().x()] for t in self.targets])
        self.spots_moved.emit(self.spots)
