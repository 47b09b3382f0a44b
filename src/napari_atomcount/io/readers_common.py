"""What every reader returns: datasets as they stand in the file, with lazy data and named axes."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from napari_atomcount.records.errors import InputError


@dataclass(frozen=True)
class Axis:
    """One dimension of a dataset: its name, and its step with the unit the file gives it."""

    name: str = ""
    scale: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Dataset:
    """One array of a file with what the file says of it; nothing is judged yet.

    Parameters
    ----------
    name : str
        Its name in the file.
    data : array-like
        Lazy array of any number of dimensions.
    axes : tuple of Axis
        One per dimension.
    kv, dose_e_per_A2, gain, exposure_s : float, optional
        Acceleration voltage, dose per frame, counts per electron, exposure of a frame.
    spectrum : bool
        The file says that these are spectra.
    warnings : tuple of str
        What the reader had to put up with.
    """

    name: str
    data: Any
    axes: tuple[Axis, ...]
    kv: float | None = None
    dose_e_per_A2: float | None = None
    gain: float | None = None
    exposure_s: float | None = None
    spectrum: bool = False
    warnings: tuple[str, ...] = field(default=())

    def describe(self) -> str:
        """Name, shape and number type in words."""
        return f"{self.name} ({' × '.join(str(n) for n in self.data.shape)}, {self.data.dtype})"


class FrameStack:
    """A (T, Y, X) array whose frames are read by a function, one at a time and only when asked for.

    Parameters
    ----------
    read : callable
        ``read(t)`` returns frame `t`, shape (Y, X).
    name : str
        Name of the file, for errors.
    shape : tuple of int
        (T, Y, X).
    dtype : dtype
        Number type of the frames.
    """

    ndim = 3

    def __init__(
        self,
        read: Callable[[int], npt.NDArray[Any]],
        name: str,
        shape: tuple[int, int, int],
        dtype: npt.DTypeLike,
    ) -> None:
        self._read = read
        self._name = name
        self._lock = Lock()  # the file behind `read` has one position, the viewer and a run have two threads
        self.shape = shape
        self.dtype = np.dtype(dtype).newbyteorder("=")

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        key = key if isinstance(key, tuple) else (key,)
        wanted = np.arange(self.shape[0])[key[0]]
        with self._lock:
            frames = [self._frame(int(t)) for t in np.atleast_1d(wanted)]
        empty = np.empty((0, *self.shape[1:]), self.dtype)
        stack = np.stack(frames).astype(self.dtype, copy=False) if frames else empty
        return stack[(0 if np.ndim(wanted) == 0 else slice(None), *key[1:])]

    def _frame(self, t: int) -> npt.NDArray[Any]:
        try:
            frame = self._read(t)
            if frame.shape != self.shape[1:]:
                raise ValueError(f"its shape is {frame.shape}")
        except (OSError, ValueError) as err:
            raise InputError(
                f"Frame {t} of {self._name} cannot be read any more ({err}): check the file and its disk."
            ) from err
        return frame

    def to_dask(self) -> da.Array:
        """Return a dask array of one chunk per frame."""
        chunks = (1, *self.shape[1:])
        return da.from_array(self, chunks=chunks, name=False, meta=np.empty((0, 0, 0), self.dtype))


def raw_array(
    path: Path, dtype: npt.DTypeLike, offset: int, shape: tuple[int, ...], keep: object = None
) -> Any:
    """Return numbers that lie in C order in a file from byte `offset` on, as a lazy array.

    Frames are read, not mapped: the pages of a mapped file count as this program's memory, which would grow
    with every frame until it holds the whole movie. `keep` lives as long as the array.
    """
    kind = np.dtype(dtype)
    if len(shape) < 3 or (kind == np.uint8 and shape[-1] in (3, 4)):  # one image, or colours
        return np.memmap(path, kind, "r", offset, shape)
    height, width = shape[-2:]
    pixels = height * width

    def read(t: int, _keep: object = keep) -> npt.NDArray[Any]:
        frame = np.fromfile(path, kind, count=pixels, offset=offset + t * pixels * kind.itemsize)
        return frame.reshape(height, width)

    frames = math.prod(shape[:-2])
    stack = FrameStack(read, path.name, (frames, height, width), kind).to_dask()
    return stack if len(shape) == 3 else stack.reshape(shape)


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep the named libraries' own messages off the screen: what matters of them becomes our warnings."""
    saved = [(logging.getLogger(name), logging.getLogger(name).level) for name in loggers]
    try:
        for logger, _ in saved:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in saved:
            logger.setLevel(level)


def truncation_warning(first_lost: int, expected: int | None) -> str:
    """Say which frame of a truncated file is the first lost one."""
    of = f" of {expected}" if expected else ""
    return f"The file is cut off: frame {first_lost}{of} is the first that is lost; those before it are used."


def unique_names(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Number the datasets that share a name, so that each can be asked for."""
    names = [d.name for d in datasets]
    return [
        replace(d, name=f"{d.name} [{i}]") if names.count(d.name) > 1 else d for i, d in enumerate(datasets)
    ]
