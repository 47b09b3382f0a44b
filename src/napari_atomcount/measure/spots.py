"""Spots of an image's power spectrum: found above their ring, centred to a fraction of their width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure import smoothing
from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]

SMALLEST_TRANSFORM = 1024
FINE_UP_TO = 1024  # larger images have sharp spots; they are not padded to twice their size
#: Of the strongest spot's power: below it lie the side lobes of a noise-free simulation, nothing to measure.
FLOOR = 1e-4
MOST_PEAKS = 40
#: A spot stands out of its ring by this factor in power; the strongest of pure noise, smoothed, by about 4.
LEAST_CONTRAST = 6.0
LOWEST = 4.0  # resolved steps from zero: nearer lie the image's own edges


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A power spectrum.

    Parameters
    ----------
    power : ndarray, shape (K, K)
        Mean over the frames, zero frequency in the middle (``fftshift``).
    contrast : ndarray, shape (K, K)
        Power, smoothed to what the image resolves, over the median of its ring.
    smoothing : float
        Resolution, cycles per px: about one over the image's size.
    """

    power: Doubles
    contrast: Doubles
    smoothing: float

    def place(self, k: Doubles) -> Doubles:
        """Frequencies (…, 2) in cycles per px -> pixels of the spectrum."""
        size = self.power.shape[0]
        return np.asarray(k * size + size // 2, dtype=np.float64)

    def at(self, k: Doubles) -> Doubles:
        """Contrast at frequencies (N, 2); 0 outside."""
        return np.asarray(ndimage.map_coordinates(self.contrast, self.place(k).T, order=1, cval=0.0))


def power_spectrum(frames: Iterable[npt.NDArray[np.floating]]) -> Spectrum:
    """Mean power spectrum of images (Y, X) of one shape; drift between them does no harm.

    Raises
    ------
    InputError
        If there is no image, or it is smaller than 32 px.
    """
    total: Doubles | None = None
    shape = (0, 0)
    for frame in frames:
        image = np.asarray(frame, dtype=np.float64)
        shape = (image.shape[0], image.shape[1])
        if min(shape) < 32:
            raise InputError(f"An image of {shape[0]} × {shape[1]} px is too small to see a lattice in.")
        good = np.isfinite(image)
        if not good.any():
            continue
        image = np.where(good, image, image[good].mean())
        flat = image - image.mean()
        uneven = min(shape) / 12
        flat -= smoothing.smooth(smoothing.waves(flat), (uneven, uneven))  # what is uneven has no spots
        window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
        wanted = max(shape) * (2 if max(shape) <= FINE_UP_TO else 1)
        size = max(SMALLEST_TRANSFORM, 1 << (wanted - 1).bit_length())
        half = np.abs(fft.rfft2((flat - flat.mean()) * window, (size, size))) ** 2
        total = half if total is None else total + half
    if total is None:
        raise InputError("No frame shows anything: there are no spots to measure.")
    size = len(total)
    power = _whole(total)
    wide = 1.0 / min(shape)
    # a Hann window's spot has about this width; smoothing by it keeps the spot and calms the noise
    smooth = ndimage.gaussian_filter(power, 0.6 * wide * size, mode="wrap")
    k = (np.arange(size) - size // 2) / size
    far = np.hypot(k[:, None], k[None, :]) > LOWEST * wide
    floor = FLOOR * float(smooth[far].max())
    return Spectrum(power, smooth / np.maximum(_rings(smooth), max(floor, 1e-300)), wide)


def _whole(half: Doubles) -> Doubles:
    """A power spectrum with zero in the middle (K, K), from `rfft2`'s half (K, K/2 + 1)."""
    size = len(half)
    power = np.empty((size, size))
    rows = fft.fftshift(half, axes=0)
    power[:, size // 2 :] = rows[:, : size - size // 2]
    # the other half is the same through the centre: row k is that of -k
    power[1:, : size // 2] = rows[:0:-1, size // 2 : 0 : -1]
    power[0, : size // 2] = rows[0, size // 2 : 0 : -1]
    return power


def _rings(power: Doubles) -> Doubles:
    """Median of each ring around zero, at every pixel; rings two resolved steps wide."""
    size = power.shape[0]
    k = np.arange(size) - size // 2
    radius = np.hypot(k[:, None], k[None, :])
    step = max(2.0, size / 256)
    ring = (radius / step).astype(np.int16).ravel()  # small numbers are sorted by their digits
    values = power.ravel()
    order = np.argsort(ring, kind="stable")
    edges = np.searchsorted(ring[order], np.arange(ring.max() + 2))
    middle = np.array([np.median(values[order[a:b]]) for a, b in pairwise(edges)])
    middle = ndimage.median_filter(middle, 5)
    return np.asarray(np.interp(radius / step - 0.5, np.arange(len(middle)), middle))


def find_spots(spectrum: Spectrum, lowest: float | None = None) -> Doubles:
    """Spots of the upper half plane, strongest first, shape (N, 3): ky, kx (cycles per px), contrast.

    Parameters
    ----------
    spectrum : Spectrum
        Of the image.
    lowest : float, optional
        Nothing nearer to zero, cycles per px; by default four resolved steps.
    """
    size = spectrum.power.shape[0]
    lowest = LOWEST * spectrum.smoothing if lowest is None else lowest
    reach = max(2, round(1.5 * spectrum.smoothing * size))
    peak = spectrum.contrast == ndimage.maximum_filter(spectrum.contrast, 2 * reach + 1)
    row, col = np.nonzero(peak & (spectrum.contrast > LEAST_CONTRAST))
    k = (np.column_stack([row, col]) - size // 2) / size
    length = np.hypot(*k.T)
    half = (k[:, 0] > 0) | ((k[:, 0] == 0) & (k[:, 1] > 0))
    keep = half & (length > lowest) & (np.abs(k).max(axis=1) < 0.5)
    row, col, k = row[keep], col[keep], k[keep]
    contrast = spectrum.contrast[row, col]
    order = np.argsort(-contrast, kind="stable")[:MOST_PEAKS]
    return np.column_stack([centre_of_spots(spectrum, k[order]), contrast[order]])


def centre_of_spots(spectrum: Spectrum, k: Doubles) -> Doubles:
    """Centres (N, 2), cycles per px, of the spots nearest to frequencies (N, 2): weighted means, iterated."""
    size = spectrum.power.shape[0]
    sigma = 0.9 * spectrum.smoothing * size
    reach = int(np.ceil(3 * sigma))
    d = np.arange(-reach, reach + 1)
    out = np.empty_like(k)
    for n, start in enumerate(spectrum.place(k)):
        centre = start
        for _ in range(30):
            row, col = np.rint(centre).astype(int)
            ys, xs = row + d, col + d
            part = spectrum.power.take(ys, axis=0, mode="wrap").take(xs, axis=1, mode="wrap")
            part = np.maximum(part - np.median(part), 0)
            window = np.exp(-((ys[:, None] - centre[0]) ** 2 + (xs - centre[1]) ** 2) / (2 * sigma**2))
            weight = part * window
            if weight.sum() <= 0:
                break
            found = np.array([(weight.sum(1) * ys).sum(), (weight.sum(0) * xs).sum()]) / weight.sum()
            step, centre = found - centre, found
            if np.hypot(*step) < 1e-3:
                break
        # a spot that ran away is another spot
        centre = centre if np.hypot(*(centre - start)) < 2 * sigma else start
        out[n] = (centre - size // 2) / size
    return out
