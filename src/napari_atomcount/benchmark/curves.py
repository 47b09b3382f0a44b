"""The curves of a benchmark: dose, tilt, defocus, Cs, pixel size, count, robustness, reliability, events."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.columns import ColumnsResult
from napari_atomcount.benchmark.dynamics import DynamicsResult
from napari_atomcount.io.drawing import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Conditions whose columns are shown by their count, and pooled in the reliability diagrams.
COUNT_CONDITIONS = ("A-1000", "A-1e4")
RELIABLE_CONDITIONS = ("A-310", "A-1000", "A-3000", "A-1e4")
FIGURES = ("precision", "recall", "count_exact", "count_within_one")
WORDS = {
    "precision": "precision",
    "recall": "recall",
    "count_exact": "count exact",
    "count_within_one": "count within one",
    "exact": "count exact",
    "within_one": "count within one",
}
COLOURS = {
    "precision": "#0072B2",
    "recall": "#D55E00",
    "count_exact": "#009E73",
    "count_within_one": "#CC79A7",
    "exact": "#009E73",
    "within_one": "#CC79A7",
}


def panels(number: int, height_mm: float = 55.0, share: bool = False) -> tuple[Figure, list[Axes]]:
    """A row of panels at the width of a page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(60 * number / 25.4, height_mm / 25.4), layout="constrained")
    axes = figure.subplots(1, number, squeeze=False, sharey=share)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, color="0.9", linewidth=0.5)
    return figure, list(axes)


def draw(
    ax: Axes, table: pd.DataFrame, x: str, names: Iterable[str], form: str = "o-", note: str = ""
) -> None:
    """Lines of several figures against one column."""
    for name in names:
        label = WORDS.get(name, name) + note
        ax.plot(table[x], table[name], form, color=COLOURS.get(name), markersize=3, linewidth=1, label=label)


def peer_lines(ax: Axes, result: ColumnsResult, own: pd.DataFrame, names: Iterable[str]) -> None:
    """The classical methods, each with the best setting for every condition, beside our own rows."""
    peers = result.peers[(result.peers.tuning == "condition")]
    for (method, table), (form, grey) in zip(
        peers.groupby("method", sort=False), (("x:", "0.45"), ("+--", "0.65")), strict=True
    ):
        table = table.merge(own[["condition", "at"]], on="condition").sort_values("at")
        for name in names:
            label = f"{WORDS[name]}, {method}" if name in WORDS else method
            colour = COLOURS.get(name, grey)
            ax.plot(table["at"], table[name], form, color=colour, markersize=3, linewidth=0.7, label=label)


def dose_figure(result: ColumnsResult) -> Figure:
    """Detection, counts with their limit, and position error against the dose, conditions A."""
    with style():
        figure, axes = panels(3)
        own = result.rows[result.rows.axis == "dose"].sort_values("at")
        other = result.rows[result.rows.axis == "dose, training's generator"].sort_values("at")
        draw(axes[0], own, "at", ("precision", "recall"))
        peer_lines(axes[0], result, own, ("precision", "recall"))
        axes[0].set(ylabel="share of columns", ylim=(0, 1.02))
        draw(axes[1], own, "at", ("count_exact", "count_within_one"))
        draw(axes[1], other, "at", ("count_exact", "count_within_one"), "s--", ", training's generator")
        doses = np.geomspace(70, 1.4e5, 60)
        limit = [1 - result.observer.count_error(d) for d in doses]
        axes[1].plot(doses, limit, color="0", linewidth=1, label="count exact, ideal observer")
        axes[1].set(ylabel="share of matched columns", ylim=(0, 1.02))
        axes[2].plot(own["at"], own.position_pm, "o-", markersize=3, color="#0072B2", label="network")
        peer_lines(axes[2], result, own, ("position_pm",))
        axes[2].set(ylabel="position error per axis (pm)", ylim=(0, None))
        for ax in axes:
            ax.set(xscale="log", xlabel="dose (e/Å²)", xlim=(70, 1.4e5))  # also where nothing was found
            ax.legend(frameon=False, fontsize=5.5)
    return figure


#: Curves at 1000 e/Å²: axis of the conditions, and its label.
CURVES = {"tilt": "tilt (°)", "defocus": "defocus (nm)", "Cs": "Cs (µm)", "pixel size": "pixel (Å)"}


