"""From a benchmark's rows to the scores of a model card: figures, and the dose and pixel size of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.errors import InputError

#: Curves that a card keeps: what one may expect is interpolated in dose and pixel size.
AXES = ("dose", CARD_AXIS)
#: Rows that a card keeps beside them.
CONDITIONS = ("wide", "wide-mean")
KEPT = (
    "condition",
    "title",
    "dose_low_e_per_A2",
    "dose_high_e_per_A2",
    "pixel_low_A",
    "pixel_high_A",
    "images",
    "columns",
    "seed",
)
FIGURES = (
    "precision",
    "recall",
    "position_pm",
    "count_exact",
    "count_within_one",
    "ece_score",
    "ece_count",
)


def for_card(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The figures that a model card shows: dose, pixel size and what to expect there.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of a columns benchmark; figures that are not known are left out of a record. Where a model was
        measured on images that are a mean over focus, as a microscope's are, these are expected of it.
    """
    curves = rows.axis == MEANT_CARD_AXIS
    curves = curves if curves.any() else rows.axis.isin(AXES)
    chosen = rows[curves | rows.condition.isin(CONDITIONS)]
    records: list[dict[str, Any]] = []
    for _, row in chosen.iterrows():
        record: dict[str, Any] = {name: plain(row[name]) for name in KEPT if name in rows}
        known = (name for name in FIGURES if name in rows and pd.notna(row[name]))
        records.append(record | {name: round(float(row[name]), 4) for name in known})
    return records


def plain(value: Any) -> Any:
    """A numpy number as a number of Python, whole where it is whole."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def scores_from(csv: Path, card: ModelCard) -> list[dict[str, Any]]:
    """The scores for a card from the CSV of its own benchmark.

    Raises
    ------
    InputError
        If the file is not there, or was measured with other weights.
    """
    if not csv.is_file():
        raise InputError(f"There is no {csv}: run `napari-atomcount benchmark {card.name}` first.")
    rows = pd.read_csv(csv)
    measured = set(rows.sha256.dropna().astype(str)) if "sha256" in rows else set()
    if measured != {card.sha256[:12]}:
        raise InputError(
            f"{csv} was measured with other weights than those in {card.folder}: run the benchmark again."
        )
    return for_card(rows)
