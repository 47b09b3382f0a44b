"""The perfect fcc crystal under the columns that were found: places, heights along the beam, atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from napari_atomcount.measure.lattice import Lattice, fit_lattices
from napari_atomcount.measure.templates import Doubles, Ints, Structure
from napari_atomcount.records.errors import InputError

if TYPE_CHECKING:
    from napari_atomcount.pipeline.strain_artefact import Conditions

#: Vectors may differ from the perfect ones by this, summed over both lengths and the angle between them.
MISFIT = 0.3


@dataclass(frozen=True)
class View:
    """An fcc crystal seen along a zone axis, in units of its lattice constant.

    Parameters
    ----------
    name : str
        Of the template.
    p, q : complex
        Primitive vectors of the projected columns, x + iy.
    repeat : float
        Distance of the atoms in a column.
    step : tuple of float
        How much higher along the beam the atoms of the column one p, or one q, further lie, in repeats.
    """

    name: str
    p: complex
    q: complex
    repeat: float
    step: tuple[float, float]

    @property
    def nearest(self) -> float:
        """Distance of the nearest columns."""
        return min(abs(self.p), abs(self.q), abs(self.p - self.q))


_D = 1 / np.sqrt(6)
VIEWS = (
    View("fcc110", 1 / np.sqrt(2), 1 / np.sqrt(8) + 0.5j, 1 / np.sqrt(2), (0.0, 0.5)),
    View("fcc100", 0.5, 0.5j, 1.0, (0.5, 0.5)),
    View("fcc111", _D, _D * np.exp(1j * np.pi / 3), np.sqrt(3.0), (1 / 3, 2 / 3)),
)


def lattice_constant_nm(structures: list[Structure], usual: float) -> float:
    """Lattice constant of the first fcc template with a size, nm."""
    for structure in structures:
        for view in VIEWS:
            if structure.unit_nm is not None and structure.name.startswith(view.name):
                return float(structure.templates[0].nearest * structure.unit_nm / view.nearest)
    return usual


def perfect_places(flat: Doubles, a: float) -> tuple[View, Doubles, Doubles, Ints]:
    """Perfect fcc places of the columns of the largest lattice.

    Parameters
    ----------
    flat : ndarray, shape (M, 2)
        Columns (y, x), Å.
    a : float
        Lattice constant, Å.

    Returns
    -------
    view : View
        The zone axis that fits best.
    places : ndarray, shape (P, 2)
        (y, x) on the unstrained lattice that lies best on the columns, Å.
    height : ndarray, shape (P,)
        Of an atom of each column along the beam, in lattice constants.
    member : ndarray of int, shape (P,)
        Rows of ``flat``.

    Raises
    ------
    InputError
        If the lattice is not that of fcc along [100], [110] or [111].
    """
    lattices = fit_lattices(flat)
    if not lattices:
        raise InputError("The columns make no lattice: the artefact simulation needs a crystal.")
    lattice = max(lattices, key=lambda one: len(one.member))
    fits = [(view, *primitive_vectors(lattice, view, a)) for view in VIEWS]
    view, vectors, misfit = min(fits, key=lambda fit: fit[2])
    if misfit > MISFIT:
        raise InputError(
            "The columns are not those of an fcc metal along [100], [110] or [111]: no artefact simulation "
            "is possible."
        )
    index = np.rint(lattice.hk @ np.linalg.inv(vectors))
    ideal = a * np.column_stack([(index @ [view.p, view.q]).imag, (index @ [view.p, view.q]).real])
    middle, target = ideal.mean(0), flat[lattice.member].mean(0)
    left, _, right = np.linalg.svd((ideal - middle).T @ (flat[lattice.member] - target))
    places: Doubles = np.asarray(
        (ideal - middle) @ (left @ right) + target, dtype=np.float64
    )  # mirrored or not
    height = np.mod(index @ np.array(view.step), 1.0) * view.repeat
    return view, places, np.asarray(height, dtype=np.float64), lattice.member


def primitive_vectors(lattice: Lattice, view: View, a: float) -> tuple[Doubles, float]:
    """The view's vectors as whole numbers of the lattice's (rows, 2 by 2), and how badly they fit."""
    options = [(h, k) for h in range(-2, 3) for k in range(-2, 3) if (h, k) != (0, 0)]
    vectors = {hk: hk[0] * lattice.a + hk[1] * lattice.b for hk in options}
    wide, long = a * abs(view.p), a * abs(view.q)
    product = a * a * (complex(view.p) * complex(view.q).conjugate()).real

    def misfit(pair: tuple[tuple[int, int], tuple[int, int]]) -> float:
        p, q = vectors[pair[0]], vectors[pair[1]]
        return float(
            abs(np.hypot(*p) / wide - 1) + abs(np.hypot(*q) / long - 1) + abs(p @ q - product) / (wide * long)
        )

    pairs = [(p, q) for p in options for q in options if abs(p[0] * q[1] - p[1] * q[0]) == 1]
    best = min(pairs, key=misfit)
    return np.array(best, dtype=float), misfit(best)


def guessed_counts(places: Doubles, repeat: float) -> Doubles:
    """Atoms of each column of a particle that is as thick as it is wide, a ball; repeat and places in Å."""
    radius = np.hypot(*(places - places.mean(0)).T)
    outer = radius.max() + repeat / np.sqrt(2)
    depth = 2 * np.sqrt(np.maximum(outer**2 - radius**2, 0))
    return np.asarray(np.maximum(1, np.rint(depth / repeat)), dtype=np.float64)


def build_atoms(
    places: Doubles, height: Doubles, count: Doubles, repeat: float, cell: float, conditions: Conditions
) -> Atoms:
    """Columns of atoms along the beam, tilted.

    Parameters
    ----------
    places : ndarray, shape (P, 2)
        (y, x), Å.
    height : ndarray, shape (P,)
        Of one atom of each column, Å.
    count : ndarray, shape (P,)
        Atoms of each column.
    repeat : float
        Distance of atoms in a column, Å.
    cell : float
        Side of the field of view, Å.
    conditions : Conditions
        Element and tilt.
    """
    parts = []
    for (y, x), low, n in zip(places, height, count.astype(int), strict=True):
        first = (
            np.rint(-(n - 1) / 2 - low / repeat) * repeat + low
        )  # as near to the middle as the lattice lets
        parts.append(np.column_stack([np.full(n, x), np.full(n, y), first + np.arange(n) * repeat]))
    atoms = Atoms(conditions.element * int(count.astype(int).sum()), positions=np.concatenate(parts))
    angle = np.radians(conditions.tilt_direction_deg)
    centre = atoms.positions.mean(0)
    atoms.rotate(conditions.tilt_deg, (np.cos(angle), -np.sin(angle), 0.0), center=centre)
    thickness = float(np.ptp(atoms.positions[:, 2])) + 6.0
    atoms.set_cell([cell, cell, thickness])
    atoms.pbc = True
    atoms.positions[:, 2] += thickness / 2 - (atoms.positions[:, 2].max() + atoms.positions[:, 2].min()) / 2
    return atoms
