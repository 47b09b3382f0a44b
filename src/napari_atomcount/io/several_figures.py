"""Figures over several movies, for the page: doses, and two movies beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_atomcount.io import drawing
from napari_atomcount.io.time_figures import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def doses_figure(table: pd.DataFrame) -> Figure:
    """Share of hopping sites of several movies against dose rate and accumulated dose, with 95 % intervals.

    Parameters
    ----------
    table
        Rows of `measure.kinetics.movie_figures`.
    """
    with drawing.style():
        figure, (left, right) = panels(1, 2, sharey=True)
        value = table["share"].to_numpy(float)
        spread = [value - table["share_low"].to_numpy(float), table["share_high"].to_numpy(float) - value]
        for ax, name, label in (
            (left, "dose_rate_e_per_A2_s", "dose rate (e/Å²s)"),
            (right, "accumulated_e_per_A2", "accumulated dose (e/Å²)"),
        ):
            ax.errorbar(
                table[name], value, yerr=np.clip(np.nan_to_num(spread), 0, None), fmt="o", color="black",
                markersize=3, elinewidth=0.7, capsize=1.5,
            )  # fmt: skip
            ax.set_xlabel(label)
        left.set(ylabel="share of sites with an event")
        left.set_ylim(bottom=0)
        return figure


def comparison_figure(table: pd.DataFrame, first: str, second: str) -> Figure:
    """Ratios of the rates of two movies, second over first, on a logarithmic axis, with 95 % intervals.

    Parameters
    ----------
    table
        Of `measure.comparing.compare_movies`.
    first, second
        Names of the movies.
    """
    rates = table[(table["comparison"] == "ratio") & np.isfinite(table["value"].astype(float))]
    rates = rates[rates["value"].astype(float) > 0].iloc[::-1]
    with drawing.style():
        figure, ax = panels(height_mm=max(34.0, 14.0 + 7.0 * len(rates)))
        ax.axvline(1.0, color="grey", lw=0.6, ls="--")
        at = np.arange(len(rates))
        value = rates["value"].to_numpy(float)
        low = np.maximum(rates["low"].to_numpy(float), value / 50)
        high = np.minimum(np.nan_to_num(rates["high"].to_numpy(float), posinf=np.inf), value * 50)
        ax.errorbar(
            value, at, xerr=np.array([value - low, high - value]).reshape(2, -1), fmt="o", color="black",
            markersize=3, elinewidth=0.7, capsize=1.5,
        )  # fmt: skip
        ax.set_yticks(at, [f"{g}, p = {p:.2g}" for g, p in zip(rates["group"], rates["p"], strict=True)])
        ax.set(xscale="log", xlabel=f"rate in {second} / rate in {first}")
        ax.set_ylim(-0.6, max(len(rates), 1) - 0.4)
        return figure
