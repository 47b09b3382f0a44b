"""Unit tests of edits replayed over the network's columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import Edit, Gesture
from napari_atomcount.records.replay import CorrectedColumns

CALIBRATION = Calibration(pixel_size_nm=(0.02, 0.02))
MOST = 5


def network_table(n_frames: int = 3, side: int = 4, *, counts: bool = True) -> pd.DataFrame:
    """A square lattice of columns 10 px apart in every frame."""
    frame, i, j = np.mgrid[:n_frames, :side, :side].reshape(3, -1)
    n = len(frame)
    y, x = 10.0 * i + 5 + 0.1 * frame, 10.0 * j + 5.0
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(n), "site_id": -1, "y": y, "x": x,
            "y_nm": y * 0.02, "x_nm": x * 0.02, "y_sigma": 0.2, "x_sigma": 0.2,
            "score": np.linspace(0.6, 0.99, n), "label": "column", "count": 2 if counts else -1,
            "count_prob": 0.7 if counts else np.nan, "count_low": 1 if counts else -1,
            "count_high": 3 if counts else -1, "origin": "network",
        }
    )  # fmt: skip
    if counts:
        table["count_p"] = [np.array([0.1, 0.7, 0.2, 0, 0], np.float32)] * n
    return tables.conform(table, tables.COLUMNS)


def gesture(number: int, *edits: Edit, run: int = 1) -> Gesture:
    return Gesture(number, edits, run)


def corrected(*edits: Edit, run: int = 1, network: pd.DataFrame | None = None) -> CorrectedColumns:
    table = network_table() if network is None else network
    return CorrectedColumns(table, 1, CALIBRATION, [gesture(2, *edits, run=run)])


def at(table: pd.DataFrame, y: float, x: float) -> pd.Series:
    return table.loc[np.hypot(table["y"] - y, table["x"] - x).idxmin()]


def test_without_edits_the_networks_own_table_comes_back():
    network = network_table()
    assert CorrectedColumns(network, 1, CALIBRATION).table is network


@pytest.mark.parametrize("counts", [True, False])
def test_every_kind_of_edit(counts):
    edits = [
        corrections.add(0, 9.5, 9.5, count=4 if counts else None),
        corrections.remove(0, 5.0, 5.0),
        corrections.move(1, 5.1, 5.0, 6.0, 7.0),
        corrections.set_label(2, 5.2, 5.0, "Ce"),
    ]
    if counts:
        edits.append(corrections.set_count(1, 15.1, 15.0, 5))
    result = corrected(*edits, network=network_table(counts=counts))
    table = tables.validate(result.table, tables.COLUMNS)
    assert len(table) == 3 * 16
    added = at(result.frame_columns(0), 9.5, 9.5)
    assert (added["origin"], added["score"], added["count"]) == ("added", 1.0, 4 if counts else -1)
    assert np.isnan(added["y_sigma"])
    assert added["y_nm"] == pytest.approx(0.19)
    assert not ((result.frame_columns(0)[["y", "x"]] == 5.0).all(axis=1)).any()
    moved = at(result.frame_columns(1), 6.0, 7.0)
    assert (moved["y"], moved["x"], moved["origin"]) == (6.0, 7.0, "corrected")
    assert moved["y_nm"] == pytest.approx(0.12)
    assert at(result.frame_columns(2), 5.2, 5.0)["label"] == "Ce"
    if counts:
        counted = at(result.frame_columns(1), 15.1, 15.0)
        assert (counted["count"], counted["count_low"], counted["count_prob"]) == (5, 5, 1.0)
        assert list(counted["count_p"]) == [0, 0, 0, 0, 1]
    assert not result.unplaced()


def test_untouched_rows_are_the_networks():
    network = network_table()
    result = corrected(corrections.remove(1, 5.1, 5.0), network=network).table
    gone = network[(network["frame"] == 1) & (network["y"] == 5.1) & (network["x"] == 5.0)].index
    pd.testing.assert_frame_equal(result, network.drop(gone).reset_index(drop=True))


def test_an_edit_finds_the_column_where_the_edit_before_it_put_it():
    result = corrected(
        corrections.move(0, 5.0, 5.0, 8.0, 8.0),
        corrections.set_count(0, 8.0, 8.0, 1),
        corrections.add(0, 9.5, 9.5),
        corrections.set_count(0, 9.5, 9.5, 3),
        corrections.remove(0, 8.0, 8.0),
    )
    assert at(result.frame_columns(0), 9.5, 9.5)["count"] == 3
    assert len(result.frame_columns(0)) == 16
    assert not result.unplaced()


def test_undo_gives_the_networks_table_back():
    network = network_table()
    result = CorrectedColumns(network, 1, CALIBRATION)
    done = gesture(2, corrections.add(0, 1.0, 1.0), corrections.remove(2, 5.2, 5.0))
    assert result.do(done) == (0, 2)
    assert len(result.table) == len(network)
    assert result.undo(done) == (0, 2)
    assert result.table is network


def test_ids_are_unique_and_stay_when_a_frame_is_rebuilt():
    result = corrected(corrections.add(0, 9.5, 9.5), corrections.add(1, 9.5, 9.5))
    before = at(result.frame_columns(0), 9.5, 9.5)["column_id"]
    result.do(gesture(3, corrections.add(0, 19.5, 9.5)))
    assert at(result.frame_columns(0), 9.5, 9.5)["column_id"] == before
    assert result.table["column_id"].is_unique


def test_on_a_new_run_edits_find_their_columns_again():
    moved = network_table()
    moved["y"] += 1.0  # within 0.06 nm = 3 px
    result = corrected(corrections.set_count(0, 5.0, 5.0, 1), run=0, network=moved)
    assert at(result.frame_columns(0), 6.0, 5.0)["count"] == 1


def test_on_a_new_run_an_added_column_that_the_network_found_by_now_is_not_doubled():
    result = corrected(corrections.add(0, 5.5, 5.5, count=1), run=0)
    table = result.frame_columns(0)
    assert len(table) == 16
    assert (at(table, 5.5, 5.5)["y"], at(table, 5.5, 5.5)["origin"]) == (5.5, "corrected")
    assert "by now" in result.placements()[0].words


def test_a_second_column_beside_one_is_meant_on_the_run_that_was_seen():
    assert len(corrected(corrections.add(0, 5.5, 5.5)).frame_columns(0)) == 17


def test_what_a_new_run_cannot_place_is_reported_and_what_is_so_anyway_is_not():
    network = network_table()
    network = network[(network["y"] != 5.0) | (network["x"] != 5.0)]  # the run misses one column of frame 0
    edits = [
        corrections.set_count(0, 5.0, 5.0, 1),
        corrections.remove(0, 5.0, 5.0),
        corrections.move(0, 5.0, 5.0, 15.5, 5.0),
        corrections.review(0),
        corrections.review(0, 5.0, 5.0),
        corrections.set_label(9, 5.0, 5.0, "O"),
    ]
    result = corrected(*edits, run=0, network=network)
    assert [(p.edit.edit, p.edit.frame) for p in result.unplaced()] == [
        ("set_count", 0), ("review", 0), ("review", 0), ("set_label", 9),
    ]  # fmt: skip
    assert at(result.frame_columns(0), 15.5, 5.0)["origin"] == "corrected"  # where it was moved to


def test_who_looked_at_what():
    result = corrected(
        corrections.review(0), corrections.review(1, 5.1, 5.0), corrections.set_count(1, 15.1, 5.0, 1)
    )
    assert result.reviewed_frames == (0,)
    assert len(result.accepted(0)) == 16
    assert len(result.accepted(1)) == 2
    assert len(result.accepted(2)) == 0
    assert (result.frame_columns(1)["origin"] == "corrected").sum() == 1  # accepting changes nothing


def test_what_a_person_said_about_places():
    result = corrected(
        corrections.remove(0, 5.0, 5.0),
        corrections.remove(0, 15.0, 5.0),
        corrections.add(0, 15.0, 5.0),
        corrections.set_count(1, 5.1, 5.0, 1),
    )
    said = result.said()
    assert said.to_dict("list") == {
        "frame": [0, 0, 1], "y": [15.0, 5.0, 5.1], "x": [5.0, 5.0, 5.0], "present": [True, False, True],
    }  # fmt: skip


def test_a_movie_without_columns_can_be_filled_by_hand():
    result = corrected(corrections.add(4, 1.0, 2.0, label="O"), network=tables.empty(tables.COLUMNS))
    table = tables.validate(result.table, tables.COLUMNS)
    assert table[["frame", "y", "x", "label"]].to_numpy().tolist() == [[4, 1.0, 2.0, "O"]]


def test_an_edit_of_100_000_columns_rebuilds_one_frame(monkeypatch):
    network = network_table(100, 32)
    result = CorrectedColumns(network, 1, CALIBRATION)
    built = []
    build = CorrectedColumns._build
    monkeypatch.setattr(CorrectedColumns, "_build", lambda s, t, f: built.append(t) or build(s, t, f))
    for number in range(20):
        result.do(gesture(number + 2, corrections.add(50, 9.5, 9.5 + number)))
        result.frame_columns(50)
        result.frame_columns(51)
    assert built == [50] * 20
