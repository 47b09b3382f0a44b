"""Where electrons begin in an image's intensities: its own noise is the stronger the brighter it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure.imaging import robust_std, without_gaps

Doubles = npt.NDArray[np.float64]

#: Beyond this spatial frequency an image holds noise alone, 1/Å, and how sharply it begins. An image that was
#: enlarged has none much farther out.
NOISE_FROM, EDGE = 2.1, 0.06
#: Standard deviation of the local mean, Å: columns stay apart.
LOCAL_A = 0.45
#: Pixels up to which enough of the noise lies beyond, Å, and what is left out at the borders, Å.
COARSEST_A, RIM_A = 0.225, 4.0
#: X-rays and hot pixels: noise of this many deviations; the median of the surroundings is taken in its place.
OUTLIERS = 8.0
#: Fewer pixels of one largest value are chance.
FEWEST_CUT = 20
#: With a smaller slope the tops of columns are mostly cut off, and nothing says where electrons begin.
LEAST_SLOPE = 0.45
#: Side of the squares from whose scatter the error comes, Å, and by how much that is too small in simulated
#: images (``scripts/input_checks.py``).
SQUARE_A, LARGER = 6.0, 1.2
#: What images of one scene cannot tell better, however many there are, as a fraction.
SHARED = 0.02


@dataclass(frozen=True)
class ZeroLevel:
    """Where electrons begin.

    Parameters
    ----------
    slope, slope_error : float
        By how many percent the noise's variance grows where an image is brighter by one percent, and its
        standard error. Counted electrons have a variance proportional to their mean (Poisson): 1. Less where
        the contrast was stretched, as programs do that write 8-bit pictures; more above a dark level.
    level : float
        Mean of the image, counts.
    """

    slope: float
    slope_error: float
    level: float

    @property
    def counts(self) -> float:
        """Counts at which the noise would end, and so electrons begin; NaN where nothing says it."""
        return self.level * (1 - 1 / self.slope) if self.slope > LEAST_SLOPE else math.nan

    @property
    def error(self) -> float:
        """Standard error of `counts`."""
        return abs(self.level - self.counts) * self.slope_error / self.slope


def zero_level(frame: npt.NDArray[np.floating], pixel_size_nm: tuple[float, float]) -> ZeroLevel | None:
    """Where electrons begin in one image, from its noise.

    The noise is that beyond the microscope's reach, so that a camera's MTF changes nothing; of an image that
    was enlarged or filtered little of it is left, and what it says is as little to be trusted as its counts.
    Its variance is compared with the brightness of the same places, both seen through the same window.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        One image, before any preparation.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.

    Returns
    -------
    ZeroLevel or None
        None where the pixels are too coarse, the image too small, or nothing in it differs in brightness.
    """
    image = without_gaps(frame)
    ny, nx = image.shape
    steps = [10 * step for step in pixel_size_nm]
    if max(steps) > COARSEST_A:
        return None
    rim = [max(3, round(RIM_A / step)) for step in steps]
    squares = [max(2, round(SQUARE_A / step)) for step in steps]
    if min(n - 2 * r - 3 * s for n, r, s in zip((ny, nx), rim, squares, strict=True)) < 0:
        return None
    if not np.isfinite(image).all() or np.ptp(image) == 0 or image.mean() <= 0:
        return None
    k = np.hypot(fft.fftfreq(ny)[:, None] / steps[0], fft.rfftfreq(nx)[None, :] / steps[1])
    beyond = 1 / (1 + np.exp(np.clip((NOISE_FROM - k) / EDGE, -50, 50)))
    local = np.exp(-2 * (np.pi * k * LOCAL_A) ** 2)

    def filtered(values: Doubles, by: npt.NDArray[Any]) -> Doubles:
        return np.asarray(fft.irfft2(fft.rfft2(values) * by, (ny, nx)))

    noise_alone = filtered(image, beyond)
    spikes = np.abs(noise_alone) > OUTLIERS * robust_std(noise_alone)
    if spikes.any():
        image = np.where(spikes, ndimage.median_filter(image, 3), image)
        noise_alone = filtered(image, beyond)
    # the filter spreads an electron's noise over its kernel: the variance seen at a place is that of the mean
    # brightness under the square of the kernel
    point = np.zeros((ny, nx))
    point[0, 0] = 1.0
    spread = filtered(point, beyond) ** 2
    share = float(spread.sum())
    window = filtered(spread, local) / share
    variance = filtered(noise_alone**2, local)
    mean = filtered(image, fft.rfft2(window))
    inside = tuple(slice(r, -r) for r in rim)
    mean, variance = mean[inside], variance[inside]
    level, noise = float(mean.mean()), float(variance.mean())
    if noise <= 0 or level <= 0:
        return None

    # less what white Poisson noise does to the mean's variance, and to its covariance with the noise's
    third = share * float((window**2).sum())
    seen = float(mean.var()) - noise * float((window**2).sum()) / share
    together = float(np.mean((mean - level) * variance)) - (noise / share) ** 2 / level * third
    if seen <= 0:
        return None
    lean = together / seen
    rest = (variance - noise - lean * (mean - level)) * (mean - level)
    height, width = (n // s * s for n, s in zip(rest.shape, squares, strict=True))
    down, across = squares
    scatter = rest[:height, :width].reshape(height // down, down, width // across, across).mean((1, 3))
    error = LARGER * float(scatter.std()) / float(np.sqrt(scatter.size)) / seen
    return ZeroLevel(lean * level / noise, error * level / noise, level)


def common_zero(each: Iterable[ZeroLevel | None]) -> ZeroLevel | None:
    """What images of one camera say together: the median; None where none says anything.

    Images of one scene share some of their errors: what is left of many of them is `SHARED`.
    """
    said = [one for one in each if one is not None]
    if not said:
        return None
    slope, error, level = np.median([(one.slope, one.slope_error, one.level) for one in said], axis=0)
    together = math.hypot(float(error) / math.sqrt(len(said)), SHARED * float(slope))
    return ZeroLevel(float(slope), together if len(said) > 1 else float(error), float(level))


def cut_share(frame: npt.NDArray[np.floating]) -> float:
    """Share of the pixels (Y, X) that have exactly the largest value: counted electrons hardly ever do.

    Where more do, the contrast was cut off, the camera saturated, or something was drawn into the image.
    """
    known = frame[np.isfinite(frame)]
    if not len(known) or np.ptp(known) == 0:
        return 0.0
    number = int((known == known.max()).sum())
    return number / len(known) if number >= FEWEST_CUT else 0.0
