"""Unit tests of written analyses: what comes back is what went in, and no file is half written."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.tables import read_analysis, read_table, write_analysis, write_table
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError, TableError
from napari_atomcount.records.settings import AnalysisSettings

SUMMARY = {
    "versions": {"napari-atomcount": "0.1.0"},
    "command": ["napari-atomcount", "analyze"],
    "settings": AnalysisSettings(mask=Path("mask.tif")),
    "calibration": Calibration(pixel_size_nm=0.02),
    "model": {"name": "fcc", "threshold": np.float32(0.5)},
    "warnings": (),
    "totals": {"columns": np.int64(2), "rate": math.nan},
}


def analysis(counted: bool = True) -> Analysis:
    p = np.array([0.1, 0.7, 0.2], np.float32)
    columns = pd.DataFrame(
        {
            "frame": [0, 0, 1],
            "column_id": [0, 1, 2],
            "site_id": [0, -1, 0],
            "y": [1.25, 2.0, 1.0],
            "x": [3.0, 4.0, 3.0],
            "y_nm": [0.025, 0.04, 0.02],
            "x_nm": [0.06, 0.08, 0.06],
            "y_sigma": [0.1, math.nan, 0.2],
            "x_sigma": [0.1, math.nan, 0.2],
            "score": [0.9, 0.6, 1.0],
            "label": ["column"] * 3,
            "count": [2, -1, 2] if counted else [-1] * 3,
            "count_prob": [0.7, math.nan, 0.7] if counted else [math.nan] * 3,
            "count_low": [1, -1, 1] if counted else [-1] * 3,
            "count_high": [3, -1, 3] if counted else [-1] * 3,
            "origin": ["network"] * 3,
            "count_p": pd.Series([p, None, p] if counted else [None] * 3, dtype=object),
        }
    )
    site = dict.fromkeys(tables.SITES.names, 0) | {
        "label": "column",
        "occupancy": 1.0,
        "mean_count": math.nan,
    }
    return Analysis(
        columns=columns,
        sites=tables.conform(pd.DataFrame([site]), tables.SITES),
        events=tables.empty(tables.EVENTS),
        drift=pd.DataFrame(
            {"frame": [0, 1], "dy": [0.0, 0.5], "dx": [0.0, -0.5], "confidence": [1.0, math.nan]}
        ),
        state=np.array([[2], [-1]], np.int8),
        probability=np.array([[0.99], [math.nan]], np.float32),
        site_id=np.array([0]),
        frame=np.array([0, 1]),
        summary=SUMMARY,
    )


@pytest.mark.parametrize("counted", [True, False])
def test_an_analysis_comes_back(tmp_path, counted):
    written = analysis(counted)
    write_analysis(written, tmp_path / "deep" / "out")
    found = read_analysis(tmp_path / "deep" / "out")
    plain = written.columns.drop(columns="count_p")
    pd.testing.assert_frame_equal(found.columns.drop(columns="count_p"), plain)
    for name in ("sites", "events", "drift"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(written, name))
    for name in ("state", "probability", "site_id", "frame"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    assert pd.isna(found.columns["count_p"][1])
    if counted:
        np.testing.assert_allclose(found.columns["count_p"][0], [0.1, 0.7, 0.2], rtol=1e-6)


def test_files_and_their_types(tmp_path):
    write_analysis(analysis(), tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    stems = ("columns", "sites", "events", "drift")
    assert names == {"occupancy.npz", "summary.json"} | {
        f"{s}.{e}" for s in stems for e in ("csv", "parquet")
    }
    with np.load(tmp_path / "occupancy.npz") as file:
        assert file["state"].dtype == np.int8
        assert file["probability"].dtype == np.float32
    header = (tmp_path / "columns.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(tables.COLUMNS.names)
    field = pq.read_schema(tmp_path / "columns.parquet").field("y_nm")
    assert field.metadata[b"unit"] == b"nm"


def test_the_summary_is_plain_json(tmp_path):
    write_analysis(analysis(), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["calibration"]["pixel_size_nm"] == [0.02, 0.02]
    assert summary["calibration"]["sources"] == {"pixel_size_nm": "user"}
    assert summary["settings"]["mask"] == "mask.tif"
    assert summary["totals"] == {"columns": 2, "rate": None}


def test_csv_alone_is_enough(tmp_path):
    write_analysis(analysis(), tmp_path)
    (tmp_path / "sites.parquet").unlink()
    pd.testing.assert_frame_equal(read_table(tmp_path, tables.SITES), analysis().sites)


def test_a_wrong_table_leaves_the_earlier_analysis_alone(tmp_path):
    write_analysis(analysis(), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    wrong = replace(analysis(), columns=analysis().columns.assign(score=7.0))
    with pytest.raises(TableError, match="'score'"):
        write_analysis(wrong, tmp_path)
    with pytest.raises(TableError, match="model"):
        write_analysis(
            replace(analysis(), summary={k: v for k, v in SUMMARY.items() if k != "model"}), tmp_path
        )
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_nothing_half_written_remains(tmp_path):
    (tmp_path / "a.csv").write_text("old")

    def fail() -> None:
        with whole_file(tmp_path / "a.csv") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_analysis(analysis(), tmp_path / "out")


@pytest.mark.parametrize("name", ["summary.json", "columns.parquet", "occupancy.npz"])
def test_a_damaged_file_is_named(tmp_path, name):
    write_analysis(analysis(), tmp_path)
    (tmp_path / name).write_bytes(b"\x00nonsense")
    with pytest.raises(InputError, match=name):
        read_analysis(tmp_path)


def test_an_empty_folder_is_no_analysis(tmp_path):
    with pytest.raises(InputError, match=r"summary\.json"):
        read_analysis(tmp_path)


finite = st.floats(-1e9, 1e9)
events = st.fixed_dictionaries(
    {
        "frame": st.integers(0, 2**31),
        "time_s": finite | st.just(math.nan),
        "site_id": st.integers(0, 2**31),
        "kind": st.sampled_from(["appear", "vanish", "gain", "lose"]),
        "before": st.integers(0, 99),
        "after": st.integers(0, 99),
        "probability": st.floats(0, 1),
    }
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(events, max_size=20), parquet=st.booleans())
def test_any_events_come_back_exactly(tmp_path, rows, parquet):
    table = tables.conform(pd.DataFrame(rows, columns=tables.EVENTS.names), tables.EVENTS)
    write_table(table, tables.EVENTS, tmp_path)
    if not parquet:
        (tmp_path / "events.parquet").unlink()
    pd.testing.assert_frame_equal(read_table(tmp_path, tables.EVENTS), table, check_exact=parquet, rtol=1e-15)
