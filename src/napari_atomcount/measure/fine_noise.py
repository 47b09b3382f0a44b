"""Whether the finest noise of an image is that of a camera, or was taken out by a filter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.signal import windows
from scipy.special import erf

from napari_atomcount.measure.imaging import without_gaps
from napari_atomcount.measure.zero_level import NOISE_FROM

#: From here to where an image holds noise alone hardly more is seen, 1/Å; beyond, up to Nyquist's frequency.
NEARLY_NOISE = 1.6
#: Fewer frequencies in a ring, or pairs of pixels, say nothing.
FEWEST = 500
#: Pixels so far apart have the same value by chance alone.
FAR_PX = 8
#: Fewer different values say nothing.
FEWEST_VALUES = 6


def noise_blur_px(frame: npt.NDArray[np.floating], pixel_size_nm: tuple[float, float]) -> float:
    """Width of the Gaussian that would make white noise fall off towards fine detail as this image's does.

    From the noise in two rings of fine detail; medians leave the spots of a lattice out. A camera's MTF
    (eq. 2.21 of the thesis) lets noise through up to the finest detail, smoothing and enlarging hardly do.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        One image, before any filter.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.

    Returns
    -------
    float
        Standard deviation, px; 0.3 to 0.5 of 80 simulated images behind cameras of the thesis' Table 6.1, up
        to 3·10⁴ e/Å², from 0.66 on after a Gaussian filter of 0.7 px. NaN where pixels are too coarse, the
        image is too small, or it is blank.
    """
    image = without_gaps(frame)
    ny, nx = image.shape
    ky, kx = fft.fftfreq(ny)[:, None], fft.rfftfreq(nx)[None, :]
    k = np.hypot(ky, kx)  # cycles per px
    per_A = np.hypot(ky / (10 * pixel_size_nm[0]), kx / (10 * pixel_size_nm[1]))
    inner = (per_A > NEARLY_NOISE) & (per_A < NOISE_FROM) & (k < 0.5)
    outer = (per_A >= NOISE_FROM) & (k < 0.5)
    if min(inner.sum(), outer.sum()) < FEWEST or not np.isfinite(image).all():
        return float("nan")
    window = np.outer(
        windows.hann(ny, sym=False), windows.hann(nx, sym=False)
    )  # borders do not fit each other
    power = np.abs(fft.rfft2((image - image.mean()) * window)) ** 2
    noise = [float(np.median(power[ring])) for ring in (inner, outer)]
    if not min(noise) > 0:
        return float("nan")
    apart = (k[outer] ** 2).mean() - (k[inner] ** 2).mean()
    return float(np.sqrt(max(np.log(noise[0] / noise[1]), 0.0) / (4 * np.pi**2 * apart)))


def repeated_share(frame: npt.NDArray[np.number]) -> float:
    """Share of neighbouring pixels that have the same value because they are neighbours.

    Counted electrons have the same value in two pixels by chance, neighbours more often than pixels far apart
    only as far as their values differ less (a camera's MTF): by as much as of normal noise in the same steps.
    A median filter gives a pixel one of the values around it, so that neighbours often get the same one, and
    enlarging without interpolation repeats them. Pixels of the largest and the smallest value are left out:
    contrast may have been cut off there.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        One image, before any filter.

    Returns
    -------
    float
        About 0 of images as they are, in whole counts or 8 bits. NaN of images that are blank, too small, or
        hold but a few values.
    """
    frame = np.asarray(frame, dtype=np.float64)
    values = np.unique(frame[np.isfinite(frame)])
    if len(values) < FEWEST_VALUES or min(frame.shape) <= FAR_PX:
        return float("nan")
    usable = np.isfinite(frame) & (frame > values[0]) & (frame < values[-1])
    step = float(np.diff(values).min())

    def equal_beyond_chance(apart: int) -> float:
        differences = np.concatenate(
            [
                (image[apart:] - image[:-apart])[own[apart:] & own[:-apart]]
                for image, own in ((frame, usable), (frame.T, usable.T))
            ]
        )
        if len(differences) < FEWEST or not differences.any():
            return float("nan")
        return float((differences == 0).mean() - erf(step / (8**0.5 * differences.std())))

    return equal_beyond_chance(1) - equal_beyond_chance(FAR_PX)
