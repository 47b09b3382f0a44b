"""Unit tests of the movie: one frame at a time, in the file's number type."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie


def movie(data) -> Movie:
    return Movie(data, Calibration(), "test")


class Counting:
    """A stack that remembers which frames were asked for."""

    ndim, shape, dtype = 3, (5, 4, 6), np.dtype(np.uint16)

    def __init__(self) -> None:
        self.read: list[int] = []

    def __getitem__(self, key):
        self.read.append(key)
        return np.full((4, 6), key, np.uint16)


def test_a_frame_reads_only_itself():
    stack = Counting()
    frame = movie(stack).frame(3)
    assert stack.read == [3]
    assert (frame == 3).all()


@pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", "f2", ">f4", "f8", "?"])
@pytest.mark.parametrize("lazy", [False, True])
def test_frames_keep_the_number_type_in_native_order(dtype, lazy):
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    m = movie(da.from_array(data, chunks=(1, 3, 4)) if lazy else data)
    assert m.frame(1).dtype == m.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(m.frame(1), data[1])


def test_a_frame_is_an_array_of_its_own():
    data = np.zeros((2, 3, 4))
    movie(data).frame(0)[:] = 1
    assert not data.any()


@pytest.mark.parametrize("t", [-1, 2])
def test_no_such_frame(t):
    with pytest.raises(InputError, match="frames 0 to 1"):
        movie(np.zeros((2, 3, 4))).frame(t)


@pytest.mark.parametrize("shape", [(3, 4), (0, 3, 4), (1, 2, 3, 4)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(InputError):
        movie(np.zeros(shape))


def test_the_hash_follows_the_content_not_the_container():
    data = np.random.default_rng(0).integers(0, 99, (40, 5, 6), dtype=np.uint16)
    changed = data.copy()
    changed[-1, 0, 0] += 1
    assert movie(data).content_hash() == movie(da.from_array(data.astype(">u2"))).content_hash()
    assert movie(data).content_hash() != movie(changed).content_hash()
    assert movie(data).content_hash() != movie(data.reshape(40, 6, 5)).content_hash()


def test_frames_iterates_over_a_range():
    assert [t for t, _ in movie(np.zeros((5, 2, 2))).frames(1, 3)] == [1, 2]
    assert [t for t, _ in movie(np.zeros((3, 2, 2))).frames(2, 9)] == [2]
