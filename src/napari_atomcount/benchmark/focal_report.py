"""What the benchmark of focal series leaves behind: CSV, JSON, curves against the total dose, a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS
from napari_atomcount.benchmark.curves import draw, panels, reliability_figure
from napari_atomcount.benchmark.focal import LIMITS, OWN_PIXEL_A, FocalResult
from napari_atomcount.benchmark.report import (
    floors_markdown,
    markdown,
    write_figure,
    write_json,
    write_table,
    write_text,
)
from napari_atomcount.benchmark.scoring import pooled, reliability
from napari_atomcount.io.drawing import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_focal(result: FocalResult, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, JSON, curves and Markdown of a model of focal series."""
    name = result.card.name
    diagrams = diagrams_of(result)
    content = about | {
        "rows": result.rows.to_dict("records"),
        "floors": result.floors,
        "reliability": diagrams,
    }
    return [
        write_table(result.rows, out / f"{name}.csv"),
        write_json(content, out / f"{name}.json"),
        write_figure(dose_figure(result), out / f"{name}-dose.png"),
        write_figure(reliability_figure(diagrams), out / f"{name}-reliability.png"),
        write_text(focal_markdown(result), out / f"{name}.md"),
    ]


def diagrams_of(result: FocalResult) -> dict[str, dict[str, Any]]:
    """Stated and true probabilities of score and count, in the conditions that have floors."""
    both = pooled([result.scored[c] for c in dict.fromkeys(limit[0] for limit in LIMITS)])
    hits = both.found[both.found.true & (both.found.score >= result.card.default_threshold)]
    hits = hits[hits["count"] > 0]
    pairs = {
        "score": (both.found.score.to_numpy(), both.found.true.to_numpy(bool)),
        "count_prob": (hits.count_prob.to_numpy(), (hits["count"] == hits.true_count).to_numpy()),
    }
    return {
        kind: dict(zip(("stated", "true", "number"), reliability(*pair), strict=True))
        for kind, pair in pairs.items()
    }


def dose_figure(result: FocalResult) -> Figure:
    """Columns, counts and the errors of position and alignment against the total dose."""
    rows = result.rows
    with style():
        figure, axes = panels(3)
        own = rows[rows.axis == "dose"].sort_values("at")
        meant = rows[(rows.axis == MEANT_CARD_AXIS) & (rows.pixel_low_A == OWN_PIXEL_A)].sort_values("at")
        draw(axes[0], own, "at", ("precision", "recall"))
        draw(axes[1], own, "at", ("count_exact", "count_within_one"))
        if len(meant):
            draw(axes[1], meant, "at", ("count_exact", "count_within_one"), "x:", ", mean over focus")
        for condition, name, limit, _ in LIMITS:
            if name == "count_exact":
                axes[1].plot(own["at"][own.condition == condition], [limit], "_", color="0.3", markersize=9)
        axes[2].plot(
            own["at"], own.position_pm, "o-", color="0.2", markersize=3, linewidth=1, label="columns"
        )
        axes[2].plot(
            own["at"], own.alignment_pm, "s--", color="0.5", markersize=3, linewidth=1, label="alignment"
        )
        axes[2].set_ylabel("rms error per axis, pm")
        axes[2].set_ylim(0, None)
        for ax in axes:
            ax.set_xscale("log")
            ax.set_xlabel("total dose, e/Å²")
            ax.legend(frameon=False)
        found, counted = own[["precision", "recall"]].min().min(), own.count_exact.min()  # NaN: no columns
        axes[0].set_ylim(np.fmin(0.9, found - 0.03), 1.005)
        counted = np.fmin(counted, meant.count_exact.min() - 0.27)  # room for the longer legend
        axes[1].set_ylim(np.fmin(0.9, counted - 0.03), 1.005)
    return figure


def focal_markdown(result: FocalResult) -> str:
    """Tables: floors, conditions."""
    first = result.rows.iloc[0]
    for_card = result.rows.axis.isin([CARD_AXIS, MEANT_CARD_AXIS])
    table = result.rows[~for_card | (result.rows.pixel_low_A == OWN_PIXEL_A)]
    head = ("conditions", "series", "columns", "precision", "recall", "position, pm", "count exact",
            "within one", "bias, atoms", "ECE score", "ECE count", "alignment, pm")  # fmt: skip
    keys = ("title", "images", "columns", "precision", "recall", "position_pm", "count_exact",
            "count_within_one", "count_bias", "ece_score", "ece_count", "alignment_pm")  # fmt: skip
    lines = [
        f"Model `{first.model}`, sha256 `{first.sha256}…`, default threshold {first.threshold:g}, "
        f"seed {int(first.seed)}.\n",
        floors_markdown(result.floors),
        markdown(head, ([row[key] for key in keys] for _, row in table.iterrows())),
    ]
    return "\n".join(lines)
