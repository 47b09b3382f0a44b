"""The camera's modulation transfer from the noise of its images: electrons are white, the camera is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from scipy.optimize import least_squares

from napari_atomcount.records.mtf import Mtf

Doubles = npt.NDArray[np.float64]

#: From this spatial frequency on no specimen is seen through a microscope, 1/Å; lattice spots are, but a
#: median passes over them.
NOISE_FROM = 1.3
#: Standard deviations of c1, log c2 and c3 of cameras about the usual ones.
SPREAD = (0.04, 0.18, 0.4)
#: Size of columns, Å, and the share of an image that is taken for empty.
STRUCTURE_A = 1.8
EMPTY_SHARE = 0.4
#: The lowest frequency of all, 1/Å, rings above it, and how many at least hold noise alone; how many more are
#: taken at a time as long as they follow the rest.
LOWEST = 0.25
RINGS = 48
FEWEST_RINGS = 6
STEP = 3
#: Least relative error of the power of a ring: no camera follows a formula exactly.
FORM_ERROR = 0.005


def measure_mtf(
    images: Sequence[npt.NDArray[Any]],
    pixel_A: float,
    counts_per_electron: float | None,
    relative_error: float = 0.0,
) -> Mtf:
    """Measure the MTF where an image holds nothing but electrons' noise: beyond the microscope's reach.

    The noise of counts has the power gain × mean × MTF² (thesis eq. 2.22). With the gain known, that is what
    it would be without the camera's blur, and the MTF in between is found by its usual form.

    Parameters
    ----------
    images : sequence of ndarray, shape (Y, X)
        Frames of one camera, before any filter, without dark level.
    pixel_A : float
        Pixel size, Å.
    counts_per_electron : float, optional
        Gain of the camera; None: not known, then the MTF is the usual one.
    relative_error : float
        Standard error of the gain over the gain.

    Returns
    -------
    Mtf
        The usual one where the images cannot say.
    """
    if counts_per_electron is None or not np.isfinite(counts_per_electron) or counts_per_electron <= 0:
        return Mtf()
    edges = np.linspace(LOWEST * pixel_A, 0.5, RINGS + 1)
    k = (edges[1:] + edges[:-1]) / 2
    first = int(np.searchsorted(k, NOISE_FROM * pixel_A))
    if RINGS - first < FEWEST_RINGS:
        return Mtf()
    looked = [rings(np.asarray(image, np.float64), edges, pixel_A) for image in images]
    found = [one for one in looked if one is not None]
    if not found:
        return Mtf()
    power = np.mean([one[0] for one in found], axis=0)
    number = np.sum([one[1] for one in found], axis=0)
    y = np.log(power / counts_per_electron)
    sigma = np.hypot(1.44 / np.sqrt(number), FORM_ERROR)  # of the logarithm of a median of exponentials
    gain_error = max(relative_error, 1e-3)
    shift, mtf = fitted(k[first:], y[first:], sigma[first:], gain_error)
    while first > 0:  # down to where the specimen shows
        new = slice(max(0, first - STEP), first)
        above = (y - shift - 2 * np.log(mtf.at(k)))[new] / sigma[new]
        if above.mean() * np.sqrt(len(above)) > 2:
            break
        first = new.start
        shift, mtf = fitted(k[first:], y[first:], sigma[first:], gain_error)
    return mtf


def fitted(k: Doubles, y: Doubles, sigma: Doubles, gain_error: float) -> tuple[float, Mtf]:
    """MTF that explains the logarithm y of the noise power at frequencies k, and the error of the gain.

    The parameters are held near those of cameras, and the gain near what is known of it.
    """
    usual = Mtf()
    start = np.array([0.0, usual.c1, np.log(usual.c2), usual.c3])

    def misfit(p: Doubles) -> Doubles:
        model = Mtf(p[1], float(np.exp(p[2])), p[3])
        held = (p - start) / np.array([gain_error, *SPREAD])
        return np.append((y - p[0] - 2 * np.log(np.maximum(model.at(k), 1e-6))) / sigma, held)

    low, high = [-1.0, 0.0, np.log(0.15), 1.2], [1.0, 1.0, np.log(6.0), 6.0]
    best = least_squares(misfit, start, bounds=(low, high), loss="soft_l1", f_scale=2.0).x
    return float(best[0]), Mtf(float(best[1]), float(np.exp(best[2])), float(best[3]), "estimated")


def rings(image: Doubles, edges: Doubles, pixel_A: float) -> tuple[Doubles, Doubles] | None:
    """Noise power over the mean in rings of frequency, and how many independent values it comes from."""
    if min(image.shape) < 64 or not np.isfinite(image).any():
        return None
    image = np.where(np.isfinite(image), image, np.nanmedian(image))
    uneven = ndimage.gaussian_filter(image, 12.0)
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    window *= emptiest(image - uneven, pixel_A)
    level = float(np.average(image, weights=window**2))
    if level <= 0:
        return None
    spectrum = fft.rfft2((image - uneven) * window)
    power = np.abs(spectrum) ** 2 / float((window**2).sum()) / level
    ky, kx = fft.fftfreq(image.shape[0]), fft.rfftfreq(image.shape[1])
    radius = np.hypot(ky[:, None], kx[None, :])
    which = np.digitize(radius.ravel(), edges) - 1
    flat = power.ravel()
    parts = [flat[which == n] for n in range(len(edges) - 1)]
    if min(len(part) for part in parts) < 8:
        return None
    # behind a window neighbouring frequencies share their noise
    alone = float((window**2).sum()) ** 2 / float((window**4).sum()) / image.size
    return (
        np.array([np.median(part) for part in parts]) / np.log(2),
        np.array([len(part) for part in parts]) * alone,
    )


def emptiest(image: Doubles, pixel_A: float) -> Doubles:
    """Weight 0…1 of the part of an image with the least structure: the vacuum, or what comes nearest."""
    structure = ndimage.uniform_filter(image, max(3, round(STRUCTURE_A / pixel_A)))
    strength = ndimage.uniform_filter(structure**2, max(5, round(3 * STRUCTURE_A / pixel_A)))
    quiet = (strength <= np.quantile(strength, EMPTY_SHARE)).astype(np.float64)
    return np.asarray(ndimage.gaussian_filter(quiet, STRUCTURE_A / pixel_A))
