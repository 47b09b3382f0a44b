"""Geometric phase analysis (Hÿtch, Snoeck and Kilaas 1998; thesis 3.1.1), beside template matching.

Right in the bulk of one crystal. At surfaces, defects and boundaries it averages over what is no crystal;
:func:`validity` and the warnings say where.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter

from napari_atomcount.measure.deformation import polar
from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Bragg spots are looked for from this many periods across the image up to this frequency, cycles per pixel.
FEWEST_PERIODS, HIGHEST = 6.0, 0.45
#: A spot must stand out of the spectrum at its distance by this.
STRENGTH = 8.0
#: Where the amplitude of a fringe is below this part of its typical one there is no lattice.
WEAK = 0.35
#: Sine of the least angle between the two spots.
LEAST_SINE = 0.35


@dataclass
class PhaseStrain:
    """Strain maps of an image.

    Parameters
    ----------
    exx, eyy, exy, planar : ndarray, shape (Y, X)
        Fractions in the image's axes.
    rotation : ndarray, shape (Y, X)
        Degrees counter-clockwise on the screen.
    valid : ndarray of bool, shape (Y, X)
        Where the averaging disc lies inside the lattice.
    spots : ndarray, shape (2, 2)
        The Bragg spots (y, x), cycles per pixel.
    averaging_px : float
        Standard deviation of the averaging in the image, px.
    warnings : list of str
        Where it must not be trusted.
    """

    exx: Doubles
    eyy: Doubles
    exy: Doubles
    rotation: Doubles
    valid: Bools
    spots: Doubles
    averaging_px: float
    warnings: list[str] = field(default_factory=list)

    @property
    def planar(self) -> Doubles:
        """Half the sum of the normal strains."""
        return (self.exx + self.eyy) / 2


def find_spots(image: npt.NDArray[np.floating], most: int = 12) -> Doubles:
    """Find Bragg spots, strongest first, one of each opposite pair.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Finite intensities.
    most : int
        No more than these.

    Returns
    -------
    ndarray, shape (K, 2)
        (y, x), cycles per pixel.
    """
    shape = image.shape
    window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
    big = tuple(2 * n for n in shape)  # padding shows the top of a spot
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window, big))) ** 2
    qy, qx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in big)
    q = np.hypot(qy[:, None], qx[None, :])
    smooth = gaussian_filter(spectrum, 1.5, mode="wrap")
    ring = np.minimum((q * min(big)).astype(int), min(big))
    number = np.bincount(ring.ravel())
    usual = np.bincount(ring.ravel(), smooth.ravel()) / np.maximum(number, 1)
    half = (qy[:, None] > 0) | ((qy[:, None] == 0) & (qx[None, :] > 0))
    lowest = FEWEST_PERIODS / min(shape)
    top = (smooth == maximum_filter(smooth, 9)) & (q > lowest) & (q < HIGHEST) & half
    rows, cols = np.nonzero(top & (smooth > STRENGTH * np.median(smooth[(q > lowest) & (q < HIGHEST)])))
    strong = smooth[rows, cols] > 1.5 * usual[ring[rows, cols]]
    rows, cols = rows[strong], cols[strong]
    order = np.argsort(-smooth[rows, cols])[:most]
    spots = []
    for r, c in zip(rows[order], cols[order], strict=True):
        at = []
        for axis, (i, n) in enumerate(((r, big[0]), (c, big[1]))):
            line = np.log(
                np.take(smooth, [i - 1, i, i + 1], axis, mode="wrap").take(c if axis == 0 else r, 1 - axis)
            )
            bend = line[0] - 2 * line[1] + line[2]
            at.append((i - n // 2 + (0.5 * (line[0] - line[2]) / bend if bend < 0 else 0.0)) / n)
        spots.append(at)
    return np.array(spots, dtype=float).reshape(-1, 2)


def power_picture(image: npt.NDArray[np.floating]) -> Doubles:
    """Logarithm of the power spectrum to look at, zero frequency in the middle, of the image's shape.

    The pixel (Y // 2 + i, X // 2 + j) is of the frequency (i / Y, j / X), cycles per pixel.
    """
    values = np.asarray(image, dtype=np.float64)
    good = np.isfinite(values)
    values = np.where(good, values, np.median(values[good]) if good.any() else 0.0)
    window = np.outer(np.hanning(values.shape[0]), np.hanning(values.shape[1]))
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2((values - values.mean()) * window))) ** 2
    return np.asarray(np.log10(spectrum + 1e-9 * max(float(spectrum.max()), 1e-300)))


def choose_spots(image: npt.NDArray[np.floating]) -> Doubles:
    """Two strong Bragg spots in different directions, (2, 2): (y, x) in cycles per pixel.

    Raises
    ------
    InputError
        Where there are no two.
    """
    spots = find_spots(image)
    for i in range(1, len(spots)):
        for j in range(i):
            a, b = spots[j], spots[i]
            sine = abs(a[0] * b[1] - a[1] * b[0]) / (np.hypot(*a) * np.hypot(*b))
            if sine >= LEAST_SINE and 0.45 < np.hypot(*a) / np.hypot(*b) < 2.2:
                return np.array([a, b])
    raise InputError("The image has no two Bragg spots in different directions: place them by hand.")


def phase_strain(
    image: npt.NDArray[np.floating],
    *,
    spots: Doubles | None = None,
    averaging_px: float | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> PhaseStrain:
    """Measure strain by geometric phase analysis.

    The local fringe vectors are g + grad P / 2π; the lattice reciprocal to two of them, over that of the
    reference, is the deformation, and its left polar decomposition the strain: as in template matching, and
    right for large strains and rotations too.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Intensities; gaps (NaN) become the median.
    spots : ndarray, shape (2, 2), optional
        Bragg spots (y, x), cycles per pixel; chosen automatically if not given.
    averaging_px : float, optional
        Standard deviation in the image of the Gaussian mask's averaging, 1 / (2π mask width); 0.8 lattice
        spacings if not given.
    region : tuple of int, optional
        Reference y0, y1, x0, x1, px: its mean strain is zero; all that is valid if not given.

    Raises
    ------
    InputError
        If there are no two spots, they lie on one line, or the region holds no lattice.
    """
    values = np.asarray(image, dtype=np.float64)
    good = np.isfinite(values)
    values = np.where(good, values, np.median(values[good]) if good.any() else 0.0)
    chosen = choose_spots(values) if spots is None else np.asarray(spots, dtype=float).reshape(2, 2)
    lengths = np.hypot(*chosen.T)
    sine = abs(np.linalg.det(chosen)) / max(float(np.prod(lengths)), 1e-12)
    if lengths.min() == 0 or sine < 0.1:
        raise InputError("The two Bragg spots lie on one line: choose two in different directions.")
    width = 0.8 / float(lengths.mean()) if averaging_px is None else averaging_px
    parts = [fringe(values, g, width) for g in chosen]
    local = np.stack([np.stack([p[1], p[0]], -1) for p in parts], -2)  # (Y, X, fringe, x/y)
    amplitude = np.stack([p[2] for p in parts])
    strong = np.percentile(amplitude.reshape(2, -1), 90, axis=1)
    lattice = np.asarray((amplitude > WEAK * strong[:, None, None]).all(0), dtype=bool)
    valid = validity(lattice, width)
    inside = valid.copy() if valid.any() else lattice
    if region is not None:
        part = np.zeros_like(inside)
        part[region[0] : region[1], region[2] : region[3]] = True
        inside = lattice & part
    if not inside.any():
        raise InputError("The reference region of the phase analysis holds no lattice: choose another one.")
    reference = local[inside].mean(0)
    flat = local.reshape(-1, 2, 2)
    singular = np.abs(np.linalg.det(flat)) < 1e-3 * abs(np.linalg.det(reference))
    matrix = np.linalg.inv(np.where(singular[:, None, None], reference, flat)) @ reference
    matrix[singular] = np.nan
    stretch, angle = polar(matrix)
    exx, eyy, exy, turn = (
        np.asarray(v.reshape(values.shape))
        for v in (stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1, stretch[:, 0, 1], -np.degrees(angle))
    )
    said = cautions(values, chosen, lattice, valid)
    return PhaseStrain(exx, eyy, exy, turn, valid, chosen, width, said)


def fringe(image: Doubles, spot: Doubles, averaging_px: float) -> tuple[Doubles, Doubles, Doubles]:
    """Local frequency (y and x, cycles per pixel) and amplitude of one fringe, each (Y, X)."""
    y, x = np.arange(image.shape[0])[:, None], np.arange(image.shape[1])[None, :]
    carrier = np.exp(-2j * np.pi * (spot[0] * y + spot[1] * x))
    ky, kx = np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None, :]
    mask = np.exp(-2 * (np.pi * averaging_px) ** 2 * (ky**2 + kx**2))
    spectrum = np.fft.fft2((image - image.mean()) * carrier) * mask
    wave = np.fft.ifft2(spectrum)
    power = np.abs(wave) ** 2 + 1e-300
    slopes = [np.imag(wave.conj() * np.fft.ifft2(2j * np.pi * k * spectrum)) / power for k in (ky, kx)]
    return spot[0] + slopes[0] / (2 * np.pi), spot[1] + slopes[1] / (2 * np.pi), np.abs(wave)


def validity(lattice: Bools, averaging_px: float) -> Bools:
    """Where the averaging stays inside the lattice, also away from the image's border."""
    share = gaussian_filter(lattice.astype(float), averaging_px, mode="constant")
    return np.asarray((share > 0.95) & lattice)


def cautions(image: Doubles, spots: Doubles, lattice: Bools, valid: Bools) -> list[str]:
    """Sentences on where phase analysis is not valid in this image."""
    said = []
    if lattice.mean() < 0.9 or valid.sum() < 0.5 * lattice.sum():
        said.append(
            f"the lattice covers {100 * lattice.mean():.0f} % of the image: near surfaces, boundaries and "
            "defects phase analysis averages over what is not the crystal, and is not valid there"
        )
    others = find_spots(image, most=8)
    index = others @ np.linalg.inv(spots)
    strange = np.abs(2 * index - np.rint(2 * index)).max(1) > 0.25 if len(others) else np.zeros(0, bool)
    if strange.any():
        said.append(
            "the image has strong spots that do not belong to the two chosen ones: where another grain or "
            "phase lies, phase analysis is not valid"
        )
    return said
