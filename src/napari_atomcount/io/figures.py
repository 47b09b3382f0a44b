"""Figures for the page: counts on a frame, occupancy map, event map, a site's trace; PNG and SVG.

Drawn at a journal's column width (85 mm) with a scale bar, in the colours of :mod:`napari_atomcount.io.palette`.
matplotlib is imported when a figure is drawn, without pyplot, so that no screen and no global state is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_atomcount.io import palette
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 85.0
DPI = 400
_MM_PER_INCH = 25.4
_STYLE: dict[str, Any] = {
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
def _style() -> Iterator[None]:
    """matplotlib's defaults replaced by the journal's sizes for the time of one drawing."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def counts_figure(
    image: NDArray[Any],
    columns: pd.DataFrame,
    calibration: Calibration,
    *,
    title: str = "",
    max_count: int | None = None,
) -> Figure:
    """One frame with its columns as discs coloured by the number of atoms.

    Parameters
    ----------
    image
        (Y, X) the frame, px of the file.
    columns
        The frame's rows of the columns table: y, x in px, count (-1 where the model does not count).
    calibration
        Its pixel size makes the scale bar; without one the axes are in px.
    title
        Shown above.
    max_count
        The upper end of the colours; the largest count by default.
    """
    with _style():
        figure, axes = _canvas(image, calibration, title)
        y, x = _to_units(columns["y"], columns["x"], calibration)
        count = columns["count"].to_numpy(float)
        diameter = _disc_diameter(y, x)
        counted = count >= 1
        if counted.any():
            top = int(max_count or count.max())
            colours = palette.count_colours(top)[np.clip(count[counted], 1, top).astype(int) - 1]
            _discs(axes, y[counted], x[counted], diameter, colours)
            _count_bar(figure, axes, top)
        if (~counted).any():
            _discs(axes, y[~counted], x[~counted], diameter, palette.UNCOUNTED_COLOUR, hollow=True)
        return figure


def occupancy_figure(
    image: NDArray[Any], sites: pd.DataFrame, calibration: Calibration, *, title: str = ""
) -> Figure:
    """The sites as discs coloured by the fraction of observed frames in which they hold a column.

    Parameters
    ----------
    image
        (Y, X) the background in frame 0's coordinates, for instance :func:`aligned_mean`.
    sites
        The sites table: y, x in px of frame 0, occupancy in 0..1 (NaN: never observed, grey).
    calibration, title
        As in :func:`counts_figure`.
    """
    with _style():
        figure, axes = _canvas(image, calibration, title)
        y, x = _to_units(sites["y"], sites["x"], calibration)
        colours = palette.map_colours(sites["occupancy"].to_numpy(float), palette.OCCUPANCY_MAP)
        _discs(axes, y, x, _disc_diameter(y, x), colours)
        _even_bar(figure, axes, palette.OCCUPANCY_MAP, "occupancy (fraction of frames)")
        return figure


def events_figure(
    image: NDArray[Any],
    sites: pd.DataFrame,
    events: pd.DataFrame,
    calibration: Calibration,
    *,
    title: str = "",
) -> Figure:
    """Where columns appeared (triangle up) and vanished (triangle down); larger where more often.

    Parameters
    ----------
    image, calibration, title
        As in :func:`occupancy_figure`.
    sites
        The sites table: site_id, y, x in px of frame 0.
    events
        The events table: site_id, kind.
    """
    with _style():
        figure, axes = _canvas(image, calibration, title)
        y, x = _to_units(sites["y"], sites["x"], calibration)
        diameter = _disc_diameter(y, x)
        _discs(axes, y, x, 0.35 * diameter, "white", alpha=0.5)
        place = pd.DataFrame({"y": y, "x": x}, index=sites["site_id"].to_numpy())
        kinds = [kind for kind in palette.EVENT_COLOURS if (events["kind"] == kind).any()]
        for index, kind in enumerate(kinds):
            number = events.loc[events["kind"] == kind, "site_id"].value_counts()
            where = place.loc[number.index]
            # beside each other, so that neither kind covers the other
            shift = (index - (len(kinds) - 1) / 2) * 0.5 * diameter
            axes.scatter(
                where["x"] + shift,
                where["y"],
                s=9.0 * np.sqrt(number.to_numpy(float)),
                marker=palette.EVENT_MARKERS[kind],
                color=palette.EVENT_COLOURS[kind],
                edgecolors="black",
                linewidths=0.3,
                label=f"{kind} ({int(number.sum())})",
            )
        if kinds:
            handles, labels = axes.get_legend_handles_labels()
            for handle in handles:
                handle.set_sizes([16.0])  # type: ignore[attr-defined]
            figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds), frameon=False)
        else:
            axes.set_xlabel("no events")
        return figure


