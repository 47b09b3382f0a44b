"""The pixel size from an image of only a few unit cells, where spots of the power spectrum run together.

The image is fitted by the lattice's own waves, sum of c_g exp(2πi k_g r) with k = A g: linear in c, so only
the four numbers of A are searched (variable projection, Golub and Pereyra 1973).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from napari_atomcount.measure.calibrating import SEARCH, PixelSize, pixel_size_of
from napari_atomcount.measure.crystal import Crystal
from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]

PERIODS = (1.5, 6.0)  # of the longest plane distance, along the shorter side
SIZES, TURNS = 32, 40
COARSE_PX, FINE_PX = 24, 64
SHELLS = 3
#: Share of the image's variance that the lattice has to explain: a particle's edge, or another lattice,
#: leaves more.
LEAST_EXPLAINED = 0.85
EQUAL = 0.02
STARTS, APART = 6, 0.06


def measure_few_periods(
    image: npt.NDArray[np.floating],
    lattice: Crystal,
    zone_axis: tuple[int, int, int] | None = None,
    expected_nm: float | None = None,
) -> PixelSize:
    """Measure the pixel size where the crystal fills the image with one and a half to six periods.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        One image, or the mean of frames without drift.
    lattice, zone_axis, expected_nm
        As in `measure_pixel_size`.

    Raises
    ------
    InputError
        If no size makes the lattice explain the image.
    """
    picture = np.asarray(image, dtype=np.float64)
    picture = np.where(np.isfinite(picture), picture, np.nanmedian(picture))
    coarse, fine = _reduced(picture, COARSE_PX), _reduced(picture, FINE_PX)
    tried: list[tuple[float, Doubles, tuple[int, int, int], Doubles]] = []
    for axis in (zone_axis,) if zone_axis else lattice.axes:
        g, _ = lattice.reflections(axis)
        length = np.hypot(*g.T)
        shells = np.unique(np.round(length, 6))[:SHELLS]
        few = g[length <= shells[-1] + 1e-6]
        for start in _starts(coarse, few, min(picture.shape), expected_nm):
            matrix, explained = _refined(coarse, few, start)
            tried.append((explained, matrix, axis, few))
    best = None
    if tried:
        # a multiple of the cell explains as much, with more waves: of equals the smallest cell is meant
        enough = max(one[0] for one in tried) - EQUAL
        best = max((one for one in tried if one[0] >= enough), key=lambda one: abs(np.linalg.det(one[1])))
    if best is not None:
        best = (*_refined(fine, best[3], best[1])[::-1], *best[2:])
    if best is None or best[0] < LEAST_EXPLAINED:
        raise InputError(
            f"The image shows neither spots nor a few unit cells of {lattice.name}: choose a region with the "
            "crystal (--roi), or another lattice or zone axis."
        )
    explained, matrix, axis, few = best
    # how far the halves of the image disagree
    halves = [_refined(part, few, matrix)[0] for part in _halves(fine)]
    return pixel_size_of(matrix, halves, few, lattice.name, axis, explained)


class _Part:
    """An image (n, m) of fewer pixels, with the places (px of the file) of its pixels."""

    def __init__(self, values: Doubles, y: Doubles, x: Doubles) -> None:
        self.values, self.y, self.x = values, y, x
        self.background = np.column_stack(
            [np.ones(values.size), (y / max(np.ptp(y), 1)).ravel(), (x / max(np.ptp(x), 1)).ravel()]
        )
        flat = values.ravel()
        flat = flat - self.background @ np.linalg.lstsq(self.background, flat, rcond=None)[0]
        self.flat, self.power = flat, float((flat**2).sum())

    def left(self, matrix: Doubles, g: Doubles) -> Doubles:
        """What the lattice's waves leave of the image, in units of its root power, shape (n m,)."""
        k = g @ matrix.T
        phase = 2 * np.pi * (self.y.reshape(-1, 1) * k[:, 0] + self.x.reshape(-1, 1) * k[:, 1])
        design = np.hstack([self.background, np.cos(phase), np.sin(phase)])
        normal = design.T @ design
        normal[np.diag_indices_from(normal)] *= 1 + 1e-9  # two waves may be the same on so few pixels
        fitted = design @ np.linalg.solve(normal, design.T @ self.flat)
        return np.asarray((self.flat - fitted) / np.sqrt(max(self.power, 1e-300)))


def _reduced(image: Doubles, side: int) -> _Part:
    """The image smoothed and sampled to about `side` pixels along its shorter side."""
    step = max(1, min(image.shape) // side)
    smooth = ndimage.gaussian_filter(image, 0.4 * step) if step > 1 else image
    rows, cols = (np.arange(step // 2, n, step) for n in image.shape)
    y, x = np.meshgrid(rows.astype(float), cols.astype(float), indexing="ij")
    return _Part(smooth[np.ix_(rows, cols)], y, x)


def _halves(part: _Part) -> list[_Part]:
    n, m = part.values.shape
    cuts = [(0, 2 * n // 3, 0, m), (n // 3, n, 0, m), (0, n, 0, 2 * m // 3), (0, n, m // 3, m)]
    return [_Part(part.values[a:b, c:d], part.y[a:b, c:d], part.x[a:b, c:d]) for a, b, c, d in cuts]


def _starts(part: _Part, g: Doubles, side: int, expected_nm: float | None) -> list[Doubles]:
    """The best matrices of a grid of sizes and turns."""
    longest = 1.0 / float(np.hypot(*g[0]))
    low, high = (longest * n / side for n in PERIODS)
    if expected_nm is not None:
        low, high = max(low, (1 - SEARCH) * expected_nm), min(high, (1 + SEARCH) * expected_nm)
    if low >= high:
        return []
    found = []
    for p in np.geomspace(low, high, SIZES):
        for turn in np.linspace(0, np.pi, TURNS, endpoint=False):
            c, s = np.cos(turn), np.sin(turn)
            matrix = p * np.array([[c, s], [-s, c]])
            if np.abs(g @ matrix.T).max() < 0.45:
                found.append((float((part.left(matrix, g) ** 2).sum()), matrix))
    found.sort(key=lambda one: one[0])
    starts: list[Doubles] = []
    sizes: list[float] = []
    for _, matrix in found:
        size = float(np.sqrt(np.linalg.det(matrix)))
        if all(abs(size / other - 1) > APART for other in sizes):
            starts.append(matrix)
            sizes.append(size)
        if len(starts) == STARTS:
            break
    return starts


def _refined(part: _Part, g: Doubles, start: Doubles) -> tuple[Doubles, float]:
    """The matrix near `start` that explains most, and the share explained."""
    scale = float(np.abs(start).max())

    def left(numbers: Doubles) -> Doubles:
        return part.left(numbers.reshape(2, 2) * scale, g)

    result = optimize.least_squares(left, (start / scale).ravel(), x_scale=0.05, max_nfev=30)
    return np.asarray(result.x.reshape(2, 2) * scale), 1.0 - float(2 * result.cost)
