"""Noise spectra of successive frames: laid on each other, vacuum apart from the rest, averaged in rings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, special

from napari_atomcount.measure.camera_noise import Frequencies, NoiseSpectrum
from napari_atomcount.measure.imaging import robust_std
from napari_atomcount.measure.laying import laid_on_first

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

RINGS, SECTORS = 48, 3
#: Frequencies below this many periods across the image hold drift and flicker, not noise.
FEWEST_PERIODS = 5.0
#: Fractions of the mean below which a pixel says nothing of the gain: the dark of a dark-field image.
DARK = 0.05
#: Frames that are laid on each other: more of them would tell more, but hold more of what moved.
BLOCK = 4
#: Frames up to which their sum tells something as well, where there is vacuum.
FEW_FRAMES = 4
#: Of a part of a ring, the share of powers that is averaged, the lowest: what moved lifts single frequencies.
KEPT = 0.95
#: Of a part of a ring in which the specimen is seen, the share of frequencies in which it is seen least.
QUIET, SEEN = 0.7, 1.3
SMALLEST_SHARE = 0.05  # of the image: a smaller area is none
#: Pixels beyond this many deviations are X-rays and hot pixels.
OUTLIERS = 8.0
#: Power of fine structure, over that of noise, from which an area is no vacuum: of the mean of frames, with
#: the width of the local mean, px; and of a single frame, of which the noise is not known beforehand.
STRUCTURE, LOCAL_PX = 1.5, 8.0
STRUCTURE_OF_ONE, LOCAL_OF_ONE_PX = 1.25, 12.0
ONE_SCATTER = 0.08  # of the local mean, in vacuum
RIM_PX = 10  # around what is no vacuum
#: Deviations by which vacuum of a sum may be above that of the differences: rings together, and at once.
EXCESS, EXCESS_OF_ALL, TOGETHER = 3.0, 3.5, 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Parts of rings of an image's frequencies, half a plane.

    Parameters
    ----------
    frequencies : Frequencies
        Means of each part, N of them: SECTORS parts between the side and the diagonal of a pixel in each of
        RINGS rings, because pixels sample a spread differently along the two.
    members : tuple of ndarray of int
        Places in the flat, unshifted spectrum.
    """

    frequencies: Frequencies
    members: tuple[Numbers, ...]


@dataclass(frozen=True, eq=False)
class _Area:
    """Spectra of an area of a block of frames, over its mean level: electrons' noise is gain × MTF²."""

    vacuum: bool
    frames: int
    share: float
    differences: Doubles | None  # of the frames, mean of frames - 1 independent ones
    mean: Doubles  # of the mean of the frames, times their number
    level: float
    pixels: float  # variance of single pixels over the level


@dataclass(frozen=True, eq=False)
class NoiseSpectra:
    """What the frames' noise is.

    Parameters
    ----------
    frequencies : Frequencies
    spectra : list of NoiseSpectrum
        Of areas, of differences between frames and of sums.
    pixels : float
        Variance of single pixels over their mean level.
    """

    frequencies: Frequencies
    spectra: list[NoiseSpectrum]
    pixels: float


def noise_spectra(frames: Sequence[npt.NDArray[Any]], dark: float) -> NoiseSpectra | None:
    """Measure the noise spectra of frames.

    The specimen drops out of the differences between frames that were laid on each other; their mean is
    independent of these differences, tells where the specimen is (in the image and in frequency), and where
    there is nothing but vacuum it has as much noise as a difference has.

    Parameters
    ----------
    frames : sequence of ndarray, shape (Y, X)
        Of one scene and shape, finite.
    dark : float
        Counts without electrons.

    Returns
    -------
    NoiseSpectra or None
        None where no frame has an area bright enough; of a single frame also where it has no vacuum.
    """
    bins = _bins(frames[0].shape[0], frames[0].shape[1])
    areas = [area for block in _blocks(frames) for area in _areas(_less(block, dark))]
    spectra: list[NoiseSpectrum] = []
    for vacuum in (True, False):
        alike = [area for area in areas if area.vacuum is vacuum]
        if alike:
            spectra += _averaged(alike, bins, len(frames))
    if not spectra:
        return None
    return NoiseSpectra(bins.frequencies, spectra, float(np.median([area.pixels for area in areas])))


