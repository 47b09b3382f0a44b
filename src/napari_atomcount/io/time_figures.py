"""Figures of what happens in time, for the page: occurrence, rates, dwell times, atoms, kymograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import drawing, palette
from napari_atomcount.io.logs import Log
from napari_atomcount.records.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_MM = 52.0
LOG_MM = 20.0
OCCUPIED_COLOUR, EMPTY_COLOUR = "#0072B2", "#D55E00"  # Okabe and Ito's, as the events'
LOG_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")


def panels(
    rows: int = 1, columns: int = 1, height_mm: float = HEIGHT_MM, **keywords: Any
) -> tuple[Figure, Any]:
    """A figure of column width with bare axes."""
    from matplotlib.figure import Figure

    size = (drawing.WIDTH_MM / drawing.MM_PER_INCH, height_mm / drawing.MM_PER_INCH)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, **keywords)
    for ax in np.ravel(axes):
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def occurrence_figure(
    image: NDArray[Any], sites: pd.DataFrame, calibration: Calibration, *, title: str = ""
) -> Figure:
    """The occupancy of every site over the mean frame, with its interval (cf. thesis Fig. 6.26).

    The left half of each disc shows the lower end of the 95 % interval, the right half the upper end: where
    the halves differ, the movie does not tell more.

    Parameters
    ----------
    image
        (Y, X) the background in frame 0's coordinates.
    sites
        The sites table.
    calibration, title
        Scale bar; shown above.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Wedge

    with drawing.style():
        window = drawing.window_around(sites, image.shape)
        figure, axes = drawing.canvas(image, calibration, title, window)
        y, x = drawing.to_units(sites["y"], sites["x"], calibration)
        radius = drawing.disc_diameter(y, x) * 0.6
        for name, begin in (("occupancy_low", 90), ("occupancy_high", 270)):
            colours = palette.map_colours(sites[name].to_numpy(float), palette.OCCUPANCY_MAP)
            halves = [Wedge((b, a), radius, begin, begin + 180) for a, b in zip(y, x, strict=True)]
            axes.add_collection(
                PatchCollection(halves, facecolors=colours, edgecolors="black", linewidths=0.2), autolim=False
            )
        drawing.even_bar(figure, axes, palette.OCCUPANCY_MAP, "occupancy, ends of the 95 % interval")
        return figure


def rate_figure(rates: pd.DataFrame, unit: str, log: Log | None = None, *, title: str = "") -> Figure:
    """Rate of events against time with 95 % intervals, and a log under it.

    Parameters
    ----------
    rates
        Of `measure.kinetics.rate_in_time`.
    unit
        "s" or "frame".
    log
        Aligned with the movie; only where the time is in s.
    """
    logged = [] if log is None or unit != "s" else log.drawn[:3]
    with drawing.style():
        figure, axes = panels(
            1 + len(logged),
            height_mm=HEIGHT_MM + LOG_MM * len(logged),
            sharex=True,
            squeeze=False,
            height_ratios=(2.2, *[1.0] * len(logged)),
        )
        top = axes[0, 0]
        spread = np.array([rates["rate"] - rates["low"], rates["high"] - rates["rate"]])
        top.errorbar(
            rates["time"], rates["rate"], yerr=np.nan_to_num(spread), fmt="o", color="black", markersize=3,
            elinewidth=0.7, capsize=1.5,
        )  # fmt: skip
        top.set(ylabel=f"events per site and {unit}", title=title)
        top.set_ylim(bottom=0)
        first = float(rates["time"].min()) if len(rates) else 0.0
        last = float(rates["time"].max()) if len(rates) else 1.0
        margin = 0.04 * max(last - first, 1e-9)
        axes[-1, 0].set_xlim(first - margin, last + margin)
        _draw_log(axes[1:, 0], log, logged, first, last)
        axes[-1, 0].set_xlabel("time (s)" if unit == "s" else "frame")
        return figure


def _draw_log(axes: Any, log: Log | None, quantities: list[str], first: float, last: float) -> None:
    """Each quantity in its own axes; its range is that of the time shown."""
    for ax, quantity, colour in zip(axes, quantities, LOG_COLOURS, strict=False):
        assert log is not None
        ax.plot(log.time_s, log.values[quantity], color=colour)
        label = log.label(quantity)
        ax.set_ylabel(label.replace(" (", "\n(") if len(label) > 12 else label, fontsize=5.0)
        inside = log.values[quantity][(log.time_s >= first) & (log.time_s <= last)]
        inside = inside[np.isfinite(inside)]
        if len(inside):
            margin = 0.1 * max(float(np.ptp(inside)), 1e-3 * abs(float(inside.mean())), 1e-9)
            ax.set_ylim(float(inside.min()) - margin, float(inside.max()) + margin)


def groups_figure(table: pd.DataFrame, by: str, unit: str, *, title: str = "") -> Figure:
    """Share of hopping sites, and rate of events, for groups of like sites; with 95 % intervals.

    Parameters
    ----------
    table
        Of `measure.kinetics.rates_by`.
    by
        Its first column, for instance ``coordination``.
    unit
        "s" or "frame".
    """
    with drawing.style():
        figure, (left, right) = panels(1, 2)
        at = np.arange(len(table))
        for ax, name, low, high in (
            (left, "share", "share_low", "share_high"), (right, "rate", "low", "high")
        ):  # fmt: skip
            value = table[name].to_numpy(float)
            spread = np.array([value - table[low].to_numpy(float), table[high].to_numpy(float) - value])
            ax.bar(at, np.nan_to_num(value), color="#BDBDBD", edgecolor="black", linewidth=0.5)
            ax.errorbar(
                at, value, yerr=np.clip(np.nan_to_num(spread), 0, None), fmt="none", color="black",
                elinewidth=0.7, capsize=1.5,
            )  # fmt: skip
            ax.set_xticks(at, [f"{g}\n({n})" for g, n in zip(table[by], table["n_sites"], strict=True)])
            ax.set_xlabel("neighbours (sites)" if by == "coordination" else f"{by} (sites)")
        left.set(ylabel="share of sites with an event", ylim=(0, 1.02))
        right.set(ylabel=f"events per site and {unit}")
        right.set_ylim(bottom=0)
        figure.suptitle(title)
        return figure


