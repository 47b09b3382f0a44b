"""Lists in the rows of a table, kept as one array."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.records import tables
from napari_atomcount.records.errors import TableError
from napari_atomcount.records.packed import LISTS, lengths, nothing, pack, packed, rows_of


def test_rows_of_one_length_come_back():
    p = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    column = pd.Series(pack(p))
    rows, found = rows_of(column, 7)
    np.testing.assert_array_equal(rows, np.arange(50))
    np.testing.assert_array_equal(found, p)
    assert rows_of(column, 6)[1].shape == (0, 6)
    np.testing.assert_array_equal(column[3], p[3])


def test_any_mixture_of_rows_is_packed():
    mixed = pd.Series(
        [None, np.array([0.5, 0.5]), np.nan, [1.0, 0.0], [], np.array([1.0])], index=range(5, 11)
    )
    column = packed(mixed)
    assert column.dtype == LISTS
    assert column.index.tolist() == list(range(5, 11))
    np.testing.assert_array_equal(lengths(column), [0, 2, 0, 2, 0, 1])
    rows, found = rows_of(column, 2)
    np.testing.assert_array_equal(rows, [1, 3])
    np.testing.assert_array_equal(found, [[0.5, 0.5], [1, 0]])
    np.testing.assert_array_equal(rows_of(column.iloc[2:], 2)[1], [[1, 0]])


def test_frames_are_joined_and_cut_without_unpacking():
    parts = [pd.DataFrame({"count_p": pack(np.full((3, 4), t, float))}) for t in range(5)]
    parts.insert(2, pd.DataFrame({"count_p": nothing(2)}))
    whole = pd.concat(parts, ignore_index=True)
    assert whole["count_p"].dtype == LISTS
    rows, found = rows_of(whole["count_p"].iloc[::-1], 4)
    assert len(rows) == 15
    assert found[:, 0].tolist() == sorted(found[:, 0], reverse=True)


def test_one_row_takes_little_more_than_its_numbers():
    column = pd.Series(pack(np.zeros((1000, 20))))
    assert column.memory_usage(index=False, deep=True) <= 1000 * (20 * 4 + 4) + 100


def test_what_is_no_list_is_said():
    with pytest.raises(ValueError, match="str"):
        packed(pd.Series(["much", "many"]))
    table = tables.empty(tables.COLUMNS).drop(columns="count_p", errors="ignore")
    table = table.reindex([0]).assign(frame=0, column_id=0, site_id=-1, count=1, count_low=1, count_high=1)
    with pytest.raises(TableError, match="'count_p' of the table 'columns' is not lists of numbers"):
        tables.conform(table.assign(label="column", origin="network", count_p="much"), tables.COLUMNS)