def trace_figure(analysis: Analysis, site_id: int, calibration: Calibration) -> Figure:
    """One site through time: the probability that it is occupied, its state or count, its events.

    Parameters
    ----------
    analysis
        What the main job found.
    site_id
        A site of ``analysis.site_id``.
    calibration
        Its frame time makes the axis s; frames without one.

    Raises
    ------
    ValueError
        When the analysis has no such site.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    found = np.flatnonzero(analysis.site_id == site_id)
    if not len(found):
        raise ValueError(f"the analysis has no site {site_id}")
    state = analysis.state[:, found[0]].astype(float)
    probability = analysis.probability[:, found[0]]
    step = calibration.frame_time_s or 1.0
    time = analysis.frame * step
    row = analysis.sites.set_index("site_id").loc[site_id]
    rows = analysis.columns[analysis.columns["site_id"] == site_id]
    counts = bool((analysis.columns["count"] > 0).any())

    with _style():
        figure = Figure(figsize=(WIDTH_MM / _MM_PER_INCH, 52.0 / _MM_PER_INCH), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.0))
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
            for t in time[state < 0]:
                axes.axvspan(t - step / 2, t + step / 2, color=palette.UNOBSERVED_COLOUR, alpha=0.35, lw=0)
        upper.plot(time, np.where(state < 0, np.nan, probability), color="black", marker=".", markersize=2)
        upper.set(ylim=(-0.04, 1.12), ylabel="p(occupied)")
        lower.step(time, np.where(state < 0, np.nan, state), where="mid", color="black", label="path")
        if counts:
            seen = rows["frame"].to_numpy(float) * step
            lower.scatter(
                seen, rows["count"], s=5, color=palette.UNCOUNTED_COLOUR, zorder=3, label="frame by frame"
            )
            lower.legend(loc="lower left", ncols=2, frameon=False, handlelength=1.2, borderaxespad=0.1)
        top = max(1.0, float(np.nanmax(state)), float(rows["count"].max()) if len(rows) else 1.0)
        lower.set(ylim=(-0.1 * top - 0.25 * top * counts, 1.12 * top), ylabel="atoms" if counts else "state")
        lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        lower.set_xlabel("time (s)" if calibration.frame_time_s else "frame")
        for event in analysis.events[analysis.events["site_id"] == site_id].itertuples():
            colour = palette.EVENT_COLOURS[str(event.kind)]
            # the change lies between this frame and the one before
            at = (float(event.frame) - 0.5) * step  # type: ignore[arg-type]
            for axes in (upper, lower):
                axes.axvline(at, color=colour, lw=0.7, zorder=0)
            upper.scatter([at], [1.1], marker=palette.EVENT_MARKERS[str(event.kind)], s=10, color=colour)
        upper.set_title(
            f"site {site_id}, occupancy {row['occupancy']:.2f}"
            f" ({row['occupancy_low']:.2f} to {row['occupancy_high']:.2f}), {int(row['n_events'])} events"
        )
        return figure


def liveliest_site(analysis: Analysis) -> int | None:
    """The site whose trace tells most: many events, and occupied about half of the time."""
    sites = analysis.sites[analysis.sites["n_events"] > 0]
    if not len(sites):
        sites = analysis.sites
    if not len(sites):
        return None
    interest = sites["n_events"] - 2.0 * (sites["occupancy"].fillna(1.0) - 0.5).abs()
    return int(sites.loc[interest.idxmax(), "site_id"])


def aligned_mean(movie: Movie, drift: pd.DataFrame, max_frames: int = 40) -> NDArray[np.float32]:
    """Mean of evenly chosen frames, each shifted back by its drift: the background of the maps.

    Parameters
    ----------
    movie
        Frames are read one at a time.
    drift
        The drift table: frame, dy, dx in px; a site of frame 0 lies at (y + dy, x + dx) in the frame.
    max_frames
        More are not read.

    Returns
    -------
    ndarray
        (Y, X) float32 in frame 0's coordinates; pixels that no frame covers take the mean of all.
    """
    chosen = drift.iloc[np.unique(np.linspace(0, len(drift) - 1, min(max_frames, len(drift))).astype(int))]
    total = np.zeros(movie.shape[-2:])
    weight = np.zeros(movie.shape[-2:])
    for frame, dy, dx in zip(chosen["frame"], chosen["dy"], chosen["dx"], strict=True):
        image = np.asarray(movie.frame(int(frame)), float)
        valid = np.isfinite(image)
        shift = (-float(np.nan_to_num(dy)), -float(np.nan_to_num(dx)))
        total += ndimage.shift(np.where(valid, image, 0.0), shift, order=1, cval=0.0)
        weight += ndimage.shift(valid.astype(float), shift, order=1, cval=0.0)
    covered = weight > 0.5
    level = total[covered].sum() / weight[covered].sum() if covered.any() else 0.0
    return np.where(covered, total / np.maximum(weight, 1e-9), level).astype(np.float32)


def save_figure(figure: Figure, stem: Path, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write a figure as ``stem.png`` and ``stem.svg``, each whole or not at all.

    Parameters
    ----------
    figure
        One of this module's.
    stem
        Path without an ending.
    kinds
        Endings that matplotlib knows.
    """
    written = []
    with _style():
        for kind in kinds:
            target = stem.with_name(f"{stem.name}.{kind}")
            partial = target.with_name(f".{target.name}.part")
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(partial, format=kind, dpi=DPI, metadata=metadata)
            os.replace(partial, target)
            written.append(target)
    return written


