"""Where in an image the crystal is, where an amorphous support, and where nothing: by local power spectra."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.records.errors import InputError

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

WINDOW_NM = 1.6  # edge of a local spectrum's window: a few lattice planes
STEPS = 5  # windows begin every WINDOW_NM / STEPS
LATTICE_NM = (0.11, 0.36)  # distances of lattice planes
RING = 1.5  # width of a ring of frequencies, in steps of a window's spectrum
FEWEST = 10  # frequencies of a ring
#: A crystal's strongest spot over the mean of its ring. Speckle of an amorphous film is exponentially
#: distributed: of 300 frequencies the strongest is about six times the mean.
CRYSTAL = 25.0
#: Of the usual strength of a crystal's windows: with less of it, the crystal ends in the window's first half.
EDGE = 0.25
#: Power of the band over that of the emptiest windows: a film has this much more, vacuum does not.
FILM = 3.0
SMALLEST_NM2 = 1.0
RIM_NM = 0.3


@dataclass(frozen=True, eq=False)
class Regions:
    """What was found.

    Parameters
    ----------
    particle, support : ndarray of bool, shape (Y, X)
        The crystal, with a rim of 0.3 nm; what is neither that nor vacuum. A support is told
        from vacuum only where the image shows some vacuum.
    """

    particle: Bools
    support: Bools


def find_regions(frames: Iterable[npt.NDArray[Any]], pixel_size_nm: tuple[float, float]) -> Regions:
    """Find the crystal and the amorphous support in frames of one scene; drift between them does little harm.

    Parameters
    ----------
    frames : iterable of ndarray, shape (Y, X)
        A few; their local power is averaged.
    pixel_size_nm : tuple of float
        (y, x).

    Raises
    ------
    InputError
        If the image is smaller than a window, or its pixels are too large to show a lattice.
    """
    if max(pixel_size_nm) > LATTICE_NM[1] / 4:
        raise InputError(
            f"Pixels of {max(pixel_size_nm):.3g} nm do not show a lattice: draw the mask by hand."
        )
    side = [max(16, round(WINDOW_NM / p)) for p in pixel_size_nm]
    total: Doubles | None = None
    number, shape, starts = 0, (0, 0), (np.zeros(0, int), np.zeros(0, int))
    for frame in frames:
        image = np.asarray(frame, dtype=np.float64)
        if total is None:
            shape = (image.shape[0], image.shape[1])
            if shape[0] < side[0] or shape[1] < side[1]:
                raise InputError(f"An image of {shape[0]} × {shape[1]} px is too small to find regions in.")
            starts = _starts(shape[0], side[0]), _starts(shape[1], side[1])
        good = np.isfinite(image)
        image = np.where(good, image, image[good].mean() if good.any() else 0.0)
        power = _local_power(image, side, starts)
        total = power if total is None else total + power
        number += 1
    if total is None:
        raise InputError("There is no frame to find regions in.")
    crystal, film = _kinds(total / number, side, pixel_size_nm)
    area = pixel_size_nm[0] * pixel_size_nm[1]
    rim = max(1, round(RIM_NM / pixel_size_nm[0])), max(1, round(RIM_NM / pixel_size_nm[1]))
    inside = _tidy(_spread(crystal, starts, side, shape), SMALLEST_NM2 / area)
    particle = _grown(inside, rim)
    support = _tidy(_spread(film, starts, side, shape) & ~particle, SMALLEST_NM2 / area)
    return Regions(particle, support)


def _starts(length: int, side: int) -> npt.NDArray[np.int_]:
    """First pixels of windows, the last one flush with the end."""
    step = max(1, side // STEPS)
    return np.unique(np.append(np.arange(0, length - side, step), length - side))


def _local_power(
    image: Doubles, side: list[int], starts: tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]
) -> Doubles:
    """Power of each window, shape (rows, cols, side_y, side_x // 2 + 1)."""
    window = np.outer(np.hanning(side[0]), np.hanning(side[1]))
    views = np.lib.stride_tricks.sliding_window_view(image, (side[0], side[1]))
    out = []
    for y in starts[0]:
        parts = views[y, starts[1]]
        parts = parts - parts.mean(axis=(1, 2), keepdims=True)
        out.append(np.abs(fft.rfft2(parts * window)) ** 2)
    return np.array(out)


def _kinds(power: Doubles, side: list[int], pixel_size_nm: tuple[float, float]) -> tuple[Bools, Bools]:
    """Which windows show a crystal, and which something that is none; shape (rows, cols)."""
    ky = fft.fftfreq(side[0], pixel_size_nm[0])[:, None]
    kx = fft.rfftfreq(side[1], pixel_size_nm[1])[None, :]
    k = np.hypot(ky, kx)
    edges = np.arange(1 / LATTICE_NM[1], 1 / LATTICE_NM[0], RING / WINDOW_NM)
    strongest = np.zeros(power.shape[:2])
    spot = np.zeros(power.shape[:2])
    level = []
    for low, high in pairwise(edges):
        ring = power[..., (k >= low) & (k < high)]
        if ring.shape[-1] < FEWEST:
            continue
        # the weakest fifth of a ring holds no spot; of exponentially distributed power it ends at 0.223 mean
        mean = np.quantile(ring, 0.2, axis=-1) / 0.223
        top = ring.max(axis=-1)
        strongest = np.maximum(strongest, top / np.maximum(mean, 1e-30))
        spot = np.maximum(spot, top)
        level.append(mean)
    if not level:
        raise InputError("The image is too coarse to find regions in: draw the mask by hand.")
    touched = strongest > CRYSTAL
    usual = float(np.median(spot[touched])) if touched.any() else 0.0
    floor = np.array(level)  # (rings, rows, cols)
    excess = (floor / np.quantile(floor, 0.05, axis=(1, 2), keepdims=True)).max(axis=0)
    film = (excess > FILM) & ~touched
    return touched & (spot > EDGE * usual), film


def _spread(
    windows: Bools,
    starts: tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]],
    side: list[int],
    shape: tuple[int, int],
) -> Bools:
    """Windows to pixels: each pixel takes the window whose centre is nearest."""
    near = [
        np.abs(np.arange(n)[:, None] - (start + (size - 1) / 2)[None]).argmin(axis=1)
        for n, start, size in zip(shape, starts, side, strict=True)
    ]
    return np.asarray(windows[np.ix_(near[0], near[1])])


def _tidy(mask: Bools, smallest_px: float) -> Bools:
    """Without small pieces and without holes."""
    groups, number = ndimage.label(mask)
    if not number:
        return mask
    size = np.bincount(groups.ravel())
    size[0] = 0
    return np.asarray(ndimage.binary_fill_holes((size >= smallest_px)[groups]))


def _grown(mask: Bools, by: tuple[int, int]) -> Bools:
    """The mask with a rim of so many pixels (y, x)."""
    if not mask.any():
        return mask
    far = ndimage.distance_transform_edt(~mask, sampling=(1 / by[0], 1 / by[1]))
    return np.asarray(far <= 1.0)
