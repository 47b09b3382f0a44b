"""Where a columns model loses: floors that it misses, peers that are better, its weakest conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from napari_atomcount.benchmark.columns import ColumnsResult
from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS
from napari_atomcount.benchmark.curves import CURVES
from napari_atomcount.benchmark.limits import dose_words

#: Differences smaller than these are none: F1, and the position error in pm.
SAME_F1, SAME_PM = 0.002, 0.1
#: A method that finds less than this share of the columns finds the easy ones: its positions say little.
WORTH_COMPARING = 0.9
#: How a classical method was tuned with the truth at hand, in words; the first ones are the least.
TUNING = {"one setting": "one setting for all", "condition": "tuned to it", "image": "tuned to each image"}


def losses(result: ColumnsResult) -> list[str]:
    """Sentences, made from the measured rows alone; the worst news first."""
    rows = result.rows[result.rows.condition != "negative"]
    words = [
        f"{missed(f['condition'])}: {f['figure']} {f['measured']:.3f}, wanted {f['floor']}"
        for f in result.floors
        if not f["met"]
    ]
    found = ["Floors that are missed: " + ("; ".join(words) if words else "none") + "."]
    found += [text for text in (peers_ahead(rows, result.peers), weakest(rows)) if text]
    aside = [*CURVES, "robustness", CARD_AXIS, MEANT_CARD_AXIS]
    counted = rows[rows.count_exact.notna() & ~rows.axis.isin(aside)]
    if len(counted):
        worst = least(counted, "count_exact")
        found.append(
            f"Fewest exact counts in the table: {100 * worst['count_exact']:.0f} % "
            f"({short(worst)}), with a bias of {worst['count_bias']:+.1f} atoms."
        )
    return [*found, dose_words(result.observer, result.rows)]


def least(rows: pd.DataFrame, figure: str) -> dict[str, Any]:
    """The row with the smallest value of a figure."""
    known = rows[rows[figure].notna()]
    records: list[dict[str, Any]] = known.to_dict("records")  # type: ignore[assignment]
    return min(records, key=lambda row: float(row[figure]))


def missed(condition: str) -> str:
    """A floor's condition without its details; a factor of the robustness is none."""
    return condition if condition.startswith("robustness") else condition.split(":")[0]


def short(row: Mapping[Any, Any]) -> str:
    """A condition's title without what follows its colon."""
    return str(row["title"]).split(":")[0]


def peers_ahead(rows: pd.DataFrame, peers: pd.DataFrame) -> str:
    """Conditions in which a classical method is better, with the least tuning that it takes."""
    ours = {str(row["condition"]): row for row in rows.to_dict("records")}
    ahead: dict[tuple[str, str], dict[str, str]] = {}
    for peer in peers.to_dict("records"):
        own, method = ours[str(peer["condition"])], str(peer["method"])
        if peer["f1"] > own["f1"] + SAME_F1:
            figures = f"{peer['f1']:.3f} against {own['f1']:.3f}, {TUNING[str(peer['tuning'])]}"
            ahead.setdefault((method, "in F1"), {}).setdefault(short(own), figures)
        if peer["position_pm"] < own["position_pm"] - SAME_PM and peer["recall"] > WORTH_COMPARING:
            figures = f"{peer['position_pm']:.1f} against {own['position_pm']:.1f} pm"
            figures = f"{figures}, {TUNING[str(peer['tuning'])]}"
            ahead.setdefault((method, "in position"), {}).setdefault(short(own), figures)
    sentences = []
    points = {short(row) for row in ours.values() if row["axis"] in CURVES}
    for (method, what), where in ahead.items():
        named = [f"{title} ({text})" for title, text in where.items() if title not in points]
        rest = sorted(set(where) & points)
        if rest:
            named.append(f"{len(rest)} of {len(points)} points of the curves ({', '.join(rest)})")
        sentences.append(f"{method[0].upper()}{method[1:]}: ahead {what} at {'; '.join(named)}.")
    return " ".join(sentences)


def weakest(rows: pd.DataFrame) -> str:
    """The weakest point of each curve at 1000 e/Å²."""
    parts = []
    for axis in CURVES:
        own = rows[rows.axis == axis]
        if not len(own) or bool(own.f1.isna().all()):
            continue
        column = least(own, "f1")
        text = f"{axis}: F1 {column['f1']:.3f} at {column['at']:g}"
        if own.count_exact.notna().any():
            count = least(own, "count_exact")
            text += f", counts exact {100 * count['count_exact']:.0f} % at {count['at']:g}"
        parts.append(text)
    return f"Weakest points of the curves: {'; '.join(parts)}." if parts else ""
