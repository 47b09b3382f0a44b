"""Figures of what is read from strain: a line's profile, an interface, facets, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import drawing, palette
from napari_atomcount.io.strain_figures import (
    STRAIN_MAP,
    TITLES,
    Z95,
    even_limit,
    strain_colours,
)
from napari_atomcount.records.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "black", "#E69F00", "#56B4E9")
#: Facets whose strain is drawn against time: the longest.
FACETS_DRAWN = 3


def profile_figure(
    profile: pd.DataFrame, calibration: Calibration, components: Sequence[str] = ("exx", "eyy")
) -> Figure:
    """Strain along a drawn line with its 95 % errors.

    Parameters
    ----------
    profile
        ``distance_px``, the components and their ``sigma_``, as the line profile of a strain table has them.
    calibration
        Its pixel size makes the axis nm.
    components
        Which.
    """
    from matplotlib.figure import Figure

    with drawing.style():
        size = (drawing.WIDTH_MM / drawing.MM_PER_INCH, 55 / drawing.MM_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        per = float(np.mean(calibration.pixel_size_nm)) if calibration.pixel_size_nm else 1.0
        colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "black")
        for component, colour in zip(components, colours, strict=False):
            scale = 1.0 if component == "rotation" else 100.0
            axes.errorbar(
                profile["distance_px"] * per,
                scale * profile[component],
                Z95 * scale * profile[f"sigma_{component}"],
                fmt="o-",
                markersize=3,
                color=colour,
                label=TITLES.get(component, component),
                capsize=1.5,
            )
        axes.axhline(0, color="0.6", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(xlabel=f"distance ({'nm' if calibration.pixel_size_nm else 'px'})", ylabel="strain (%)")
        axes.legend(frameon=False)
        return figure


def facets_figure(image: NDArray[Any], relaxations: pd.DataFrame, calibration: Calibration) -> Figure:
    """Surface relaxation along the facets' normals: where, and each facet's columns with their 95 % errors.

    Parameters
    ----------
    image
        (Y, X) the background.
    relaxations
        facet, normal_deg, y, x, relaxation, sigma_relaxation, reference.
    calibration
        Its pixel size makes the axes nm.
    """
    from matplotlib.figure import Figure

    with drawing.style():
        figure = Figure(figsize=(2 * drawing.WIDTH_MM / drawing.MM_PER_INCH, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        per_y, per_x = drawing.units_per_px(calibration)
        part_y, part_x = drawing.window_around(relaxations, image.shape)
        extent = (part_x.start * per_x, part_x.stop * per_x, part_y.stop * per_y, part_y.start * per_y)
        left.imshow(image[part_y, part_x], cmap="gray", extent=extent)
        value = 100 * relaxations["relaxation"].to_numpy(float)
        end = even_limit(value)
        y, x = drawing.to_units(relaxations["y"], relaxations["x"], calibration)
        left.scatter(x, y, s=26, c=strain_colours(value, end), edgecolors="black", linewidths=0.3)
        unit = "nm" if calibration.pixel_size_nm else "px"
        left.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})")
        reference = relaxations["reference"].iloc[0] if len(relaxations) else ""
        left.set_title(f"surface relaxation, relative to: {reference}")
        for number, own in relaxations.groupby("facet"):
            place = int(str(number)) + np.linspace(-0.3, 0.3, len(own))
            colour = COLOURS[int(str(number)) % len(COLOURS)]
            right.errorbar(
                place, 100 * own["relaxation"], 100 * Z95 * own["sigma_relaxation"], fmt="o", markersize=3,
                color=colour, capsize=1.5, lw=0.6,
            )  # fmt: skip
            where = own[["x", "y"]].mean()
            left.annotate(
                str(number),
                (where["x"] * per_x, where["y"] * per_y),
                color=colour,
                weight="bold",
                ha="center",
            )
        right.axhline(0, color="0.6", lw=0.6)
        normals = relaxations.groupby("facet")["normal_deg"].first()
        labels = [f"{number}\n{angle:.0f}\u00b0" for number, angle in normals.items()]
        right.set_xticks(np.arange(len(labels)), labels)
        right.set(xlabel="facet, direction of its normal", ylabel="strain along the normal (%)")
        right.spines[["top", "right"]].set_visible(False)
        return figure


def time_figure(series: pd.DataFrame, calibration: Calibration) -> Figure:
    """Mean planar strain of parts of the specimen against time, with 95 % errors.

    Parameters
    ----------
    series
        part, frame, planar, sigma.
    calibration
        Its frame time makes the axis s.
    """
    from matplotlib.figure import Figure

    with drawing.style():
        size = (drawing.WIDTH_MM / drawing.MM_PER_INCH, 62 / drawing.MM_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        step = calibration.frame_time_s or 1.0
        parts = list(series.groupby("part", sort=False))[: 1 + FACETS_DRAWN]  # more would hide each other
        for (name, own), colour in zip(parts, COLOURS, strict=False):
            axes.errorbar(
                own["frame"] * step, 100 * own["planar"], 100 * Z95 * own["sigma"], fmt="o-", markersize=2,
                lw=0.6, capsize=1.0, color="black" if name == "all" else colour, label=str(name),
            )  # fmt: skip
        axes.axhline(0, color="0.6", lw=0.6)
        axes.set(xlabel="time (s)" if calibration.frame_time_s else "frame", ylabel="mean planar strain (%)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=5)
        return figure


def interface_figure(
    table: pd.DataFrame,
    turned: pd.DataFrame,
    start: tuple[float, float],
    end: tuple[float, float],
    calibration: Calibration,
) -> Figure:
    """Strain parallel and normal to a drawn interface, and the planar strain (thesis Fig. 6.27).

    Parameters
    ----------
    table
        STRAIN of one frame.
    turned
        ``parallel`` and ``normal`` of its rows.
    start, end
        (y, x) px of the line.
    calibration
        Its pixel size makes the axes nm.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    with drawing.style():
        figure = Figure(figsize=(2 * drawing.WIDTH_MM / drawing.MM_PER_INCH, 2.3), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        values = {"parallel": turned["parallel"], "normal": turned["normal"], "planar": table["planar"]}
        limit = even_limit(100 * np.concatenate([v.to_numpy(float) for v in values.values()]))
        y, x = drawing.to_units(table["y"], table["x"], calibration)
        diameter = 1.7 * drawing.disc_diameter(y, x)
        per_y, per_x = drawing.units_per_px(calibration)
        unit = "nm" if calibration.pixel_size_nm else "px"
        for ax, (name, value) in zip(panels, values.items(), strict=True):
            colours = strain_colours(100 * value.to_numpy(float), limit)
            drawing.discs(ax, y, x, diameter, colours)
            ax.plot([start[1] * per_x, end[1] * per_x], [start[0] * per_y, end[0] * per_y], "k--", lw=0.8)
            ax.set_xlim(x.min() - 2 * diameter, x.max() + 2 * diameter)
            ax.set_ylim(y.max() + 2 * diameter, y.min() - 2 * diameter)
            ax.set(title=TITLES[name], aspect="equal", xlabel=f"x ({unit})")
        panels[0].set_ylabel(f"y ({unit})")
        mappable = ScalarMappable(Normalize(-limit, limit), ListedColormap(palette.colour_table(STRAIN_MAP)))
        bar = figure.colorbar(mappable, ax=panels, shrink=0.85)
        reference = table["reference"].iloc[0] if len(table) else ""
        bar.set_label(f"% relative to: {reference}")
        return figure
