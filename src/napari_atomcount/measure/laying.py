"""Frames laid on each other for their difference: what of the specimen is left there is below the noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.registration import phase_cross_correlation

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

#: Frames that moved farther than this part of their size are not laid on each other; what a shift leaves out.
LARGEST_SHIFT, EDGE_PX = 0.25, 3


def laid_on_first(frames: list[Doubles]) -> tuple[Doubles, Bools]:
    """Frames shifted onto the first, (n, Y, X), and where all of them are themselves.

    A shift by the Fourier theorem turns the phases of the noise and leaves its power as it is, also that of
    noise which a camera has correlated.
    """
    laid, valid = [frames[0]], np.ones(frames[0].shape, bool)
    for frame in frames[1:]:
        shift = _shift(np.mean(laid, axis=0), frame, len(laid))
        if not np.any(shift) or np.abs(shift).max() > LARGEST_SHIFT * min(frame.shape):
            laid.append(frame)
            continue
        laid.append(np.asarray(fft.ifft2(ndimage.fourier_shift(fft.fft2(frame), shift)).real))
        for axis, far in enumerate(shift):
            edge = int(np.ceil(abs(far))) + EDGE_PX
            along = np.moveaxis(valid, axis, 0)
            along[: edge if far > 0 else EDGE_PX] = False
            along[-(edge if far < 0 else EDGE_PX) :] = False
    return np.array(laid), valid


def _shift(reference: Doubles, frame: Doubles, number: int) -> Doubles:
    """Shift (y, x), px, that lays a frame on the mean of others.

    The most likely one has the least noise power left in the difference: a shift that is less sure than the
    noise allows leaves some of the specimen there. Frequencies are weighted by how far the specimen is above
    the noise, both as they are after a first guess.
    """
    window = np.outer(np.hanning(frame.shape[0]), np.hanning(frame.shape[1]))
    smooth = [ndimage.gaussian_filter(i, 1.5) for i in (reference, frame)]
    first, second = ((i - i.mean()) * window for i in smooth)
    found, _, _ = phase_cross_correlation(first, second, upsample_factor=20, normalization=None)
    root = np.sqrt(window)
    a, b = (fft.fft2((i - ndimage.gaussian_filter(i, 16.0)) * root) for i in (reference, frame))
    weight = np.ones(frame.shape)
    for _ in range(2):
        moved = ndimage.fourier_shift(b, found)
        noise = _ring_means(np.abs(a - moved) ** 2) / (1 + 1 / number)
        specimen = np.maximum(_ring_means((a * moved.conj()).real), 0.0)
        weight = specimen / np.maximum(noise * (noise + 2 * specimen), 1e-300)
        if not weight.any():
            return np.zeros(2)
        one, two = a * np.sqrt(weight), b * np.sqrt(weight)
        found, _, _ = phase_cross_correlation(
            one, two, upsample_factor=50, normalization=None, space="fourier"
        )
    shared, still = (
        float((weight * (a * ndimage.fourier_shift(b, shift).conj()).real).sum())
        for shift in (found, np.zeros(2))
    )
    return np.asarray(found, dtype=np.float64) if shared > still else np.zeros(2)


def _ring_means(values: Doubles) -> Doubles:
    """Mean over each ring, at its frequencies, (Y, X)."""
    ring = _rings(values.shape[0], values.shape[1])
    means = np.bincount(ring.ravel(), values.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    return np.asarray(means[ring])


@lru_cache(maxsize=4)
def _rings(height: int, width: int) -> npt.NDArray[np.int64]:
    radius = np.hypot(fft.fftfreq(height)[:, None], fft.fftfreq(width)[None, :])
    return np.asarray(np.minimum(radius * 96, 60).astype(np.int64))
