"""Columns of a table that hold a list in each row, packed: one array of numbers, no Python object per row.

A movie of a thousand frames has a million columns, each with its p(count). As objects these take three times
the memory of the numbers, and lie scattered among whatever was allocated at the same time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Single = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

#: pandas type of such a column: lists of float32, or missing.
LISTS = pd.ArrowDtype(pa.list_(pa.float32()))


def pack(rows: npt.NDArray[np.floating]) -> pd.api.extensions.ExtensionArray:
    """Lists of one length, from an array of shape (N, K)."""
    number, length = rows.shape
    values = np.ascontiguousarray(rows, dtype=np.float32).ravel()
    offsets = np.arange(number + 1, dtype=np.int32) * np.int32(length)
    array: pd.api.extensions.ExtensionArray = pd.arrays.ArrowExtensionArray(
        pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
    )
    return array


def nothing(number: int) -> pd.api.extensions.ExtensionArray:
    """So many rows without a list."""
    array: pd.api.extensions.ExtensionArray = pd.arrays.ArrowExtensionArray(
        pa.nulls(number, LISTS.pyarrow_dtype)
    )
    return array


def packed(lists: pd.Series[Any]) -> pd.Series[Any]:
    """The same column, packed: of arrays, lists, None and NaN (missing) in any mixture.

    Raises
    ------
    ValueError, TypeError
        If a row holds something else.
    """
    if lists.dtype == LISTS:
        return lists
    try:
        array = pa.array(lists.tolist(), LISTS.pyarrow_dtype, from_pandas=True)
    except pa.ArrowException as err:
        raise ValueError(str(err)) from err
    return pd.Series(pd.arrays.ArrowExtensionArray(array), index=lists.index, name=lists.name)


def at_rows(column: pd.Series[Any], rows: Ints) -> npt.NDArray[Any] | pd.api.extensions.ExtensionArray:
    """Some rows of a column, in rising order; text comes as objects.

    Text and lists lie in pieces, one or more for each frame. Taking rows of them the usual way would join
    all pieces first.
    """
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()[rows]
    whole = column.array.__arrow_array__()
    ends = np.cumsum([0, *(len(piece) for piece in whole.chunks)])
    cuts = np.searchsorted(rows, ends)
    pieces = [
        piece.take(pa.array(rows[a:b] - start))
        for piece, start, a, b in zip(whole.chunks, ends, cuts, cuts[1:], strict=False)
        if b > a
    ]
    some = pa.chunked_array(pieces, whole.type)
    if column.dtype == LISTS:
        array: pd.api.extensions.ExtensionArray = pd.arrays.ArrowExtensionArray(some)
        return array
    return np.asarray(some.to_numpy())


def lengths(lists: pd.Series[Any]) -> Ints:
    """Length of each row's list; 0: missing. Shape (N,)."""
    array = pa.array(packed(lists).array)
    return np.asarray(pc.fill_null(pc.list_value_length(array), 0).to_numpy(), dtype=np.int64)


def rows_of(lists: pd.Series[Any], length: int) -> tuple[Ints, Single]:
    """The rows (n,) whose lists have one length, and these lists, shape (n, length)."""
    rows = np.flatnonzero(lengths(lists) == length).astype(np.int64)
    array = pa.array(packed(lists).array)
    if len(rows) < len(lists):
        array = array.take(pa.array(rows))
    values = pc.list_flatten(array).to_numpy(zero_copy_only=False) if len(rows) else np.zeros(0, np.float32)
    return rows, np.asarray(values, dtype=np.float32).reshape(len(rows), length)
