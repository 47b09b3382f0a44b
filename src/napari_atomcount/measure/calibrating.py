"""The size of a pixel from the crystal in the image: spots of the power spectrum against a known lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.crystal import Crystal
from napari_atomcount.measure.spots import LEAST_CONTRAST, LOWEST, Spectrum, centre_of_spots, find_spots
from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]

#: Vendors' calibrations are up to 8 % off; beyond this from the file's value is not looked.
SEARCH = 0.15
WHOLE_RANGE_NM = (0.0005, 0.2)
FIRST_SPOTS, STRONG_SPOTS = 12, 20
LOW_ORDERS = 6  # spots of these lowest orders tell lattices apart
TOLERANCE = 0.06  # of a spot's length: how far it may be from where the first guess expects it
FEWEST_SPOTS = 2
LEAST_SCORE = 0.25  # half of the low orders just seen
MOST_GUESSES = 10
#: Scan distortion and vendors' errors are below these; a fit beyond them bends a wrong lattice to the spots.
LARGEST_ANISOTROPY, LARGEST_SHEAR = 0.12, 0.10


@dataclass(frozen=True, eq=False)
class PixelSize:
    """A measured pixel size.

    Parameters
    ----------
    size_nm, error_nm : tuple of float
        (y, x), each measured alone, and its standard error.
    mean_nm, mean_error_nm : float
        Of square pixels.
    anisotropy : float
        size y / size x - 1.
    shear : float
        Departure of the angle between y and x from 90°, radians; not zero: scan distortion, or a strained
        crystal.
    lattice : str
        Name.
    zone_axis : tuple of int
        u, v, w.
    rotation_deg : float
        From the crystal's own frame, degrees.
    spots : ndarray, shape (N, 4)
        ky, kx measured (cycles per px), contrast, and distance from the fit as a fraction of its length.
    score : float
        Mean log10 contrast of the low orders; a wrong lattice has little.
    """

    size_nm: tuple[float, float]
    error_nm: tuple[float, float]
    mean_nm: float
    mean_error_nm: float
    anisotropy: float
    shear: float
    lattice: str
    zone_axis: tuple[int, int, int]
    rotation_deg: float
    spots: Doubles
    score: float


def measure_pixel_size(
    spectrum: Spectrum,
    lattice: Crystal,
    zone_axis: tuple[int, int, int] | None = None,
    expected_nm: float | None = None,
    spots: Doubles | None = None,
) -> PixelSize:
    """Measure the pixel size from a lattice's spots.

    The lattice is laid over the spectrum at every size and turn that puts one of its low orders on one of the
    spots; the best one is fitted to all spots it explains, k = diag(p) R g, for both axes at once.

    Parameters
    ----------
    spectrum : Spectrum
        Of the image.
    lattice : Crystal
        What the crystal is.
    zone_axis : tuple of int, optional
        u, v, w; by default the best of the lattice's usual ones.
    expected_nm : float, optional
        Pixel size that the file claims, nm: only sizes within 15 % of it are tried.
    spots : ndarray, shape (N, 2), optional
        Spots that a person pointed at, (ky, kx) in cycles per px: only sizes and turns that explain one of
        them are tried.

    Returns
    -------
    PixelSize
        Errors come from how well the spots agree with each other.

    Raises
    ------
    InputError
        If no spots are found, or none that fit the lattice.
    """
    found = find_spots(spectrum) if spots is None else _pointed_at(spectrum, spots)
    if len(found) < (FEWEST_SPOTS if spots is None else 1):
        raise InputError(
            "The power spectrum shows no spots: choose a region with the crystal (--roi), or frames where it "
            "is in focus."
        )
    guesses = []
    for axis in (zone_axis,) if zone_axis else lattice.axes:
        g, _ = lattice.reflections(axis)
        guesses += [(score, p, turn, axis, g) for p, turn, score in _guesses(spectrum, found, g, expected_nm)]
    guesses.sort(key=lambda guess: -guess[0])
    for score, p, turn, axis, g in guesses[:MOST_GUESSES]:
        fitted = _fit(spectrum, lattice.name, axis, g, p, turn, score)
        if fitted is not None and (spots is not None or _explains(fitted, found, spectrum.smoothing)):
            return fitted
    near = "" if expected_nm is None else f" at about {expected_nm:.4g} nm per pixel"
    raise InputError(
        f"The spots are not those of {lattice.name}{near}: choose another lattice or zone axis, a region "
        "with the crystal (--roi), or give the pixel size with --pixel-size-nm."
    )


def _explains(fitted: PixelSize, found: Doubles, smoothing: float) -> bool:
    """Whether two of the three strongest spots are the lattice's: a wrong one finds weak ones to lie on."""
    strongest = found[:3, :2]
    k = np.vstack([fitted.spots[:, :2], -fitted.spots[:, :2]])
    near = np.hypot(*(strongest[:, None] - k[None]).transpose(2, 0, 1)).min(axis=1) < smoothing
    return int(near.sum()) >= min(2, len(strongest))


