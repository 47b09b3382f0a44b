"""Whether intensities start at zero electrons: an image's own noise is the stronger the brighter it is."""

from __future__ import annotations

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
#: Side of the squares from whose scatter the error comes, Å.
SQUARE_A = 6.0


def noise_slope(
    frame: npt.NDArray[np.floating], pixel_size_nm: tuple[float, float]
) -> tuple[float, float] | None:
    """By how many percent the noise's variance grows where an image is brighter by one percent.

    Counted electrons have a variance proportional to their mean (Poisson): the slope is 1. Where the contrast
    was stretched, as programs do that write 8-bit pictures, something was taken off all of them and it is
    less, about 0.6 from the darkest pixel to the brightest; where a dark level was not taken off it is more.
    The noise is that beyond the microscope's reach, so that a camera's MTF changes nothing; of an image that
    was enlarged or filtered little of it is left, and what it says is as little to be trusted as its counts.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        One image, before any preparation.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.

    Returns
    -------
    tuple of float or None
        Slope and its standard error; simulated HRTEM of 100 to 2·10⁴ e/Å² has 0.8 to 1.1. None where the
        pixels are too coarse, the image too small, or nothing in it differs in brightness.
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

    def filtered(values: Doubles, by: Doubles) -> Doubles:
        return np.asarray(fft.irfft2(fft.rfft2(values) * by, (ny, nx)))

    noise_alone = filtered(image, beyond)
    spikes = np.abs(noise_alone) > OUTLIERS * robust_std(noise_alone)
    if spikes.any():
        image = np.where(spikes, ndimage.median_filter(image, 3), image)
        noise_alone = filtered(image, beyond)
    variance = filtered(noise_alone**2, local)
    mean = filtered(image, local)
    inside = tuple(slice(r, -r) for r in rim)
    mean, variance = mean[inside], variance[inside]
    level, noise = float(mean.mean()), float(variance.mean())

    # what white Poisson noise does to the local mean's variance, and to its covariance with the power
    point = np.zeros((ny, nx))
    point[0, 0] = 1.0
    fine, wide = filtered(point, beyond), filtered(point, local)
    share = float((fine**2).sum())
    if noise <= 0 or level <= 0:
        return None
    third = float((wide * filtered(fine**2, local)).sum())
    seen = float(mean.var()) - noise * float((wide**2).sum()) / share
    together = float(np.mean((mean - level) * variance)) - (noise / share) ** 2 / level * third
    if seen <= 0:
        return None
    lean = together / seen
    rest = (variance - noise - lean * (mean - level)) * (mean - level)
    height, width = (n // s * s for n, s in zip(rest.shape, squares, strict=True))
    down, across = squares
    scatter = rest[:height, :width].reshape(height // down, down, width // across, across).mean((1, 3))
    error = float(scatter.std()) / float(np.sqrt(scatter.size)) / seen
    return lean * level / noise, error * level / noise


def cut_share(frame: npt.NDArray[np.floating]) -> float:
    """Share of the pixels (Y, X) that have exactly the largest value: counted electrons hardly ever do.

    Where more do, the contrast was cut off, the camera saturated, or something was drawn into the image.
    """
    known = frame[np.isfinite(frame)]
    if not len(known) or np.ptp(known) == 0:
        return 0.0
    number = int((known == known.max()).sum())
    return number / len(known) if number >= FEWEST_CUT else 0.0