def write_figures(analysis: Analysis, movie: Movie, out: Path) -> list[Path]:
    """All figures of an analysed movie: counts, occupancy, events, trace.

    Parameters
    ----------
    analysis
        What the main job found in ``movie``.
    movie
        Read again, a frame at a time, for the backgrounds.
    out
        The folder; figures are named ``counts``, ``occupancy``, ``events`` and ``trace``.

    Returns
    -------
    list of Path
        What was written. Maps without sites, and a trace without sites, are left out.
    """
    calibration = movie.calibration
    written: list[Path] = []
    frame = _fullest_frame(analysis)
    here = analysis.columns[analysis.columns["frame"] == frame]
    seconds = f", {frame * calibration.frame_time_s:.2f} s" if calibration.frame_time_s else ""
    counted = "counts" if (here["count"] > 0).any() else "columns"
    figure = counts_figure(
        movie.frame(frame),
        here,
        calibration,
        title=f"{counted} in frame {frame}{seconds}: {len(here)} columns",
        max_count=int(analysis.columns["count"].max()) if counted == "counts" else None,
    )
    written += save_figure(figure, out / "counts")
    if len(analysis.sites):
        background = aligned_mean(movie, analysis.drift)
        length = f"{len(analysis.frame)} frames"
        figure = occupancy_figure(background, analysis.sites, calibration, title=f"occupancy in {length}")
        written += save_figure(figure, out / "occupancy")
        figure = events_figure(
            background, analysis.sites, analysis.events, calibration, title=f"events in {length}"
        )
        written += save_figure(figure, out / "events")
        site = liveliest_site(analysis)
        if site is not None:
            written += save_figure(trace_figure(analysis, site, calibration), out / "trace")
    return written