def _pointed_at(spectrum: Spectrum, spots: Doubles) -> Doubles:
    k = np.asarray(spots, float).reshape(-1, 2)
    k = centre_of_spots(spectrum, np.where((k[:, :1] < 0), -k, k))
    return np.column_stack([k, spectrum.at(k)])


def _turned(g: Doubles, turn: float) -> Doubles:
    """Vectors (…, 2) of (y, x) turned by an angle, radians, from +x towards +y."""
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([g[..., 0] * c + g[..., 1] * s, g[..., 1] * c - g[..., 0] * s], axis=-1)


def _guesses(
    spectrum: Spectrum, spots: Doubles, g: Doubles, expected_nm: float | None
) -> list[tuple[float, float, float]]:
    """Pixel size, turn and score of the best ways to lay the lattice over the spots."""
    low, high = (
        WHOLE_RANGE_NM if expected_nm is None else ((1 - SEARCH) * expected_nm, (1 + SEARCH) * expected_nm)
    )
    length = np.hypot(*g.T)
    shells = np.unique(np.round(length, 6))[:LOW_ORDERS]
    few = g[length <= shells[-1] + 1e-6]
    visible = find_spots(spectrum)
    rows = []
    for ky, kx, _ in spots[:20] if len(visible) else []:
        k = np.hypot(ky, kx)
        for gy, gx in few:
            p = k / np.hypot(gy, gx)
            if not low <= p <= high:
                continue
            angle = np.arctan2(ky, kx) - np.arctan2(gy, gx)
            score = _score(visible, few, p, angle, spectrum.smoothing)
            if score > LEAST_SCORE:
                rows.append((p, angle, score * _share(visible, g, p, angle, spectrum.smoothing)))
    rows.sort(key=lambda row: -row[2])
    return [row for row in rows[:5] if row[2] > LEAST_SCORE]


def _matched(k: Doubles, spots: Doubles, smoothing: float) -> tuple[npt.NDArray[np.intp], Doubles]:
    """The spot nearest to each frequency (N, 2), and its distance over the allowed: above 1, another spot.

    Pixels that are not square put a spot to the side by some per cent of its length.
    """
    both = np.vstack([spots[:, :2], -spots[:, :2]])
    far = np.hypot(*(k[:, None] - both[None]).transpose(2, 0, 1))
    nearest = far.argmin(axis=1)
    allowed = np.maximum(TOLERANCE * np.hypot(*k.T), smoothing)
    return nearest, far[np.arange(len(k)), nearest] / allowed


