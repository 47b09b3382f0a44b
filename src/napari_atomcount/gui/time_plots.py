"""The plots of section 4: what the analysis says of time, drawn for the dark window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_atomcount.gui import style
from napari_atomcount.io import palette

if TYPE_CHECKING:
    from napari_atomcount.io.logs import Log
    from napari_atomcount.measure.along import Kymograph
    from napari_atomcount.pipeline.time_tables import InTime

RATE, GROUPS, DWELL, ATOMS, KYMOGRAPH = (
    "event rate",
    "events by neighbours",
    "dwell times",
    "atoms",
    "kymograph along a line",
)
PLOTS = (RATE, GROUPS, DWELL, ATOMS, KYMOGRAPH)
BRIGHT = "#E0E0E0"
OCCUPIED, EMPTY = "#56B4E9", "#E69F00"
LOG_COLOUR = "#CC79A7"


class TimePlots(QWidget):
    """Choice of plot, the plot, and what belongs to it.

    Signals
    -------
    plot_chosen(str)
        One of `PLOTS`.
    line_requested()
        Draw the line of the kymograph.
    log_requested()
        Choose a log of temperature, gas or bias.
    average_changed(int)
        Frames of the rolling average that is shown; 1: none.
    """

    plot_chosen = Signal(str)
    line_requested = Signal()
    log_requested = Signal()
    average_changed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_time_plots")
        self.choice = QComboBox()
        self.choice.setObjectName("atomcount_time_plot_choice")
        self.choice.addItems(PLOTS)
        self.choice.textActivated.connect(self.plot_chosen)
        self.line = _button(
            "Draw line", "atomcount_kymograph_line", "Draw a line along a facet in the image."
        )
        self.line.clicked.connect(lambda _=False: self.line_requested.emit())
        self.log = _button("Log…", "atomcount_log", "Temperature, gas or bias against time, from a CSV file.")
        self.log.clicked.connect(lambda _=False: self.log_requested.emit())
        self.average = QSpinBox()
        self.average.setObjectName("atomcount_rolling_average")
        self.average.setRange(1, 99)
        self.average.setSingleStep(2)
        self.average.setKeyboardTracking(False)
        self.average.setToolTip("Show the movie averaged over so many frames, the drift taken out. 1: off.")
        self.average.valueChanged.connect(self.average_changed)
        self.words = QLabel()
        self.words.setObjectName("atomcount_time_plot_words")
        self.words.setWordWrap(True)
        self.words.setStyleSheet(style.MUTED)
        self.plot = pg.PlotWidget(background=None)
        self.plot.setObjectName("atomcount_time_plot")
        self.plot.setMinimumHeight(200)
        self.plot.setMaximumHeight(320)
        for side in ("left", "bottom", "right"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)  # 0.25 is not 250 (x0.001)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self._right: pg.ViewBox | None = None
        top = QHBoxLayout()
        for widget, stretch in ((self.choice, 1), (self.line, 0), (self.log, 0)):
            top.addWidget(widget, stretch)
        bottom = QHBoxLayout()
        for name, widget in (
            ("caption", QLabel("rolling average")),
            ("", self.average),
            ("unit", QLabel("frames")),
        ):
            if name:
                widget.setObjectName(f"atomcount_rolling_average_{name}")
            bottom.addWidget(widget)
        bottom.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.words)
        column.addWidget(self.plot)
        column.addLayout(bottom)

    @property
    def chosen(self) -> str:
        """The plot that is shown, one of `PLOTS`."""
        return self.choice.currentText()

    def show_words(self, text: str) -> None:
        """Say something about the plot, or what it would show."""
        self.words.setText(text)
        self.words.setVisible(bool(text))

    def clear(self, text: str = "") -> None:
        """Show no plot."""
        self._empty()
        self.plot.setVisible(False)
        self.show_words(text)

    def draw(self, found: InTime, log: Log | None, kymograph: Kymograph | None, counts: bool) -> None:
        """Draw the chosen plot.

        Parameters
        ----------
        found
            Of `pipeline.time_tables.in_time`.
        log
            Aligned with the movie; drawn on an axis at the right.
        kymograph
            Of the drawn line; None: no line is drawn.
        counts
            Whether the model counts.
        """
        self._empty()
        self.plot.setVisible(True)
        self.line.setVisible(self.chosen == KYMOGRAPH)
        self.log.setVisible(self.chosen in (RATE, ATOMS))
        if self.chosen == RATE:
            self._rate(found)
        if self.chosen == GROUPS:
            self._groups(found)
        if self.chosen == DWELL:
            self._dwell(found)
        if self.chosen == ATOMS:
            self._atoms(found, counts)
        if self.chosen == KYMOGRAPH:
            self._kymograph(found, kymograph)
        if self.chosen in (RATE, ATOMS) and log is not None and found.unit == "s" and log.drawn:
            self._log(log)

    # -- the plots ---------------------------------------------------------
    def _rate(self, found: InTime) -> None:
        table = found.rates
        time, rate = table["time"].to_numpy(float), np.nan_to_num(table["rate"].to_numpy(float))
        self._bars(time, rate, table["low"].to_numpy(float), table["high"].to_numpy(float))
        self._axes("time (s)" if found.unit == "s" else "frame", f"events per site and {found.unit}")
        self.show_words(
            f"95 % intervals · {len(found.hops)} hops to a neighbouring site, "
            f"{found.hops_by_chance:.1f} expected by chance"
        )

    def _groups(self, found: InTime) -> None:
        table = found.groups["coordination"]
        at = np.arange(len(table), dtype=float)
        share = table["share"].to_numpy(float)
        self.plot.addItem(pg.BarGraphItem(x=at, height=share, width=0.6, brush="#5A6B7B"))
        low, high = table["share_low"].to_numpy(float), table["share_high"].to_numpy(float)
        self._bars(at, share, low, high)
        names = [f"{g} ({n})" for g, n in zip(table["coordination"], table["n_sites"], strict=True)]
        ticks = [(float(i), name) for i, name in enumerate(names)]
        self.plot.getAxis("bottom").setTicks([ticks])
        self._axes("neighbours (sites)", "share of sites with an event")
        self.show_words("95 % intervals; the rates stand in events_by_coordination.csv")

    def _dwell(self, found: InTime) -> None:
        words = []
        for kind, colour in (("occupied", OCCUPIED), ("empty", EMPTY)):
            curve = found.survival[kind]
            number = int(curve["at_risk"].iloc[0])
            words.append(f"{number} {kind} stays")
            if not number:
                continue
            time = curve["time"].to_numpy(float) * found.step
            edges = np.append(time, time[-1] * 1.02 + 1e-9)
            thin = pg.mkPen(colour, width=1, style=Qt.PenStyle.DotLine)
            for name, pen in (("survival", pg.mkPen(colour, width=2)), ("low", thin), ("high", thin)):
                values = curve[name].to_numpy(float)
                line = pg.PlotDataItem(edges, values, stepMode="center", pen=pen, connect="finite")
                self.plot.addItem(line)
        self._axes(f"time since it began ({found.unit})", "share that lasts longer")
        self.show_words("Kaplan–Meier, dotted: 95 % · " + ", ".join(words) + " (blue occupied, orange empty)")

    def _atoms(self, found: InTime, counts: bool) -> None:
        values = found.atoms["atoms" if counts else "occupied"].to_numpy(float)
        time = found.atoms["frame"].to_numpy(float) * found.step
        self.plot.addItem(pg.PlotDataItem(time, values, pen=pg.mkPen(BRIGHT, width=2), connect="finite"))
        what = "atoms at all sites" if counts else "occupied sites"
        self._axes("time (s)" if found.unit == "s" else "frame", what)
        self.show_words("")

    def _kymograph(self, found: InTime, kymograph: Kymograph | None) -> None:
        if kymograph is None or not len(kymograph.site_id):
            self.plot.setVisible(False)
            self.show_words(
                "Press Draw line and click along a facet (double click ends the line): the sites beside it "
                "appear here through time."
            )
            return
        image = pg.ImageItem(state_colours(kymograph.value))
        time = found.atoms["frame"].to_numpy(float) * found.step
        length = time[-1] - time[0] + found.step
        image.setRect(QRectF(time[0] - found.step / 2, -0.5, length, len(kymograph.site_id)))
        self.plot.addItem(image)
        every = max(1, len(kymograph.site_id) // 6)
        ticks = [(float(i), f"{d:.2f}") for i, d in enumerate(kymograph.distance_nm)][::every]
        self.plot.getAxis("left").setTicks([ticks])
        self._axes("time (s)" if found.unit == "s" else "frame", "along the line (nm)")
        self.show_words("colours: atoms; white: empty; grey: not observed")

    def _log(self, log: Log) -> None:
        quantity = log.drawn[0]
        item = self.plot.getPlotItem()
        right = pg.ViewBox()
        item.showAxis("right")
        item.scene().addItem(right)
        item.getAxis("right").linkToView(right)
        item.getAxis("right").setLabel(log.label(quantity), color=LOG_COLOUR)
        right.setXLink(item.vb)
        shown = item.vb.viewRange()[0]
        inside = (log.time_s >= shown[0]) & (log.time_s <= shown[1])
        right.addItem(pg.PlotDataItem(log.time_s, log.values[quantity], pen=pg.mkPen(LOG_COLOUR, width=2)))
        values = log.values[quantity][inside]
        values = values[np.isfinite(values)]
        if len(values):
            margin = 0.1 * max(float(np.ptp(values)), 1e-3)
            right.setYRange(float(values.min()) - margin, float(values.max()) + margin, padding=0)
        right.setGeometry(item.vb.sceneBoundingRect())
        item.vb.sigResized.connect(lambda: right.setGeometry(item.vb.sceneBoundingRect()))
        self._right = right

    # -- parts -------------------------------------------------------------
    def _bars(self, x: NDArray, value: NDArray, low: NDArray, high: NDArray) -> None:
        known = np.isfinite(low) & np.isfinite(high)
        x, value, low, high = x[known], value[known], low[known], high[known]
        bars = pg.ErrorBarItem(x=x, y=value, top=high - value, bottom=value - low, pen=pg.mkPen(BRIGHT))
        self.plot.addItem(bars)
        self.plot.addItem(pg.ScatterPlotItem(x, value, size=6, brush=BRIGHT, pen=None))

    def _axes(self, bottom: str, left: str) -> None:
        self.plot.setLabel("bottom", bottom)
        self.plot.setLabel("left", left)
        self.plot.enableAutoRange()
        self.plot.autoRange()

    def _empty(self) -> None:
        if self._right is not None:
            self.plot.getPlotItem().hideAxis("right")
            self.plot.scene().removeItem(self._right)
            self._right = None
        self.plot.clear()
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setTicks(None)


def state_colours(value: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours (T, n, 3) of states: counts in their own, empty white, not observed (NaN) grey."""
    top = int(max(1.0, np.nanmax(value, initial=1.0)))
    colours = np.ones((*value.shape, 3))
    colours[np.isnan(value)] = palette.hex_to_rgb(palette.UNOBSERVED_COLOUR)
    filled = np.nan_to_num(value) > 0
    colours[filled] = palette.count_colours(top)[:, :3][np.clip(value[filled], 1, top).astype(int) - 1]
    return np.asarray(np.round(colours * 255), np.uint8)


def _button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    return button
