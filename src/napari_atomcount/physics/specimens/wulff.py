"""A second generator of fcc particles in [110], for tests only: Wulff shapes, cut, disordered, EMT-relaxed.

It is kept apart from the generator of the training particles (:mod:`.nanoparticle`) on purpose, down to the
geometry: counts are fragile, and a network that was trained and judged on one generator's particles
looks better than it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.emt import EMT
from ase.cluster.wulff import wulff_construction
from ase.data import atomic_numbers, covalent_radii, reference_states
from ase.optimize import LBFGS
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy.spatial import cKDTree

from napari_atomcount.physics.specimens.specimen import Specimen

#: The plane of the image in cubic axes: rows are x, y and the beam; x along [1-10], y along [001].
SETTING = np.array([[1, -1, 0], [0, 0, np.sqrt(2)], [-1, -1, 0]]) / np.sqrt(2)
#: Kinds of a Wulff shape's facets.
FACETS = ((1, 1, 1), (1, 0, 0), (1, 1, 0))


class WulffSettings(BaseModel):
    """Ranges of the test particles. Lengths in Å, angles in degrees."""

    element: str = Field(default="Au", description="one of the EMT metals")
    diameter_A: tuple[float, float] = (20.0, 45.0)
    tilt_deg: tuple[float, float] = (0.0, 2.0)
    cell_A: float = Field(default=64.0, description="side of the square field of view")
    disorder: float = Field(
        default=0.5, description="chance of a rough outline: adatoms, short columns, a cut row"
    )
    missing: int = Field(default=0, description="surface columns to take out")
    isolated: int = Field(default=0, description="columns to set apart from the particle")
    relax_steps: int = Field(default=40, description="steps of LBFGS with the EMT potential; 0: none")
    margin_A: float = Field(
        default=4.0, description="least distance of the atoms from the border of the cell"
    )


@dataclass
class WulffParticle:
    """A test particle and what is special about it.

    Attributes
    ----------
    specimen : Specimen
        The atoms with their columns.
    missing : pandas.DataFrame
        ``y_A``, ``x_A``, ``count`` of surface columns that were taken out.
    isolated : list of int
        Numbers (index of ``specimen.columns()``) of the columns set apart.
    """

    specimen: Specimen
    missing: pd.DataFrame
    isolated: list[int]


def wulff_particle(rng: np.random.Generator, settings: WulffSettings | None = None) -> WulffParticle:
    """Draw one test particle.

    Parameters
    ----------
    rng : numpy.random.Generator
        All random choices come from here.
    settings : WulffSettings, optional
        Ranges.
    """
    s = settings or WulffSettings()
    a = float(reference_states[atomic_numbers[s.element]]["a"])
    sites = lattice_shape(rng, s, a)
    if rng.random() < s.disorder:
        sites = roughened(sites, rng)
    sites = held_by_neighbours(sites)
    sites, removed = without_columns(sites, s.missing, rng)
    atoms = Atoms(s.element * len(sites), positions=sites @ SETTING.T * a / 2)
    column = column_numbers(sites)
    gone = projected(removed[:, :3]) * a / 2
    if s.relax_steps:
        atoms.calc = EMT()
        LBFGS(atoms, logfile=None, maxstep=0.1).run(fmax=0.05, steps=s.relax_steps)
        atoms.calc = None
    middle = atoms.positions.mean(0)
    atoms.positions -= middle
    gone -= middle[:2]
    first = int(column.max()) + 1
    atoms, column = with_isolated(atoms, column, s, a, gone, rng)

    angle, tilt, direction = rng.uniform(0, 360), rng.uniform(*s.tilt_deg), rng.uniform(0, 2 * np.pi)
    atoms.rotate(angle, "z")
    atoms.rotate(tilt, (np.cos(direction), np.sin(direction), 0.0))
    holder = Atoms("H" * len(gone), positions=np.column_stack([gone, np.zeros(len(gone))]))
    holder.rotate(angle, "z")  # a tilt moves the middle of a column by less than 1e-3 of its distance
    reach = float(np.abs(atoms.positions[:, :2]).max())
    room = max(0.0, s.cell_A / 2 - s.margin_A - reach)
    corner = s.cell_A / 2 + rng.uniform(-room, room, 2)
    thickness = float(np.ptp(atoms.positions[:, 2])) + 6.0
    atoms.set_cell([s.cell_A, s.cell_A, thickness])
    atoms.pbc = True
    atoms.positions[:, :2] += corner
    atoms.positions[:, 2] += thickness / 2 - (atoms.positions[:, 2].max() + atoms.positions[:, 2].min()) / 2
    place = holder.positions[:, :2] + corner
    # an atom at the rim that relaxed into the gap closes it: then nothing is missing there
    open_gap = cKDTree(atoms.positions[:, :2]).query(place)[0] > 1.7
    place, removed = place[open_gap], removed[open_gap]
    missing = pd.DataFrame({"y_A": place[:, 1], "x_A": place[:, 0], "count": removed[:, 3]})
    notes: dict[str, float | int | str | bool] = {"element": s.element, "tilt_deg": tilt, "atoms": len(atoms)}
    return WulffParticle(Specimen(atoms, column, notes), missing, list(range(first, int(column.max()) + 1)))


def lattice_shape(rng: np.random.Generator, s: WulffSettings, a: float) -> NDArray[np.int64]:
    """Wulff shape of random surface energies, cut by one to three random planes: sites in a/2, (n, 3)."""
    diameter = rng.uniform(*s.diameter_A)
    energies = [1.0, rng.uniform(0.95, 1.35), rng.uniform(1.05, 1.4)]
    number = max(30, int(np.pi / 6 * diameter**3 * 4 / a**3))
    cluster = wulff_construction(
        s.element, list(FACETS), energies, number, "fcc", rounding="closest", latticeconstant=a
    )
    offset = cluster.positions - cluster.positions[np.argmin(np.linalg.norm(cluster.positions, axis=1))]
    sites = np.rint(2 * offset / a).astype(np.int64)
    for _ in range(rng.integers(1, 4)):
        normal = np.array(FACETS[rng.integers(len(FACETS))]) * rng.choice([-1, 1], 3)
        normal = rng.permutation(normal) / np.linalg.norm(normal)
        height = sites @ normal
        sites = sites[height <= np.quantile(height, rng.uniform(0.8, 1.0))]
    reach = s.cell_A / 2 - s.margin_A - 2.0
    inside = np.linalg.norm(projected(sites) * a / 2, axis=1) < reach
    return np.asarray(sites[inside], dtype=np.int64)


def projected(sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sites in the image plane (x, y), in units of a/2."""
    return np.asarray(sites @ SETTING[:2].T, dtype=np.float64).reshape(-1, 2)


