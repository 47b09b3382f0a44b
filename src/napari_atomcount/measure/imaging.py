"""What an image says about its own exposure: dose from noise, contrast of columns, unevenness of the beam."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_atomcount.measure.smoothing import smooth, spread, waves

#: Pixels are averaged to blocks of this side: the camera's MTF is near one there and damps no noise.
BLOCK_PX = 8


def block_mean(frame: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """Mean over blocks of ``side`` × ``side`` pixels; what does not fill a block is left out."""
    ny, nx = (n // side * side for n in frame.shape)
    return np.asarray(
        np.asarray(frame[:ny, :nx], float).reshape(ny // side, side, nx // side, side).mean((1, 3)),
        dtype=np.float64,
    )


def without_gaps(frame: NDArray[np.floating]) -> NDArray[np.float64]:
    """The frame with the mean in pixels that are not finite; NaN where nothing is known."""
    image = np.asarray(frame, dtype=np.float64)
    good = np.isfinite(image)
    if good.all():
        return image
    return np.where(good, image, image[good].mean() if good.any() else np.nan)


def robust_std(values: NDArray[np.floating]) -> float:
    """Standard deviation from the median absolute deviation; NaN of nothing."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def estimate_dose(frames: Sequence[NDArray[np.floating]], pixel_size_nm: tuple[float, float]) -> float | None:
    """Electrons per Å² and image from the shot noise: relative variance of a block is one over its electrons.

    Consecutive frames are subtracted, so that the specimen drops out; of a single frame neighbouring blocks
    are subtracted, which counts fine structure as noise and gives a lower bound.

    Parameters
    ----------
    frames : sequence of numpy.ndarray, shape (Y, X)
        Consecutive frames, intensities proportional to electrons.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.

    Returns
    -------
    float or None
        None where the images cannot say: no positive level, no noise, or too few pixels.
    """
    if not frames or min(frames[0].shape) < 4 * BLOCK_PX:
        return None
    blocks = [block_mean(frame, BLOCK_PX) for frame in frames]
    known = np.stack(blocks)
    known = known[np.isfinite(known)]
    level = float(np.median(known)) if len(known) else 0.0
    if level <= 0:
        return None
    if len(blocks) > 1:
        noise = float(np.median([robust_std(b - a) for a, b in pairwise(blocks)])) / np.sqrt(2)
    else:
        neighbours = [np.diff(blocks[0], axis=axis).ravel() for axis in (0, 1)]
        noise = robust_std(np.concatenate(neighbours)) / np.sqrt(2)
    if not np.isfinite(noise) or noise <= 1e-9 * level:
        return None
    area_A2 = BLOCK_PX**2 * pixel_size_nm[0] * pixel_size_nm[1] * 100
    return float((level / noise) ** 2 / area_A2)


def column_contrast(frame: NDArray[np.floating], pixel_size_nm: tuple[float, float]) -> float:
    """Standard deviation of the structure between about 0.1 and 0.5 nm over the mean; NaN without a level."""
    image = without_gaps(frame)
    level = image.mean()
    if not level > 0:
        return float("nan")
    py, px = pixel_size_nm
    return spread(waves(image), (0.04 / py, 0.04 / px), without=(0.25 / py, 0.25 / px)) / float(level)


def unevenness(frame: NDArray[np.floating], pixel_size_nm: tuple[float, float]) -> float:
    """Standard deviation of the image at 1 nm resolution over its mean.

    Below about 0.25 in a bright-field image, where a particle takes few electrons out of the beam; near one
    in a dark-field image, where vacuum is dark.
    """
    image = without_gaps(frame)
    level = image.mean()
    if not level > 0:
        return float("nan")
    return spread(waves(image), (0.4 / pixel_size_nm[0], 0.4 / pixel_size_nm[1])) / float(level)


#: A dark-field image: the specimen's thickness changes the intensity more than its columns do …
LEAST_EVENNESS = 2.0
#: … and where it is brighter, more structure than noise explains goes with it.
LEAST_AGREEMENT = 0.25
#: Columns are looked at with pixels of about this size.
FINE_NM = 0.016


def dark_field(frame: NDArray[np.floating], pixel_size_nm: tuple[float, float]) -> bool:
    """Whether the image looks like dark-field (STEM): bright where the specimen is, whatever its zero level.

    In a bright-field image the specimen takes electrons out of the beam: where its columns show, the mean
    over a nanometre is lower or the same. In a dark-field image it is higher, and vacuum against specimen is
    most of the contrast. Both signs are looked for. Neither changes with an offset or a gain of the
    intensities; the structure is compared with the noise next to it, so that brighter, noisier places do not
    look like structure. A crystal that fills the frame evenly gives no sign, and False.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        Intensities.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.
    """
    image = without_gaps(frame)
    if not np.isfinite(image).all() or np.ptp(image) == 0 or min(image.shape) < 16:
        return False

    # coarser where nothing is lost by it: fine sampling of columns, blocks of 0.1 nm of what is wide
    grain = image[1:, 1:] - image[:-1, 1:] - image[1:, :-1] + image[:-1, :-1]
    side = max(1, int(FINE_NM / max(pixel_size_nm)))
    image = block_mean(image, side)
    py, px = (p * side for p in pixel_size_nm)
    transform = waves(image - image.mean())
    fine, middle, wide = (smooth(transform, (nm / py, nm / px)) for nm in (0.04, 0.12, 0.25))
    block = max(1, int(0.1 / max(pixel_size_nm) / side))

    def average(values: NDArray[np.floating]) -> NDArray[np.float64]:
        width = [0.4 / p / side / block for p in pixel_size_nm]
        return np.asarray(gaussian_filter(block_mean(values, block), width), dtype=np.float64)

    low = average(image)
    if not low.std() > LEAST_EVENNESS * (fine - wide).std():
        return False
    structure = average((fine - middle) ** 2)
    # the highest frequency of the camera: noise, and hardly anything of a lattice
    noise = average(block_mean(np.pad(grain**2, ((0, 1), (0, 1)), mode="edge"), side))
    floor = 1e-6 * max(float(structure.mean()), 1e-300)
    excess = np.log(np.maximum(structure, floor)) - np.log(np.maximum(noise, floor))
    if not excess.std() > 0:
        return False
    return bool(np.corrcoef(low.ravel(), excess.ravel())[0, 1] > LEAST_AGREEMENT)
