"""Arrays (T, Y, X) that make a frame when napari asks for it: labels, confidence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray


class LazyFrames:
    """A read-only array whose frames are made on demand; the last one is remembered.

    Not dask: napari would keep frames in its own cache and go on showing old ones.

    Parameters
    ----------
    shape
        (T, Y, X).
    dtype
        Number type of a frame.
    make
        Gives frame t as an array (Y, X) of that type.
    """

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: DTypeLike, make: Callable[[int], NDArray]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._make = make
        self._last: tuple[int, NDArray] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def forget(self) -> None:
        """Make frames anew from now on."""
        self._last = None

    def _frame(self, t: int) -> NDArray:
        last = self._last
        if last is None or last[0] != t:
            last = (t, np.asarray(self._make(t), self.dtype))
            self._last = last
        return last[1]

    def __getitem__(self, key) -> NDArray:
        keys = key if isinstance(key, tuple) else (key,)
        if keys and keys[0] is Ellipsis:
            keys = (slice(None),) * (self.ndim - len(keys) + 1) + keys[1:]
        time = keys[0] if keys else slice(None)
        rest = tuple(keys[1:])
        if isinstance(time, (int, np.integer)):
            index = int(time) + (self.shape[0] if time < 0 else 0)
            if not 0 <= index < self.shape[0]:
                raise IndexError(f"frame {time} of {self.shape[0]}")
            return self._frame(index)[rest]
        wanted = np.arange(self.shape[0])[time]
        frames = [self._frame(int(t))[rest] for t in wanted]
        return np.stack(frames) if frames else np.zeros((0, *self.shape[1:]), self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray:
        return np.asarray(self[:], dtype)


def draw_labels(
    columns: pd.DataFrame, shape: tuple[int, int], radius_px: tuple[float, float]
) -> NDArray[np.int32]:
    """Discs on the columns of one frame, with the value ``column_id + 1``.

    Parameters
    ----------
    columns
        COLUMNS rows of the frame; y, x in px.
    shape
        (Y, X) of the frame.
    radius_px
        (y, x) radius of a disc, px.
    """
    labels = np.zeros(shape, np.int32)
    if len(columns) == 0:
        return labels
    reach_y, reach_x = (int(np.ceil(radius)) for radius in radius_px)
    y, x = columns["y"].to_numpy(float), columns["x"].to_numpy(float)
    row, col = np.round(y).astype(int), np.round(x).astype(int)
    value = columns["column_id"].to_numpy(np.int32) + 1
    for dy in range(-reach_y, reach_y + 1):
        for dx in range(-reach_x, reach_x + 1):
            inside = ((row + dy - y) / radius_px[0]) ** 2 + ((col + dx - x) / radius_px[1]) ** 2 <= 1.0
            inside &= (row + dy >= 0) & (row + dy < shape[0]) & (col + dx >= 0) & (col + dx < shape[1])
            labels[row[inside] + dy, col[inside] + dx] = value[inside]
    return labels