def column_key(sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """The two integers that sites of one column along [110] share, shape (n, 2)."""
    return np.column_stack([sites[:, 0] - sites[:, 1], sites[:, 2]])


def column_numbers(sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the column of each site, 0 first."""
    _, number = np.unique(column_key(sites), axis=0, return_inverse=True)
    return np.asarray(number, dtype=np.int64).reshape(-1)


#: The twelve nearest neighbours of a site, in units of a/2.
NEAREST = np.array(
    [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i * i + j * j + k * k == 2]
)


def bonds(sites: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of ``others`` are nearest neighbours of each site."""
    if not len(sites) or not len(others):
        return np.zeros(len(sites), np.int64)
    near = cKDTree(sites).query_ball_tree(cKDTree(others), 1.5)
    own = cKDTree(sites).query_ball_tree(cKDTree(others), 0.5)
    return np.array([len(n) - len(o) for n, o in zip(near, own, strict=True)], dtype=np.int64)


def held_by_neighbours(sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop atoms that hang on fewer than three others, until none is left."""
    while True:
        keep = bonds(sites, sites) >= 3
        if keep.all():
            return sites
        sites = sites[keep]


def outline(sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns with two to five of the six projected neighbours, as rows (x, y, z of one site, count)."""
    keys, first, count = np.unique(column_key(sites), axis=0, return_index=True, return_counts=True)
    place = keys * [1 / np.sqrt(2), 1.0]  # units of a/2; neighbours are at sqrt(1.5) and sqrt(2)
    near = np.array([len(n) - 1 for n in cKDTree(place).query_ball_point(place, 1.6)])
    edge = (near >= 2) & (near <= 5)
    return np.column_stack([sites[first], count])[edge]


def roughened(sites: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Add adatoms at surface sites, shorten columns of the outline, and cut one row at a facet."""
    free = np.unique((sites[:, None] + NEAREST).reshape(-1, 3), axis=0)
    free = free[(cKDTree(sites).query(free)[0] > 0.5)]
    sticky = free[bonds(free, sites) >= 3]
    number = int(rng.uniform(0, 0.25) * len(sticky))
    if number:
        sites = np.concatenate([sites, rng.permutation(sticky)[:number]])
    edge = outline(sites)
    depth = sites @ np.array([1, 1, 0])
    keep = np.ones(len(sites), bool)
    for row in rng.permutation(edge)[: int(rng.uniform(0, 0.3) * len(edge))]:
        members = np.flatnonzero((column_key(sites) == column_key(row[None, :3])).all(1))
        ordered = members[np.argsort(depth[members] * rng.choice([-1, 1]))]
        keep[ordered[: rng.integers(1, len(ordered) + 1)]] = False
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        reach = projected(sites) @ np.array([np.cos(angle), np.sin(angle)])
        keep[(reach > reach.max() - 0.6) & (depth > np.quantile(depth, rng.uniform(0.2, 0.8)))] = False
    return sites[keep]


def without_columns(
    sites: NDArray[np.int64], number: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take whole columns of at least two atoms out of the outline, no two of them neighbours.

    Returns
    -------
    numpy.ndarray, shape (n, 3)
        The sites that are left.
    numpy.ndarray, shape (k, 4)
        Where they were (one site of each) and how many atoms they held.
    """
    edge = outline(sites)
    chosen: list[NDArray[np.int64]] = []
    for row in rng.permutation(edge[edge[:, 3] >= 2]):
        if len(chosen) == number:
            break
        place = projected(row[None, :3])
        if all(np.linalg.norm(place - projected(c[None, :3])) > 2.5 for c in chosen):
            chosen.append(row)
    removed = np.array(chosen, dtype=np.int64).reshape(-1, 4)
    gone = {tuple(key) for key in column_key(removed[:, :3])}
    keep = np.array([tuple(key) not in gone for key in column_key(sites)])
    return sites[keep], removed


def with_isolated(
    atoms: Atoms,
    column: NDArray[np.int64],
    s: WulffSettings,
    a: float,
    keep_off: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Atoms, NDArray[np.int64]]:
    """Set columns of one to eight atoms apart from the particle, 3.5 to 7 Å from its nearest column."""
    wanted = int(column.max()) + 1 + s.isolated
    for _ in range(4000):
        if column.max() + 1 >= wanted:
            break
        flat = atoms.positions[:, :2]
        spot = flat[rng.integers(len(flat))] + rng.normal(scale=5.0, size=2)
        distance = float(np.linalg.norm(np.concatenate([flat, keep_off]) - spot, axis=1).min())
        if not 3.5 < distance < 7.0 or np.linalg.norm(spot) > s.cell_A / 2 - s.margin_A - 1.0:
            continue
        length = int(rng.integers(1, 9))
        line = np.zeros((length, 3))
        line[:, :2] = spot
        line[:, 2] = (np.arange(length) - (length - 1) / 2) * a / np.sqrt(2)
        atoms = atoms + Atoms(s.element * length, positions=line)
        column = np.append(column, np.full(length, column.max() + 1))
    return atoms, column


def thermal_pairs(
    specimen: Specimen, sigma_A: float, pairs: int, rng: np.random.Generator, surface: float = 1.0
) -> list[Specimen]:
    """Snapshots of thermal motion in pairs of opposite displacements.

    The mean of the snapshots is then exactly the structure itself, as it is in a long exposure; with a few
    independent snapshots the simulated columns would lie some picometres beside their stated places.

    Parameters
    ----------
    sigma_A : float
        Root mean square displacement along each axis, Å.
    pairs : int
        Half the number of snapshots.
    surface : float
        Factor on the displacement of atoms with fewer than ten neighbours.
    """
    place = specimen.atoms.positions
    bond = 2.6 * covalent_radii[specimen.atoms.numbers].max()
    near = np.array([len(n) - 1 for n in cKDTree(place).query_ball_point(place, bond)])
    sigma = sigma_A * np.where(near < 10, surface, 1.0)[:, None]
    if specimen.motion is not None:
        sigma = sigma * specimen.motion[:, None]
    snapshots = []
    for _ in range(pairs):
        move = rng.normal(size=place.shape) * sigma
        for sign in (1.0, -1.0):
            atoms = specimen.atoms.copy()
            atoms.positions += sign * move
            snapshots.append(
                Specimen(atoms, specimen.column, specimen.notes, specimen.label, specimen.motion)
            )
    return snapshots
