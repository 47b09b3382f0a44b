"""Camera counts per electron from a movie's own noise: the mean–variance line through the camera's MTF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from scipy.optimize import least_squares
from skimage.registration import phase_cross_correlation

from napari_atomcount.measure.imaging import robust_std

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

SMALLEST_PX = 48
RINGS = 48
#: Frequencies below this many periods across the image hold drift and flicker, not noise.
FEWEST_PERIODS = 5.0
#: Fractions of the mean below which a pixel says nothing of the gain: the dark of a dark-field image.
DARK = 0.05
#: Parts of a ring between the side and the diagonal of a pixel.
SECTORS = 3
#: Of a ring's powers, the share that is averaged, the lowest: what moved lifts the rest.
LOWEST = 0.7
#: Where a ring is evaluated that is not the same all around, radians.
ANGLES = (np.arange(5) + 0.5) / 5 * np.pi / 4
#: Forms of which the loss differs by no more than this fit alike.
ALIKE = 2.0
#: Pixels from the middle at which a Gaussian spread is sampled; wider ones are no camera's.
SAMPLES = np.arange(12.0)
#: Frames that moved farther than this part of their size are not laid on each other; what a shift leaves out.
LARGEST_SHIFT, EDGE_PX = 0.25, 3
#: Shared power, over that of the noise, from which a frequency says something of the specimen; and its own
#: scatter, of 9 frequencies, which must not choose: what is low by chance goes with a high difference.
SPECIMEN, SCATTER = 0.2, 2.5


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
    adds to some frequencies of a ring, which a low quantile hardly sees. The power is carried to zero
    frequency, where the MTF is one, by the usual form of a camera's MTF.

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
    shared = np.zeros(pairs[0][0].shape)
    for a, b in pairs:
        laid, valid = _laid_on(a - dark, b - dark)
        scaled = _scaled_difference(a - dark, laid, valid)
        if scaled is None:
            continue
        difference, share = scaled
        total += np.abs(fft.fft2(difference)) ** 2 / (difference.size * share)
        shared += _shared_power(a - dark, laid) / share
        single.append(robust_variance(difference[difference != 0]))
        counted += 1
    if not counted:
        return None
    k, power, error = _rings(total / counted, shared / counted, counted)
    value, sigma = _at_zero(k, power, error)
    if not np.isfinite(value) or value <= 0:
        return None
    return Gain(value, sigma, float(dark), level, float(np.median(single)) / value, counted)


def robust_variance(values: Doubles) -> float:
    """Variance from the median absolute deviation; of coarse whole numbers the ordinary one."""
    spread = robust_std(values)
    return spread**2 if len(np.unique(values[:2000])) > 50 else float(np.var(values))


def _laid_on(a: Doubles, b: Doubles) -> tuple[Doubles, Bools]:
    """Frame b shifted onto a, so that the specimen drops out of their difference; and where it is itself.

    A shift by the Fourier theorem turns the phases of the noise and leaves its power as it is, also that of
    noise which a camera has correlated.
    """
    smooth = [ndimage.gaussian_filter(i, 1.5) for i in (a, b)]
    window = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1]))
    one, two = ((i - i.mean()) * window for i in smooth)
    shift, _, _ = phase_cross_correlation(one, two, upsample_factor=20, normalization=None)
    valid = np.ones(a.shape, bool)
    if np.abs(shift).max() > LARGEST_SHIFT * min(a.shape) or not np.any(shift):
        return b, valid
    laid = fft.ifft2(ndimage.fourier_shift(fft.fft2(b), shift)).real
    for axis, far in enumerate(shift):
        edge = int(np.ceil(abs(far))) + EDGE_PX
        along = np.moveaxis(valid, axis, 0)
        along[: edge if far > 0 else EDGE_PX] = False
        along[-(edge if far < 0 else EDGE_PX) :] = False
    return np.asarray(laid), valid


def _scaled_difference(a: Doubles, b: Doubles, valid: Bools) -> tuple[Doubles, float] | None:
    """(a - b) over the root of twice their mean, 0 in the dark; and the share of pixels that count.

    The mean is that of all pixels that count: then the power of electrons' noise is gain × MTF² however
    uneven the image is, because electrons are independent of each other.
    """
    local = ndimage.gaussian_filter((a + b) / 2, 3.0)
    good = valid & (local > DARK * float(local.mean()))
    if good.mean() < 0.2:
        return None
    difference = np.where(good, a - b, 0.0)
    difference[good] -= difference[good].mean()
    # hot pixels and X-rays are no electrons
    scaled = difference[good] / np.sqrt(2 * local[good])
    limit = 8 * max(robust_std(scaled), 0.5 * float(scaled.std()))
    difference[good] = np.where(np.abs(scaled) > limit, 0.0, difference[good])
    return difference / np.sqrt(float((a + b)[good].mean())), float(good.mean())


def _shared_power(a: Doubles, b: Doubles) -> Doubles:
    """Power that two frames share, on the scale of their noise: the specimen's, for noise is not shared."""
    local = ndimage.gaussian_filter((a + b) / 2, 3.0)
    root = np.sqrt(np.where(local > DARK * float(local.mean()), local, np.inf))
    level = ndimage.gaussian_filter((a + b) / 2, 8.0)
    one, two = (fft.fft2((image - level) / root) for image in (a, b))
    return np.asarray((one * two.conj()).real / a.size)


