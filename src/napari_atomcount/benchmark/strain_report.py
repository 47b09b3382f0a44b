"""What the strain benchmark leaves behind: CSV, JSON, curves and maps as PNG, tables in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.report import (
    floors_markdown,
    markdown,
    write_figure,
    write_json,
    write_table,
    write_text,
)
from napari_atomcount.benchmark.scenes import MEANT
from napari_atomcount.benchmark.strain import StrainBenchmark
from napari_atomcount.benchmark.strain_gold import MIDDLE_NM, PIXEL_NM
from napari_atomcount.benchmark.strain_whole import CASE
from napari_atomcount.io.drawing import style
from napari_atomcount.io.strain_figures import strain_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The columns of conditions that a table of Markdown joins into one.
CONDITIONS = {
    "variance": "noise variance {:g}",
    "size_nm": "{:g} nm",
    "defocus_nm": "defocus {:+g} nm",
    "tilt_deg": "tilt {:g}°",
    "dose_e_per_A2": "{:g} e/Å²",
    "frames": "{:g} frames",
    "focal_mean": MEANT,
}
MAP_LIMIT = 2.0  # %
SIZE_COLOURS: dict[Any, str] = {2.0: "#0072B2", 4.0: "#D55E00", 6.0: "#009E73"}


def write_strain(result: StrainBenchmark, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, JSON, curves, maps and Markdown."""
    content = about | {"rows": result.rows.to_dict("records"), "floors": result.floors}
    return [
        write_table(result.rows, out / "strain.csv"),
        write_json(content, out / "strain.json"),
        write_figure(curves_figure(result.rows), out / "strain-curves.png"),
        write_figure(maps_figure(result.maps), out / "strain-maps.png"),
        write_text(strain_markdown(result), out / "strain.md"),
    ]


def strain_markdown(result: StrainBenchmark) -> str:
    """The floors, and every figure with its conditions."""
    rows = [
        (r["case"], conditions(r), r["method"], r["figure"], r["value"], r["unit"], r["images"], r["columns"])
        for _, r in result.rows.iterrows()
    ]
    head = ("case", "conditions", "method", "figure", "value", "unit", "images", "columns")
    return "\n".join([f"Seed {result.seed}.\n", floors_markdown(result.floors), markdown(head, rows)])


def conditions(row: pd.Series[Any]) -> str:
    """The conditions of a row in words."""
    return ", ".join(form.format(row[name]) for name, form in CONDITIONS.items() if pd.notna(row.get(name)))