def curves_figure(result: ColumnsResult) -> Figure:
    """Detection, counts and position error against tilt, defocus, Cs and pixel size at 1000 e/Å²."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(200 / 25.4, 135 / 25.4), layout="constrained")
        axes = figure.subplots(3, len(CURVES), sharex="col", sharey="row")
        for column, (axis, label) in zip(axes.T, CURVES.items(), strict=True):
            own = result.rows[result.rows.axis == axis].sort_values("at")
            draw(column[0], own, "at", ("precision", "recall"))
            peer_lines(column[0], result, own, ("precision", "recall"))
            draw(column[1], own, "at", ("count_exact", "count_within_one"))
            column[2].plot(own["at"], own.position_pm, "o-", markersize=3, color="#0072B2", label="network")
            peer_lines(column[2], result, own, ("position_pm",))
            column[2].set(xlabel=label, ylim=(0, 25))
            for ax in column[:2]:
                ax.set(ylim=(0, 1.02))
        for ax, words in zip(axes[:, 0], ("columns", "matched columns", "position error (pm)"), strict=True):
            ax.set(ylabel=words)
            ax.legend(frameon=False, fontsize=5)
        for ax in axes.flat:
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(True, color="0.9", linewidth=0.5)
    return figure


def robustness_figure(table: pd.DataFrame, largest_fall: float) -> Figure:
    """Exact counts of each factor's values, with the band below the factor's best that is allowed."""
    from matplotlib.figure import Figure

    with style():
        groups = [(str(factor), own) for factor, own in table.groupby("factor", sort=False)]
        figure = Figure(figsize=(190 / 25.4, 70 / 25.4), layout="constrained")
        ax = figure.subplots()
        start = 0
        ticks, words = [], []
        for factor, own in groups:
            places = start + np.arange(len(own))
            best = float(own.count_exact.max())
            ax.fill_between(places[[0, -1]] + [-0.4, 0.4], best - largest_fall, best, color="0.92")
            ax.plot(places, own.count_exact, "o", markersize=4, color=COLOURS["count_exact"])
            ax.plot(places, own.count_within_one, "s", markersize=3, color=COLOURS["count_within_one"])
            name = textwrap.fill(factor, 13)  # no wider than two values and the gap beside them
            ax.text(places.mean(), 1.03, name, ha="center", va="bottom", fontsize=5.5)
            ticks += list(places)
            words += list(own.value)
            start += len(own) + 1
        ax.set(xticks=ticks, ylim=(0, 1.02), ylabel="share of matched columns")
        ax.set_xticklabels(words, rotation=60, ha="right", fontsize=5.5)
        ax.plot([], [], "o", markersize=4, color=COLOURS["count_exact"], label="count exact")
        ax.plot([], [], "s", markersize=3, color=COLOURS["count_within_one"], label="count within one")
        ax.fill_between([], [], [], color="0.92", label="10 points below the factor's best")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, axis="y", color="0.9", linewidth=0.5)
        ax.legend(frameon=False, fontsize=5.5, loc="lower right")
    return figure


def counts_figure(counts: dict[str, pd.DataFrame]) -> Figure:
    """Recall and counts against the true number of atoms."""
    with style():
        figure, axes = panels(len(counts), share=True)
        for ax, (condition, table) in zip(axes, counts.items(), strict=True):
            draw(ax, table[table["columns"] >= 10], "count", ("recall", "exact", "within_one"))
            ax.set(title=condition, xlabel="atoms in the column", ylim=(0, 1.02))
        axes[0].legend(frameon=False, fontsize=5.5)
    return figure


def reliability_of(result: ColumnsResult) -> dict[str, tuple[Any, Any]]:
    """Stated probabilities and what came true, of scores and of counts, conditions A from 310 to 10⁴ e/Å²."""
    found = pd.concat([result.scored[c].found for c in RELIABLE_CONDITIONS], ignore_index=True)
    hits = found[found.true & (found.score >= result.card.default_threshold) & (found["count"] > 0)]
    return {
        "score": (found.score.to_numpy(), found.true.to_numpy(bool)),
        "count_prob": (hits.count_prob.to_numpy(), (hits["count"] == hits.true_count).to_numpy()),
    }


def reliability_figure(diagrams: dict[str, dict[str, Any]]) -> Figure:
    """Stated probability against the share that came true, with the number in each bin."""
    with style():
        figure, axes = panels(len(diagrams), height_mm=60)
        for ax, (kind, d) in zip(axes, diagrams.items(), strict=True):
            ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.7)
            number = np.asarray(d["number"], float)
            ax.bar(
                (np.arange(len(number)) + 0.5) / len(number),
                number / max(number.max(), 1),
                0.09,
                color="0.88",
            )
            ax.plot(d["stated"], d["true"], "o-", markersize=3, color="#0072B2")
            ax.set(
                title=kind,
                xlabel="stated probability",
                ylabel="share that is true",
                xlim=(0, 1),
                ylim=(0, 1.02),
            )
    return figure


def dynamics_figure(result: DynamicsResult) -> Figure:
    """F1 and false events of the three methods against the dose."""
    rows = result.rows[~result.rows.mean_over_focus]
    with style():
        figure, axes = panels(2)
        for (method, own), marker in zip(rows.groupby("method", sort=False), "ox^", strict=False):
            axes[0].plot(own.dose_e_per_A2, own.f1, f"{marker}-", markersize=3, label=method)
            rate = own.static_false_per_1000.clip(lower=0.01)
            axes[1].plot(own.dose_e_per_A2, rate, f"{marker}-", markersize=3, label=method)
        axes[0].set(ylabel="F1 of events", ylim=(0, 1.02))
        axes[1].set(ylabel="false events per 1,000 site-frames,\nstatic movies", yscale="log")
        for ax in axes:
            ax.set(xscale="log", xlabel="dose a frame (e/Å²)", xlim=(70, 1400))
        axes[0].legend(frameon=False, fontsize=5.5)
    return figure
