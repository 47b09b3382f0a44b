"""What the benchmark of CeO2 leaves behind: CSV, JSON, curves as PNG, and tables in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.ceria import TABLE, CeriaResult
from napari_atomcount.benchmark.ceria_scenes import CLASSES
from napari_atomcount.benchmark.curves import draw, panels
from napari_atomcount.benchmark.report import (
    floors_markdown,
    markdown,
    write_figure,
    write_json,
    write_table,
    write_text,
)
from napari_atomcount.benchmark.scoring import reliability
from napari_atomcount.io.drawing import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Conditions whose probabilities are pooled in the reliability diagrams.
RELIABLE = ("ceo2-100", "ceo2-900", "ceo2-1000")


def write_ceria(result: CeriaResult, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, kinds of specimens, counts, peers, JSON, curves and Markdown."""
    name, counts, diagrams = result.card.name, result.counts(), reliabilities(result)
    content = about | {
        "rows": result.rows.to_dict("records"),
        "kinds": result.kinds.to_dict("records"),
        "peers": result.peers.to_dict("records"),
        "by_count": counts.to_dict("records"),
        "reliability": diagrams,
        "floors": result.floors,
    }
    return [
        write_table(result.rows, out / f"{name}.csv"),
        write_table(result.kinds, out / f"{name}-kinds.csv"),
        write_table(result.peers, out / f"{name}-peers.csv"),
        write_table(counts, out / f"{name}-counts.csv"),
        write_json(content, out / f"{name}.json"),
        write_figure(curves_figure(result), out / f"{name}-curves.png"),
        write_figure(counts_figure(counts), out / f"{name}-counts.png"),
        write_figure(reliability_figure(diagrams), out / f"{name}-reliability.png"),
        write_text(ceria_markdown(result), out / f"{name}.md"),
    ]


def reliabilities(result: CeriaResult) -> dict[str, dict[str, Any]]:
    """Reliability of score and count_prob of each class, pooled over conditions."""
    out: dict[str, dict[str, Any]] = {}
    for label in CLASSES:
        found = pd.concat([result.scored[c, label].found for c in RELIABLE], ignore_index=True)
        written = found[found.true & (found.score >= result.card.default_threshold) & (found["count"] > 0)]
        pairs = {
            f"score of {label}": (found.score.to_numpy(float), found.true.to_numpy(bool)),
            f"count of {label}": (
                written.count_prob.to_numpy(float),
                (written["count"] == written.true_count).to_numpy(bool),
            ),
        }
        for words, pair in pairs.items():
            out[words] = dict(zip(("stated", "true", "number"), reliability(*pair), strict=True))
    return out


def curves_figure(result: CeriaResult) -> Figure:
    """Figures of both classes against dose, defocus and tilt."""
    with style():
        figure, axes = panels(4, share=True)
        shown = (("dose", CLASSES[0]), ("dose", CLASSES[1]), ("defocus", CLASSES[0]), ("tilt", CLASSES[0]))
        words = {"dose": "dose, e/Å² at 0.1 Å/px", "defocus": "defocus, nm", "tilt": "tilt, °"}
        for ax, (axis, label) in zip(axes, shown, strict=True):
            rows = result.rows
            own = rows[(rows.label == label) & (rows.axis.isin([axis, f"{axis}, {label}"]))].sort_values("at")
            draw(ax, own, "at", ("precision", "recall", "count_exact", "count_within_one"))
            ax.set(title=label, xlabel=words[axis], ylim=(0, 1.02))
            if axis == "dose":
                ax.set_xscale("log")
        axes[0].legend(frameon=False, fontsize=5.5)
    return figure


def counts_figure(counts: pd.DataFrame) -> Figure:
    """Recall and counts by the true number of atoms at SNR 3."""
    with style():
        figure, axes = panels(2, share=True)
        for ax, label in zip(axes, CLASSES, strict=True):
            draw(ax, counts[counts.label == label], "count", ("recall", "exact", "within_one"))
            ax.set(title=f"{label}, 900 e/Å²", xlabel="atoms in the column", ylim=(0, 1.02))
        axes[0].legend(frameon=False, fontsize=5.5)
    return figure


def reliability_figure(diagrams: dict[str, dict[str, Any]]) -> Figure:
    """Stated probabilities against what came true."""
    with style():
        figure, axes = panels(len(diagrams), share=True)
        for ax, (words, own) in zip(axes, diagrams.items(), strict=True):
            ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.7)
            size = 4 + 30 * np.sqrt(own["number"] / max(1, np.max(own["number"])))
            ax.scatter(own["stated"], own["true"], s=size, color="#0072B2")
            ax.set(title=words, xlabel="stated", xlim=(0, 1), ylim=(0, 1.02))
        axes[0].set_ylabel("came true")
    return figure


def ceria_markdown(result: CeriaResult) -> str:
    """Tables: floors, conditions by class, kinds of specimens, peers."""
    first = result.rows.iloc[0]
    columns = {
        "precision": "precision",
        "recall": "recall",
        "recall at precision 0.9": "recall_at_precision",
        "position, pm": "position_pm",
        "count exact": "count_exact",
        "within one": "count_within_one",
        "bias, atoms": "count_bias",
        "ECE score": "ece_score",
        "ECE count": "ece_count",
    }
    table = result.rows[result.rows.condition.isin(TABLE)]
    small = ("precision", "recall", "count_exact", "count_within_one")
    peers = [
        [row.condition, row.method, row.tuning, row.precision, row.recall, row.f1]
        for row in result.peers.itertuples()
    ]
    return "\n".join(
        [
            f"Model `{first.model}`, sha256 `{first.sha256}…`, default threshold {first.threshold:g}, "
            f"seed {int(first.seed)}.\n",
            floors_markdown(result.floors),
            markdown(
                ("conditions", "class", "images", "columns", *columns),
                (
                    [r.title, r.label, r.images, r.columns, *r[list(columns.values())]]
                    for _, r in table.iterrows()
                ),
            ),
            "By kind of specimen at 900 e/Å²:\n",
            markdown(
                ("form", "surface", "class", "columns", "precision", "recall", "count exact", "within one"),
                (
                    [r.form, r.surface, r.label, r.columns, *r[list(small)]]
                    for _, r in result.kinds.iterrows()
                ),
            ),
            "Classical methods on the cerium columns, with the best setting of a grid:\n",
            markdown(("condition", "method", "tuned to", "precision", "recall", "F1"), peers),
        ]
    )