def curves_figure(rows: pd.DataFrame) -> Figure:
    """Whole particles against defocus and tilt (Figs. 4.7, 4.9), noise against dose (4.11) and frames."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(180 / 25.4, 150 / 25.4), layout="constrained")
        axes = figure.subplots(3, 3)
        whole = rows[rows.case == CASE]
        defocus = whole[whole.axis == "defocus"]
        for size, own in defocus.groupby("size_nm"):
            aside = 0.1 * (float(str(size)) - 4)  # the bars would cover each other
            for part, form in (("bulk", "o-"), ("surface", "s--")):
                line = own[own.figure == f"planar error, {part}"]
                draw(
                    axes[0, 0], line.defocus_nm, line.value, form, f"{size:g} nm, {part}", SIZE_COLOURS[size]
                )
            for ax, facet in ((axes[0, 1], "{111}"), (axes[0, 2], "{100}")):
                bars(
                    ax,
                    own,
                    "defocus_nm",
                    facet,
                    f"{size:g} nm",
                    SIZE_COLOURS[size],
                    aside,
                )
        axes[0, 0].set(xlabel="defocus (nm)", ylabel="planar error (%)", title="no tilt")
        for ax, facet in ((axes[0, 1], "{111}"), (axes[0, 2], "{100}")):
            ax.set(xlabel="defocus (nm)", ylabel="relaxation error (%)", title=f"{facet} facets")
        for number, (axis, form) in enumerate((("tilt Ω1", "o-"), ("tilt Ω2", "s--"))):
            tilted = whole[whole.axis == axis]
            for size, own in tilted.groupby("size_nm"):
                line = own[own.figure == "planar error, centre"]
                words = f"{size:g} nm, about {axis[-2:]}"
                draw(axes[1, 0], line.tilt_deg, line.value, form, words, SIZE_COLOURS[size])
            middle = tilted[tilted.size_nm == MIDDLE_NM]
            for facet, colour in (("{111}", "#0072B2"), ("{100}", "#D55E00")):
                bars(axes[1, 1 + number], middle, "tilt_deg", facet, facet, colour, 0.0)
            title = f"{MIDDLE_NM:g} nm, tilt about {axis[-2:]}"
            axes[1, 1 + number].set(xlabel="tilt (°)", ylabel="relaxation error (%)", title=title)
        axes[1, 0].set(xlabel="tilt (°)", ylabel="planar error (%)", title="centre, +8.5 nm")
        noise_curves(rows, axes[2])
        for ax in axes.ravel():
            ax.spines[["top", "right"]].set_visible(False)
            if ax.get_yscale() == "linear":
                ax.axhline(0, color="0.8", lw=0.5, zorder=0)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(frameon=False, fontsize=5)
        axes[2, 1].set_ylim(80, 100)
    return figure


def noise_curves(rows: pd.DataFrame, axes: Any) -> None:
    """Noise part against dose, the share of errors that cover it, noise part against averaged frames."""
    noisy = rows[(rows.case == "particle, A, with noise") & (rows.axis == "dose")].dropna(
        subset="dose_e_per_A2"
    )
    for name in ("planar error, bulk", "noise part, bulk", "noise part, surface"):
        line = noisy[noisy.figure == name]
        draw(axes[0], line.dose_e_per_A2, line.value, "o-", name)
    axes[0].set(xlabel="dose (e/Å²)", ylabel="error (%)", xscale="log", yscale="log", title="with noise")
    for name in ("exx", "eyy", "exy", "rotation", "planar"):
        line = noisy[noisy.figure == f"95 % errors cover, {name}"]
        draw(axes[1], line.dose_e_per_A2, line.value, "o-", name)
    axes[1].axhspan(90, 98, color="0.9", zorder=0)
    axes[1].set(xlabel="dose (e/Å²)", ylabel="errors that cover (%)", xscale="log", title="95 % errors")
    line = rows[(rows.case == "time average of frames") & (rows.figure == "noise part, bulk")]
    draw(axes[2], line.frames, line.value, "o-", "noise part, bulk")
    if len(line):
        first = line.sort_values("frames").iloc[0]
        expected = float(first.value) * np.sqrt(float(first.frames) / line.frames)
        axes[2].plot(line.frames, expected, ":", color="0.5", label="1/√frames")
    axes[2].set(
        xlabel="frames averaged", ylabel="error (%)", xscale="log", yscale="log", title="10³ e/Å² a frame"
    )


def draw(ax: Axes, x: Any, y: Any, form: str, label: str, colour: str | None = None) -> None:
    """A line with small marks."""
    ax.plot(x, y, form, markersize=3, color=colour, label=label)


def bars(ax: Axes, rows: pd.DataFrame, axis: str, facet: str, label: str, colour: str, shift: float) -> None:
    """Mean of the relaxation's error over a kind of facets, its standard deviation as a bar."""
    mean = rows[rows.figure == f"relaxation error, mean, {facet}"]
    spread = rows[rows.figure == f"relaxation error, std, {facet}"]
    if len(mean):
        ax.errorbar(
            mean[axis] + shift, mean.value, spread.value.to_numpy(), fmt="o-", markersize=3, color=colour,
            label=label, capsize=1.5,
        )  # fmt: skip


def maps_figure(maps: list[tuple[str, pd.DataFrame]]) -> Figure:
    """Error of the planar strain of each column of one particle: Figs. 4.6 and 4.8."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    with style():
        columns = (len(maps) + 1) // 2
        figure = Figure(figsize=(45 * columns / 25.4, 95 / 25.4), layout="constrained")
        axes = figure.subplots(2, columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_axis_off()
        for ax, (title, table) in zip(axes.ravel(), maps, strict=False):
            error = 100 * table["error"].to_numpy(float)
            places = (table["x"] * PIXEL_NM, -table["y"] * PIXEL_NM)
            ax.scatter(*places, s=14, c=strain_colours(error, MAP_LIMIT), edgecolors="0.4", linewidths=0.2)
            ax.set(title=title, aspect="equal")
        table_of = ListedColormap(strain_colours(np.linspace(-1, 1, 256), 1.0))
        bar = figure.colorbar(ScalarMappable(Normalize(-MAP_LIMIT, MAP_LIMIT), table_of), ax=axes, shrink=0.7)
        bar.set_label("error of the planar strain (%)")
    return figure
