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
from napari_atomcount.benchmark.strain import StrainBenchmark
from napari_atomcount.benchmark.strain_gold import PIXEL_NM
from napari_atomcount.io.drawing import style
from napari_atomcount.io.strain_figures import strain_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The columns of conditions that a table of Markdown joins into one.
CONDITIONS = {
    "variance": "noise variance {:g}",
    "size_nm": "{:g} nm",
    "defocus_nm": "defocus {:+g} nm",
    "tilt_deg": "tilt {:g}°",
    "dose_e_per_A2": "{:g} e/Å²",
    "frames": "{:g} frames",
}
MAP_LIMIT = 2.0  # %


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
    """Errors against defocus, tilt and dose; relaxation of facets against defocus (Figs. 4.7, 4.9, 4.11)."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(180 / 25.4, 100 / 25.4), layout="constrained")
        axes = figure.subplots(2, 3)
        colours = {2.0: "#0072B2", 4.0: "#D55E00", 6.0: "#009E73"}
        clean = rows[rows.case == "particle, A, noise-free"]
        for size, own in clean[clean.axis == "defocus"].groupby("size_nm"):
            colour = colours.get(float(str(size)), "black")
            for figure_name, form in (("planar error, bulk", "o-"), ("planar error, surface", "s--")):
                line = own[own.figure == figure_name]
                label = f"{size:g} nm, {figure_name.split(', ')[1]}"
                axes[0, 0].plot(line.defocus_nm, line.value, form, markersize=3, color=colour, label=label)
            for ax, facet in ((axes[0, 1], "{111}"), (axes[0, 2], "{100}")):
                mean = own[own.figure == f"relaxation error, mean, {facet}"]
                spread = own[own.figure == f"relaxation error, std, {facet}"]
                if len(mean):
                    ax.errorbar(
                        mean.defocus_nm + 0.1 * (float(str(size)) - 4),
                        mean.value,
                        spread.value.to_numpy(),
                        fmt="o-",
                        markersize=3,
                        color=colour,
                        label=f"{size:g} nm",
                        capsize=1.5,
                    )
        axes[0, 0].set(xlabel="defocus (nm)", ylabel="planar error (%)", title="noise-free")
        axes[0, 1].set(xlabel="defocus (nm)", ylabel="relaxation error (%)", title="{111} facets")
        axes[0, 2].set(xlabel="defocus (nm)", ylabel="relaxation error (%)", title="{100} facets")
        tilt = clean[clean.axis == "tilt"]
        for name in ("planar error, bulk", "planar error, surface"):
            line = tilt[tilt.figure == name]
            axes[1, 0].plot(line.tilt_deg, line.value, "o-", markersize=3, label=name)
        for facet in ("{111}", "{100}"):
            line = tilt[tilt.figure == f"relaxation error, mean, {facet}"]
            axes[1, 0].plot(line.tilt_deg, line.value, "s--", markersize=3, label=f"relaxation, {facet}")
        axes[1, 0].set(xlabel="tilt (°)", ylabel="error (%)", title="4 nm, +8.5 nm")
        dose = rows[(rows.case == "particle, A, with noise") & (rows.axis == "dose")]
        for name in ("planar error, bulk", "noise part, bulk", "noise part, surface"):
            line = dose[dose.figure == name].dropna(subset="dose_e_per_A2")
            axes[1, 1].plot(line.dose_e_per_A2, line.value, "o-", markersize=3, label=name)
        axes[1, 1].set(
            xlabel="dose (e/Å²)", ylabel="error (%)", xscale="log", yscale="log", title="with noise"
        )
        for name in ("exx", "eyy", "exy", "rotation", "planar"):
            line = dose[dose.figure == f"95 % errors cover, {name}"]
            axes[1, 2].plot(line.dose_e_per_A2, line.value, "o-", markersize=3, label=name)
        axes[1, 2].axhspan(90, 98, color="0.9", zorder=0)
        axes[1, 2].set(
            xlabel="dose (e/Å²)", ylabel="errors that cover (%)", xscale="log", title="95 % errors"
        )
        for ax in axes.ravel():
            ax.spines[["top", "right"]].set_visible(False)
            ax.axhline(0, color="0.8", lw=0.5, zorder=0)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(frameon=False, fontsize=5)
        axes[1, 2].set_ylim(80, 100)
    return figure


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
