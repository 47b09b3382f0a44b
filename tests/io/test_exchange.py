"""Tests of columns and corrections as CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.io.exchange import (
    edits_between,
    read_corrections,
    read_positions,
    write_columns,
    write_corrections,
)
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.corrections import CorrectionError, Gesture
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.replay import CorrectedColumns

EDITS = [
    corrections.add(0, 1.5, 1 / 3, count=3, label="Ce"),
    corrections.remove(1, 2.0, 3.0),
    corrections.move(1, 1.0, 2.0, 3.0, 4.0),
    corrections.set_count(2, 1.0, 2.0, 7),
    corrections.set_label(2, 1.0, 2.0, "O"),
    corrections.review(3),
    corrections.review(3, 1.0, 2.0),
]


def network() -> pd.DataFrame:
    n = 6
    return tables.conform(
        pd.DataFrame(
            {
                "frame": [0, 0, 0, 1, 1, 1],
                "column_id": np.arange(n),
                "site_id": -1,
                "y": [5.0, 15.0, 25.0] * 2,
                "x": 5.0,
                "y_nm": np.nan,
                "x_nm": np.nan,
                "y_sigma": 0.1,
                "x_sigma": 0.1,
                "score": 0.9,
                "label": "column",
                "count": 2,
                "count_prob": 0.5,
                "count_low": 1,
                "count_high": 3,
                "origin": "network",
            }
        ),
        tables.COLUMNS,
    )


def test_corrections_come_back_as_they_went(tmp_path: Path):
    write_corrections([Gesture(1, tuple(EDITS[:3])), Gesture(2, tuple(EDITS[3:]))], tmp_path / "c.csv")
    assert read_corrections(tmp_path / "c.csv") == EDITS
    assert pd.read_csv(tmp_path / "c.csv")["gesture"].tolist() == [1, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("edit,frame,y,x\nremove,0,1.0,\n", "Line 2 of .* is no edit: .*needs x"),
        ("edit,frame,y,x\npaint,0,1.0,1.0\n", "Line 2 of .* is no edit"),
        ("edit,frame,revokes\nrevoke,,3\n", "Line 2 of .* is no edit"),
        ("frame,y,x\n0,1.0,1.0\n", "lacks the column edit"),
    ],
)
def test_what_is_no_edit_is_named_by_its_line(tmp_path: Path, text, words):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_corrections(tmp_path / "c.csv")


def test_a_table_of_positions_becomes_one_gesture_that_leads_to_it(tmp_path: Path):
    (tmp_path / "mine.csv").write_text("frame,y,x,count\n0,5.0,5.0,2\n0,16.0,5.0,4\n0,40.0,40.0,1\n")
    wanted = read_positions(tmp_path / "mine.csv")
    table = network()
    edits = edits_between(table, wanted, (3.0, 3.0))
    assert [edit.edit for edit in edits] == ["remove", "add", "move", "set_count"]
    result = CorrectedColumns(table, 1, None, [Gesture(2, tuple(edits), 1)])
    assert sorted(result.frame_columns(0)["y"]) == [5.0, 16.0, 40.0]
    assert sorted(result.frame_columns(0)["count"]) == [1, 2, 4]
    pd.testing.assert_frame_equal(result.frame_columns(1), table[3:].reset_index(drop=True))
    assert edits_between(result.table, wanted, (3.0, 3.0)) == []


def test_columns_go_out_without_lists(tmp_path: Path):
    table = network().assign(count_p=[np.array([0.5, 0.5])] * 6)
    write_columns(table, tmp_path / "columns.csv")
    assert pd.read_csv(tmp_path / "columns.csv").columns.tolist() == tables.COLUMNS.names


@pytest.mark.parametrize("text", ["y\n1\n", "y,x\n1,abc\n", "y,x\n1,\n", "frame,y,x\n-1,1,1\n", ""])
def test_positions_that_are_none_are_refused(tmp_path: Path, text):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match=r"mine\.csv"):
        read_positions(tmp_path / "mine.csv")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be written"):
        write_columns(network(), tmp_path / "nowhere" / "columns.csv")


def test_the_error_of_an_edit_is_one_of_corrections(tmp_path: Path):
    (tmp_path / "c.csv").write_text("edit,frame,y,x\nremove,0,1.0,\n")
    with pytest.raises(CorrectionError):
        read_corrections(tmp_path / "c.csv")
