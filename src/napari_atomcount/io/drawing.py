"""What the figures are drawn with: a canvas of column width with a scale bar, discs in nm, legends.

matplotlib is imported when something is drawn, without pyplot: no screen and no global state is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_atomcount.io import palette
from napari_atomcount.records.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 85.0
DPI = 400
MM_PER_INCH = 25.4
DISC_SHARE = 0.45  # of a disc's diameter in the distance between neighbours
Window = tuple[slice, slice]  # (y, x), px
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 7.0,
    "axes.linewidth": 0.6,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "lines.linewidth": 0.9,
    "svg.fonttype": "none",  # text stays text, for the journal's own editor
    "svg.hashsalt": "napari-atomcount",  # the same data give the same file
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults replaced by the journal's sizes for the time of one drawing."""
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, STYLE)):
        yield


def units_per_px(calibration: Calibration) -> tuple[float, float]:
    """(y, x) nm per px, or 1 px per px without a pixel size."""
    return calibration.pixel_size_nm or (1.0, 1.0)


def to_units(
    y: pd.Series[Any], x: pd.Series[Any], calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions in px to the axes' unit: nm, or px without a pixel size."""
    per_y, per_x = units_per_px(calibration)
    return y.to_numpy(float) * per_y, x.to_numpy(float) * per_x


def window_around(table: pd.DataFrame, shape: tuple[int, ...], margin: float = 0.2) -> Window:
    """The part of an image that holds the places of a table, with a margin relative to their extent, px."""
    if len(table) < 2:
        return slice(0, shape[0]), slice(0, shape[1])
    ends = [(table[axis].min(), table[axis].max()) for axis in ("y", "x")]
    extra = margin * max(high - low for low, high in ends)
    parts = [
        slice(max(0, int(low - extra)), min(size, int(np.ceil(high + extra)) + 1))
        for (low, high), size in zip(ends, shape, strict=True)
    ]
    return parts[0], parts[1]


def canvas(
    image: NDArray[Any], calibration: Calibration, title: str, window: Window | None = None
) -> tuple[Figure, Axes]:
    """A figure of column width with the image, or a window of it, in grey and a scale bar."""
    from matplotlib.figure import Figure
    from matplotlib_scalebar.scalebar import ScaleBar

    per_y, per_x = units_per_px(calibration)
    part_y, part_x = window or (slice(0, image.shape[0]), slice(0, image.shape[1]))
    image = image[part_y, part_x]
    rows, cols = image.shape
    height = WIDTH_MM * 0.84 * np.clip(rows * per_y / (cols * per_x), 0.3, 1.6) + 8.0
    figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, height / MM_PER_INCH), layout="constrained")
    axes = figure.subplots()
    pixels = np.asarray(image, float)
    finite = pixels[np.isfinite(pixels)]
    low, high = (float(np.percentile(finite, p)) if finite.size else 0.0 for p in (0.5, 99.5))
    if high <= low:  # nothing to see: white, as paper
        low, high = high - 1.0, high
    # pixel centres lie on integers, so the image begins half a pixel before 0
    left, right, top, bottom = part_x.start - 0.5, part_x.stop - 0.5, part_y.start - 0.5, part_y.stop - 0.5
    extent = (left * per_x, right * per_x, bottom * per_y, top * per_y)
    axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    axes.set_title(title)
    if calibration.pixel_size_nm is not None:
        axes.set(xticks=[], yticks=[])
        bar = ScaleBar(
            1.0,
            "nm",
            fixed_value=_round_length(0.22 * cols * per_x),
            fixed_units="nm",
            scale_formatter=lambda value, unit: f"{value:g} {unit}",
            location="lower left",
            color="white",
            box_color="black",
            box_alpha=0.6,
            width_fraction=0.015,
            border_pad=0.4,
        )
        axes.add_artist(bar)
    else:
        axes.set(xlabel="x (px; pixel size unknown)", ylabel="y (px)")
    return figure, axes


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not longer, nm."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step for step in (1, 2, 5) if step * power <= length * 1.001) * power)


