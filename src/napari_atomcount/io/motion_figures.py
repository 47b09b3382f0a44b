"""Figures of what moves, for the page: the specimen as a whole, free adatoms; and classes' brightness."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import drawing, palette
from napari_atomcount.io.time_figures import HEIGHT_MM, panels
from napari_atomcount.records.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_MM = 22.0
X_COLOUR, Y_COLOUR = "#0072B2", "#D55E00"  # Okabe and Ito's
LABEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
TRACK_MAP = "batlow"


def _time(table: pd.DataFrame, unit: str) -> NDArray[np.float64]:
    return np.asarray(table["time_s" if unit == "s" else "frame"], dtype=float)


def motion_figure(motion: pd.DataFrame, unit: str, *, title: str = "") -> Figure:
    """Shift, turn and scale of the specimen against time, and how sure the registration is.

    Parameters
    ----------
    motion
        Of `pipeline.time_tables.motion_of`; turn and scale are drawn where they are in it, with two standard
        errors.
    unit
        "s" or "frame".
    """
    more = [n for n in ("rotation", "scale") if n in motion]
    with drawing.style():
        figure, axes = panels(
            2 + len(more), height_mm=30.0 + PANEL_MM * (1 + len(more)), sharex=True, squeeze=False,
            height_ratios=(1.6, *[1.0] * (1 + len(more))),
        )  # fmt: skip
        time = _time(motion, unit)
        for name, words, colour in (("dx_nm", "x", X_COLOUR), ("dy_nm", "y", Y_COLOUR)):
            axes[0, 0].plot(time, motion[name], color=colour, label=words)
        axes[0, 0].set(ylabel="shift (nm)", title=title)
        axes[0, 0].legend(frameon=False, ncols=2)
        for ax, name in zip(axes[1:, 0], more, strict=False):
            value = motion[name].to_numpy(float)
            turns = name == "rotation"
            factor, offset, label = (1.0, 0.0, "turn (°)") if turns else (100.0, 1.0, "scale (%)")
            sigma = 2 * factor * np.nan_to_num(motion[f"{name}_sigma"].to_numpy(float))
            value = (value - offset) * factor
            ax.plot(time, value, color="black")
            ax.fill_between(time, value - sigma, value + sigma, color="black", alpha=0.25, lw=0)
            ax.set_ylabel(label)
        axes[-1, 0].plot(time, motion["confidence"], color="black", drawstyle="steps-mid")
        axes[-1, 0].set(ylabel="confidence", ylim=(-0.03, 1.05))
        axes[-1, 0].set_xlabel("time (s)" if unit == "s" else "frame")
        figure.align_ylabels()
        return figure


def adatoms_figure(
    image: NDArray[Any],
    tracks: pd.DataFrame,
    sites: pd.DataFrame,
    calibration: Calibration,
    *,
    title: str = "",
) -> Figure:
    """Trajectories of free adatoms over the mean frame, coloured by time.

    Parameters
    ----------
    image
        (Y, X) the background in frame 0's coordinates.
    tracks
        Of `measure.adatoms.follow_adatoms`.
    sites
        The sites table, for the part of the image that is shown.
    calibration, title
        Scale bar; shown above.
    """
    from matplotlib.collections import LineCollection

    with drawing.style():
        size = calibration.require_pixel_size()
        own = tracks.assign(y=tracks["y_nm"] / size[0], x=tracks["x_nm"] / size[1])
        window = drawing.window_around(pd.concat([sites[["y", "x"]], own[["y", "x"]]]), image.shape)
        figure, axes = drawing.canvas(image, calibration, title, window)
        y, x = drawing.to_units(own["y"], own["x"], calibration)
        last = max(1.0, float(own["frame"].max()))
        lines, when = [], []
        for rows in own.groupby("track_id").indices.values():
            for a, b in itertools.pairwise(rows):
                lines.append([(x[a], y[a]), (x[b], y[b])])
                when.append(float(own["frame"].iloc[b]) / last)
        colours = palette.map_colours(np.array(when), TRACK_MAP) if lines else None
        axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.2), autolim=False)
        dots = palette.map_colours(own["frame"].to_numpy(float) / last, TRACK_MAP)
        axes.scatter(x, y, s=9, c=dots, linewidths=0.3, edgecolors="black", zorder=3)
        drawing.even_bar(figure, axes, TRACK_MAP, f"time, from frame 0 to {int(last)}")
        return figure


def intensity_figure(table: pd.DataFrame, unit: str, *, title: str = "") -> Figure:
    """Mean intensity of the sites of each class against time, with 95 % intervals.

    Parameters
    ----------
    table
        Of `measure.brightness.class_brightness`.
    unit
        "s" or "frame".
    """
    labels = list(pd.unique(table["label"]))
    with drawing.style():
        figure, axes = panels(
            len(labels), height_mm=HEIGHT_MM * (0.4 + 0.45 * len(labels)), sharex=True, squeeze=False
        )
        for ax, label, colour in zip(axes[:, 0], labels, LABEL_COLOURS * len(labels), strict=False):
            own = table[table["label"] == label]
            time = _time(own, unit)
            ax.plot(time, own["mean"], color=colour)
            ax.fill_between(
                time, own["low"].to_numpy(float), own["high"].to_numpy(float), color=colour, alpha=0.25, lw=0
            )
            ax.set_ylabel(f"{label} ({int(own['n_sites'].max())} sites)\nI / level − 1")
        axes[0, 0].set_title(title)
        axes[-1, 0].set_xlabel("time (s)" if unit == "s" else "frame")
        return figure