def _score(spots: Doubles, g: Doubles, p: float, turn: float, smoothing: float) -> float:
    """Mean log10 contrast of the spots where the lattice expects its low orders; far from any counts as none.

    What lies beyond Nyquist does not count; a lattice whose lowest order is lost at zero is none.
    """
    k = p * _turned(g, turn)
    inside = np.abs(k).max(axis=1) < 0.49
    low = np.hypot(*k.T) > LOWEST * smoothing
    if inside.sum() < 2 or not low[inside].all():
        return -1.0
    nearest, far = _matched(k[inside], spots, smoothing)
    length = np.hypot(*k[inside].T)
    if (far[length < length.min() * 1.001] < 1).mean() < 0.5:
        return -1.0  # an image without its lowest order is one of a finer lattice
    value = np.log10(np.minimum(spots[nearest % len(spots), 2], 1e3)) * np.clip(1.5 - far, 0, 1)
    return float(value.mean() * min(1.0, inside.sum() / 4) ** 0.5)


def _share(spots: Doubles, g: Doubles, p: float, turn: float, smoothing: float) -> float:
    """Share of the strongest spots that the lattice explains, by log10 contrast.

    A lattice of every second spot is fitted as well as the right one, but explains fewer.
    """
    k = p * _turned(g, turn)
    strong = spots[:STRONG_SPOTS]
    both = np.vstack([k, -k])
    far = np.hypot(*(strong[:, None, :2] - both[None]).transpose(2, 0, 1)).min(axis=1)
    weight = np.log10(strong[:, 2])
    near = far < np.maximum(TOLERANCE * np.hypot(strong[:, 0], strong[:, 1]), smoothing)
    return float((weight * near).sum() / weight.sum())


def _fit(
    spectrum: Spectrum,
    lattice: str,
    axis: tuple[int, int, int],
    g: Doubles,
    p: float,
    turn: float,
    score: float,
) -> PixelSize | None:
    """Fit k = A g to the spots, A = diag(p) R; far orders join as the fit gets good enough for them."""
    matrix = p * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    used = k = contrast = np.zeros(0)
    visible = find_spots(spectrum)
    if len(visible) >= FEWEST_SPOTS:  # spots that are some per cent off, by pixels that are not square
        expected = g @ matrix.T
        some = np.flatnonzero(np.abs(expected).max(axis=1) < 0.49)[:FIRST_SPOTS]
        nearest, far = _matched(expected[some], visible, spectrum.smoothing)
        both = np.vstack([visible[:, :2], -visible[:, :2]])
        if np.linalg.matrix_rank(g[some[far < 1]], tol=1e-6) == 2:
            first = nearest[far < 1]
            matrix = _solve(g[some[far < 1]], both[first], visible[first % len(visible), 2])
    for share in (0.5, 0.75, 1.0, 1.0):
        expected = g @ matrix.T
        length = np.hypot(*expected.T)
        near = (np.abs(expected).max(axis=1) < 0.48) & (length <= share * max(length.max(), 1e-9) + 1e-9)
        near |= length <= np.sort(length)[min(3, len(length) - 1)]
        near &= np.abs(expected).max(axis=1) < 0.49
        index = np.flatnonzero(near)
        found = centre_of_spots(spectrum, expected[index])
        height = spectrum.at(found)
        off = np.hypot(*(found - expected[index]).T)
        good = (height > LEAST_CONTRAST) & (off < np.maximum(TOLERANCE * length[index], spectrum.smoothing))
        if good.sum() < FEWEST_SPOTS:
            break
        used, k, contrast = g[index[good]], found[good], height[good]
        matrix = _solve(used, k, contrast)
        left = np.hypot(*(k - used @ matrix.T).T)
        keep = left <= max(3 * 1.4826 * float(np.median(left)), 0.1 * spectrum.smoothing)
        if keep.sum() >= max(FEWEST_SPOTS, 3):
            used, k, contrast = used[keep], k[keep], contrast[keep]
            matrix = _solve(used, k, contrast)
    if len(used) < FEWEST_SPOTS or np.linalg.matrix_rank(used, tol=1e-6) < 2:
        return None
    size, mean, shear = _sizes(matrix)
    if abs(size[0] / size[1] - 1) > LARGEST_ANISOTROPY or abs(shear) > LARGEST_SHEAR:
        return None
    error, mean_error = _errors(used, k, contrast, spectrum.smoothing)
    away = np.hypot(*(k - used @ matrix.T).T) / np.hypot(*k.T)
    return PixelSize(
        size_nm=size,
        error_nm=error,
        mean_nm=mean,
        mean_error_nm=mean_error,
        anisotropy=size[0] / size[1] - 1,
        shear=shear,
        lattice=lattice,
        zone_axis=axis,
        rotation_deg=_rotation(matrix),
        spots=np.column_stack([k, contrast, away]),
        score=score,
    )


