"""Figures for the page: counts on a frame, occupancy map, event map, a site's trace; PNG and SVG.

Drawn at a journal's column width (85 mm) with a scale bar, in the colours of `napari_atomcount.io.palette`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_atomcount.io import drawing, palette
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.motion import Motion
from napari_atomcount.records.movie import Movie

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def counts_figure(
    image: NDArray[Any],
    columns: pd.DataFrame,
    calibration: Calibration,
    *,
    title: str = "",
    max_count: int | None = None,
    classes: Sequence[str] = (),
) -> Figure:
    """One frame with its columns as discs coloured by the number of atoms; other classes in other shapes.

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
    classes
        Of the model, in its order (:attr:`Analysis.classes`); the table then has their ``label``.
    """
    with drawing.style():
        figure, axes = drawing.canvas(image, calibration, title)
        y, x = drawing.to_units(columns["y"], columns["x"], calibration)
        count = columns["count"].to_numpy(float)
        diameter = drawing.class_diameter(columns, (y, x), classes)
        counted = count >= 1
        if counted.any():
            top = int(max_count or count.max())
            colours = palette.count_colours(top)[np.clip(count[counted], 1, top).astype(int) - 1]
            place = y[counted], x[counted]
            drawing.class_discs(axes, columns[counted], place, diameter, colours, classes)
            drawing.count_bar(figure, axes, top)
        if (~counted).any():
            place, colour = (y[~counted], x[~counted]), palette.UNCOUNTED_COLOUR
            drawing.class_discs(axes, columns[~counted], place, diameter, colour, classes, hollow=True)
        drawing.class_key(figure, classes)
        return figure


def occupancy_figure(
    image: NDArray[Any],
    sites: pd.DataFrame,
    calibration: Calibration,
    *,
    title: str = "",
    classes: Sequence[str] = (),
) -> Figure:
    """The sites as discs coloured by the fraction of observed frames in which they hold a column.

    Parameters
    ----------
    image
        (Y, X) the background in frame 0's coordinates, for instance :func:`aligned_mean`.
    sites
        The sites table: y, x in px of frame 0, occupancy in 0..1 (NaN: never observed, grey).
    calibration, title, classes
        As in :func:`counts_figure`.
    """
    with drawing.style():
        window = drawing.window_around(sites, image.shape)
        figure, axes = drawing.canvas(image, calibration, title, window)
        y, x = drawing.to_units(sites["y"], sites["x"], calibration)
        colours = palette.map_colours(sites["occupancy"].to_numpy(float), palette.OCCUPANCY_MAP)
        diameter = drawing.class_diameter(sites, (y, x), classes)
        drawing.class_discs(axes, sites, (y, x), diameter, colours, classes)
        drawing.even_bar(figure, axes, palette.OCCUPANCY_MAP, "occupancy (fraction of frames)")
        drawing.class_key(figure, classes)
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
    with drawing.style():
        window = drawing.window_around(sites, image.shape)
        figure, axes = drawing.canvas(image, calibration, title, window)
        y, x = drawing.to_units(sites["y"], sites["x"], calibration)
        diameter = drawing.disc_diameter(y, x)
        drawing.discs(axes, y, x, 0.35 * diameter, "white", alpha=0.5)
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
                s=14.0 * np.sqrt(number.to_numpy(float)),
                marker=palette.EVENT_MARKERS[kind],
                color=palette.EVENT_COLOURS[kind],
                edgecolors="black",
                linewidths=0.3,
                label=f"{kind} ({int(number.sum())})",
            )
        if kinds:
            handles, labels = axes.get_legend_handles_labels()
            for handle in handles:
                handle.set_sizes([14.0])  # type: ignore[attr-defined]
            figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds), frameon=False)
        else:
            axes.set_xlabel("no events")
        return figure


def trace_figure(analysis: Analysis, site_id: int, calibration: Calibration) -> Figure:
    """One site through time: the probability that it is occupied, its state or count, its events.

    Its intensity too, where the model knows several classes of columns.

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
    row = cast(Any, analysis.sites[analysis.sites["site_id"] == site_id].iloc[0])
    rows = analysis.columns[analysis.columns["site_id"] == site_id]
    counts = bool((analysis.columns["count"] > 0).any())

    with drawing.style():
        panels = 2 if analysis.intensity is None else 3
        size = (drawing.WIDTH_MM / drawing.MM_PER_INCH, 28.0 * panels / drawing.MM_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(panels, 1, sharex=True)
        upper, lower = every[:2]
        for axes in every:
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
            figure.legend(loc="outside lower center", ncols=2, frameon=False)
        top = max(1.0, float(np.nanmax(state)), float(rows["count"].max()) if len(rows) else 1.0)
        lower.set(ylim=(-0.1 * top, 1.12 * top), ylabel="atoms" if counts else "state")
        lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        if analysis.intensity is not None:
            every[2].plot(time, analysis.intensity[:, found[0]], color="black", marker=".", markersize=2)
            every[2].set_ylabel("I / level − 1")
        every[-1].set_xlabel("time (s)" if calibration.frame_time_s else "frame")
        figure.align_ylabels()
        for event in analysis.events[analysis.events["site_id"] == site_id].itertuples():
            colour = palette.EVENT_COLOURS[str(event.kind)]
            # the change lies between this frame and the one before
            at = (float(event.frame) - 0.5) * step  # type: ignore[arg-type]
            for axes in every:
                axes.axvline(at, color=colour, lw=0.7, zorder=0)
            marker = palette.EVENT_MARKERS[str(event.kind)]
            upper.scatter([at], [1.1], marker=marker, s=10, color=colour, clip_on=False)
        upper.set_title(
            f"{analysis.site_name(site_id)}, occupancy {row['occupancy']:.2f}"
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
    return int(sites["site_id"].to_numpy()[interest.to_numpy().argmax()])


def aligned_mean(movie: Movie, drift: pd.DataFrame, max_frames: int = 40) -> NDArray[np.float32]:
    """Mean of evenly chosen frames, each shifted back by its drift: the background of the maps.

    Parameters
    ----------
    movie
        Frames are read one at a time.
    drift
        The drift table; where rotation and scale were followed, they are undone as well.
    max_frames
        More are not read.

    Returns
    -------
    ndarray
        (Y, X) float32 in frame 0's coordinates; what most frames do not cover takes the mean of the rest.
    """
    chosen = drift.iloc[np.unique(np.linspace(0, len(drift) - 1, min(max_frames, len(drift))).astype(int))]
    total = np.zeros(movie.shape[-2:])
    weight = np.zeros(movie.shape[-2:])
    motion = Motion.of(chosen)
    for row, frame in enumerate(chosen["frame"]):
        image = np.asarray(movie.frame(int(frame)), float)
        valid = np.isfinite(image)
        matrix, offset = motion.mapping(row)
        offset = np.nan_to_num(offset)
        total += ndimage.affine_transform(np.where(valid, image, 0.0), matrix, offset, order=1, cval=0.0)
        weight += ndimage.affine_transform(valid.astype(float), matrix, offset, order=1, cval=0.0)
    covered = weight > 0.5 * len(chosen)  # fewer frames would stand out by their noise
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
    with drawing.style():
        for kind in kinds:
            target = stem.with_name(f"{stem.name}.{kind}")
            metadata = {"Date": None} if kind == "svg" else None
            with whole_file(target) as partial:
                figure.savefig(partial, format=kind, dpi=drawing.DPI, metadata=metadata)
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
    frame = fullest_frame(analysis)
    here = analysis.columns[analysis.columns["frame"] == frame]
    seconds = f", {frame * calibration.frame_time_s:.2f} s" if calibration.frame_time_s else ""
    counted = "counts" if (here["count"] > 0).any() else "columns"
    figure = counts_figure(
        movie.frame(frame),
        here,
        calibration,
        title=f"{counted} in frame {frame}{seconds}: {len(here)} columns",
        max_count=int(analysis.columns["count"].max()) if counted == "counts" else None,
        classes=analysis.classes,
    )
    written += save_figure(figure, out / "counts")
    if len(analysis.sites):
        observed = analysis.frame[(analysis.state >= 0).any(axis=1)]
        drift = analysis.drift[analysis.drift["frame"].isin(observed)]
        background = aligned_mean(movie, drift)
        length = f"{len(analysis.frame)} frames"
        figure = occupancy_figure(
            background,
            analysis.sites,
            calibration,
            title=f"occupancy in {length}",
            classes=analysis.classes,
        )
        written += save_figure(figure, out / "occupancy")
        figure = events_figure(
            background, analysis.sites, analysis.events, calibration, title=f"events in {length}"
        )
        written += save_figure(figure, out / "events")
        site = liveliest_site(analysis)
        if site is not None:
            written += save_figure(trace_figure(analysis, site, calibration), out / "trace")
    return written


def fullest_frame(analysis: Analysis) -> int:
    """The observed frame with most columns, so that a blank first frame makes no empty figure."""
    if len(analysis.columns):
        frame, number = np.unique(analysis.columns["frame"].to_numpy(), return_counts=True)
        return int(frame[number.argmax()])
    return int(analysis.frame[0]) if len(analysis.frame) else 0
