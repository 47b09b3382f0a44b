"""How position errors of neighbouring columns belong together behind a filter that reaches across columns.

A Wiener filter leaves of the noise what has the crystal's own periods, so the errors of neighbours are not
independent: planar strain is a little better and rotation worse than independent ones would say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import map_coordinates
from scipy.signal import fftconvolve

from napari_atomcount.measure.noise import Doubles, Noise, Response, frequency

#: Offsets (y, x) of a window's pixels, and what each of them adds to the position's y and x, shape (P,) each.
Weights = tuple[Doubles, Doubles, Doubles, Doubles]
#: The reach of the correlation that is kept, in spacings of the columns, and least side of its grid, px.
REACH, LEAST = 6.0, 256


@dataclass(frozen=True)
class Correlation:
    """Correlation of the position errors of two columns, by the offset from one to the other.

    Parameters
    ----------
    yy, xx, yx : ndarray, shape (S, S)
        Of two y, of two x, of the first one's y with the second one's x, at offsets of an unshifted grid, px.
    """

    yy: Doubles
    xx: Doubles
    yx: Doubles

    def at(self, dy: Doubles, dx: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """The three at offsets of any shape, px; none beyond the grid."""
        half = len(self.yy) / 2 - 1
        inside = (np.abs(dy) < half) & (np.abs(dx) < half)
        where = np.stack([np.where(inside, dy, 0.0), np.where(inside, dx, 0.0)])
        yy, xx, yx = (
            np.where(inside, map_coordinates(one, where, order=1, mode="grid-wrap"), 0.0)
            for one in (self.yy, self.xx, self.yx)
        )
        return yy, xx, yx


def correlation_of(
    noise: Noise, response: Response, weights: Weights, spacing_px: float
) -> Correlation | None:
    """Propagate filtered noise through the fit of a usual column to the errors of two columns.

    With the noise's covariance C behind the filter and the fit's weights w, the covariance of two positions
    at an offset D is the sum over pixels p, q of w(p) w(q) C(D + q - p).

    Parameters
    ----------
    noise : Noise
        Of the image before the filter.
    response : callable
        The filter.
    weights : tuple of ndarray
        Of the usual column.
    spacing_px : float
        Usual distance of neighbours.

    Returns
    -------
    Correlation or None
        None where no column was found.
    """
    shape = _grid(spacing_px)
    spectrum = noise.spectrum(shape) * response(frequency(shape)) ** 2
    wy, wx = (fft.fft2(one) for one in _on_grid(weights, shape))

    def covariance(a: np.ndarray, b: np.ndarray) -> Doubles:
        return np.asarray(fft.ifft2(spectrum * a * b.conj()).real)

    yy, xx, yx = covariance(wy, wy), covariance(wx, wx), covariance(wy, wx)
    if not (yy[0, 0] > 0 and xx[0, 0] > 0):
        return None
    return Correlation(yy / yy[0, 0], xx / xx[0, 0], yx / np.sqrt(yy[0, 0] * xx[0, 0]))


def local_level(
    image: Doubles, noise: Noise, response: Response, weights: Weights, spacing_px: float
) -> tuple[Doubles, Doubles]:
    """Intensity that decides about the counting noise of a position's y and x, at each pixel, (Y, X) each.

    A position is a sum over the image's pixels, so its variance is the sum of theirs, which follow the
    intensity, with the squares of the filter's and the fit's weights together.
    """
    shape = _grid(spacing_px)
    gain = response(frequency(shape)) * np.sqrt(noise.spectrum(shape) / noise.variance)
    half = shape[0] // 2
    padded = np.pad(image, half, mode="reflect" if min(image.shape) > half else "symmetric")
    result = []
    for one in _on_grid(weights, shape):
        kernel = np.fft.fftshift(fft.ifft2(fft.fft2(one) * gain).real) ** 2
        # the middle of the shifted grid is at half: correlate, do not convolve
        wide = fftconvolve(padded, kernel[::-1, ::-1] / max(float(kernel.sum()), 1e-300), mode="valid")
        result.append(np.asarray(wide[: image.shape[0], : image.shape[1]]))
    return result[0], result[1]


def _grid(spacing_px: float) -> tuple[int, int]:
    side = fft.next_fast_len(max(LEAST, int(np.ceil(2 * REACH * spacing_px))))
    return side, side


def _on_grid(weights: Weights, shape: tuple[int, int]) -> list[Doubles]:
    """The weights of y and of x at the offsets of an unshifted grid."""
    dy, dx, *each = weights
    grids = []
    for weight in each:
        grid = np.zeros(shape)
        np.add.at(grid, (dy.astype(int) % shape[0], dx.astype(int) % shape[1]), weight)
        grids.append(grid)
    return grids
