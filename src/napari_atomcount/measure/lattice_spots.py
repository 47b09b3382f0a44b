"""Does an image hold the lattice that a network looks for? The spots of its spectrum, in nanometres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.crystal import crystal, parse_axis
from napari_atomcount.measure.spots import find_spots, power_spectrum
from napari_atomcount.records.errors import InputError

#: Spots this much beyond the lattice's first ones are not needed to see the lattice.
REACH = 1.25
#: Weaker spots are not looked for, relative to the strongest.
LEAST_STRENGTH = 0.1
#: Relative error of a pixel size, and strain.
TOLERANCE = 0.06
#: The rings of a lattice hold many pixels: their strongest reaches 7 in pure noise, and 20 in the faintest
#: simulated image of columns (a 2 nm particle in 15 nm of vacuum at 100 e/Å²).
LEAST_CONTRAST = 10.0


@dataclass(frozen=True)
class LatticeLook:
    """What the spectrum says of the lattice that a network was trained for.

    Attributes
    ----------
    spacings_nm : tuple of float
        Spacings of the lattice's first spots, largest first.
    contrast : float
        Power of the strongest spot at these spacings over its ring; noise alone reaches about 7.
    strongest_nm : float
        Spacing of the strongest spot anywhere; NaN if none stands out.
    finest_nm : float
        Smallest spacing of a spot that stands out: the image has information to there; NaN if none does.
    """

    spacings_nm: tuple[float, ...]
    contrast: float
    strongest_nm: float
    finest_nm: float

    @property
    def seen(self) -> bool:
        """Whether spots of the lattice stand out of the noise."""
        return self.contrast > LEAST_CONTRAST


def first_spacings(materials: Iterable[str], zone_axis: str) -> tuple[float, ...]:
    """Spacings of the first spots of some materials along a zone axis, nm, largest first.

    Materials that have no known lattice are left out.
    """
    found: set[float] = set()
    for name in materials:
        try:
            g, strength = crystal(name).reflections(parse_axis(zone_axis))
        except InputError:
            continue
        length = np.sqrt((g[strength >= LEAST_STRENGTH] ** 2).sum(1))
        found |= {round(float(1 / k), 5) for k in length if k <= REACH * length.min()}
    return tuple(sorted(found, reverse=True))


def look_for_lattice(
    frames: Sequence[npt.NDArray[np.floating]],
    pixel_size_nm: tuple[float, float],
    spacings_nm: Sequence[float],
) -> LatticeLook | None:
    """Look for a lattice's spots in the mean power spectrum of some frames.

    Parameters
    ----------
    frames : sequence of numpy.ndarray, shape (Y, X)
        Images of one movie.
    pixel_size_nm : tuple of float
        Pixel size (y, x), nm.
    spacings_nm : sequence of float
        Spacings to look for, from :func:`first_spacings`.

    Returns
    -------
    LatticeLook or None
        None where this cannot be judged: no spacing, images too small, or pixels too large for the lattice.
    """
    if not spacings_nm or not frames or min(spacings_nm) < 2.2 * max(pixel_size_nm):
        return None
    if any(n * p < 6 * max(spacings_nm) for n, p in zip(frames[0].shape, pixel_size_nm, strict=True)):
        return None
    try:
        spectrum = power_spectrum(frames)
    except InputError:
        return None
    size = spectrum.power.shape[0]
    k = (np.arange(size) - size // 2) / size
    length = np.hypot(k[:, None] / pixel_size_nm[0], k[None, :] / pixel_size_nm[1])
    ring = np.zeros(length.shape, bool)
    for wanted in spacings_nm:
        ring |= np.abs(length * wanted - 1) < TOLERANCE
    spots = find_spots(spectrum)
    distance = np.sqrt((spots[:, 0] / pixel_size_nm[0]) ** 2 + (spots[:, 1] / pixel_size_nm[1]) ** 2)
    spacing = 1 / np.maximum(distance, 1e-9)
    return LatticeLook(
        tuple(spacings_nm),
        float(spectrum.contrast[ring].max(initial=0.0)),
        float(spacing[0]) if len(spacing) else float("nan"),
        float(spacing.min()) if len(spacing) else float("nan"),
    )
