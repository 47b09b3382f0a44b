"""The legend of strain: the symmetric map with its ends, what small and grey discs mean, the reference."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomcount.io.strain_figures import strain_colours

_GAP, _BAR = 8.0, 150.0


class StrainLegend(QWidget):
    """Paints the key of the strain that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_strain_legend")
        self.setAccessibleName("legend of strain")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.words, self.reference, self.unit, self.limit = "", "", "%", 0.0

    def show_key(self, words: str, unit: str, limit: float, reference: str) -> None:
        """What is coloured, its unit, the end of the scale, and what it is relative to; limit 0: nothing."""
        self.words, self.unit, self.limit, self.reference = words, unit, limit, reference
        self.setToolTip(
            "White is no strain, red is stretched, blue is compressed. Small discs are below their own 95 % "
            f"error; grey ones match no template. Relative to: {reference}."
        )
        self.setVisible(limit > 0)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(420, 58)

    def paintEvent(self, _event) -> None:  # noqa: D102
        if self.limit <= 0:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(self.foregroundRole())
        y = 11.0
        x = self._text(painter, 6.0, y, self.words, ink)
        x = self._text(painter, x, y, f"−{self.limit:.2g} {self.unit}", ink)
        end = f"+{self.limit:.2g} {self.unit}"
        room = self.width() - x - painter.fontMetrics().horizontalAdvance(end) - 3 * _GAP
        bar = QRectF(x, y - 7, min(_BAR, max(40.0, room)), 14)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for stop in np.linspace(0, 1, 17):
            rgb = strain_colours(np.array([2 * stop - 1]), 1.0)[0]
            gradient.setColorAt(float(stop), QColor.fromRgbF(*(float(c) for c in rgb[:3])))
        painter.setPen(QPen(ink, 0.5))
        painter.setBrush(gradient)
        painter.drawRect(bar)
        self._text(painter, bar.right() + _GAP, y, end, ink)
        y, x = 29.0, 6.0
        sample = [float(c) for c in strain_colours(np.array([0.7]), 1.0)[0][:3]]
        for diameter, words in ((13.0, "differs from zero"), (7.0, "below its own 95 % error")):
            painter.setBrush(QColor.fromRgbF(*sample))
            painter.setPen(QPen(QColor("black"), 1.0))
            painter.drawEllipse(QRectF(x, y - diameter / 2, diameter, diameter))
            x = self._text(painter, x + diameter + 4, y, words, ink)
        self._text(painter, 6.0, 47.0, f"relative to: {self.reference}", ink)
        painter.end()

    def _text(self, painter: QPainter, x: float, y: float, text: str, colour: QColor) -> float:
        painter.setPen(colour)
        metrics = painter.fontMetrics()
        width = float(metrics.horizontalAdvance(text))
        painter.drawText(
            QRectF(x, y - metrics.height() / 2, width + 2, metrics.height()),
            Qt.AlignmentFlag.AlignVCenter,
            text,
        )
        return x + width + _GAP
