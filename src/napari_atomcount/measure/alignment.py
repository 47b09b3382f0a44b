"""How the images of a focal series lie on each other, whatever the defocus did to their contrast.

Defocus changes the sign of the contrast, and not of all detail alike: the transfer of weak contrast is real
(thesis eqs. 2.10–2.12) and depends on the length of the spatial frequency, so that two images of one specimen
agree or are opposite in each narrow ring of frequencies. The displacement is the one for which all rings
agree or are opposite as fully as possible: the sum over the rings of the size of their cross-correlation.
Coarse detail, which does not repeat, tells the periods of the lattice apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure.spectra import SpectrumMaker

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complexfloating]

RING_PER_NM = 0.6  # width of a ring: between zeros of the transfer functions at defoci up to 20 nm
COMPRESSION = 0.05  # beyond 1 / this signal to noise, a mode's weight grows no more
GRID_NM = 0.03  # of the first search
FINE_NM = 0.0025  # of the second one
TYPICAL_NM = 0.15  # drift between images of a series
LARGEST_NM = 0.8  # farther away nothing is looked for
OTHER_NM = 0.07  # a second best farther than this from the best is another answer
UNSURE = 0.06  # by so much of its value the best must exceed the second best


@dataclass(frozen=True, eq=False)
class Alignment:
    """How far each image of a series is displaced against the first.

    Parameters
    ----------
    shift : ndarray, shape (K, 2)
        (dy, dx), px: a column at (y, x) in the first image is at (y + dy, x + dx) in image k.
    margin : ndarray, shape (K,)
        By how much, relatively, the agreement exceeds that of the best other displacement; 1 for the first.
    """

    shift: Doubles
    margin: Doubles

    @property
    def sure(self) -> bool:
        """Whether no other displacement, by a period of the lattice, is nearly as good."""
        return bool((self.margin >= UNSURE).all())


def align_series(
    images: npt.NDArray[np.floating],
    pixel_size_nm: tuple[float, float],
    valid: npt.NDArray[np.bool_] | None = None,
) -> Alignment:
    """Find the displacements in a focal series.

    Parameters
    ----------
    images : ndarray, shape (K, Y, X)
        One specimen at K defoci, neighbours in defocus next to each other.
    pixel_size_nm : tuple of float
        (y, x), nm.
    valid : ndarray of bool, shape (K, Y, X), optional
        False for pixels that say nothing.
    """
    maker = SpectrumMaker((images.shape[1], images.shape[2]), pixel_size_nm)
    search = _Search(maker)
    flat = [
        search.flattened(maker(image, None if valid is None else valid[k])) for k, image in enumerate(images)
    ]
    shift, margin = np.zeros((len(images), 2)), np.ones(len(images))
    placed = [flat[0]]
    for k in range(1, len(images)):
        # nearer neighbours agree more, and say so by a larger sum
        rings = [search.rings(flat[k], other) for other in placed]
        shift[k], margin[k] = search.best(rings)
        placed.append(search.moved(flat[k], -shift[k]))
    return Alignment(shift, margin)


class _Search:
    """Agreement of two spectra, ring by ring, at every displacement."""

    def __init__(self, maker: SpectrumMaker) -> None:
        self.maker = maker
        self.field = np.array(maker.shape)
        size_nm = self.field * np.array(maker.pixel_size_nm)
        self.grid = tuple(
            fft.next_fast_len(max(2 * k + 2, round(s / GRID_NM)), real=True)
            for k, s in zip(maker.kept, size_nm, strict=True)
        )
        self.rows = np.arange(-maker.kept[0], maker.kept[0] + 1)
        self.cols = np.arange(maker.kept[1] + 1)
        number = np.floor(maker.frequency / RING_PER_NM).astype(int)
        self.ring = np.where(maker.used, number, -1)
        self.numbers = [int(n) for n in np.unique(self.ring) if n >= 0]
        self.step_nm = size_nm / np.array(self.grid)
        self.away = [np.fft.fftfreq(g, 1 / g) * s for g, s in zip(self.grid, self.step_nm, strict=True)]

    def flattened(self, spectrum: Complexes) -> Complexes:
        """The spectrum over its noise, strong modes brought down: few lattice spots must not decide alone."""
        power = np.abs(spectrum) ** 2
        noise = np.zeros(power.shape)
        for n in self.numbers:
            members = self.ring == n
            noise[members] = np.median(power[members]) / np.log(2)  # of an exponential distribution
        noise = np.maximum(noise, 1e-12 * max(float(noise.max()), 1e-30))
        level = ndimage.gaussian_filter(power, 1.0, mode="nearest")
        return np.asarray(spectrum / np.sqrt(noise + COMPRESSION * level))

    def moved(self, spectrum: Complexes, shift: Doubles) -> Complexes:
        """Displace the image of a spectrum by (dy, dx) px."""
        phase_y = np.exp(-2j * np.pi * self.rows[:, None] * shift[0] / self.field[0])
        return np.asarray(spectrum * phase_y * np.exp(-2j * np.pi * self.cols * shift[1] / self.field[1]))

    def rings(self, one: Complexes, other: Complexes) -> list[Complexes]:
        """Cross spectrum of each ring."""
        cross = one * np.conj(other)
        return [np.where(self.ring == n, cross, 0) for n in self.numbers]

    def best(self, pairs: list[list[Complexes]]) -> tuple[Doubles, float]:
        """Displacement (dy, dx), px, of the fullest agreement with all others, and by how much it leads."""
        agreement = np.zeros(self.grid)
        for rings in pairs:
            for cross in rings:
                full = np.zeros((self.grid[0], self.grid[1] // 2 + 1), np.complex128)
                full[self.rows % self.grid[0], : len(self.cols)] = cross
                agreement += np.abs(fft.irfft2(full, s=self.grid))
        distance = np.hypot(self.away[0][:, None], self.away[1])
        # drift is small, mostly; of periods with equal agreement the nearest is taken
        judged = np.where(distance <= LARGEST_NM, agreement / (1 + (distance / TYPICAL_NM) ** 2) ** 0.1, 0)
        i, j = (int(n) for n in np.unravel_index(int(np.argmax(judged)), judged.shape))
        apart = np.hypot(self.away[0][:, None] - self.away[0][i], self.away[1] - self.away[1][j]) > OTHER_NM
        if judged[i, j] <= 0:  # a blank image agrees with nothing
            return np.zeros(2), 0.0
        margin = float(1 - judged[apart].max() / judged[i, j])
        start_nm = np.array([self.away[0][i], self.away[1][j]])
        found = self._refined(pairs, start_nm / np.array(self.maker.pixel_size_nm))
        return found, margin

    def _refined(self, pairs: list[list[Complexes]], start: Doubles) -> Doubles:
        """Maximum near a displacement, px, on a fine grid and by a parabola."""
        reach = 1.2 * float(self.step_nm.max())
        steps = np.arange(-reach, reach + FINE_NM, FINE_NM)
        near = [start[a] + steps / self.maker.pixel_size_nm[a] for a in (0, 1)]
        left = np.exp(2j * np.pi * np.outer(near[0], self.rows) / self.field[0])
        right = np.exp(2j * np.pi * np.outer(self.cols, near[1]) / self.field[1])
        right[0] /= 2  # every other column stands for its conjugate too
        agreement = np.zeros((len(steps), len(steps)))
        for rings in pairs:
            for cross in rings:
                agreement += np.abs((left @ cross @ right).real)
        i, j = (int(n) for n in np.unravel_index(int(np.argmax(agreement)), agreement.shape))
        return np.array([_vertex(near[0], agreement[:, j], i), _vertex(near[1], agreement[i], j)])


def _vertex(place: Doubles, value: Doubles, i: int) -> float:
    """Vertex of the parabola through three points around i; the point itself at an end."""
    if not 0 < i < len(place) - 1:
        return float(place[i])
    bend = value[i - 1] - 2 * value[i] + value[i + 1]
    move = 0.0 if bend >= 0 else 0.5 * (value[i - 1] - value[i + 1]) / bend
    return float(place[i] + move * (place[1] - place[0]))


def displaced(image: npt.NDArray[np.floating], shift: Doubles) -> npt.NDArray[np.float32]:
    """Displace an image (Y, X) by (dy, dx) px, band-limited; what moves in is its mirror image."""
    if not np.any(shift):
        return np.asarray(image, dtype=np.float32)
    pad = [int(np.ceil(abs(d))) + 8 for d in shift]
    sides = [(n, n) for n in np.minimum(pad, np.array(image.shape) - 1)]
    wide = np.pad(np.asarray(image, dtype=np.float32), sides, mode="reflect")
    moved = ndimage.fourier_shift(fft.rfft2(wide), tuple(shift), n=wide.shape[1])
    whole = fft.irfft2(moved, s=wide.shape)
    (top, _), (left, _) = sides
    return np.asarray(whole[top : top + image.shape[0], left : left + image.shape[1]], dtype=np.float32)
