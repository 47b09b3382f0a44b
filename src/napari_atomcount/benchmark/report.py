"""What a benchmark leaves behind: CSV, JSON, curves as PNG, and tables in Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.columns import ColumnsResult, by_count
from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS
from napari_atomcount.benchmark.curves import (
    COUNT_CONDITIONS,
    CURVES,
    counts_figure,
    curves_figure,
    dose_figure,
    dynamics_figure,
    reliability_figure,
    reliability_of,
    robustness_figure,
)
from napari_atomcount.benchmark.dynamics import DynamicsResult
from napari_atomcount.benchmark.limits import LIMIT_DOSES, dose_words, limit_rows
from napari_atomcount.benchmark.losses import losses
from napari_atomcount.benchmark.robustness import LARGEST_FALL, falls
from napari_atomcount.benchmark.scoring import reliability
from napari_atomcount.benchmark.speed import SpeedResult
from napari_atomcount.io.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clean(value: Any) -> Any:
    """A value fit for JSON: plain numbers, None for what is not known."""
    if isinstance(value, dict):
        return {str(key): clean(v) for key, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [clean(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV."""
    with whole_file(path) as partial:
        table.to_csv(partial, index=False)
    return path


def write_text(text: str, path: Path) -> Path:
    """Write UTF-8 text."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(content: Any, path: Path) -> Path:
    """Write JSON."""
    return write_text(json.dumps(clean(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


def write_figure(figure: Figure, path: Path) -> Path:
    """Write a PNG."""
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=200)
    return path


def write_columns(result: ColumnsResult, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, peers, JSON, curves and Markdown of a columns model."""
    name, threshold = result.card.name, result.card.default_threshold
    counts = {c: by_count(result.scored[c], threshold) for c in COUNT_CONDITIONS}
    diagrams = {
        kind: dict(zip(("stated", "true", "number"), reliability(*pair), strict=True))
        for kind, pair in reliability_of(result).items()
    }
    limits = limit_rows(result.observer, result.rows)
    groups = result.observer.groups(LIMIT_DOSES)
    by_atoms = pd.concat([t.assign(condition=c) for c, t in counts.items()], ignore_index=True)
    content = about | {
        "rows": result.rows.to_dict("records"),
        "peers": result.peers.to_dict("records"),
        "robustness": result.robustness.to_dict("records"),
        "ideal_observer": {
            "limits": limits.to_dict("records"),
            "groups": groups.to_dict("records"),
            "words": dose_words(result.observer, result.rows),
        },
        "by_count": {c: t.to_dict("records") for c, t in counts.items()},
        "reliability": diagrams,
        "floors": result.floors,
    }
    return [
        write_table(result.rows, out / f"{name}.csv"),
        write_table(result.peers, out / f"{name}-peers.csv"),
        write_table(result.robustness, out / f"{name}-robustness.csv"),
        write_table(limits, out / f"{name}-ideal.csv"),
        write_table(by_atoms, out / f"{name}-counts.csv"),
        write_json(content, out / f"{name}.json"),
        write_figure(dose_figure(result), out / f"{name}-dose.png"),
        write_figure(curves_figure(result), out / f"{name}-curves.png"),
        write_figure(counts_figure(counts), out / f"{name}-counts.png"),
        write_figure(robustness_figure(result.robustness, LARGEST_FALL), out / f"{name}-robustness.png"),
        write_figure(reliability_figure(diagrams), out / f"{name}-reliability.png"),
        write_text(columns_markdown(result), out / f"{name}.md"),
        write_text("".join(f"- {text}\n" for text in losses(result)), out / f"{name}-losses.md"),
        write_text(peers_markdown(result), out / f"{name}-peers.md"),
        write_text(robustness_markdown(result), out / f"{name}-robustness.md"),
        write_text(ideal_markdown(result), out / f"{name}-ideal.md"),
    ]