def dwell_figure(curves: dict[str, pd.DataFrame], step: float, unit: str, *, title: str = "") -> Figure:
    """Survival of occupied and empty stays, Kaplan-Meier with 95 % intervals.

    Parameters
    ----------
    curves
        "occupied" and "empty": tables of `measure.dwelling.survival`, times in frames.
    step
        Length of a frame in `unit`.
    unit
        "s" or "frame".
    """
    with drawing.style():
        figure, ax = panels()
        for name, colour in (("occupied", OCCUPIED_COLOUR), ("empty", EMPTY_COLOUR)):
            curve = curves.get(name)
            if curve is None or not len(curve) or not int(curve["at_risk"].iloc[0]):
                continue
            time = curve["time"].to_numpy(float) * step
            number = int(curve["at_risk"].iloc[0])
            ax.step(time, curve["survival"], where="post", color=colour, label=f"{name} ({number} stays)")
            ax.fill_between(
                time, curve["low"].to_numpy(float), curve["high"].to_numpy(float), step="post", color=colour,
                alpha=0.2, lw=0,
            )  # fmt: skip
        ax.set(xlabel=f"time since it began ({unit})", ylabel="share that lasts longer", ylim=(0, 1.02))
        ax.set_xlim(left=0)
        ax.set_title(title)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False)
        else:
            ax.text(0.5, 0.5, "no stay whose beginning was seen", ha="center", transform=ax.transAxes)
        return figure


def atoms_figure(
    time: NDArray[np.float64], atoms: pd.DataFrame, unit: str, log: Log | None = None, *, counts: bool = True
) -> Figure:
    """Atoms (or occupied sites) of the whole specimen against time, and a log under it.

    Parameters
    ----------
    time
        (T,) s or frames.
    atoms
        Of `measure.kinetics.atoms_in_time`.
    unit
        "s" or "frame".
    log
        Aligned with the movie.
    counts
        Whether the model counts; else occupied sites are drawn.
    """
    logged = [] if log is None or unit != "s" else log.drawn[:3]
    with drawing.style():
        figure, axes = panels(
            1 + len(logged), height_mm=HEIGHT_MM + LOG_MM * len(logged), sharex=True, squeeze=False,
            height_ratios=(2.2, *[1.0] * len(logged)),
        )  # fmt: skip
        axes[0, 0].plot(time, atoms["atoms" if counts else "occupied"], color="black", drawstyle="steps-mid")
        axes[0, 0].set_ylabel("atoms at all sites" if counts else "occupied sites")
        axes[0, 0].yaxis.get_major_locator().set_params(integer=True)
        if len(time) > 1:
            axes[-1, 0].set_xlim(time[0], time[-1])
            _draw_log(axes[1:, 0], log, logged, float(time[0]), float(time[-1]))
        axes[-1, 0].set_xlabel("time (s)" if unit == "s" else "frame")
        return figure


def kymograph_figure(
    value: NDArray[np.float64],
    distance_nm: NDArray[np.float64],
    time: NDArray[np.float64],
    unit: str,
    *,
    max_count: int | None = None,
    title: str = "",
) -> Figure:
    """States of the sites along a line through time; empty is white, not observed grey.

    Parameters
    ----------
    value
        (T, n) counts; 0 empty, NaN not observed.
    distance_nm
        (n,) along the line.
    time
        (T,) s or frames.
    unit
        "s" or "frame".
    max_count
        Upper end of the colours; the largest by default.
    """
    with drawing.style():
        figure, ax = panels(height_mm=64.0)
        top = int(max_count or max(1.0, np.nanmax(value, initial=1.0)))
        colours = np.ones((*value.shape, 3))
        colours[np.isnan(value)] = palette.hex_to_rgb(palette.UNOBSERVED_COLOUR)
        filled = np.nan_to_num(value) > 0
        table = palette.count_colours(top)[:, :3]
        colours[filled] = table[np.clip(value[filled], 1, top).astype(int) - 1]
        step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
        n = value.shape[1]
        extent = (time[0] - step / 2, time[-1] + step / 2, -0.5, n - 0.5) if len(time) else (0, 1, -0.5, 0.5)
        picture = np.swapaxes(colours, 0, 1)
        ax.imshow(picture, aspect="auto", extent=extent, origin="lower", interpolation="nearest")
        every = max(1, n // 8)
        ax.set_yticks(range(0, n, every), [f"{d:.2f}" for d in distance_nm[::every]])
        ax.set(ylabel="along the line (nm)", xlabel="time (s)" if unit == "s" else "frame", title=title)
        if top > 1:
            drawing.count_bar(figure, ax, top)
        return figure


def axes_of(figure: Figure) -> list[Axes]:
    """The axes of a figure, for tests and the dock's dark style."""
    return list(figure.axes)
