"""The legend under the canvas: a chip per count, the dashed ring of uncertain columns, occupancy, events."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPainterPath, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_atomcount.io import palette

_CHIP = 15.0  # px, diameter of a disc
_GAP = 7.0
_BLOCK = 11.0
_MOST_DISCS = 9  # more counts are shown as a bar of blocks
_TRACE_KEY_PX = 140.0  # room at the right for the key of the trace


class Legend(QWidget):
    """Paints the key of the overlay that is shown: counts, occupancy or events."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_legend")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.overlay = "columns"
        self.max_count: int | None = None
        self.classes: tuple[str, ...] = ()
        self.with_edits = False
        self._with_probability = False
        self.setAccessibleName("legend")

    def show_counts(self, max_count: int | None) -> None:
        """Key of the columns: counts 1..max_count, or one colour when the model does not count (None)."""
        self.max_count = max_count
        self.set_overlay(self.overlay)

    def show_probability(self, shown: bool) -> None:
        """Whether the key of the trace's brightness is shown, too."""
        self._with_probability = shown
        self.update()

    def set_overlay(self, overlay: str) -> None:
        """Choose the key: ``"columns"``, ``"occupancy"`` or ``"events"``."""
        self.overlay = overlay
        self.setToolTip(
            {
                "columns": "Discs: number of atoms in the column. Dashed ring: one of the places on "
                "which the answer chosen in section 3 depends. Hollow ring: corrected or added by hand.",
                "occupancy": "The share of observed frames in which the site holds a column.",
                "events": "Sites where columns appeared or vanished, gained or lost atoms; larger marks: "
                "more often, white rims: in this frame. An event's frame is the first in the new state.",
            }[overlay]
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(420, 26)

    def paintEvent(self, _event) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen_colour = self.palette().color(self.foregroundRole())
        x, y = 6.0, self.height() / 2
        if self.overlay == "occupancy":
            x = self._paint_occupancy(painter, x, y, pen_colour)
        elif self.overlay == "events":
            x = self._paint_events(painter, x, y, pen_colour)
        else:
            x = self._paint_columns(painter, x, y, pen_colour)
        wide = self.width() - _TRACE_KEY_PX
        if self._with_probability and x < wide:  # the tooltip and the axis say it where there is no room
            x = self._text(painter, wide, y, "trace: p", pen_colour)
            self._bar(painter, x, y, palette.CONFIDENCE_MAP, 50.0, pen_colour)
        painter.end()

    def _text(self, painter: QPainter, x: float, y: float, text: str, colour: QColor) -> float:
        painter.setPen(colour)
        width = float(painter.fontMetrics().horizontalAdvance(text))
        height = float(painter.fontMetrics().height())
        painter.drawText(QRectF(x, y - height / 2, width + 2, height), Qt.AlignmentFlag.AlignVCenter, text)
        return x + width + _GAP

    def _disc(self, painter: QPainter, x: float, y: float, rgb: np.ndarray) -> float:
        painter.setBrush(QColor.fromRgbF(*(float(c) for c in rgb[:3])))
        painter.setPen(QPen(QColor("black"), 1.0))
        painter.drawEllipse(QRectF(x + 0.5, y - _CHIP / 2 + 0.5, _CHIP - 1, _CHIP - 1))
        return x + _CHIP + 3

    def _dashed(self, painter: QPainter, x: float, y: float, rgb: np.ndarray) -> float:
        """A small disc within a dashed ring, in the ink of the window: its background is light or dark."""
        painter.setBrush(QColor.fromRgbF(*(float(c) for c in rgb[:3])))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QRectF(x + 4, y - _CHIP / 2 + 4, _CHIP - 8, _CHIP - 8))
        pen = QPen(self.palette().color(self.foregroundRole()), 1.8)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        pen.setDashPattern([1.6, 1.2])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen)
        painter.drawEllipse(QRectF(x + 1, y - _CHIP / 2 + 1, _CHIP - 2, _CHIP - 2))
        return x + _CHIP + 3

    def _paint_columns(self, painter: QPainter, x: float, y: float, ink: QColor) -> float:
        if self.max_count is not None and self.max_count > _MOST_DISCS:
            x = self._paint_many_counts(painter, self._text(painter, x, y, "atoms", ink), y, ink)
            colour = palette.count_colours(self.max_count)[0]
        elif self.max_count is None:
            colour = np.array(palette.hex_to_rgb(palette.UNCOUNTED_COLOUR))
            x = self._text(painter, self._disc(painter, x, y, colour), y, "column (not counted)", ink)
        else:
            x = self._text(painter, x, y, "atoms", ink)
            for number, colour in enumerate(palette.count_colours(self.max_count), start=1):
                x = self._text(painter, self._disc(painter, x, y, colour), y, str(number), ink) - 2
            colour = palette.count_colours(self.max_count)[0]
        x = self._paint_classes(painter, x + 8, y, ink)
        x = self._text(painter, self._dashed(painter, x, y, colour), y, "uncertain", ink)
        if self.with_edits:
            x = self._text(painter, self._hollow(painter, x + 4, y, colour), y, "edited", ink)
        return x

    def _hollow(self, painter: QPainter, x: float, y: float, rgb: np.ndarray) -> float:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor.fromRgbF(*(float(c) for c in rgb[:3])), 3.5))
        painter.drawEllipse(QRectF(x + 2, y - _CHIP / 2 + 2, _CHIP - 4, _CHIP - 4))
        return x + _CHIP + 3

    def _paint_many_counts(self, painter: QPainter, x: float, y: float, ink: QColor) -> float:
        """A bar of blocks, a number at every fifth: discs would not fit."""
        colours = palette.count_colours(self.max_count or 1)
        x = self._text(painter, x, y, "1", ink)
        for number, rgb in enumerate(colours, start=1):
            painter.fillRect(QRectF(x, y - 6, _BLOCK - 1, 12), QColor.fromRgbF(*(float(c) for c in rgb[:3])))
            x += _BLOCK
            if number % 5 == 0 and number < len(colours) - 1:
                x = self._text(painter, x + 2, y, str(number), ink) - 3
        return self._text(painter, x + 2, y, str(len(colours)), ink)

    def _bar(self, painter: QPainter, x: float, y: float, name: str, width: float, ink: QColor) -> float:
        """A colour bar from 0 to 1 with its ends written."""
        x = self._text(painter, x, y, "0", ink)
        bar = QRectF(x, y - 6, width, 12)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for stop in np.linspace(0, 1, 12):
            rgb = palette.map_colours(np.array([stop]), name)[0]
            gradient.setColorAt(float(stop), QColor.fromRgbF(*(float(c) for c in rgb[:3])))
        painter.setPen(QPen(ink, 0.5))
        painter.setBrush(gradient)
        painter.drawRect(bar)
        return self._text(painter, bar.right() + _GAP, y, "1", ink)

    def _paint_occupancy(self, painter: QPainter, x: float, y: float, ink: QColor) -> float:
        x = self._text(painter, x, y, "occupancy", ink)
        x = self._bar(painter, x, y, palette.OCCUPANCY_MAP, 140.0, ink)
        return self._paint_classes(painter, x + 8, y, ink)

    def _paint_classes(self, painter: QPainter, x: float, y: float, ink: QColor) -> float:
        """The shape of each class, where the model has several."""
        if len(self.classes) < 2:
            return x
        number = palette.class_numbers(self.classes, self.classes)
        for name, kind, size in zip(self.classes, number, palette.class_sizes(number), strict=True):
            marker = painter_path(palette.CLASS_SYMBOLS[kind], x + _CHIP / 2, y, 0.9 * _CHIP * float(size))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(ink, 1.3))
            painter.drawPath(marker)
            x = self._text(painter, x + _CHIP + 2, y, name, ink)
        return x + 4

    def _paint_events(self, painter: QPainter, x: float, y: float, ink: QColor) -> float:
        for kind, words, direction in (("appear", "appears", -1.0), ("vanish", "vanishes", 1.0)):
            r = _CHIP / 2
            corners = [(x, y - direction * r), (x + 2 * r, y - direction * r), (x + r, y + direction * r)]
            painter.setBrush(QColor(palette.EVENT_COLOURS[kind]))
            painter.setPen(QPen(QColor("black"), 1.0))
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
            x = self._text(painter, x + _CHIP + 3, y, words, ink) + 4
        for kind, words, turn in (("gain", "gains", 0.0), ("lose", "loses", 45.0)):
            x = self._text(painter, self._cross(painter, x, y, kind, turn), y, words, ink) + 4
        return self._text(painter, x, y, "larger: more often · white: now", ink)

    def _cross(self, painter: QPainter, x: float, y: float, kind: str, turn: float) -> float:
        """A plus, or turned by 45 degrees an x, in the colour of a kind of event."""
        long, thick = _CHIP / 2, _CHIP / 6
        arms = [
            (-thick, -long), (thick, -long), (thick, -thick), (long, -thick), (long, thick), (thick, thick),
            (thick, long), (-thick, long), (-thick, thick), (-long, thick), (-long, -thick), (-thick, -thick),
        ]  # fmt: skip
        painter.save()
        painter.translate(x + long, y)
        painter.rotate(turn)
        painter.setBrush(QColor(palette.EVENT_COLOURS[kind]))
        painter.setPen(QPen(QColor("black"), 1.0))
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in arms]))
        painter.restore()
        return x + _CHIP + 3


def painter_path(symbol: str, x: float, y: float, size: float) -> QPainterPath:
    """One of napari's symbols around a centre, as wide as the disc of that diameter."""
    path, r = QPainterPath(), size / 2
    if symbol == "disc":
        path.addEllipse(QPointF(x, y), r, r)
        return path
    corners = {
        "diamond": [(0, -1), (1, 0), (0, 1), (-1, 0)],
        "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "triangle_up": [(-1, 1), (1, 1), (0, -1)],
        "triangle_down": [(-1, -1), (1, -1), (0, 1)],
    }[symbol]
    path.addPolygon(QPolygonF([QPointF(x + r * a, y + r * b) for a, b in corners]))
    path.closeSubpath()
    return path
