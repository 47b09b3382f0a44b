"""Camera counts per electron from a movie's own noise: the mean–variance line through the camera's MTF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure.imaging import robust_std

Doubles = npt.NDArray[np.float64]

SMALLEST_PX = 48
RINGS = 48
#: Frequencies below this many periods across the image hold drift and flicker, not noise.
FEWEST_PERIODS = 5.0
#: Fractions of the mean below which a pixel says nothing of the gain: the dark of a dark-field image.
DARK = 0.05
LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Gain:
    """Counts per electron.

    Parameters
    ----------
    counts_per_electron, error : float
        Noise power per count at zero frequency, and its standard error.
    dark_level : float
        Counts without electrons that were taken off.
    level : float
        Mean of the frames, counts, dark level included.
    single_pixels : float
        Variance of single pixels over that at zero frequency: below 1 the camera spreads each electron over
        several pixels, and a mean–variance line of single pixels would be too flat by this factor.
    frame_pairs : int
        Pairs of frames that were compared.
    """

    counts_per_electron: float
    error: float
    dark_level: float
    level: float
    single_pixels: float
    frame_pairs: int


def measure_gain(frames: Sequence[npt.NDArray[Any]], dark_level: float | None = 0.0) -> Gain | None:
    """Measure the gain from the noise of successive frames.

    The variance of counts is gain × mean (Poisson), so the difference of two frames over the root of twice
    their mean has the noise power gain × MTF². The specimen drops out of the difference; what of it moved
    sits in few spots of the spectrum, which the median of a ring does not see. The power is carried to zero
    frequency, where the MTF is one, by a polynomial without a linear term, of the order that the rings ask
    for.

    Parameters
    ----------
    frames : sequence of ndarray, shape (Y, X)
        Successive frames, at least two, before any filter.
    dark_level : float, optional
        Counts without electrons; None: from the mean–variance line, which needs bright and dark areas.

    Returns
    -------
    Gain or None
        None where the frames cannot say: fewer than two that differ, too small, or no level above the dark.
    """
    images = [np.asarray(frame, dtype=np.float64) for frame in frames]
    images = [np.where(np.isfinite(i), i, np.nanmedian(i)) for i in images if np.isfinite(i).mean() > 0.9]
    pairs = [(a, b) for a, b in pairwise(images) if a.shape == b.shape and np.any(a != b)]
    if not pairs or min(pairs[0][0].shape) < SMALLEST_PX:
        return None
    dark = _dark_level(pairs) if dark_level is None else dark_level
    level = float(np.mean([image.mean() for image in images]))
    if level - dark <= 0:
        return None
    total, single, counted = np.zeros(pairs[0][0].shape), [], 0
    for a, b in pairs:
        scaled = _scaled_difference(a - dark, b - dark)
        if scaled is None:
            continue
        difference, share = scaled
        total += np.abs(fft.fft2(difference)) ** 2 / (difference.size * share)
        single.append(robust_variance(difference[difference != 0]))
        counted += 1
    if not counted:
        return None
    k, power, error = _rings(total / counted, counted)
    value, sigma = _at_zero(k, power, error)
    if not np.isfinite(value) or value <= 0:
        return None
    return Gain(value, sigma, float(dark), level, float(np.median(single)) / value, counted)


def robust_variance(values: Doubles) -> float:
    """Variance from the median absolute deviation; of coarse whole numbers the ordinary one."""
    spread = robust_std(values)
    return spread**2 if len(np.unique(values[:2000])) > 50 else float(np.var(values))


def _scaled_difference(a: Doubles, b: Doubles) -> tuple[Doubles, float] | None:
    """(a - b) over the root of twice their local mean, 0 in the dark; and the share of pixels that count."""
    local = ndimage.gaussian_filter((a + b) / 2, 3.0)
    good = local > DARK * float(local.mean())
    if good.mean() < 0.2:
        return None
    difference = np.where(good, (a - b) / np.sqrt(2 * np.where(good, local, 1.0)), 0.0)
    difference[good] -= difference[good].mean()
    # hot pixels and X-rays are no electrons
    limit = 8 * max(robust_std(difference[good]), 0.5 * float(difference[good].std()))
    difference = np.where(np.abs(difference) > limit, 0.0, difference)
    return difference, float(good.mean())


def _rings(power: Doubles, pairs: int) -> tuple[Doubles, Doubles, Doubles]:
    """Frequency (cycles per px), power and its error of rings of the mean of `pairs` spectra.

    The power of noise in one spectrum is exponentially distributed, that of a mean of n a gamma distribution;
    the ring's median is turned into its mean by the Wilson–Hilferty value of that distribution.
    """
    ky, kx = (fft.fftfreq(n) for n in power.shape)
    radius = np.hypot(ky[:, None], kx[None, :])
    edges = np.linspace(FEWEST_PERIODS / min(power.shape), 0.5, RINGS + 1)
    # pairs share frames: successive differences are correlated by -1/2, their powers by 1/4
    alone = pairs / (1 + 0.5 * (pairs - 1) / pairs)
    median_over_mean = LN2 if pairs == 1 else (1 - 1 / (9 * alone)) ** 3
    k, value, error = [], [], []
    for low, high in pairwise(edges):
        inside = power[(radius >= low) & (radius < high)]
        if inside.size < 16:
            continue
        k.append((low + high) / 2)
        value.append(float(np.median(inside)) / median_over_mean)
        # half of the frequencies repeat the other half; a median is less sure than a mean by 1.25
        error.append(value[-1] * 1.25 / np.sqrt(alone * inside.size / 2))
    return np.array(k), np.array(value), np.array(error)


def _at_zero(k: Doubles, power: Doubles, error: Doubles) -> tuple[float, float]:
    """Carry log power to zero frequency; the number of terms is the one of the lowest Bayesian criterion."""
    good = power > 0
    if good.sum() < 8:
        return np.nan, np.nan
    x, y, sigma = k[good] / 0.5, np.log(power[good]), error[good] / power[good]
    best: tuple[float, float, float] | None = None
    for powers in ((), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 5)):
        design = np.column_stack([np.ones_like(x), *(x**p for p in powers)]) / sigma[:, None]
        normal = np.linalg.inv(design.T @ design)
        terms = normal @ (design.T @ (y / sigma))
        misfit = float((((y / sigma) - design @ terms) ** 2).sum())
        criterion = misfit + design.shape[1] * np.log(len(x))
        spread = np.sqrt(max(1.0, misfit / max(1, len(x) - design.shape[1])))
        if best is None or criterion < best[0]:
            best = criterion, float(np.exp(terms[0])), float(np.sqrt(normal[0, 0]) * spread)
    assert best is not None
    return best[1], best[1] * best[2]


def _dark_level(pairs: list[tuple[Doubles, Doubles]]) -> float:
    """Mean at which the line of variance over mean ends; 0 where all is about equally bright.

    The variance is that of high frequencies, which the specimen's movement hardly reaches.
    """
    means, variances = [], []
    for a, b in pairs:
        difference = (a - b) / np.sqrt(2)
        high = difference - ndimage.gaussian_filter(difference, 1.0)
        means.append(ndimage.gaussian_filter((a + b) / 2, 2.0).ravel())
        variances.append(ndimage.gaussian_filter(high**2, 2.0).ravel())
    mean, variance = np.concatenate(means), np.concatenate(variances)
    edges = np.quantile(mean, np.linspace(0, 1, 25))
    which = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, 23)
    bins = [n for n in range(24) if (which == n).sum() > 50]
    x = np.array([mean[which == n].mean() for n in bins])
    y = np.array([variance[which == n].mean() for n in bins])
    if len(x) < 6 or np.ptp(x) < 0.05 * abs(float(np.median(x))):
        return 0.0
    lean, height = np.polyfit(x, y, 1)
    return float(-height / lean) if lean > 0 else 0.0
