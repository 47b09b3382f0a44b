"""A movie: a lazy (T, Y, X) stack with its calibration and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.preparation import Preparation

Frame = npt.NDArray[Any]
HASHED_FRAMES = 32


class Stack(Protocol):
    """Any array-like of shape (T, Y, X): dask, numpy, memmap, zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X)."""
        ...

    @property
    def dtype(self) -> Any:
        """Number type of a pixel."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return frames, lazily or not."""
        ...


@dataclass(frozen=True, eq=False)
class Movie:
    """A time series of images, or a single image as a movie of one frame.

    Parameters
    ----------
    data : Stack
        Shape (T, Y, X), any lazy array in the number type of the file.
    calibration : Calibration
        Pixel size, frame time, dose, gain, kV.
    name : str
        Short name for layers and folders.
    path : Path, optional
        File or folder it was read from.
    dataset : str, optional
        Which dataset of the file, where it holds several.
    channel : str, optional
        Which channel of it, where it holds several.
    preparation : Preparation
        What was done to the frames since they were read.
    warnings : tuple of str
        What the reader had to put up with, in words.
    """

    data: Stack
    calibration: Calibration
    name: str
    path: Path | None = None
    dataset: str | None = None
    channel: str | None = None
    preparation: Preparation = field(default=Preparation())
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.data.shape) != 3:
            raise InputError(f"A movie needs (time, y, x) data, not the shape {tuple(self.data.shape)}.")
        if 0 in self.data.shape:
            raise InputError(f"{self.name} is empty: its shape is {tuple(self.data.shape)}.")
        object.__setattr__(self, "warnings", tuple(self.warnings))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        t, y, x = self.data.shape
        return int(t), int(y), int(x)

    @property
    def n_frames(self) -> int:
        """Number of frames, T."""
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type of a pixel in the file, in this machine's byte order."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return dtype

    def frame(self, t: int) -> Frame:
        """Read frame `t` (0 first) and nothing else: a new array of shape (Y, X) in the file's number type.

        Raises
        ------
        InputError
            If there is no such frame.
        """
        if not 0 <= t < self.n_frames:
            raise InputError(f"{self.name} has frames 0 to {self.n_frames - 1}, not {t}.")
        block = self.data[t]
        if hasattr(block, "compute"):  # dask; in this thread, because one frame is not worth a pool
            block = block.compute(scheduler="synchronous")
        return np.array(block, dtype=self.dtype, order="C")

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Frame]]:
        """Read frames `start` to `stop` (excluded; default the end) one by one as (index, image (Y, X))."""
        for t in range(start, self.n_frames if stop is None else min(stop, self.n_frames)):
            yield t, self.frame(t)

    def with_calibration(self, calibration: Calibration) -> Movie:
        """Return the same movie with another calibration; what it answers is no longer asked for."""
        warnings = self.warnings
        if calibration.pixel_size_nm is not None:
            warnings = tuple(text for text in warnings if "--pixel-size-nm" not in text)
        return replace(self, calibration=calibration, warnings=warnings)

    def content_hash(self) -> str:
        """SHA-256 (hex) of shape, dtype and the pixels of up to 32 evenly spaced frames, both ends included.

        It tells whether a session belongs to this movie, whatever file holds it, without reading terabytes.
        """
        digest = hashlib.sha256(f"{self.shape}{self.dtype.str}".encode())
        for t in np.unique(np.linspace(0, self.n_frames - 1, HASHED_FRAMES).round().astype(int)):
            digest.update(self.frame(int(t)).tobytes())
        return digest.hexdigest()