def _blocks(frames: Sequence[npt.NDArray[Any]]) -> Iterator[list[npt.NDArray[Any]]]:
    """Successive frames, not more than BLOCK and not a single one if there are others."""
    number = -(-len(frames) // BLOCK)
    for part in np.array_split(np.arange(len(frames)), number):
        if len(part) > 1 or len(frames) == 1:
            yield [frames[int(i)] for i in part]


def _less(block: list[npt.NDArray[Any]], dark: float) -> list[Doubles]:
    return [frame.astype(np.float64) - dark for frame in block]


# -- areas ------------------------------------------------------------------------------
def _areas(block: list[Doubles]) -> list[_Area]:
    """Vacuum, and the rest."""
    laid, valid = laid_on_first(block)
    mean, number = laid.mean(axis=0), len(laid)
    rest = laid - mean
    local = ndimage.gaussian_filter(mean, 3.0)
    good = valid & (local > DARK * float(local[valid].mean()))
    if good.mean() < 4 * SMALLEST_SHARE or not float(local[good].mean()) > 0:
        return []
    level = np.maximum(local, DARK * float(local[good].mean()))
    if number > 1:
        scaled = rest / np.sqrt(level)
        inside = scaled[:, good]
        limit = OUTLIERS * max(robust_std(inside.ravel()), 0.5 * float(inside.std()))
        rest = np.where(np.abs(scaled) > limit, 0.0, rest)
    vacuum = _vacuum(mean, rest, level, good)
    other = good & ~vacuum
    masks = [(True, vacuum), (False, other)]
    if vacuum.mean() < SMALLEST_SHARE:
        masks = [(False, good)]
    elif other.mean() < SMALLEST_SHARE:
        masks = masks[:1]
    if number == 1:
        masks = [one for one in masks if one[0]]
    return [_area(mean, rest, mask, is_vacuum) for is_vacuum, mask in masks]


def _vacuum(mean: Doubles, rest: Doubles, level: Doubles, good: Bools) -> Bools:
    """Where the mean of frames has no more fine structure than its noise has."""

    def fine(image: Doubles) -> Doubles:
        band = ndimage.gaussian_filter(image, 1.0) - ndimage.gaussian_filter(image, 4.0)
        return np.asarray(band**2 / level)

    number = len(rest)
    width, most = (LOCAL_PX, STRUCTURE) if number > 1 else (LOCAL_OF_ONE_PX, STRUCTURE_OF_ONE)
    structure = ndimage.gaussian_filter(fine(mean), width)
    if number > 1:
        noise = np.sum([fine(one) for one in rest], axis=0) / (number - 1) / number
        quiet = float(np.quantile(ndimage.gaussian_filter(noise, width)[good], 0.25))
        expected = min(float(noise[good].mean()), 1.05 * quiet)
    else:
        expected = float(np.quantile(structure[good], 0.05)) / (1 - 1.65 * ONE_SCATTER)
    found = ndimage.binary_opening((structure < most * expected) & good, iterations=3)
    return np.asarray(good & ~ndimage.binary_dilation(good & ~found, iterations=RIM_PX))


def _area(mean: Doubles, rest: Doubles, mask: Bools, vacuum: bool) -> _Area:
    """Spectra of an area; the level is that of all of its pixels: electrons do not know of each other."""
    number, level = len(rest), float(mean[mask].mean())
    scale = float(mask.sum()) * level
    flat = mean - (_surface(mean, mask) if vacuum else ndimage.gaussian_filter(mean, 12.0))
    differences = None
    if number > 1:
        powers = [_power(one - one[mask].mean(), mask) for one in rest]
        differences = np.sum(powers, axis=0) / (scale * (number - 1))
        pixels = robust_variance(rest[0][mask]) * number / (number - 1)
    else:
        pixels = robust_variance(flat[mask])
    own = _power(flat, mask) * number / scale
    return _Area(vacuum, number, float(mask.mean()), differences, own, level, pixels / level)


def robust_variance(values: Doubles) -> float:
    """Variance from the median absolute deviation; of coarse whole numbers the ordinary one."""
    spread = robust_std(values)
    return spread**2 if len(np.unique(values[:2000])) > 50 else float(np.var(values))


def _power(image: Doubles, mask: Bools) -> Doubles:
    return np.asarray(np.abs(fft.fft2(np.where(mask, image, 0.0))) ** 2)


def _surface(image: Doubles, mask: Bools) -> Doubles:
    """The parabola through an area: what an uneven beam looks like."""
    y, x = (np.linspace(-1, 1, n) for n in image.shape)
    terms = [np.outer(y**i, x**j) for i in range(3) for j in range(3 - i)]
    factors = np.linalg.lstsq(np.array([term[mask] for term in terms]).T, image[mask], rcond=None)[0]
    return np.asarray(sum(factor * term for factor, term in zip(factors, terms, strict=True)))


# -- rings ------------------------------------------------------------------------------
@lru_cache(maxsize=4)
def _bins(height: int, width: int) -> Bins:
    ky, kx = np.broadcast_arrays(fft.fftfreq(height)[:, None], fft.fftfreq(width)[None, :])
    radius = np.hypot(ky, kx)
    turn = np.abs(np.arctan2(ky, kx)) % (np.pi / 2)
    sector = np.minimum(SECTORS * np.minimum(turn, np.pi / 2 - turn) / (np.pi / 4), SECTORS - 1).astype(
        np.int64
    )
    lowest = FEWEST_PERIODS / min(height, width)
    ring = np.floor((radius - lowest) / (0.5 - lowest) * RINGS).astype(np.int64)
    part = np.where(
        (ring >= 0) & (ring < RINGS) & (kx >= 0), ring * SECTORS + sector.astype(np.int64), -1
    ).ravel()
    order = np.argsort(part, kind="stable")
    edges = np.searchsorted(part[order], np.arange(RINGS * SECTORS + 1))
    members = tuple(order[a:b] for a, b in pairwise(edges))
    larger, smaller = np.maximum(abs(ky), abs(kx)), np.minimum(abs(ky), abs(kx))
    means = [
        np.array([float(value.flat[own].mean()) if len(own) else 0.25 for own in members])
        for value in (radius, larger, smaller)
    ]
    return Bins(Frequencies(*means), members)


def _averaged(areas: list[_Area], bins: Bins, frames: int) -> list[NoiseSpectrum]:
    """Spectra of one kind of area of all blocks: of differences, and of the sum of few frames of vacuum."""
    share = float(np.mean([area.share for area in areas]))
    mean = np.asarray(np.mean([area.mean for area in areas], axis=0))
    degrees = sum(area.frames - 1 for area in areas)
    per_frame = float(np.mean([area.frames for area in areas]))
    of_sum = None
    if areas[0].vacuum and frames <= FEW_FRAMES:
        of_sum = _means(mean, bins.members, len(areas), share)
    if not degrees:
        return [] if of_sum is None else [of_sum]
    parts = [area.differences * (area.frames - 1) for area in areas if area.differences is not None]
    power = np.asarray(np.sum(parts, axis=0)) / degrees
    members = bins.members if areas[0].vacuum else _quiet(mean, power, bins.members, len(areas))
    found = _means(power, members, degrees, share)
    seen = np.array([float(mean.flat[own].mean()) if len(own) else 0.0 for own in members])
    found = NoiseSpectrum(found.power, found.number, np.maximum(seen - found.power, 0.0) / per_frame)
    if of_sum is None:
        return [found]
    of_sum = _only_noise(of_sum, found)
    return [found] if of_sum is None else [found, of_sum]


def _quiet(mean: Doubles, power: Doubles, members: tuple[Numbers, ...], blocks: int) -> tuple[Numbers, ...]:
    """Without the frequencies at which the specimen is strongest, where it is seen at all.

    The mean of frames is independent of their differences, so this choice does not change their noise.
    """
    smooth = ndimage.uniform_filter(mean, 3, mode="wrap")
    out = []
    for own in members:
        if len(own) < 8:
            out.append(own)
            continue
        noise = float(np.median(power.flat[own]))
        if float(mean.flat[own].mean()) < SEEN * noise * (1 + 3 / np.sqrt(len(own) * blocks)):
            out.append(own)
            continue
        near = smooth.flat[own]
        out.append(own[near <= np.quantile(near, QUIET)])
    return tuple(out)


def _means(power: Doubles, members: tuple[Numbers, ...], degrees: int, share: float) -> NoiseSpectrum:
    """Means of the lowest powers of each part of a ring, over what they are of the mean of all in noise.

    Power of noise is a gamma variable of as many degrees as there are independent spectra in it.
    """
    value, number = np.ones(len(members)), np.zeros(len(members))
    for n, own in enumerate(members):
        if len(own) < 8:
            continue
        kept = round(KEPT * len(own))
        fraction, worth = _lowest_of_noise(kept / len(own), degrees)
        mean = float(np.sort(power.flat[own])[:kept].mean()) / fraction
        if mean > 0:
            value[n], number[n] = mean, len(own) * worth * share
    return NoiseSpectrum(value, number, np.zeros(len(members)))


def _lowest_of_noise(share: float, degrees: int) -> tuple[float, float]:
    """Mean of the lowest part of a gamma variable of mean 1, and how many amplitudes each value is worth."""
    highest = float(special.gammaincinv(degrees, share))
    fraction = float(special.gammainc(degrees + 1, highest)) / share
    first = float(special.gammainc(degrees + 1, highest)) * degrees + highest * (1 - share)
    second = float(special.gammainc(degrees + 2, highest)) * degrees * (degrees + 1)
    second += highest**2 * (1 - share)
    relative = (second - first**2) / (
        share * fraction * degrees
    ) ** 2  # variance of one, over the mean's square
    return fraction, 1 / relative


def _only_noise(of_sum: NoiseSpectrum, found: NoiseSpectrum) -> NoiseSpectrum | None:
    """The spectrum of a sum down to the frequency at which it has more than noise; None if it has anywhere.

    A film, or what is left of a specimen, raises low frequencies; a fixed pattern of the camera all of them.
    """
    both = np.where((of_sum.number > 0) & (found.number > 0), 1.0, 0.0)
    weight = both / (1 / np.maximum(of_sum.number, 1e-9) + 1 / np.maximum(found.number, 1e-9))
    ratio = (weight * of_sum.power / found.power).reshape(RINGS, SECTORS).sum(axis=1)
    weight = weight.reshape(RINGS, SECTORS).sum(axis=1)
    high = slice(RINGS // 3, RINGS)
    if abs(ratio[high].sum() / weight[high].sum() - 1) * np.sqrt(weight[high].sum()) > EXCESS_OF_ALL:
        return None
    lowest = 0
    for ring in range(RINGS - TOGETHER, -1, -1):
        some = slice(ring, ring + TOGETHER)
        if (ratio[some].sum() / weight[some].sum() - 1) * np.sqrt(weight[some].sum()) > EXCESS:
            lowest = ring + 1
            break
    use = np.repeat(np.arange(RINGS) >= lowest, SECTORS) & (both > 0)
    return NoiseSpectrum(of_sum.power, np.where(use, of_sum.number, 0.0), of_sum.specimen)
