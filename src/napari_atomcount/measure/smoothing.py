"""Gaussian smoothing of whole images by cosine transforms: the cost does not grow with the width.

The same as `scipy.ndimage.gaussian_filter` with its mirrored borders, but for where that one cuts its kernel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

Single = npt.NDArray[np.float32]


def waves(image: npt.NDArray[np.floating]) -> Single:
    """Cosine transform (Y, X) of an image: orthonormal, so that squares sum to those of the pixels."""
    return np.asarray(fft.dctn(np.asarray(image, dtype=np.float32), norm="ortho"), dtype=np.float32)


def smooth(transform: Single, sigma: tuple[float, float]) -> Single:
    """The image (Y, X) of `waves`, smoothed by Gaussians of these widths, px along y and x."""
    damped = transform * _damping(transform.shape[0], sigma[0])[:, None]
    damped *= _damping(transform.shape[1], sigma[1])
    return np.asarray(fft.idctn(damped, norm="ortho", overwrite_x=True), dtype=np.float32)


def spread(
    transform: Single, sigma: tuple[float, float], without: tuple[float, float] | None = None
) -> float:
    """Standard deviation of the smoothed image, or of it less the same image smoothed more (`without`)."""
    pass_ = np.outer(*(_damping(n, s) for n, s in zip(transform.shape, sigma, strict=True)))
    if without is not None:
        pass_ -= np.outer(*(_damping(n, s) for n, s in zip(transform.shape, without, strict=True)))
    pass_ *= transform
    pass_[0, 0] = 0  # the mean
    return float(np.sqrt(np.square(pass_, out=pass_).sum(dtype=np.float64) / transform.size))


@lru_cache(maxsize=16)
def _damping(n: int, sigma: float) -> Single:
    """What a Gaussian leaves of each cosine of an axis of `n` px, shape (n,)."""
    return np.asarray(np.exp(-0.5 * (np.pi * sigma / n * np.arange(n)) ** 2), dtype=np.float32)