def write_dynamics(result: DynamicsResult, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, movies, JSON, a figure and Markdown of the benchmark in time."""
    content = about | {
        "rows": result.rows.to_dict("records"),
        "movies": result.movies.to_dict("records"),
        "floors": result.floors,
        "turning": result.turning.to_dict("records"),
    }
    return [
        write_table(result.rows, out / "dynamics.csv"),
        write_table(result.turning, out / "dynamics-turning.csv"),
        write_table(result.movies, out / "dynamics-movies.csv"),
        write_json(content, out / "dynamics.json"),
        write_figure(dynamics_figure(result), out / "dynamics.png"),
        write_text(dynamics_markdown(result), out / "dynamics.md"),
    ]


def write_speed(result: SpeedResult, out: Path, about: dict[str, Any]) -> list[Path]:
    """Write rows, JSON and Markdown of the speed."""
    content = about | {"rows": result.rows.to_dict("records"), "floors": result.floors}
    return [
        write_table(result.rows, out / "speed.csv"),
        write_json(content, out / "speed.json"),
        write_text(speed_markdown(result), out / "speed.md"),
    ]


# ---------------------------------------------------------------- Markdown


def shown(value: Any, digits: int = 3) -> str:
    """A number for a table; a dash for what is not known."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "**no**"
    if isinstance(value, (int, np.integer)) or (float(value) == int(value) and abs(float(value)) >= 2):
        return f"{int(value)}"  # numbers of things
    return f"{float(value):.{digits}f}"


def markdown(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(shown(v) for v in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def floors_markdown(floors: list[dict[str, Any]]) -> str:
    """The table of floors."""
    return markdown(
        ("conditions", "figure", "floor", "measured", "met"),
        ((f["condition"], f["figure"], f["floor"], f["measured"], f["met"]) for f in floors),
    )


def columns_markdown(result: ColumnsResult) -> str:
    """Tables of a columns model: floors, conditions, peers."""
    rows = result.rows[result.rows.condition != "negative"]
    table = rows[~rows.axis.isin([*CURVES, "robustness", CARD_AXIS, MEANT_CARD_AXIS])]
    figures = ("precision", "recall", "position_pm", "count_exact", "count_within_one", "count_bias")
    head = ["conditions", "images", "columns", "precision", "recall", "position, pm", "count exact"]
    head += ["within one", "bias, atoms", "ECE score", "ECE count"]
    keys = ("title", "images", "columns", *figures, "ece_score", "ece_count")
    first = result.rows.iloc[0]
    lines = [
        f"Model `{first.model}`, sha256 `{first.sha256}…`, default threshold {first.threshold:g}, "
        f"seed {int(first.seed)}.\n",
        floors_markdown(result.floors),
        markdown(head, ([row[key] for key in keys] for _, row in table.iterrows())),
    ]
    gaps = rows[rows.condition == "A-1000-gaps"].iloc[0]
    lines.append(
        f"Of {int(gaps.missing)} missing surface columns {shown(100 * gaps.missing_reported, 1)} % are "
        f"reported missing, of {int(gaps.isolated)} isolated columns "
        f"{shown(100 * gaps.isolated_found, 1)} % are found.\n"
    )
    return "\n".join(lines)


def peers_markdown(result: ColumnsResult) -> str:
    """The classical methods on the images of the table, each tuned in three ways."""
    figures = ["precision", "recall", "position_pm"]
    shown_rows = result.rows[result.rows.axis.isin(["dose"]) | (result.rows.condition == "wide")]
    words = {"one setting": "all conditions", "condition": "this condition", "image": "each image"}
    lines: list[list[Any]] = []
    for _, ours in shown_rows.iterrows():
        short = str(ours["title"]).split(":")[0]
        lines.append([short, "**network**", "–", *ours[figures]])
        for _, peer in result.peers[result.peers.condition == ours.condition].iterrows():
            lines.append([short, peer.method, words[str(peer.tuning)], *peer[figures]])
    return markdown(("conditions", "method", "tuned to", "precision", "recall", "position, pm"), lines)


def robustness_markdown(result: ColumnsResult) -> str:
    """How far exact counts fall, one factor at a time."""
    table, first = result.robustness, result.rows.iloc[0]
    keys = ("factor", "value", "recall", "count_exact", "count_within_one", "count_bias", "fall")
    head = (
        "factor",
        "value",
        "recall",
        "count exact",
        "within one",
        "bias, atoms",
        "below the factor's best",
    )
    worst = falls(table)
    over = [factor for factor, fall in worst.items() if fall > LARGEST_FALL]
    words = f"Not met by: {', '.join(over)}." if over else "Every factor is met."
    return "\n".join(
        [
            f"Model `{first.model}`, sha256 `{first.sha256}…`, seed {int(first.seed)}, "
            f"{int(table.images.max())} particles, the same in every row. "
            f"Exact counts should fall by at most {100 * LARGEST_FALL:g} points. {words}\n",
            markdown(head, ([row[k] for k in keys] for _, row in table.iterrows())),
        ]
    )


def ideal_markdown(result: ColumnsResult) -> str:
    """Our counts beside those of an observer who knows everything else."""
    limits = limit_rows(result.observer, result.rows)
    groups = result.observer.groups(LIMIT_DOSES)
    head = ("dose, e/Å²", "our wrong counts", "the ideal observer's", "the dose at which it makes ours, e/Å²")
    keys = ("dose_e_per_A2", "ours", "ideal", "ideal_dose_for_ours")
    return "\n".join(
        [
            dose_words(result.observer, result.rows) + "\n",
            markdown(head, ([row[k] for k in keys] for _, row in limits.iterrows())),
            "One atom fewer, taken for the true number; median over columns, by the true number of atoms:\n",
            markdown(
                ("atoms", "columns", *(f"{d:g} e/Å²" for d in LIMIT_DOSES)),
                (list(row) for row in groups.itertuples(index=False)),
            ),
        ]
    )


def dynamics_markdown(result: DynamicsResult) -> str:
    """Tables of the benchmark in time."""
    rows = result.rows
    first = rows.iloc[0]
    head = ("conditions", "method", "events", "precision", "recall", "F1", "false per 1,000, static")
    keys = ("condition", "method", "events_true", "precision", "recall", "f1", "static_false_per_1000")
    ours = rows[rows.method == rows.method.iloc[0]]
    head2 = ["conditions", "sites", "mobile", "occupancy MAE", "of mobile sites", "95 % intervals hold"]
    head2 += ["of mobile sites", "exact 95 %", "of mobile sites", "95 % of rates, mobile"]
    head2 += ["drift rms, px", "period jumps"]
    keys2 = ["condition", "sites", "mobile_sites", "occupancy_mae", "occupancy_mae_mobile"]
    keys2 += ["interval_coverage", "interval_coverage_mobile", "interval_exact", "interval_exact_mobile"]
    keys2 += ["rate_coverage_mobile", "drift_rms_px", "period_jumps"]
    return "\n".join(
        [
            f"Model `{first.model}`, sha256 `{first.sha256}…`, seed {int(first.seed)}, "
            f"{int(first.movies)} movies of {int(first.frames)} frames in each condition.\n",
            floors_markdown(result.floors),
            markdown(head, ([row[k] for k in keys] for _, row in rows.iterrows())),
            markdown(head2, ([row[k] for k in keys2] for _, row in ours.iterrows())),
            turning_markdown(result.turning),
        ]
    )


def turning_markdown(rows: pd.DataFrame) -> str:
    """Table of particles that turn or grow."""
    head = ["turn, °", "growth, %", "followed", "columns", "sites", "columns that keep their site"]
    head += ["turn rms, °", "scale rms, %", "events", "F1", "false per 1,000"]
    keys = ["turn_deg", "growth", "followed", "columns_true", "sites", "kept", "turn_rms_deg", "scale_rms"]
    keys += ["events_true", "f1", "false_per_1000"]
    told = rows.assign(
        followed=np.where(rows["followed"], "yes", "–"),
        growth=100 * rows["growth"],
        scale_rms=100 * rows["scale_rms"],
    )
    table = markdown(head, ([row[k] for k in keys] for _, row in told.iterrows()))
    return f"Particles that turn in the plane or grow in the image, 310 e/Å² a frame:\n\n{table}"


def speed_markdown(result: SpeedResult) -> str:
    """Table of the speed."""
    first = result.rows.iloc[0]
    return "\n".join(
        [
            f"Model `{first.model}`, sha256 `{first.sha256}…`, on {first.device} with "
            f"{int(first.threads)} threads.\n",
            floors_markdown(result.floors),
            markdown(
                ("figure", "conditions", "value", "unit"),
                ([r[k] for k in ("figure", "condition", "value", "unit")] for _, r in result.rows.iterrows()),
            ),
        ]
    )
