"""Crystals as rulers: which spots the power spectrum of a lattice has along a zone axis, and how far out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]

# Lattice constants at room temperature, nm: CRC Handbook of Chemistry and Physics, "Crystal structures and
# lattice parameters"; graphene and MoS2: in-plane constants of graphite and 2H-MoS2.
FCC_NM = {
    "Ag": 0.40857, "Al": 0.40496, "Au": 0.40782, "Cu": 0.36149, "Ir": 0.38392, "Ni": 0.35238,
    "Pd": 0.38903, "Pt": 0.39236, "Rh": 0.38032,
}  # fmt: skip
BCC_NM = {"Cr": 0.29100, "Fe": 0.28665, "Mo": 0.31470, "W": 0.31651}
DIAMOND_NM = {"C": 0.35669, "Ge": 0.56574, "Si": 0.54305}
FLUORITE_NM = {"CeO2": 0.54113}
ROCKSALT_NM = {"MgO": 0.42117, "NiO": 0.41771}
PEROVSKITE_NM = {"SrTiO3": 0.39050}
HEXAGONAL_NM = {"graphene": 0.24610, "MoS2": 0.31604}
CUBIC_AXES = ((1, 1, 0), (0, 0, 1), (1, 1, 1), (1, 1, 2))
HIGHEST_INDEX = 6
#: Spots weaker than this fraction of the strongest are left out: they are extinct, or noise.
FAINTEST = 0.02
#: Mean square displacement that damps high orders, nm²: thermal motion and the microscope, roughly.
DAMPING_NM2 = 1.0e-4


@dataclass(frozen=True, eq=False)
class Crystal:
    """A unit cell.

    Parameters
    ----------
    name : str
        For the record.
    cell : ndarray, shape (3, 3)
        Rows are the lattice vectors, nm.
    positions : ndarray, shape (N, 3)
        Fractions of the lattice vectors.
    weight : ndarray, shape (N,)
        Scattering power, roughly the atomic number.
    axes : tuple of (int, int, int)
        Zone axes to try where none is given.
    """

    name: str
    cell: Doubles
    positions: Doubles
    weight: Doubles
    axes: tuple[tuple[int, int, int], ...]

    def reflections(self, zone_axis: tuple[int, int, int]) -> tuple[Doubles, Doubles]:
        """Spots of the projection along a zone axis, one of each pair g, -g.

        Parameters
        ----------
        zone_axis : tuple of int
            u, v, w.

        Returns
        -------
        ndarray, shape (G, 2)
            (y, x) in 1/nm in a frame of its own, shortest first.
        ndarray, shape (G,)
            Expected strength relative to the strongest: |structure factor| with damping.

        Raises
        ------
        InputError
            If the zone axis is 0 0 0 or has fewer than two independent spots.
        """
        axis = np.asarray(zone_axis, float) @ self.cell
        if not np.any(axis):
            raise InputError("A zone axis needs a number other than zero, as in 110.")
        axis /= np.linalg.norm(axis)
        n = np.arange(-HIGHEST_INDEX, HIGHEST_INDEX + 1)
        hkl = np.stack(np.meshgrid(n, n, n, indexing="ij"), axis=-1).reshape(-1, 3)
        hkl = hkl[(hkl @ np.asarray(zone_axis) == 0) & hkl.any(axis=1)]
        g = hkl @ np.linalg.inv(self.cell).T
        factor = np.abs(np.exp(2j * np.pi * hkl @ self.positions.T) @ self.weight) / self.weight.sum()
        length2 = (g**2).sum(axis=1)
        strength = factor * np.exp(-2 * np.pi**2 * DAMPING_NM2 * length2)
        keep = strength > FAINTEST * max(strength.max(initial=0.0), 1e-12)
        first = np.array([next((v for v in row if v), 0) > 0 for row in hkl], dtype=bool)
        keep &= first
        g, strength, length2 = g[keep], strength[keep], length2[keep]
        order = np.argsort(length2, kind="stable")
        if len(order) < 2:
            raise InputError(f"{self.name} has no two spots along {zone_axis}: choose another zone axis.")
        one = g[order[0]] / np.linalg.norm(g[order[0]])
        two = np.cross(axis, one)
        return np.column_stack([g[order] @ two, g[order] @ one]), strength[order] / strength.max()


def crystal(name_or_cif: str) -> Crystal:
    """A crystal by its name (``Au``, ``CeO2``, ``graphene``, …) or from a CIF file.

    Raises
    ------
    InputError
        If the name is unknown or the file cannot be read.
    """
    cubic: tuple[tuple[dict[str, float], tuple[tuple[float, ...], ...], tuple[float, ...]], ...] = (
        (FCC_NM, _FCC, (1.0,) * 4),
        (BCC_NM, _BCC, (1.0,) * 2),
        (DIAMOND_NM, _FCC + _shifted(_FCC, 0.25), (1.0,) * 8),
        (FLUORITE_NM, _FCC + _shifted(_FCC, 0.25) + _shifted(_FCC, 0.75), (58.0,) * 4 + (8.0,) * 8),
        (ROCKSALT_NM, _FCC + _shifted(_FCC, 0.5), (14.0,) * 4 + (8.0,) * 4),
        (
            PEROVSKITE_NM,
            ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
            (38.0, 22.0, 8.0, 8.0, 8.0),
        ),
    )
    for constants, places, weights in cubic:
        if name_or_cif in constants:
            cell = np.eye(3) * constants[name_or_cif]
            return Crystal(name_or_cif, cell, np.array(places, float), np.array(weights), CUBIC_AXES)
    if name_or_cif in HEXAGONAL_NM:
        a = HEXAGONAL_NM[name_or_cif]
        cell = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, 1.0]])
        weight = np.array([6.0, 6.0]) if name_or_cif == "graphene" else np.array([42.0, 32.0])
        return Crystal(name_or_cif, cell, np.array([(1, 2, 0), (2, 1, 0)]) / 3, weight, ((0, 0, 1),))
    if Path(name_or_cif).suffix.lower() == ".cif":
        return read_cif(Path(name_or_cif))
    raise InputError(
        f"No lattice is called '{name_or_cif}': give a CIF file, or one of {', '.join(lattice_names())}."
    )


def lattice_names() -> list[str]:
    """Names that `crystal` knows."""
    known = (FCC_NM, BCC_NM, DIAMOND_NM, FLUORITE_NM, ROCKSALT_NM, PEROVSKITE_NM, HEXAGONAL_NM)
    return sorted((name for table in known for name in table), key=str.lower)


def read_cif(path: Path) -> Crystal:
    """A crystal from a CIF file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from ase.io import read

    try:
        atoms = read(str(path), format="cif")
        cell = np.asarray(atoms.cell, float) / 10.0  # Å to nm
        if abs(np.linalg.det(cell)) < 1e-6:
            raise ValueError("its unit cell is flat")
        numbers = np.asarray(atoms.get_atomic_numbers(), float)
        places = np.asarray(atoms.get_scaled_positions(), float)
    except Exception as err:  # ase raises errors of every kind for a text that is no CIF
        raise InputError(f"{path} cannot be read as a CIF file: {err}") from err
    return Crystal(
        path.stem, cell, places, numbers, (*CUBIC_AXES, (1, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 1))
    )


def parse_axis(text: str) -> tuple[int, int, int]:
    """``110``, ``1 1 0``, ``1,-1,0`` or ``[1-10]`` as three whole numbers.

    Raises
    ------
    InputError
        If it is none of these.
    """
    body = text.strip().strip("[]()<>").replace(",", " ")
    parts = body.split()
    if len(parts) == 1:  # digits without spaces, each perhaps with a minus
        parts, sign = [], ""
        for c in body:
            if c in "-−":
                sign = "-"
            else:
                parts.append(sign + c)
                sign = ""
    try:
        u, v, w = (int(part) for part in parts)
    except ValueError as err:
        raise InputError(f"A zone axis is three whole numbers, as 110 or 1,-1,0, not '{text}'.") from err
    if not (u or v or w):
        raise InputError("A zone axis needs a number other than zero, as in 110.")
    return u, v, w


def _shifted(places: tuple[tuple[float, ...], ...], by: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple((c + by) % 1.0 for c in place) for place in places)


_FCC: tuple[tuple[float, ...], ...] = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
_BCC: tuple[tuple[float, ...], ...] = ((0, 0, 0), (0.5, 0.5, 0.5))
