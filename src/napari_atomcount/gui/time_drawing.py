"""How each plot of section 4 is drawn: tables in, items of a pyqtgraph plot and a line of words out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt

from napari_atomcount.io import palette

if TYPE_CHECKING:
    from napari_atomcount.io.logs import Log
    from napari_atomcount.measure.along import Kymograph
    from napari_atomcount.pipeline.time_tables import InTime

BRIGHT = "#E0E0E0"
OCCUPIED, EMPTY = "#56B4E9", "#E69F00"  # Okabe and Ito's, light enough for a dark window
ACROSS, DOWN = "#56B4E9", "#E69F00"
RIGHT_COLOUR = "#CC79A7"
CLASS_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442")
TRACK_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2")
MOST_TRACKS = 60
LEAST_TURN, LEAST_SCALE = 0.5, 0.5  # degrees and per cent that the axes show at least
LEAST_STEP_NM = 0.35  # about a hop to a neighbour
RATIOS = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 3, 10, 30, 100)  # written at a logarithmic axis


class Drawing:
    """Draws into a plot; each method returns what is to be said beside it.

    Parameters
    ----------
    plot
        The plot; `clear` empties it.
    """

    def __init__(self, plot: pg.PlotWidget) -> None:
        self.plot = plot
        self._right: pg.ViewBox | None = None

    # -- of one movie ------------------------------------------------------
    def rate(self, found: InTime) -> str:
        """Events against time."""
        table = found.rates
        time, rate = table["time"].to_numpy(float), np.nan_to_num(table["rate"].to_numpy(float))
        self.bars(time, rate, table["low"].to_numpy(float), table["high"].to_numpy(float))
        self.axes(time_words(found.unit), f"events per site and {found.unit}")
        return (
            f"95 % intervals · {len(found.hops)} hops to a neighbouring site, "
            f"{found.hops_by_chance:.1f} expected by chance"
        )

    def groups(self, found: InTime, by: str) -> str:
        """Share of sites with an event, by group."""
        table = found.groups[by]
        at = np.arange(len(table), dtype=float)
        share = table["share"].to_numpy(float)
        self.plot.addItem(pg.BarGraphItem(x=at, height=share, width=0.6, brush="#5A6B7B"))
        self.bars(at, share, table["share_low"].to_numpy(float), table["share_high"].to_numpy(float))
        names = [f"{g} ({n})" for g, n in zip(table[by], table["n_sites"], strict=True)]
        self.plot.getAxis("bottom").setTicks([[(float(i), name) for i, name in enumerate(names)]])
        what = "neighbours" if by == "coordination" else "class"
        self.axes(f"{what} (sites)", "share of sites with an event")
        return f"95 % intervals; the rates stand in events_by_{by}.csv"

    def dwell(self, found: InTime) -> str:
        """Survival of occupied and empty stays."""
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
        self.axes(f"time since it began ({found.unit})", "share that lasts longer")
        return "Kaplan–Meier, dotted: 95 % · " + ", ".join(words) + " (blue occupied, orange empty)"

    def atoms(self, found: InTime, counts: bool) -> str:
        """Atoms at all sites, or occupied sites, against time."""
        values = found.atoms["atoms" if counts else "occupied"].to_numpy(float)
        self.line(self._time(found), values, BRIGHT)
        self.axes(time_words(found.unit), "atoms at all sites" if counts else "occupied sites")
        return ""

    def kymograph(self, found: InTime, kymograph: Kymograph) -> str:
        """States along a line through time."""
        image = pg.ImageItem(state_colours(kymograph.value))
        time = self._time(found)
        length = time[-1] - time[0] + found.step
        image.setRect(QRectF(time[0] - found.step / 2, -0.5, length, len(kymograph.site_id)))
        self.plot.addItem(image)
        every = max(1, len(kymograph.site_id) // 6)
        ticks = [(float(i), f"{d:.2f}") for i, d in enumerate(kymograph.distance_nm)][::every]
        self.plot.getAxis("left").setTicks([ticks])
        self.axes(time_words(found.unit), "along the line (nm)")
        return "colours: atoms; white: empty; grey: not observed"

    def drift(self, found: InTime) -> str:
        """Shift of the specimen against time, and how sure it is."""
        table, time = found.motion, self._motion_time(found)
        for name, colour in (("dx_nm", ACROSS), ("dy_nm", DOWN)):
            self.line(time, table[name].to_numpy(float), colour)
        self.axes(time_words(found.unit), "shift (nm)")
        sure = table["confidence"].to_numpy(float)
        if np.isfinite(sure).any():
            self.right(time, sure, "confidence", (0.0, 1.05))
        return "blue: to the right, orange: down; right axis: how sure the period of the lattice is"

    def turn(self, found: InTime) -> str:
        """Turn of the specimen against time, with two standard errors, and its scale."""
        table, time = found.motion, self._motion_time(found)
        turn, sigma = table["rotation"].to_numpy(float), table["rotation_sigma"].to_numpy(float)
        self.bars(time, turn, turn - 2 * sigma, turn + 2 * sigma)
        self.line(time, turn, ACROSS)
        self.axes(time_words(found.unit), "turn (°)")
        low, high = float(np.nanmin(turn)) * 1.1, float(np.nanmax(turn)) * 1.1
        # noise must not look like a turn
        self.plot.setYRange(min(low, -LEAST_TURN), max(high, LEAST_TURN), padding=0)
        scale = 100 * (table["scale"].to_numpy(float) - 1)
        if np.ptp(scale) > 1e-6:
            reach = max(LEAST_SCALE, 1.1 * float(np.abs(scale).max()))
            self.right(time, scale, "scale (%)", (-reach, reach))
        return "against the first frame, counter-clockwise; bars: two standard errors"

    def adatoms(self, found: InTime, tracks: pd.DataFrame, words: str) -> str:
        """How far each free adatom is from where it was first seen."""
        number = 0
        for _, own in sorted(tracks.groupby("track_id"), key=lambda pair: -len(pair[1]))[:MOST_TRACKS]:
            if len(own) < 2:
                continue
            place = own[["y_nm", "x_nm"]].to_numpy(float)
            away = np.hypot(*(place - place[0]).T)
            colour = TRACK_COLOURS[number % len(TRACK_COLOURS)]
            self.line(own["frame"].to_numpy(float) * found.step, away, colour)
            number += 1
        self.axes(time_words(found.unit), "distance from the first place (nm)")
        reach = self.plot.getPlotItem().vb.viewRange()[1][1]
        self.plot.setYRange(0, max(reach, LEAST_STEP_NM), padding=0)  # noise must not look like steps
        alone = int((tracks.groupby("track_id").size() == 1).sum()) if len(tracks) else 0
        shown = f"; the {MOST_TRACKS} longest are drawn" if number == MOST_TRACKS else ""
        return f"{words}{shown}; {alone} seen once only · layer “adatoms”"

    def intensity(self, found: InTime) -> str:
        """Mean brightness of the sites of each class, as a change against its mean."""
        words = []
        for label, colour in zip(pd.unique(found.intensity["label"]), CLASS_COLOURS, strict=False):
            own = found.intensity[found.intensity["label"] == label]
            mean = own["mean"].to_numpy(float)
            usual = float(np.nanmean(mean))
            time = own["frame"].to_numpy(float) * found.step
            low, high = (own[n].to_numpy(float) - usual for n in ("low", "high"))
            self.band(time, low, high, colour)
            self.line(time, mean - usual, colour)
            words.append(f"{label} {usual:+.3f}")
        self.axes(time_words(found.unit), "I / level, change")
        return "change against the mean of the movie, with 95 % intervals; means: " + ", ".join(words)

    def log(self, log: Log) -> None:
        """A logged quantity on the right axis, over the time that is shown."""
        quantity = log.drawn[0]
        shown = self.plot.getPlotItem().vb.viewRange()[0]
        inside = (log.time_s >= shown[0]) & (log.time_s <= shown[1])
        values = log.values[quantity][inside]
        values = values[np.isfinite(values)]
        reach = None
        if len(values):
            margin = 0.1 * max(float(np.ptp(values)), 1e-3)
            reach = (float(values.min()) - margin, float(values.max()) + margin)
        self.right(log.time_s, log.values[quantity], log.label(quantity), reach)

    # -- of several movies -------------------------------------------------
    def doses(self, table: pd.DataFrame, against: str, words: str) -> str:
        """Share of hopping sites of several movies against a dose, a column of the table."""
        x, share = table[against].to_numpy(float), table["share"].to_numpy(float)
        known = np.isfinite(x) & np.isfinite(share)
        self.bars(
            x[known], share[known], table["share_low"].to_numpy(float)[known],
            table["share_high"].to_numpy(float)[known],
        )  # fmt: skip
        top = float(table["share_high"].max()) if known.any() else 1.0
        for number, (at, name) in enumerate(zip(x[known], table["movie"][known], strict=True)):
            # one above the other, so that movies of one dose can be told apart
            text = pg.TextItem(str(name), color=BRIGHT, anchor=(0.5, 1.0))
            text.setPos(at, top * (1.04 + 0.09 * (number % 4)))
            self.plot.addItem(text, ignoreBounds=True)
        self.axes(words, "share of sites with an event")
        self.plot.setXRange(0, 1.25 * float(x[known].max(initial=1e-9)), padding=0)
        self.plot.setYRange(0, 1.45 * top, padding=0)
        missing = table["movie"][~known].tolist()
        return "95 % intervals" + (f" · no dose or frame time: {', '.join(missing)}" if missing else "")

    def comparison(self, table: pd.DataFrame, first: str, second: str, words: list[str]) -> str:
        """Ratios of the rates of two movies on a logarithmic axis."""
        value = table["value"].to_numpy(float)
        good = (table["comparison"] == "ratio").to_numpy() & np.isfinite(value) & (value > 0)
        rows, value = table[good].iloc[::-1], value[good][::-1]
        at = np.arange(len(rows), dtype=float)
        low = np.log10(np.maximum(rows["low"].to_numpy(float), value / 50))
        high = np.log10(np.minimum(rows["high"].to_numpy(float), value * 50))
        middle = np.log10(value)
        pen = pg.mkPen(BRIGHT)
        self.plot.addItem(pg.ErrorBarItem(x=middle, y=at, left=middle - low, right=high - middle, pen=pen))
        self.plot.addItem(pg.ScatterPlotItem(middle, at, size=7, brush=BRIGHT, pen=None))
        even = pg.mkPen("#8d99a6", style=Qt.PenStyle.DashLine)
        self.plot.addItem(pg.InfiniteLine(0.0, angle=90, pen=even))
        names = [f"{g}, p = {p:.2g}" for g, p in zip(rows["group"], rows["p"], strict=True)]
        self.plot.getAxis("left").setTicks([[(float(i), name) for i, name in enumerate(names)]])
        self.axes(f"rate in {second} / rate in {first}", "")
        reach = self.plot.getPlotItem().vb.viewRange()[0]
        nice = [(float(np.log10(t)), f"{t:g}") for t in RATIOS if reach[0] < np.log10(t) < reach[1]]
        self.plot.getAxis("bottom").setTicks([nice])
        return " · ".join([f"{second} against {first}", *words, "95 % intervals, p not corrected"])

    # -- parts -------------------------------------------------------------
    def line(self, x: NDArray, y: NDArray, colour: str) -> None:
        """One line; NaN leaves a gap."""
        self.plot.addItem(pg.PlotDataItem(x, y, pen=pg.mkPen(colour, width=2), connect="finite"))

    def band(self, x: NDArray, low: NDArray, high: NDArray, colour: str) -> None:
        """An interval as dotted lines: a filled band would hide what lies behind it."""
        pen = pg.mkPen(colour, width=1, style=Qt.PenStyle.DotLine)
        for y in (low, high):
            self.plot.addItem(pg.PlotDataItem(x, y, pen=pen, connect="finite"))

    def bars(self, x: NDArray, value: NDArray, low: NDArray, high: NDArray) -> None:
        """Points with intervals; those without a known interval are left out."""
        known = np.isfinite(low) & np.isfinite(high)
        x, value, low, high = x[known], value[known], low[known], high[known]
        bars = pg.ErrorBarItem(x=x, y=value, top=high - value, bottom=value - low, pen=pg.mkPen(BRIGHT))
        self.plot.addItem(bars)
        self.plot.addItem(pg.ScatterPlotItem(x, value, size=6, brush=BRIGHT, pen=None))

    def axes(self, bottom: str, left: str) -> None:
        """Name the axes, and show all."""
        self.plot.setLabel("bottom", bottom)
        self.plot.setLabel("left", left)
        self.plot.enableAutoRange()
        self.plot.autoRange()

    def right(self, x: NDArray, y: NDArray, label: str, reach: tuple[float, float] | None) -> None:
        """A second quantity with an axis of its own at the right."""
        item = self.plot.getPlotItem()
        right = pg.ViewBox()
        item.showAxis("right")
        item.scene().addItem(right)
        item.getAxis("right").linkToView(right)
        item.getAxis("right").setLabel(label, color=RIGHT_COLOUR)
        right.setXLink(item.vb)
        right.addItem(pg.PlotDataItem(x, y, pen=pg.mkPen(RIGHT_COLOUR, width=2), connect="finite"))
        if reach is not None:
            right.setYRange(*reach, padding=0)
        right.setGeometry(item.vb.sceneBoundingRect())
        item.vb.sigResized.connect(lambda: right.setGeometry(item.vb.sceneBoundingRect()))
        self._right = right

    def clear(self) -> None:
        """Take everything out of the plot."""
        if self._right is not None:
            self.plot.getPlotItem().hideAxis("right")
            self.plot.scene().removeItem(self._right)
            self._right = None
        self.plot.clear()
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setTicks(None)

    def _time(self, found: InTime) -> NDArray[np.float64]:
        return found.atoms["frame"].to_numpy(float) * found.step

    def _motion_time(self, found: InTime) -> NDArray[np.float64]:
        return found.motion["frame"].to_numpy(float) * found.step


def time_words(unit: str) -> str:
    """Name of the time axis."""
    return "time (s)" if unit == "s" else "frame"


def state_colours(value: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours (T, n, 3) of states: counts in their own, empty white, not observed (NaN) grey."""
    top = int(max(1.0, np.nanmax(value, initial=1.0)))
    colours = np.ones((*value.shape, 3))
    colours[np.isnan(value)] = palette.hex_to_rgb(palette.UNOBSERVED_COLOUR)
    filled = np.nan_to_num(value) > 0
    colours[filled] = palette.count_colours(top)[:, :3][np.clip(value[filled], 1, top).astype(int) - 1]
    return np.asarray(np.round(colours * 255), np.uint8)
