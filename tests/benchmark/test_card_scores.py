"""From a benchmark's CSV to a card's scores, and only from the CSV of the same weights."""

import pandas as pd
import pytest

from napari_atomcount.benchmark.card_scores import for_card, scores_from
from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS, card_conditions
from napari_atomcount.records.errors import InputError


def rows(sha256):
    return pd.DataFrame(
        {
            "condition": ["A-1000", "tilt-0", "wide", "A-100-pixel-0.15"],
            "title": "words",
            "axis": ["dose", "tilt", "", "dose and pixel size"],
            "sha256": sha256[:12],
            "dose_low_e_per_A2": [1000.0, 1000.0, 100.0, 100.0],
            "dose_high_e_per_A2": [1000.0, 1000.0, 1e4, 100.0],
            "pixel_low_A": [0.2, 0.2, 0.1, 0.15],
            "pixel_high_A": [0.2, 0.2, 0.22, 0.15],
            "images": 8,
            "columns": 900,
            "seed": 0,
            "precision": [0.99991, 0.9, 0.95, None],
            "recall": 0.98,
        }
    )


def test_what_a_card_keeps():
    records = for_card(rows("a" * 64))
    assert [r["condition"] for r in records] == ["A-1000", "wide", "A-100-pixel-0.15"]
    assert records[0]["precision"] == 0.9999
    assert records[0]["images"] == 8
    assert "precision" not in records[2]
    assert records[2]["pixel_low_A"] == 0.15


def test_of_a_model_that_knows_a_microscopes_images_these_are_expected():
    table = rows("a" * 64)
    meant = table[table.axis == CARD_AXIS].assign(condition="A-100-pixel-0.15-mean", axis=MEANT_CARD_AXIS)
    wide = table[table.condition == "wide"].assign(condition="wide-mean")
    records = for_card(pd.concat([table, meant, wide]))
    assert [r["condition"] for r in records] == ["wide", "A-100-pixel-0.15-mean", "wide-mean"]
    assert [c.axis for c in card_conditions(True)] == [MEANT_CARD_AXIS] * 20
    assert all(c.optics["focal_mean"].low == 1 for c in card_conditions(True))
    assert {c.name for c in card_conditions(True)}.isdisjoint(c.name for c in card_conditions())


def test_scores_of_other_weights_are_refused(tiny_model, tmp_path):
    with pytest.raises(InputError, match="There is no"):
        scores_from(tmp_path / "tiny.csv", tiny_model)
    rows("f" * 64).to_csv(tmp_path / "tiny.csv", index=False)
    with pytest.raises(InputError, match="other weights"):
        scores_from(tmp_path / "tiny.csv", tiny_model)
    rows(tiny_model.sha256).to_csv(tmp_path / "tiny.csv", index=False)
    assert len(scores_from(tmp_path / "tiny.csv", tiny_model)) == 3