def _fullest_frame(analysis: Analysis) -> int:
    """The observed frame with most columns, so that a blank first frame makes no empty figure."""
    if len(analysis.columns):
        return int(analysis.columns["frame"].value_counts().sort_index().idxmax())
    return int(analysis.frame[0]) if len(analysis.frame) else 0


def _units_per_px(calibration: Calibration) -> tuple[float, float]:
    """(y, x) nm per px, or 1 px per px without a pixel size."""
    return calibration.pixel_size_nm or (1.0, 1.0)


def _to_units(
    y: pd.Series[Any], x: pd.Series[Any], calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions in px to the axes' unit: nm, or px without a pixel size."""
    per_y, per_x = _units_per_px(calibration)
    return y.to_numpy(float) * per_y, x.to_numpy(float) * per_x


def _canvas(image: NDArray[Any], calibration: Calibration, title: str) -> tuple[Figure, Axes]:
    """A figure of column width with the image in grey and a scale bar."""
    from matplotlib.figure import Figure
    from matplotlib_scalebar.scalebar import ScaleBar

    per_y, per_x = _units_per_px(calibration)
    rows, cols = image.shape
    height = WIDTH_MM * 0.84 * np.clip(rows * per_y / (cols * per_x), 0.3, 1.6) + 8.0
    figure = Figure(figsize=(WIDTH_MM / _MM_PER_INCH, height / _MM_PER_INCH), layout="constrained")
    axes = figure.subplots()
    pixels = np.asarray(image, float)
    finite = pixels[np.isfinite(pixels)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    # pixel centres lie on integers, so the image begins half a pixel before 0
    extent = (-0.5 * per_x, (cols - 0.5) * per_x, (rows - 0.5) * per_y, -0.5 * per_y)
    axes.imshow(
        pixels, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=extent, interpolation="nearest"
    )
    axes.set_title(title)
    if calibration.pixel_size_nm is not None:
        axes.set(xticks=[], yticks=[])
        bar = ScaleBar(
            1.0,
            "nm",
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


def _disc_diameter(y: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Half of the usual distance between neighbours, so that discs never touch."""
    if len(y) < 2:
        return 0.05 * float(max(np.max(y, initial=1.0), np.max(x, initial=1.0)))
    distance, _ = cKDTree(np.column_stack([y, x])).query(np.column_stack([y, x]), k=2)
    return 0.5 * float(np.median(distance[:, 1]))


def _discs(
    axes: Axes,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    diameter: float,
    colours: NDArray[np.float64] | str,
    *,
    hollow: bool = False,
    alpha: float | None = None,
) -> None:
    """Discs of a size in the axes' unit: they keep it at every zoom and print width."""
    from matplotlib.collections import EllipseCollection

    size = np.full(len(y), diameter)
    discs = EllipseCollection(
        size,
        size,
        np.zeros(len(y)),
        units="xy",
        offsets=np.column_stack([x, y]),
        offset_transform=axes.transData,
        facecolors="none" if hollow else colours,
        edgecolors=colours if hollow else "white",
        linewidths=0.8 if hollow else 0.25,
        alpha=alpha,
    )
    axes.add_collection(discs, autolim=False)


def _count_bar(figure: Figure, axes: Axes, top: int) -> None:
    """The discrete legend of the counts 1..top."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(0.5, top + 1)
    mappable = ScalarMappable(BoundaryNorm(edges, top), ListedColormap(palette.count_colours(top)))
    step = 1 if top <= 14 else 2 if top <= 28 else 5
    bar = figure.colorbar(mappable, ax=axes, shrink=0.85, aspect=28, pad=0.02, ticks=range(1, top + 1, step))
    bar.ax.tick_params(length=0)
    bar.set_label("atoms in the column")


def _even_bar(figure: Figure, axes: Axes, name: str, label: str) -> None:
    """The legend of a fraction in 0..1."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    mappable = ScalarMappable(Normalize(0.0, 1.0), ListedColormap(palette.colour_table(name)))
    figure.colorbar(mappable, ax=axes, shrink=0.85, aspect=28, pad=0.02).set_label(label)
