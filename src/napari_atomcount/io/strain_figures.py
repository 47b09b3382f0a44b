"""Figures of strain: symmetric maps with their errors, all components, principal axes, histogram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from napari_atomcount.io import drawing, palette
from napari_atomcount.io.figures import save_figure
from napari_atomcount.records.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Blue is compressed, white is none, red is stretched (Crameri's vik).
STRAIN_MAP = "vik"
TITLES = {
    "planar": "planar strain",
    "exx": "strain along x",
    "eyy": "strain along y",
    "exy": "shear strain",
    "rotation": "rotation",
    "artefact": "what could be an artefact",
    "parallel": "strain along the line",
    "normal": "strain across the line",
    "relaxation": "strain along the facet's normal",
}
#: Triangles with a longer side, in units of the usual distance, lie outside the particle.
LONGEST_SIDE = 1.9
#: Two-sided 95 % of a normal distribution.
Z95 = 1.96


def in_display_unit(values: NDArray[np.float64], component: str) -> NDArray[np.float64]:
    """Strain in %, rotation in degrees from its median."""
    return values - np.nanmedian(values) if component == "rotation" else 100 * values


def even_limit(values: NDArray[np.float64]) -> float:
    """The end of a symmetric scale that holds all but the outermost 2 %."""
    finite = np.abs(values[np.isfinite(values)])
    return max(float(np.percentile(finite, 98)), 1e-6) if finite.size else 1.0


def strain_colours(values: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Colours (M, 4) of values from -limit to limit; grey where there is no value."""
    return palette.map_colours((values / limit + 1) / 2, STRAIN_MAP)


