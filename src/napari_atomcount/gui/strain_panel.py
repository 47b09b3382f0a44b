"""The panel under the canvas: legend, histogram, profile along a line, time, facets, the power spectrum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QTabWidget, QVBoxLayout, QWidget

from napari_atomcount.gui.forms import hint
from napari_atomcount.gui.strain_legend import StrainLegend
from napari_atomcount.gui.strain_parts import choice, named
from napari_atomcount.gui.strain_spectrum import SpectrumView
from napari_atomcount.measure.strain_views import Z95

COLOURS = ("#e8e8e8", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#D55E00")
TABS = ("histogram", "profile", "time", "facets", "spectrum")
TITLES = ("Histogram", "Line", "Time", "Facets", "GPA, peak pairs")


class StrainPanel(QWidget):
    """Plots of what is shown.

    Signals
    -------
    part_chosen(object)
        Whose strain is drawn against time: "site", "selection", or the number of a facet.
    facet_chosen(int)
        A facet was clicked in its plot.
    """

    part_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_strain_panel")
        self.legend = StrainLegend()
        self.tabs = named(QTabWidget(), "strain_tabs")
        self.plots: dict[str, pg.PlotWidget] = {}
        self.words: dict[str, QWidget] = {}
        self.part: QComboBox = choice("strain_part", "Whose mean strain is drawn against time.", [])
        self.part.activated.connect(lambda _index: self.part_chosen.emit(self.part.currentData()))
        self.spectrum = SpectrumView()
        for name, title in zip(TABS[:-1], TITLES[:-1], strict=True):
            self.tabs.addTab(self._page(name), title)
        self.tabs.addTab(self.spectrum, TITLES[-1])
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.legend)
        column.addWidget(self.tabs, 1)
        self.clear()

    def _page(self, name: str) -> QWidget:
        page = QWidget()
        page.setObjectName(f"atomcount_strain_page_{name}")
        plot = pg.PlotWidget(background=None)
        plot.setObjectName(f"atomcount_strain_plot_{name}")
        plot.setMenuEnabled(False)
        plot.hideButtons()
        for side in ("left", "bottom"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        plot.setMinimumHeight(140)
        plot.addItem(pg.InfiniteLine(0, angle=90 if name == "histogram" else 0, pen=pg.mkPen("#777777")))
        self.plots[name] = plot
        self.words[name] = hint("", f"strain_words_{name}")
        column = QVBoxLayout(page)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        if name == "time":
            column.addWidget(self.part)
        column.addWidget(self.words[name])
        column.addWidget(plot, 1)
        return page

    def clear(self) -> None:
        """Show nothing, and say what would be shown."""
        self.legend.show_key("", "%", 0.0, "")
        for name, text in (
            ("histogram", "Measure the strain in section 5: its histogram appears here."),
            ("profile", "Draw a line in section 5: the profile along it appears here."),
            ("time", "Strain against time of a clicked site, a facet or a drawn region, after all frames."),
            ("facets", "The relaxation of each facet's columns along its normal."),
        ):
            self.say(name, text)
            self._empty(name)
        self.spectrum.clear()

    def say(self, name: str, text: str) -> None:
        """The line above a plot."""
        self.words[name].setText(text)  # type: ignore[attr-defined]

    def _empty(self, name: str) -> pg.PlotWidget:
        plot = self.plots[name]
        for item in list(plot.getPlotItem().items):
            if not isinstance(item, pg.InfiniteLine):
                plot.removeItem(item)
        plot.getAxis("bottom").setTicks(None)
        plot.setTitle(None)
        return plot

    # -- drawing -----------------------------------------------------------
    def show_histogram(self, value: np.ndarray, sigma: np.ndarray, words: str, unit: str) -> None:
        """Values of the columns, and a band of what their errors alone would make of one value."""
        plot = self._empty("histogram")
        known = np.isfinite(value)
        if known.sum() < 2:
            self.say("histogram", "Too few columns match a template.")
            return
        number, edges = np.histogram(value[known], bins=min(40, max(8, int(np.sqrt(known.sum()) * 2))))
        middle, typical = float(np.median(value[known])), float(np.nanmedian(sigma))
        plot.addItem(
            pg.BarGraphItem(
                x0=edges[:-1], x1=edges[1:], height=number, brush=QColor("#5f87af"), pen="#22303c"
            )
        )
        if np.isfinite(typical):
            band = pg.LinearRegionItem(
                (middle - Z95 * typical, middle + Z95 * typical),
                movable=False,
                brush=QColor(230, 160, 0, 60),
                pen=pg.mkPen(None),
            )
            plot.addItem(band)
        plot.setLabel("bottom", f"{words} ({unit})")
        plot.setLabel("left", "columns")
        plot.enableAutoRange()
        sure = np.abs(value[known]) > Z95 * sigma[known]
        self.say(
            "histogram",
            f"{known.sum()} columns: mean {value[known].mean():+.2f} {unit}, spread {value[known].std():.2f} "
            f"{unit}; usual error {typical:.2f} {unit} (band: 95 %); {sure.sum()} differ from zero.",
        )

    def show_curves(
        self, name: str, curves: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]], labels: tuple[str, str]
    ) -> None:
        """Points with 95 % errors: name, x, y, standard error of each curve."""
        plot = self._empty(name)
        names = [  # above the plot: a legend inside would hide points
            f'<span style="color:{pg.mkColor(colour).name()}">● {words}</span>'
            for (words, *_), colour in zip(curves, COLOURS, strict=False)
        ]
        plot.setTitle(" &nbsp; ".join(names), size="8pt")
        for (_, x, y, sigma), colour in zip(curves, COLOURS, strict=False):
            height = 2 * Z95 * np.nan_to_num(sigma)
            plot.addItem(pg.ErrorBarItem(x=x, y=y, height=height, beam=0.0, pen=pg.mkPen(colour, width=1)))
            plot.plot(x, y, pen=pg.mkPen(colour), symbol="o", symbolSize=6, symbolBrush=colour)
        plot.setLabel("bottom", labels[0])
        plot.setLabel("left", labels[1])
        plot.enableAutoRange()

    def show_facets(self, relaxations: pd.DataFrame) -> None:
        """Relaxation of each facet's columns, side by side, with 95 % errors."""
        plot = self._empty("facets")
        ticks, lines = [], []
        for number, own in relaxations.groupby("facet"):
            place = int(str(number)) + np.linspace(-0.3, 0.3, len(own))
            value, sigma = 100 * own["relaxation"].to_numpy(), 100 * own["sigma_relaxation"].to_numpy()
            colour = COLOURS[int(str(number)) % len(COLOURS)]
            known = np.isfinite(value)
            plot.addItem(
                pg.ErrorBarItem(
                    x=place[known], y=value[known], height=2 * Z95 * sigma[known], pen=pg.mkPen(colour)
                )
            )
            plot.plot(place[known], value[known], pen=None, symbol="o", symbolSize=7, symbolBrush=colour)
            ticks.append((int(str(number)), f"{number}: {own['normal_deg'].iloc[0]:.0f}°"))
            if known.any():
                error = np.sqrt((sigma[known] ** 2).sum()) / known.sum()
                lines.append(f"{number}: {value[known].mean():+.2f} ± {error:.2f} %")
        plot.getAxis("bottom").setTicks([ticks])
        plot.setLabel("bottom", "facet and the direction of its normal")
        plot.setLabel("left", "along the normal (%)")
        plot.enableAutoRange()
        self.say("facets", "Mean relaxation of the outermost columns: " + " · ".join(lines))

    def offer_parts(self, facets: int, selection: bool) -> None:
        """Whose strain can be drawn against time."""
        before = self.part.currentData()
        self.part.clear()
        self.part.addItem("the clicked site", "site")
        if selection:
            self.part.addItem("the drawn region", "selection")
        for number in range(facets):
            self.part.addItem(f"facet {number}", number)
        self.part.setCurrentIndex(max(0, self.part.findData(before)))
