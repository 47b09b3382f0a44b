"""Camera counts per electron from a movie's own noise: the mean–variance line through the camera's MTF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomcount.measure.camera_noise import WEIGHTS, at_zero
from napari_atomcount.measure.noise_areas import noise_spectra

Doubles = npt.NDArray[np.float64]

SMALLEST_PX = 48
#: No camera's MTF is exactly of any of the forms: what that is worth, as a fraction.
FORM_ERROR = 0.005
#: The vacuum of a single frame is a guess: its error is that much larger than that of the noise alone, and
#: what no usual camera's MTF explains better than this is no noise. A film looks like a Gaussian spread.
ONE_FRAME, WORST_MISFIT, FARTHEST = 1.3, 2.0, 2.5
FORMS_OF_ONE = ("camera", "none")
#: Frames that differ by more than a camera's noise are of several scenes if what they share has less power
#: than this share of their noise at all frequencies (0.2 at most; of one scene, at 100 e/Å², 0.6), or if they
#: give that much more than each of them alone.
SHARED, UNLIKE = 0.3, 1.4
#: Frames that are looked at one by one at most.
MOST_ALONE = 8


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
    frames : int
        Frames that were compared; 1: what looks like vacuum in a single one.
    """

    counts_per_electron: float
    error: float
    dark_level: float
    level: float
    single_pixels: float
    frames: int


def measure_gain(
    frames: Sequence[npt.NDArray[Any]], dark_level: float | None = 0.0, single: bool = False
) -> Gain | None:
    """Measure the gain from the noise of successive frames.

    The variance of counts is gain × mean (Poisson), so the difference of two frames over the root of twice
    their mean has the noise power gain × MTF², and so has the sum of frames in vacuum. `noise_areas` measures
    these spectra, `camera_noise` carries them to zero frequency, where the MTF is one.

    Parameters
    ----------
    frames : sequence of ndarray, shape (Y, X)
        Successive frames, before any filter. A frame that repeats the one before it counts once.
    dark_level : float, optional
        Counts without electrons; None: from the mean–variance line, which needs bright and dark areas in at
        least two frames.
    single : bool
        Whether one frame alone may say something, if it shows vacuum: an upper bound, for what is there
        beside noise adds to it. Of frames of several scenes the median of what each says is taken.

    Returns
    -------
    Gain or None
        None where the frames cannot say: too small, no noise, no level above the dark, or a single frame
        without vacuum or with more than noise in it.
    """
    images = [_filled(frame) for frame in frames if np.isfinite(frame).mean() > 0.9]
    images = [image for image in images if image.shape == images[0].shape]
    images = images[:1] + [b for a, b in pairwise(images) if np.any(a != b)]
    fewest = 1 if single and dark_level is not None else 2
    if len(images) < fewest or min(images[0].shape) < SMALLEST_PX:
        return None
    dark = _dark_level(list(pairwise(images))) if dark_level is None else dark_level
    level = float(np.mean([image.mean(dtype=np.float64) for image in images]))
    if level - dark <= 0:
        return None
    measured = noise_spectra(images, dark)
    if measured is None:
        return None
    forms = tuple(WEIGHTS) if len(images) > 1 else FORMS_OF_ONE
    found = at_zero(measured.frequencies, measured.spectra, forms)
    if found is None or not np.isfinite(found.value) or found.value <= 0:
        return None
    error = found.error
    if len(images) == 1:
        if found.misfit > WORST_MISFIT or found.far > FARTHEST:
            return None
        error *= ONE_FRAME
    error = float(np.hypot(error, FORM_ERROR * found.value))
    together = Gain(found.value, error, float(dark), level, measured.pixels / found.value, len(images))
    if single and len(images) > 1 and found.misfit > WORST_MISFIT:
        alone = _alone(images[:MOST_ALONE], dark)
        # of an area's many frequencies the fifth best: the best ones may be chance
        shared = max(float(np.sort(one.specimen / one.power)[-5]) for one in measured.spectra)
        if shared < SHARED or (alone and found.value > UNLIKE * alone.counts_per_electron):
            return alone
    return together


def _alone(images: list[npt.NDArray[Any]], dark: float) -> Gain | None:
    """The median of what frames say one by one; None where none says anything."""
    each = [one for image in images if (one := measure_gain([image], dark, single=True)) is not None]
    return sorted(each, key=lambda one: one.counts_per_electron)[len(each) // 2] if each else None


def _filled(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A frame without missing pixels."""
    finite = np.isfinite(frame)
    return frame if finite.all() else np.where(finite, frame, np.median(frame[finite]))


def _dark_level(pairs: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> float:
    """Mean at which the line of variance over mean ends; 0 where all is about equally bright.

    The variance is that of high frequencies, which the specimen's movement hardly reaches.
    """
    means, variances = [], []
    for one, two in pairs:
        a, b = one.astype(np.float64), two.astype(np.float64)
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
