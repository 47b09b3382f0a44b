"""Templates of structural template matching: the neighbours of a column in a perfect projected crystal.

A structure (fcc in [110], graphene, a CIF in some zone axis, a lattice learned from an image) has one
template for each kind of place, all in one orientation and one unit. Points are complex numbers
x + iy, y downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_atomcount.records.errors import InputError

Complex = npt.NDArray[np.complex128]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A new shell begins where the distance grows by more than this.
SHELL_GAP = 1.06
SAME = 1e-3  # of the nearest distance: the same place
NAMED = ("fcc100", "fcc110", "fcc111", "ceo2-110", "graphene", "mos2", "hexagonal", "square")
#: Lattice constants of named structures whose material is no element, nm.
CERIA_NM, GRAPHENE_BOND_NM, MOS2_NM = 0.5411, 0.1420, 0.3160


@dataclass(frozen=True)
class Template:
    """The neighbours of one kind of place.

    Parameters
    ----------
    points : ndarray of complex, shape (N,)
        Neighbours relative to the centre, nearest first, in the structure's unit.
    """

    points: Complex

    @property
    def nearest(self) -> float:
        """Distance of the nearest neighbour."""
        return float(np.abs(self.points).min())

    @cached_property
    def shells(self) -> list[slice]:
        """Neighbours of like distance, nearest first."""
        return shells_of(np.abs(self.points))

    @cached_property
    def symmetry(self) -> int:
        """Order of the rotations that turn the neighbours into themselves."""
        return max(n for n in range(1, 13) if same_points(self.points * np.exp(2j * np.pi / n), self.points))


@dataclass(frozen=True)
class Structure:
    """A perfect projected crystal.

    Parameters
    ----------
    name : str
        As it is written into the table.
    templates : tuple of Template
        One for each kind of place.
    unit_nm : float or None
        Length of the structure's unit, nm; None: only the shape is known, not the size.
    period_deg : float
        Rotations by this cannot be told from none.
    """

    name: str
    templates: tuple[Template, ...]
    unit_nm: float | None
    period_deg: float


def shells_of(distance: Doubles) -> list[slice]:
    """Split sorted distances (N,) where they grow by more than :data:`SHELL_GAP`."""
    cuts = np.flatnonzero(distance[1:] > SHELL_GAP * distance[:-1]) + 1
    ends = [0, *cuts.tolist(), len(distance)]
    return [slice(a, b) for a, b in pairwise(ends)]


def same_points(a: Complex, b: Complex) -> bool:
    """Whether two sets of points (N,) are the same but for their order."""
    tolerance = SAME * float(np.abs(b).min()) * 5
    if len(a) != len(b):
        return False
    tree = cKDTree(np.column_stack([b.real, b.imag]))
    found = tree.query(np.column_stack([a.real, a.imag]))
    distance, index = np.asarray(found[0]), np.asarray(found[1])
    return bool((distance < tolerance).all() and len(np.unique(index)) == len(b))


def structure(
    places: Complex, name: str, neighbours: int | None, unit_nm: float | None, centres: Complex
) -> Structure:
    """Build a structure of a wide patch of its perfect projection.

    Parameters
    ----------
    places : ndarray of complex, shape (M,)
        All columns of a patch, several shells wider than the templates.
    name : str
        For the table.
    neighbours : int, optional
        Wanted in each template; it is raised until a shell is full. None takes the first full shell with at
        least six.
    unit_nm : float, optional
        Length of the unit of ``places``, nm.
    centres : ndarray of complex, shape (C,)
        The columns of one cell, near the patch's middle.
    """
    kept: list[Template] = []
    for centre in centres:
        template = Template(around(places, centre, neighbours))
        for candidate in (template, Template(template.points.conj())):  # seen from the other side too
            if not any(turned(candidate.points, other.points) for other in kept):
                kept.append(candidate)
    period = own_period([around(places, centre, neighbours) for centre in centres])
    return Structure(name, tuple(kept), unit_nm, period)


def own_period(all_places: list[Complex]) -> float:
    """The least rotation, degrees, that turns the neighbours of every place into those of some place."""
    for n in (12, 8, 6, 4, 3, 2):
        turn = np.exp(2j * np.pi / n)
        if all(any(same_points(points * turn, other) for other in all_places) for points in all_places):
            return 360.0 / n
    return 360.0


def around(places: Complex, centre: complex, neighbours: int | None) -> Complex:
    """The neighbours of one place, shells full, nearest first and by azimuth within a shell."""
    offset = places - centre
    distance = np.abs(offset)
    offset = offset[(distance > SAME * np.sort(distance)[1])]
    offset = offset[np.lexsort((np.angle(offset), np.abs(offset).round(6)))]
    wanted = 6 if neighbours is None else neighbours
    for shell in shells_of(np.abs(offset)):
        if shell.stop >= wanted:
            return np.asarray(offset[: shell.stop])
    raise InputError(f"A template of {wanted} neighbours is too large: ask for fewer.")


def turned(a: Complex, b: Complex) -> bool:
    """Whether one set of neighbours is the other one rotated."""
    if len(a) != len(b):
        return False
    first = b[np.abs(np.abs(b) - np.abs(a[0])) < 5 * SAME * np.abs(a[0])]
    return any(same_points(a * (to / a[0]), b) for to in first)


def from_lattice(
    a: complex,
    b: complex,
    basis: Sequence[complex],
    name: str,
    *,
    neighbours: int | None = None,
    unit_nm: float | None = None,
) -> Structure:
    """Build a structure of a two-dimensional lattice.

    Parameters
    ----------
    a, b : complex
        Lattice vectors, x + iy.
    basis : sequence of complex
        Columns of one cell.
    name, neighbours, unit_nm
        As in :func:`structure`.
    """
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-8, 9), np.arange(-8, 9)))
    lattice = h * a + k * b
    places = np.concatenate([lattice + offset for offset in basis])
    return structure(places, name, neighbours, unit_nm, np.array(basis, dtype=complex))


def from_atoms(
    atoms: Any, axis: Sequence[int], name: str, *, neighbours: int | None = None, elements: Sequence[str] = ()
) -> Structure:
    """Project a crystal along a zone axis.

    Parameters
    ----------
    atoms : ase.Atoms
        A unit cell, Å.
    axis : sequence of three int
        Zone axis [uvw] in the cell's vectors.
    name, neighbours
        As in :func:`structure`.
    elements : sequence of str
        The kinds of atom that are seen; all by default.
    """
    cell = np.asarray(atoms.cell, dtype=float)
    beam = np.asarray(axis, dtype=float) @ cell
    if not np.linalg.norm(beam) > 0 or abs(np.linalg.det(cell)) < 1e-6:
        raise InputError(
            f"{name}: a zone axis needs three numbers that are not all zero, and a crystal's cell."
        )
    beam /= np.linalg.norm(beam)
    chosen = [
        i for i, symbol in enumerate(atoms.get_chemical_symbols()) if not elements or symbol in elements
    ]
    if not chosen:
        raise InputError(f"{name} holds no atoms of {', '.join(elements)}: name elements that it has.")
    n = int(np.ceil(18.0 / np.abs(1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min()))
    steps = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    steps = steps[np.linalg.norm(steps, axis=1) < 18.0 + np.linalg.norm(cell, axis=1).max()]
    right = np.cross([0.0, 0.0, 1.0] if abs(beam[2]) < 0.9 else [0.0, 1.0, 0.0], beam)
    right /= np.linalg.norm(right)
    down = np.cross(beam, right)
    base = atoms.positions[chosen]
    flat = np.concatenate([steps + p for p in base])
    xy = np.column_stack([flat @ right, flat @ down])
    xy = _merged(xy[np.hypot(*xy.T) < 16.0])
    centres = _merged(np.column_stack([base @ right, base @ down]), xy)
    return structure(_complex(xy) / 10, name, neighbours, 1.0, _complex(centres) / 10)


def _complex(points: Doubles) -> Complex:
    return np.asarray(points[:, 0] + 1j * points[:, 1], dtype=np.complex128)


def _merged(points: Doubles, onto: Doubles | None = None) -> Doubles:
    """Points (M, 2) without those that repeat, or the places of ``onto`` nearest to them without repeats."""
    if onto is not None:
        _, index = cKDTree(onto).query(points)
        return np.asarray(onto[np.unique(index)])
    keep = np.ones(len(points), bool)
    for i, j in sorted(cKDTree(points).query_pairs(0.05)):
        if keep[i]:
            keep[j] = False
    return points[keep]


def load_structure(spec: str, material: str | None = None, neighbours: int | None = None) -> Structure:
    """Build a structure from its name: ``fcc110``, ``fcc110:Au``, ``fcc110:0.408``, ``file.cif:110``.

    Parameters
    ----------
    spec : str
        One of :data:`NAMED`, with an element or a lattice constant in nm behind a colon where it is an fcc
        metal, ``hexagonal`` or ``square``; or a structure file that ase reads, its zone axis ``uvw`` or
        ``u,v,w``, and behind a third colon the elements that are seen.
    material : str, optional
        Element of an fcc metal, where the spec has none.
    neighbours : int, optional
        As in :func:`structure`.

    Raises
    ------
    InputError
        For a name, element or file that does not exist.
    """
    name, _, rest = spec.partition(":")
    key = name.lower().replace("_", "-").replace("[", "").replace("]", "").replace(" ", "")
    key = {"fcc-100": "fcc100", "fcc-110": "fcc110", "fcc-111": "fcc111", "ceo2": "ceo2-110"}.get(key, key)
    if key not in NAMED:
        return _from_file(spec, neighbours)
    if key.startswith("fcc"):
        a = _lattice_constant(rest or material or "", bool(rest))
        unit = 1.0 if a else None
        return _fcc(key, a or 1.0, spec if rest or not material else f"{key}:{material}", neighbours, unit)
    if key in ("graphene", "mos2"):
        bond = GRAPHENE_BOND_NM if key == "graphene" else MOS2_NM / np.sqrt(3)
        a, third = bond * np.sqrt(3), np.exp(1j * np.pi / 3)
        return from_lattice(
            a, a * third, (0, bond * np.exp(1j * np.pi / 6)), spec, neighbours=neighbours or 9, unit_nm=1.0
        )
    if key == "ceo2-110":
        from ase.build import bulk

        return from_atoms(
            bulk("CeO2", "fluorite", a=10 * CERIA_NM, cubic=True), (1, 1, 0), spec, neighbours=neighbours
        )
    a = _lattice_constant(rest, True) if rest else None
    b = 1j if key == "square" else np.exp(1j * np.pi / 3)
    return from_lattice(a or 1, (a or 1) * b, (0,), spec, neighbours=neighbours, unit_nm=1.0 if a else None)


def _fcc(key: str, a: float, name: str, neighbours: int | None, unit: float | None) -> Structure:
    if key == "fcc100":
        return from_lattice(a / 2, 0.5j * a, (0,), name, neighbours=neighbours, unit_nm=unit)
    if key == "fcc111":
        d = a / np.sqrt(6)
        return from_lattice(d, d * np.exp(1j * np.pi / 3), (0,), name, neighbours=neighbours, unit_nm=unit)
    wide = a / np.sqrt(2)
    return from_lattice(wide, wide / 2 + 0.5j * a, (0,), name, neighbours=neighbours, unit_nm=unit)


def _lattice_constant(word: str, binding: bool) -> float | None:
    """Lattice constant in nm from a number or an fcc element; None where neither is given."""
    try:
        value = float(word)
    except ValueError:
        pass
    else:
        if not 0.05 <= value <= 5:
            raise InputError(f"A lattice constant of {word} nm is absurd: give it in nm, like 0.408.")
        return value
    from ase.data import atomic_numbers, reference_states

    state = reference_states[atomic_numbers[word]] if word in atomic_numbers else None
    if state and state.get("symmetry") == "fcc":
        return float(state["a"]) / 10
    if binding:
        raise InputError(
            f"'{word}' is neither an fcc element nor a lattice constant in nm: write for instance fcc110:Au."
        )
    return None


def _from_file(spec: str, neighbours: int | None) -> Structure:
    parts = spec.rsplit(":", 2)
    axis = next((i for i in (1, 2) if len(parts) > i and _axis(parts[i])), None)
    path = Path(":".join(parts[:axis])) if axis else Path(spec)
    if axis is None or not path.exists():
        raise InputError(
            f"'{spec}' is no template: use {', '.join(NAMED)} or a structure file "
            "with its zone axis, like au.cif:110."
        )
    from ase.io import read

    try:
        atoms = read(path)
    except Exception as err:  # ase's readers raise whatever their parsers raise
        raise InputError(
            f"{path} cannot be read as a structure ({err}): give a CIF or another file of ase's."
        ) from err
    elements = parts[axis + 1].split(",") if len(parts) > axis + 1 else ()
    return from_atoms(
        atoms, _axis(parts[axis]), path.stem + ":" + parts[axis], neighbours=neighbours, elements=elements
    )


def _axis(word: str) -> tuple[int, ...]:
    """Three integers of a zone axis, () where the word is none."""
    digits = word.split(",") if "," in word else list(word) if word.isdigit() else []
    try:
        return tuple(int(d) for d in digits) if len(digits) == 3 else ()
    except ValueError:
        return ()