def strain_figure(
    image: NDArray[Any],
    table: pd.DataFrame,
    calibration: Calibration,
    component: str = "planar",
    *,
    title: str = "",
    limit: float | None = None,
    axes_of_strain: bool = False,
) -> Figure:
    """A map of one component: discs on the image; small ones where it is below its own 95 % error.

    Parameters
    ----------
    image
        (Y, X) the frame, or the mean of the frames in the coordinates of frame 0.
    table
        STRAIN of one frame.
    calibration
        Its pixel size makes the scale bar.
    component
        planar, exx, eyy, exy or rotation.
    title
        Shown above; the component, the template and the reference by default.
    limit
        End of the symmetric scale, % or degrees; all but the outermost 2 % by default.
    axes_of_strain
        Draw the principal axes of each column's strain.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    with drawing.style():
        window = drawing.window_around(table, image.shape)
        figure, axes = drawing.canvas(image, calibration, title or words_for(table, component), window)
        y, x = drawing.to_units(table["y"], table["x"], calibration)
        value = in_display_unit(table[component].to_numpy(float), component)
        end = even_limit(value) if limit is None else limit
        diameter = 1.7 * drawing.disc_diameter(y, x)
        with np.errstate(invalid="ignore"):
            sigma = table[f"sigma_{component}"].to_numpy(float)
            # rotation is shown from its median, so a column may well not differ from the others
            own = np.radians(value) if component == "rotation" else value / 100
            sure = np.abs(own) > Z95 * (np.radians(sigma) if component == "rotation" else sigma)
        colours = strain_colours(value, end)
        known = np.isfinite(value)
        for chosen, size in ((known & sure, diameter), (known & ~sure, 0.45 * diameter)):
            if chosen.any():
                drawing.discs(axes, y[chosen], x[chosen], size, colours[chosen])
        if (~known).any():
            drawing.discs(axes, y[~known], x[~known], 0.45 * diameter, palette.UNOBSERVED_COLOUR, hollow=True)
        if axes_of_strain:
            draw_axes(axes, table, y, x, diameter, end)
        mappable = ScalarMappable(Normalize(-end, end), ListedColormap(palette.colour_table(STRAIN_MAP)))
        bar = figure.colorbar(mappable, ax=axes, shrink=0.85, aspect=28, pad=0.02)
        unit = "°, from its median" if component == "rotation" else "%"
        bar.set_label(f"{TITLES.get(component, component)} ({unit}); small: below its 95 % error")
        return figure


def artefact_figure(
    image: NDArray[Any],
    artefact: pd.DataFrame,
    calibration: Calibration,
    component: str = "planar",
    limit: float | None = None,
) -> Figure:
    """What the same analysis finds in a simulated particle without strain: what could be an artefact.

    Parameters
    ----------
    image
        (Y, X) the background.
    artefact
        y, x in px and the components, of the zero-strain simulation.
    calibration, component, limit
        As in :func:`strain_figure`; the limit of the real map makes the two comparable.
    """
    table = artefact.assign(**{f"sigma_{component}": 0.0}, template="none", reference="", frame=-1)
    title = f"{TITLES['artefact']}: {TITLES[component]}\nof a simulated particle without strain"
    return strain_figure(image, table, calibration, component, title=title, limit=limit)


def words_for(table: pd.DataFrame, component: str) -> str:
    """Title of a map: what, of which template, relative to what."""
    used = [name for name in table["template"].unique() if name != "none"]
    reference = table["reference"].iloc[0] if len(table) else ""
    frame = int(table["frame"].iloc[0]) if len(table) else -1
    when = "time average" if frame < 0 else f"frame {frame}"
    return f"{TITLES.get(component, component)}, {when}\n{', '.join(used)}, relative to: {reference}"


def draw_axes(
    axes: Axes,
    table: pd.DataFrame,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    diameter: float,
    limit: float,
) -> None:
    """Principal axes as crosses whose arms are as long as the strain along them; dashed where compressed."""
    exx, eyy, exy = (100 * table[name].to_numpy(float) for name in ("exx", "eyy", "exy"))
    middle, radius = (exx + eyy) / 2, np.hypot((exx - eyy) / 2, exy)
    angle = np.arctan2(2 * exy, exx - eyy) / 2
    for value, turn in ((middle + radius, angle), (middle - radius, angle + np.pi / 2)):
        arm = 0.5 * diameter * np.clip(np.abs(value) / limit, 0, 1.5)
        dx, dy = arm * np.cos(turn), arm * np.sin(turn)
        for sign, form in ((1, "-"), (-1, ":")):
            own = np.isfinite(value) & (np.sign(value) == sign)
            axes.plot(
                [(x - dx)[own], (x + dx)[own]], [(y - dy)[own], (y + dy)[own]], form, color="black", lw=0.6
            )


def interpolated(
    table: pd.DataFrame, component: str, shape: tuple[int, int], step_px: float = 1.0
) -> NDArray[np.float64]:
    """A component between the columns, clipped to the particle.

    Parameters
    ----------
    table
        STRAIN of one frame.
    component
        planar, exx, eyy, exy or rotation.
    shape
        (Y, X) of the image.
    step_px
        Distance of the map's pixels.

    Returns
    -------
    ndarray
        (Y / step, X / step), NaN outside the particle.
    """
    known = table[table[component].notna()]
    grid_y, grid_x = np.meshgrid(
        np.arange(0, shape[0], step_px), np.arange(0, shape[1], step_px), indexing="ij"
    )
    if len(known) < 4:
        return np.full(grid_y.shape, np.nan)
    places = known[["y", "x"]].to_numpy(float)
    mesh = Delaunay(places)
    corners = places[mesh.simplices]
    longest = np.max([np.hypot(*(corners[:, i] - corners[:, i - 1]).T) for i in range(3)], axis=0)
    points = np.column_stack([grid_y.ravel(), grid_x.ravel()])
    inside = mesh.find_simplex(points)
    values = LinearNDInterpolator(mesh, known[component].to_numpy(float))(points)
    outside = (inside < 0) | (longest[inside] > LONGEST_SIDE * np.median(longest) / np.sqrt(1.5))
    return np.where(outside, np.nan, values).reshape(grid_y.shape)


def components_figure(table: pd.DataFrame, calibration: Calibration, shape: tuple[int, int]) -> Figure:
    """Interpolated maps of exx, eyy, exy and rotation, clipped to the particle, and histograms with errors.

    Parameters
    ----------
    table
        STRAIN of one frame.
    calibration
        Its pixel size makes the axes nm.
    shape
        (Y, X) of the image.
    """
    from matplotlib.figure import Figure

    with drawing.style():
        figure = Figure(figsize=(170 / drawing.MM_PER_INCH, 100 / drawing.MM_PER_INCH), layout="constrained")
        panels = figure.subplots(2, 3)
        per_y, per_x = drawing.units_per_px(calibration)
        part_y, part_x = drawing.window_around(table, shape, 0.06)
        extent = (part_x.start * per_x, part_x.stop * per_x, part_y.stop * per_y, part_y.start * per_y)
        unit = "nm" if calibration.pixel_size_nm else "px"
        components = ("exx", "eyy", "exy", "rotation", "planar")
        for ax, component in zip(panels.ravel(), components, strict=False):
            values = in_display_unit(interpolated(table, component, shape), component)[part_y, part_x]
            end = even_limit(in_display_unit(table[component].to_numpy(float), component))
            table_of = palette.colour_table(STRAIN_MAP)
            from matplotlib.colors import ListedColormap

            shown = ax.imshow(values, cmap=ListedColormap(table_of), vmin=-end, vmax=end, extent=extent)
            ax.set_facecolor("0.85")
            ax.set(title=TITLES[component], xlabel=f"x ({unit})", ylabel=f"y ({unit})")
            bar = figure.colorbar(shown, ax=ax, shrink=0.85)
            bar.set_label("°" if component == "rotation" else "%")
        histogram(panels.ravel()[5], table)
        return figure


def histogram(axes: Axes, table: pd.DataFrame, component: str = "planar") -> None:
    """Values of a component, beside what its errors alone would make of one value."""
    value = in_display_unit(table[component].to_numpy(float), component)
    value = value[np.isfinite(value)]
    sigma = table[f"sigma_{component}"].to_numpy(float)
    typical = float(np.nanmedian(sigma) * (1 if component == "rotation" else 100)) if len(sigma) else np.nan
    if value.size:
        axes.hist(value, bins=30, color="#0072B2")
    if np.isfinite(typical) and value.size:
        middle = float(np.median(value))
        axes.axvspan(
            middle - Z95 * typical, middle + Z95 * typical, color="0.85", zorder=0, label="95 % error"
        )
        axes.legend(frameon=False)
    unit = "°" if component == "rotation" else "%"
    axes.set(xlabel=f"{TITLES.get(component, component)} ({unit})", ylabel="columns")


def write_strain_figures(
    table: pd.DataFrame, image: NDArray[Any], calibration: Calibration, out: Path
) -> list[Path]:
    """The figures of a strain table's time average: ``strain`` and ``strain_components``, PNG and SVG.

    Parameters
    ----------
    table
        STRAIN with frame -1; without such rows nothing is written.
    image
        (Y, X) the background in the coordinates of frame 0.
    calibration
        Of the movie.
    out
        The folder.
    """
    own = table[table["frame"] == -1].reset_index(drop=True)
    if not own["planar"].notna().any():
        return []
    shape = (image.shape[0], image.shape[1])
    written = save_figure(strain_figure(image, own, calibration), out / "strain")
    return written + save_figure(components_figure(own, calibration, shape), out / "strain_components")
