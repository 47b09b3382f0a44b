"""The trace under the canvas: p(count) of one site through time, its states and events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import hint
from napari_atomcount.gui.legend import Legend
from napari_atomcount.io import palette

EMPTY = "Click a column in the image: its p(count) through time appears here."


@dataclass(frozen=True)
class Trace:
    """What is drawn of one site.

    Parameters
    ----------
    title
        The line above the plot.
    frames
        (T,) frame indices, increasing.
    probability
        (T, K + 1) probability of 0, 1, … K atoms; rows of NaN where the site was not observed. For a model
        that does not count K is 1.
    state
        (T,) most probable state: -1 not observed, 0 empty, n atoms.
    events
        (frame, kind) of each event.
    counts
        Whether the model counts; else the rows are "empty" and "occupied".
    """

    title: str
    frames: NDArray[np.int64]
    probability: NDArray[np.float64]
    state: NDArray[np.int64]
    events: tuple[tuple[int, str], ...]
    counts: bool


class TracePanel(QWidget):
    """Legend and plot, one under the other.

    Signals
    -------
    frame_chosen(int)
        The user clicked into the plot or moved its time line.
    """

    frame_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_trace_panel")
        self.trace: Trace | None = None
        self.legend = Legend()
        self.title = hint(EMPTY, "trace_title")
        self.title.setWordWrap(False)
        self.title.setToolTip("Occupied: share of the observed frames, with its 95 % interval.")
        self.plot = pg.PlotWidget(background=None)
        self.plot.setObjectName("atomcount_trace_plot")
        self.plot.setMinimumHeight(165)
        self.plot.setLabel("bottom", "frame")
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=True, y=False)
        self.image = pg.ImageItem()
        self.image.setColorMap(_probability_map())
        self.image.setLevels((0.0, 1.0))
        self.path = pg.PlotDataItem(stepMode="center", pen=pg.mkPen("k", width=2), connect="finite")
        self.path.setShadowPen(pg.mkPen("w", width=4))
        self.now = pg.InfiniteLine(0, angle=90, movable=True, pen=pg.mkPen("#ff5470", width=2))
        self.now.setZValue(10)
        for item in (self.image, self.path, self.now):
            self.plot.addItem(item)
        self._event_items: list[pg.InfiniteLine | pg.ScatterPlotItem] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.legend)
        column.addWidget(self.title)
        column.addWidget(self.plot, 1)
        self.now.sigPositionChanged.connect(self._on_line_moved)
        self.plot.scene().sigMouseClicked.connect(self._on_plot_clicked)
        self.clear(EMPTY)

    def clear(self, text: str) -> None:
        """Show no site, and say in ``text`` what would be shown."""
        self.trace = None
        self.title.setStyleSheet(style.MUTED)
        self.title.setText(text)
        self.plot.setVisible(False)
        self.legend.show_probability(False)

    def show_trace(self, trace: Trace) -> None:
        """Draw a site's trace."""
        self.trace = trace
        self.title.setStyleSheet(style.PLAIN)
        self.title.setText(trace.title)
        self.plot.setVisible(True)
        self.legend.show_probability(True)
        rows = trace.probability.shape[1]
        first, last = int(trace.frames[0]), int(trace.frames[-1])
        grid = np.full((last - first + 1, rows), np.nan)
        grid[trace.frames - first] = trace.probability
        self.image.setImage(grid, autoLevels=False, levels=(0.0, 1.0))
        self.image.setRect(QRectF(first - 0.5, -0.5, last - first + 1, rows))
        level = np.full(last - first + 1, np.nan)
        level[trace.frames - first] = np.where(trace.state < 0, np.nan, np.minimum(trace.state, rows - 1))
        self.path.setData(np.arange(first, last + 2) - 0.5, level)
        self._draw_events(trace, rows)
        axis = self.plot.getAxis("left")
        if trace.counts:
            self.plot.setLabel("left", "atoms")
            every = -(-rows // 4)  # more would overlap
            axis.setTicks([[(n, str(n)) for n in range(0, rows, every)]])
        else:
            self.plot.setLabel("left", "state")
            axis.setTicks([[(0, "empty"), (1, "occupied")]])
        self.plot.setXRange(first - 0.5, last + 0.5, padding=0.01)
        self.plot.setYRange(-0.5, rows - 0.5, padding=0.02)
        self.plot.setLimits(xMin=first - 1, xMax=last + 1, yMin=-0.6, yMax=rows - 0.4)

    def set_frame(self, frame: int) -> None:
        """Move the time line to a frame, without telling anyone."""
        self.now.blockSignals(True)
        self.now.setValue(frame)
        self.now.blockSignals(False)

    def _draw_events(self, trace: Trace, rows: int) -> None:
        for item in self._event_items:
            self.plot.removeItem(item)
        self._event_items.clear()
        for kind, symbol in (("appear", "t1"), ("vanish", "t"), ("gain", "+"), ("lose", "x")):
            frames = [frame for frame, event in trace.events if event == kind]
            if not frames:
                continue
            colour = palette.EVENT_COLOURS[kind]
            for frame in frames:
                pen = pg.mkPen(colour, width=1.5, style=Qt.PenStyle.DashLine)
                self._event_items.append(pg.InfiniteLine(frame - 0.5, angle=90, pen=pen))
            scatter = pg.ScatterPlotItem(
                [frame - 0.5 for frame in frames],
                [rows - 0.8] * len(frames),
                symbol=symbol,
                size=13,
                brush=QColor(colour),
                pen=pg.mkPen("k"),
            )
            self._event_items.append(scatter)
        for item in self._event_items:
            self.plot.addItem(item)

    def _on_line_moved(self) -> None:
        self._choose(self.now.value())

    def _on_plot_clicked(self, event) -> None:
        if self.trace is None or event.button() != Qt.MouseButton.LeftButton:
            return
        view = self.plot.getViewBox()
        if view.sceneBoundingRect().contains(event.scenePos()):
            self._choose(view.mapSceneToView(event.scenePos()).x())

    def _choose(self, position: float) -> None:
        if self.trace is None:
            return
        first, last = int(self.trace.frames[0]), int(self.trace.frames[-1])
        self.frame_chosen.emit(int(np.clip(round(position), first, last)))


def _probability_map() -> pg.ColorMap:
    """White-on-dark map of probabilities: dark where impossible."""
    table = palette.colour_table(palette.CONFIDENCE_MAP)
    if table[0].sum() > table[-1].sum():  # dark must mean improbable on our dark canvas
        table = table[::-1]
    return pg.ColorMap(np.linspace(0, 1, 32), (table[:: len(table) // 32][:32] * 255).astype(np.uint8))
