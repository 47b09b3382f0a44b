"""Unit tests of the schemas: `validate` names the wrong column."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.errors import TableError


def columns(**changes) -> pd.DataFrame:
    row = {
        "frame": [0, 1],
        "column_id": [0, 1],
        "site_id": [0, -1],
        "y": [1.0, 2.0],
        "x": [3.0, 4.0],
        "y_nm": [0.1, math.nan],
        "x_nm": [0.1, math.nan],
        "y_sigma": [0.1, math.nan],
        "x_sigma": [0.1, math.nan],
        "score": [0.9, 1.0],
        "label": ["column", "column"],
        "count": [5, -1],
        "count_prob": [0.6, math.nan],
        "count_low": [4, -1],
        "count_high": [6, -1],
        "origin": ["network", "added"],
    }
    return pd.DataFrame(row | changes)


@pytest.mark.parametrize("schema", tables.SCHEMAS.values(), ids=lambda s: s.name)
def test_an_empty_table_is_valid(schema):
    table = tables.validate(tables.empty(schema), schema)
    assert list(table.columns) == schema.names
    assert len(table) == 0


CONTRACT = {
    "columns": """frame column_id site_id y x y_nm x_nm y_sigma x_sigma score label count count_prob count_low
        count_high origin""",
    "sites": """site_id y x y_nm x_nm lattice_id h k coordination label occupancy occupancy_low occupancy_high
        n_events event_rate_per_s mean_count""",
    "events": "frame time_s site_id kind before after probability",
    "drift": "frame dy dx confidence",
    "regions": "frame region_id y x area_nm2 diameter_nm confidence",
    "shapes": "frame region_id y x shape probability",
    "strain": """frame site_id y x exx eyy exy rotation planar sigma_exx sigma_eyy sigma_exy sigma_rotation
        sigma_planar rmsd n_matched template reference""",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_names_are_those_of_the_contract(name):
    assert tables.SCHEMAS[name].names == CONTRACT[name].split()


def test_every_column_is_described():
    fields = [f for s in tables.SCHEMAS.values() for f in s.fields]
    assert all(f.description for f in fields)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("score", [0.5, 1.5]),
        ("score", [0.5, math.nan]),
        ("y", [math.nan, 1.0]),
        ("x", [math.inf, 1.0]),
        ("frame", [0.0, 1.0]),
        ("frame", [-1, 0]),
        ("label", [1, 2]),
        ("origin", ["network", "oracle"]),
        ("column_id", [7, 7]),
        ("count", [9, -1]),
        ("y_sigma", [-0.1, 0.1]),
    ],
)
def test_the_wrong_column_is_named(column, values):
    with pytest.raises(TableError, match=f"'?{column}'? "):
        tables.validate(columns(**{column: values}), tables.COLUMNS)


def test_a_missing_column_is_named():
    with pytest.raises(TableError, match="'score'"):
        tables.validate(columns().drop(columns="score"), tables.COLUMNS)


def test_conform_orders_and_casts_and_keeps_the_rest():
    shuffled = columns(frame=[0.0, 1.0], p_cube=[0.1, 0.2])[::-1]
    shuffled = shuffled[sorted(shuffled.columns)]
    table = tables.validate(tables.conform(shuffled, tables.COLUMNS), tables.COLUMNS)
    assert list(table.columns) == [*tables.COLUMNS.names, "p_cube"]
    assert table["frame"].tolist() == [1, 0]
    assert table.index.tolist() == [0, 1]


@pytest.mark.parametrize("values", [[0.5, 1.0], [math.nan, 1.0], ["a", "b"]])
def test_conform_never_rounds_silently(values):
    with pytest.raises(TableError, match="'frame'"):
        tables.conform(columns(frame=values), tables.COLUMNS)


def test_an_analysis_whose_tables_disagree_is_refused():
    sites = tables.empty(tables.SITES)
    parts = (columns(), sites, tables.empty(tables.EVENTS), tables.empty(tables.DRIFT))
    state, probability = np.zeros((2, 0), np.int8), np.zeros((2, 0), np.float32)
    analysis = Analysis(*parts, state, probability, np.zeros(0, np.int64), np.arange(2), {})
    with pytest.raises(TableError, match="site_id 0"):
        analysis.validate()