def disc_diameter(y: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """A good part of the usual distance between neighbours, so that the image shows between discs."""
    if len(y) < 2:
        return 0.05 * float(max(np.max(y, initial=1.0), np.max(x, initial=1.0)))
    places = np.column_stack([y, x])
    distance = np.asarray(cKDTree(places).query(places, k=2)[0])
    return DISC_SHARE * float(np.median(distance[:, 1]))


def discs(
    axes: Axes,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    diameter: float,
    colours: NDArray[np.float64] | str,
    *,
    hollow: bool = False,
    alpha: float | None = None,
    marker: str = "o",
) -> None:
    """Discs, or other markers, of a size in the axes' unit: they keep it at every zoom and print width."""
    from matplotlib.collections import EllipseCollection, PolyCollection
    from matplotlib.colors import to_rgba_array
    from matplotlib.markers import MarkerStyle

    edges: Any = colours
    if not hollow:  # an edge that stands out from its disc
        red, green, blue = to_rgba_array(colours).T[:3]
        edges = np.where(0.21 * red + 0.72 * green + 0.07 * blue > 0.45, "black", "white")
    look: dict[str, Any] = {
        "facecolors": "none" if hollow else colours,
        "edgecolors": edges,
        "linewidths": 0.8 if hollow else 0.3,
        "alpha": alpha,
    }
    centres = np.column_stack([x, y])
    if marker == "o":
        size = np.full(len(y), diameter)
        look |= {"units": "xy", "offsets": centres, "offset_transform": axes.transData}
        axes.add_collection(EllipseCollection(size, size, np.zeros(len(y)), **look), autolim=False)
        return
    style = MarkerStyle(marker)
    (corners,) = style.get_path().transformed(style.get_transform()).to_polygons()
    outline = np.asarray(corners, float) * [1.0, -1.0]  # images grow downwards
    outline /= np.ptp(outline, axis=0).max()
    axes.add_collection(PolyCollection(list(centres[:, None] + diameter * outline), **look), autolim=False)


def class_diameter(
    table: pd.DataFrame, places: tuple[NDArray[np.float64], NDArray[np.float64]], classes: Sequence[str]
) -> float:
    """Diameter of the first class' discs: by the distance between them, and clear of the others' marks.

    Parameters
    ----------
    table, places, classes
        As in :func:`class_discs`.
    """
    y, x = places
    if len(classes) < 2:
        return disc_diameter(y, x)
    first = palette.class_numbers(table["label"], classes) == 0
    among_all = disc_diameter(y, x)
    apart = among_all / DISC_SHARE / (0.5 + 0.5 * palette.OTHER_CLASS_SIZE)
    return min(disc_diameter(y[first], x[first]), 0.95 * apart) if first.sum() > 1 else among_all


def class_discs(
    axes: Axes,
    table: pd.DataFrame,
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
    diameter: float,
    colours: NDArray[np.float64] | str,
    classes: Sequence[str],
    *,
    hollow: bool = False,
) -> None:
    """Marks of columns or sites, each in the shape of its class; discs where the model has one class.

    Parameters
    ----------
    table
        N rows with ``label``; without classes it may lack it.
    places
        y and x of each in the axes' unit.
    diameter
        Of the first class' disc, in the axes' unit.
    colours
        (N, 4), or one for all.
    classes
        Of the model, in its order.
    """
    y, x = places
    if len(classes) < 2:
        discs(axes, y, x, diameter, colours, hollow=hollow)
        return
    number = palette.class_numbers(table["label"], classes)
    for kind in np.unique(number):
        own = number == kind
        theirs = colours if isinstance(colours, str) else colours[own]
        size = diameter * float(palette.class_sizes(kind))
        discs(axes, y[own], x[own], size, theirs, hollow=hollow, marker=palette.CLASS_MARKERS[kind])


def class_key(figure: Figure, classes: Sequence[str]) -> None:
    """The key of the shapes under a figure; nothing where the model has one class."""
    from matplotlib.lines import Line2D

    if len(classes) < 2:
        return
    number = palette.class_numbers(classes, classes)
    look: dict[str, Any] = {"ls": "none", "mfc": "white", "mec": "black", "mew": 0.6}
    handles = [
        Line2D([], [], marker=palette.CLASS_MARKERS[k], markersize=5.0 * size, label=name, **look)
        for name, k, size in zip(classes, number.tolist(), palette.class_sizes(number), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(classes), frameon=False)


def count_bar(figure: Figure, axes: Axes, top: int) -> None:
    """The discrete legend of the counts 1..top."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(0.5, top + 1)
    mappable = ScalarMappable(BoundaryNorm(edges, top), ListedColormap(palette.count_colours(top)))
    step = 1 if top <= 14 else 2 if top <= 28 else 5
    bar = figure.colorbar(mappable, ax=axes, shrink=0.85, aspect=28, pad=0.02, ticks=range(1, top + 1, step))
    bar.ax.tick_params(length=0)
    bar.set_label("atoms in the column")


def even_bar(figure: Figure, axes: Axes, name: str, label: str) -> None:
    """The legend of a fraction in 0..1."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    mappable = ScalarMappable(Normalize(0.0, 1.0), ListedColormap(palette.colour_table(name)))
    figure.colorbar(mappable, ax=axes, shrink=0.85, aspect=28, pad=0.02).set_label(label)