def _solve(g: Doubles, k: Doubles, contrast: Doubles) -> Doubles:
    """The matrix (2, 2) with k = A g, least squares; a strong spot's place is surer, within limits."""
    weight = np.sqrt(np.minimum(contrast, 100.0))[:, None]
    return np.asarray(np.linalg.lstsq(g * weight, k * weight, rcond=None)[0].T)


def _sizes(matrix: Doubles) -> tuple[tuple[float, float], float, float]:
    """Pixel size (y, x), that of square pixels, and the shear: A Aᵀ = diag(p)² where R is a rotation."""
    square = matrix @ matrix.T
    y, x = float(np.sqrt(square[0, 0])), float(np.sqrt(square[1, 1]))
    return (y, x), float(np.sqrt(abs(np.linalg.det(matrix)))), float(square[0, 1] / (y * x))


def pixel_size_of(
    matrix: Doubles,
    others: list[Doubles],
    g: Doubles,
    lattice: str,
    axis: tuple[int, int, int],
    score: float,
) -> PixelSize:
    """The pixel size of a matrix k = A g; the scatter of other estimates of it is its error."""
    size, mean, shear = _sizes(matrix)
    values = np.array([[*_sizes(other)[0], _sizes(other)[1]] for other in others])
    spread = np.sqrt(((values - np.array([*size, mean])) ** 2).mean(axis=0) / len(others))
    k = g @ matrix.T
    return PixelSize(
        size_nm=size,
        error_nm=(float(spread[0]), float(spread[1])),
        mean_nm=mean,
        mean_error_nm=float(spread[2]),
        anisotropy=size[0] / size[1] - 1,
        shear=shear,
        lattice=lattice,
        zone_axis=axis,
        rotation_deg=_rotation(matrix),
        spots=np.column_stack([k, np.full(len(k), np.nan), np.zeros(len(k))]),
        score=score,
    )


def _rotation(matrix: Doubles) -> float:
    """Turn of the crystal in A = diag(p) R, degrees."""
    return float(np.degrees(np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1])))


def _errors(g: Doubles, k: Doubles, contrast: Doubles, smoothing: float) -> tuple[tuple[float, float], float]:
    """Standard errors by leaving out one spot after the other; of few spots, from the width of a spot."""
    n = len(g)
    left_out = []
    for i in range(n):
        rest = np.arange(n) != i
        if rest.sum() >= FEWEST_SPOTS and np.linalg.matrix_rank(g[rest], tol=1e-6) == 2:
            size, mean, _ = _sizes(_solve(g[rest], k[rest], contrast[rest]))
            left_out.append((*size, mean))
    size, mean, _ = _sizes(_solve(g, k, contrast))
    # one spot's centre is known to about a twentieth of its width
    least = 0.05 * smoothing / float(np.sqrt((k**2).sum() / 2)) * np.array([*size, mean])
    if len(left_out) >= 3:
        values = np.array(left_out)
        spread = np.sqrt((len(values) - 1) / len(values) * ((values - values.mean(0)) ** 2).sum(0))
        least = np.maximum(least, spread)
    return (float(least[0]), float(least[1])), float(least[2])
