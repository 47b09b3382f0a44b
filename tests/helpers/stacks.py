"""A stack of images for the readers' tests, a file cut off, and what a movie must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STACK = np.random.default_rng(2).integers(0, 4000, (6, 20, 28)).astype(np.uint16)


def cut(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


def assert_holds(movie, data=STACK) -> None:
    assert movie.shape == data.shape
    assert movie.dtype == data.dtype.newbyteorder("=")
    for t in range(len(data)):
        np.testing.assert_array_equal(movie.frame(t), data[t])