def _rings(power: Doubles, shared: Doubles, pairs: int) -> tuple[Doubles, Doubles, Doubles]:
    """Frequency (cycles per px), power and its error of rings of the mean of `pairs` spectra.

    Frequencies at which the frames show the specimen (`shared`) are left out: what of it moved there is no
    noise. A low quantile of the rest of a ring stands for its mean. Which fraction of the mean the quantile
    is follows from the distribution of noise alone.
    """
    ky, kx = (fft.fftfreq(n) for n in power.shape)
    radius = np.hypot(ky[:, None], kx[None, :])
    angle = np.abs(np.arctan2(*np.broadcast_arrays(ky[:, None], kx[None, :])))
    folded = np.minimum(angle % (np.pi / 2), np.pi / 2 - angle % (np.pi / 2)) / (np.pi / 4)  # 0 to 1
    sector = np.minimum((SECTORS * folded).astype(np.int64), SECTORS - 1)
    edges = np.linspace(FEWEST_PERIODS / min(power.shape), 0.5, RINGS + 1)
    share, spread = _lowest_of_noise(pairs)
    k, value, error = [], [], []
    most = SPECIMEN + SCATTER / np.sqrt(9 * pairs)
    specimen = ndimage.uniform_filter(shared, 3, mode="wrap")
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high)
        quiet = ring & (specimen < most * np.median(power[ring]))
        if quiet.sum() < 16:
            continue
        # pixels sample a spread differently along their sides and their diagonal: each has its own mean
        means, sizes = [], []
        for n in range(SECTORS):
            inside = power[quiet & (sector == n)]
            if inside.size >= 8:
                means.append(float(np.sort(inside)[: round(LOWEST * inside.size)].mean()) / share)
                sizes.append(float((ring & (sector == n)).sum()))
        if not means:
            continue
        k.append((low + high) / 2)
        value.append(float(np.average(means, weights=sizes)))
        error.append(value[-1] * spread / np.sqrt(quiet.sum() / 2))  # half of the frequencies repeat the rest
    return np.array(k), np.array(value), np.array(error)


def _lowest_of_noise(pairs: int) -> tuple[float, float]:
    """Mean of the lowest part of spectra of noise, over the whole mean; its relative error times root n.

    Successive pairs share a frame: their differences are correlated by -1/2, so the mean of `pairs` spectra
    is one of independent exponentials weighted by the eigenvalues 1 - cos(pi j / (pairs + 1)) of that
    tridiagonal matrix. Drawn, with a fixed seed, because no closed form is short.
    """
    weights = 1 - np.cos(np.pi * np.arange(1, pairs + 1) / (pairs + 1))
    n = 200
    drawn = np.random.default_rng(0).exponential(size=(500, n, pairs)) @ weights / pairs
    lowest = np.sort(drawn, axis=1)[:, : round(LOWEST * n)].mean(axis=1)
    middle = float(lowest.mean())
    return middle, float(lowest.std()) / middle * float(np.sqrt(n))


