"""Small spectra of frames: all that the registration needs of an image, in memory or in a temporary file."""

from __future__ import annotations

import tempfile
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

Image = npt.NDArray[np.floating]
Spectrum = npt.NDArray[np.complex64]

SHORTEST_PERIOD_NM = 0.16  # finer detail carries more noise than shape
LONGEST_PERIOD_NM = 5.0  # longer waves are illumination
TAPER = 0.08  # of the field, at each edge, against the jump from one edge to the other
EDGE_NM = 0.5  # width of the soft edge of an area that is left out
IN_MEMORY_BYTES = 8 << 20


class SpectrumMaker:
    """Turns frames into small spectra: all that the drift needs of a frame.

    Parameters
    ----------
    shape : (int, int)
        (Y, X) of the frames, px.
    pixel_size_nm : (float, float)
        (y, x), nm.
    inside : ndarray of bool, shape (Y, X), optional
        Only these pixels take part, with a soft edge outside of them: the support is left out, say.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_size_nm: tuple[float, float],
        inside: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.shape = shape
        self.pixel_size_nm = pixel_size_nm
        size_nm = [n * p for n, p in zip(shape, pixel_size_nm, strict=True)]
        # cycles per field kept along each axis, below both Nyquist and the finest wanted detail
        self.kept = tuple(
            max(1, min((n - 1) // 2, round(s / SHORTEST_PERIOD_NM)))
            for n, s in zip(shape, size_nm, strict=True)
        )
        rows = np.arange(-self.kept[0], self.kept[0] + 1)
        cols = np.arange(self.kept[1] + 1)
        self.frequency = np.hypot(rows[:, None] / size_nm[0], cols / size_nm[1])  # 1/nm
        longest = min(LONGEST_PERIOD_NM, max(size_nm) / 2)
        self.used = (self.frequency >= 1 / longest) & (self.frequency <= 1 / SHORTEST_PERIOD_NM)
        self._window = [_taper(n) for n in shape]
        self._inside = None if inside is None else _soft(inside, pixel_size_nm)
        self._rows = rows % shape[0]

    def __call__(self, image: Image, valid: npt.NDArray[np.bool_] | None = None) -> Spectrum:
        """Spectrum of an image (Y, X), shape (2 ky + 1, kx + 1); pixels outside `valid` count as its mean."""
        good = np.isfinite(image) if valid is None else valid & np.isfinite(image)
        if not good.any():
            return np.zeros(self.frequency.shape, np.complex64)
        weight = None if self._inside is None else self._inside[good]
        if weight is not None and not weight.any():
            return np.zeros(self.frequency.shape, np.complex64)
        mean = float(np.average(np.asarray(image[good], np.float64), weights=weight))
        flat = np.where(good, np.asarray(image, dtype=np.float32) - np.float32(mean), np.float32(0))
        if self._inside is not None:
            flat *= self._inside
        flat *= self._window[0][:, None]
        flat *= self._window[1]
        spectrum = fft.rfft2(flat)[self._rows, : self.kept[1] + 1]
        return np.where(self.used, spectrum, 0).astype(np.complex64)


def _taper(n: int) -> npt.NDArray[np.float32]:
    """Window of length n that falls to zero at both ends over `TAPER` of it."""
    edge = max(1, round(TAPER * n))
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(n, np.float32)
    window[:edge], window[n - edge :] = ramp, ramp[::-1]
    return window


def _soft(inside: npt.NDArray[np.bool_], pixel_size_nm: tuple[float, float]) -> npt.NDArray[np.float32]:
    """1 inside, falling to 0 over `EDGE_NM` outside: a hard edge would stand still in a moving image."""
    if not inside.any() or inside.all():
        return inside.astype(np.float32)
    away = ndimage.distance_transform_edt(~inside, sampling=pixel_size_nm)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(away / EDGE_NM, 0, 1)), dtype=np.float32)


class SpectrumList:
    """Spectra of many frames, in memory while they are few and in a temporary file beyond."""

    def __init__(self) -> None:
        self._kept: list[Spectrum] = []
        self._file: IO[bytes] | None = None
        self._shape: tuple[int, ...] = ()
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, spectrum: Spectrum) -> None:
        """Add the next frame's spectrum; all have one shape."""
        if not self._n:
            self._shape = spectrum.shape
        if spectrum.shape != self._shape:
            raise ValueError(f"a spectrum of shape {spectrum.shape} among those of {self._shape}")
        if self._file is None and (self._n + 1) * spectrum.nbytes > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile(prefix="atomcount-drift-")  # lives as long as the list
            for one in self._kept:
                self._file.write(one.tobytes())
            self._kept = []
        if self._file is None:
            self._kept.append(spectrum)
        else:
            self._file.seek(self._n * spectrum.nbytes)
            self._file.write(spectrum.tobytes())
        self._n += 1

    def __getitem__(self, index: int) -> Spectrum:
        if not 0 <= index < self._n:
            raise IndexError(index)
        if self._file is None:
            return self._kept[index]
        size = int(np.prod(self._shape)) * 8
        self._file.seek(index * size)
        return np.frombuffer(self._file.read(size), np.complex64).reshape(self._shape)


class Spectra(Protocol):
    """Spectra of the frames, in order."""

    def __len__(self) -> int:
        """Count the frames."""
        ...

    def __getitem__(self, index: int, /) -> Spectrum:
        """Spectrum of a frame."""
        ...
