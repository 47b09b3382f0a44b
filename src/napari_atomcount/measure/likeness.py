"""Whether two frames show one scene."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_atomcount.measure.imaging import without_gaps

#: Spatial frequencies at which a lattice is seen, 1/Å, and how far away its next columns are, Å.
BAND, NEIGHBOURS_A = (0.2, 0.6), (1.5, 6.0)


def likeness(
    one: npt.NDArray[np.floating], two: npt.NDArray[np.floating], pixel_size_nm: tuple[float, float]
) -> float:
    """How well one frame lies on the other at best, in units of a lattice on itself a period away.

    A lattice that is shifted by a period lies on itself but for its border, and the noise of an image is
    another one there: the autocorrelation's highest value among the next columns is what two images of one
    scene reach, whatever their noise, and surpass where they fit without that shift. Contrast may be inverse.

    Parameters
    ----------
    one, two : numpy.ndarray, shape (Y, X)
        Frames, apart by any shift that leaves most of the scene in view.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.

    Returns
    -------
    float
        About 1 and more for one scene; below 0.5 for particles of other orientations or shapes. NaN for blank
        frames.
    """
    ny, nx = one.shape
    step_y, step_x = (10 * step for step in pixel_size_nm)
    k = np.hypot(fft.fftfreq(ny)[:, None] / step_y, fft.rfftfreq(nx)[None, :] / step_x)
    band = (k > BAND[0]) & (k < BAND[1])
    y, x = fft.fftfreq(ny, 1 / ny)[:, None] * step_y, fft.fftfreq(nx, 1 / nx)[None, :] * step_x
    apart = np.hypot(y, x)
    next_columns = (apart > NEIGHBOURS_A[0]) & (apart < NEIGHBOURS_A[1])
    waves = [fft.rfft2(without_gaps(frame)) * band for frame in (one, two)]
    alone = [float(fft.irfft2(np.abs(w) ** 2, (ny, nx))[next_columns].max(initial=0.0)) for w in waves]
    if not min(alone) > 0:
        return float("nan")
    together = fft.irfft2(waves[0] * waves[1].conj(), (ny, nx))
    return float(np.abs(together).max() / np.sqrt(alone[0] * alone[1]))