def _at_zero(k: Doubles, power: Doubles, error: Doubles) -> tuple[float, float]:
    """Carry the power to zero frequency by the MTF of a camera; value and standard error.

    Its form is that of eq. 2.21 of the thesis, MTF = (1 - c) / (1 + (k / a)^b) + c, of which a is free
    and b and c are held near what cameras have, or a Gaussian in its place, sampled by the pixels or
    not, where that fits better. What of the specimen moved lifts single rings, the lowest most: a loss
    that grows linearly lets them. How far the answer hangs on the form is part of the error: half of
    what the fit without its lowest third changes.
    """
    good = power > 0
    if good.sum() < 12:
        return np.nan, np.nan
    k, power, error = k[good], power[good], error[good]
    x, y, sigma = k / 0.5, np.log(power), error / power
    value, own, above = _fitted(x, y, sigma)
    fewest = 2 * len(x) // 3
    for _ in range(3):  # what is well above the line holds what moved: noise does not
        keep = above < 2.0
        if keep.all() or keep.sum() < fewest:
            break
        x, y, sigma = x[keep], y[keep], sigma[keep]
        value, own, above = _fitted(x, y, sigma)
    third = len(x) // 3
    other, _, _ = _fitted(x[third:], y[third:], sigma[third:])
    hangs = min(abs(other - value) / 2, 0.25)
    return float(np.exp(value)), float(np.exp(value) * np.hypot(own, hangs))


def _fitted(x: Doubles, y: Doubles, sigma: Doubles) -> tuple[float, float, Doubles]:
    """Log power at zero frequency, its standard error, and how many errors each ring lies above the line.

    x is in units of the Nyquist frequency.
    """

    def camera(p: Doubles) -> Doubles:
        return np.asarray((1 - p[3]) / (1 + (x / np.exp(p[1])) ** p[2]) + p[3])

    along = np.stack([np.cos(ANGLES)[:, None] * x, np.sin(ANGLES)[:, None] * x])  # of a ring, on both axes
    cosines = np.cos(np.pi * SAMPLES[:, None, None, None] * along)

    def gaussian(p: Doubles) -> Doubles:
        return np.asarray((1 - p[3]) * np.exp(-((x / np.exp(p[1])) ** 2)) + p[3])

    def sampled(p: Doubles) -> Doubles:
        """A Gaussian spread, sampled by the pixels: along each axis the cosine series of its samples."""
        spread = np.exp(-((np.pi / 2 * np.exp(p[1]) * SAMPLES) ** 2))
        spread[1:] *= 2
        by_axis = np.tensordot(spread / spread.sum(), cosines, 1)
        return np.asarray(np.sqrt((((1 - p[3]) * by_axis[0] * by_axis[1] + p[3]) ** 2).mean(axis=0)))

    found = [_best_fit(form, x, y, sigma) for form in (camera, gaussian, sampled)]
    cost, value, own = (np.array([one[n] for one in found]) for n in range(3))
    weight = np.exp(-(cost - cost.min()) / ALIKE)
    weight /= weight.sum()
    mean = float(weight @ value)
    spread = float(np.sqrt(weight @ (own**2 + (value - mean) ** 2)))  # forms that fit alike are one error
    return mean, spread, found[int(cost.argmin())][3]


def _best_fit(
    form: Callable[[Doubles], Doubles], x: Doubles, y: Doubles, sigma: Doubles
) -> tuple[float, float, float, Doubles]:
    """Loss of the best fit of a form, log power at zero frequency, its error, how far each ring is above."""

    def misfit(p: Doubles) -> Doubles:
        held = [(p[2] - 2.5) / 0.4, (p[3] - 0.05) / 0.04]
        return np.append((y - p[0] - 2 * np.log(np.maximum(form(p), 1e-9))) / sigma, held)

    fits = []
    for reach in (0.5, 1.5, 6.0):  # a camera that blurs much, or hardly
        start = np.array([float(np.median(y[: max(4, len(y) // 6)])), np.log(reach), 2.5, 0.05])
        low, high = [-np.inf, np.log(0.15), 1.2, 1e-4], [np.inf, np.log(40.0), 6.0, 0.3]
        fits.append(least_squares(misfit, start, bounds=(low, high), loss="soft_l1", f_scale=1.5))
    best = min(fits, key=lambda fit: float(fit.cost))
    jacobian = np.asarray(best.jac, dtype=np.float64)
    normal = np.linalg.pinv(jacobian.T @ jacobian)
    scatter = max(1.0, 2 * float(best.cost) / max(1, len(x) - 4))
    own = float(np.sqrt(max(normal[0, 0], 0.0) * scatter))
    return float(best.cost), float(best.x[0]), own, misfit(best.x)[: len(x)]


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
