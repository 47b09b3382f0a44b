"""Seeded fcc nanoparticles in [110]: faceted, rough, twinned, with steps, adatoms, gaps and isolated columns.

The shapes follow Madsen's thesis 6.4.2: a seed crystal from random planes in the low-index directions, then
surface atoms added with p ∝ exp(N/T) (eq. 6.18). Columns are then removed, shortened and set apart at random,
because a network that only ever saw complete particles fills a gap in from context (thesis Fig. 6.24). Most
particles are relaxed, and their surface atoms move more than the inner ones.
"""

from __future__ import annotations

import itertools
from typing import cast

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.data import atomic_numbers, reference_states
from ase.optimize import LBFGS
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from napari_atomcount.physics.specimens.specimen import Specimen

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]


class NanoparticleSettings(BaseModel):
    """What a random fcc particle may look like. Lengths in Å, angles in degrees, chances in 0…1."""

    elements: dict[str, float] = Field(
        default={"Au": 0.65, "Pt": 0.35}, description="element: relative share"
    )
    diameter_A: tuple[float, float] = (14.0, 46.0)
    aspect: tuple[float, float] = Field(
        (1.0, 1.0),
        description="extent along the beam over that in the plane; an outline must not tell counts",
    )
    height_A: float = Field(58.0, description="largest extent along the beam")
    tilt_deg: tuple[float, float] = (0.0, 3.2)
    cell_A: float = 51.2
    lattice_scale: tuple[float, float] = (0.985, 1.015)
    twin: float = Field(0.25, description="chance of one (111) twin plane along the beam")
    rough: float = Field(0.6, description="chance of surface atoms added by eq. 6.18")
    rough_share: float = Field(
        0.25, description="largest number of added atoms, as a share of the seed crystal"
    )
    temperature: tuple[float, float] = Field((0.3, 3.0), description="T of eq. 6.18, log-uniform")
    defects: float = Field(0.8, description="chance of removed, shortened and set apart columns")
    relax: float = Field(0.7, description="chance of relaxation with the EMT potential")
    relax_steps: int = Field(25, description="most steps of L-BFGS; 0.05 eV/Å is enough")
    surface_motion: tuple[float, float] = Field(
        (1.0, 1.6), description="thermal displacement of surface atoms over that of inner ones"
    )


def nanoparticle(rng: np.random.Generator, settings: NanoparticleSettings | None = None) -> Specimen:
    """Draw one particle, its zone axis along z up to the tilt, centred in its cell.

    Parameters
    ----------
    rng : numpy.random.Generator
        All random choices come from here: the same state gives the same particle.
    settings : NanoparticleSettings, optional
        Ranges and chances.
    """
    s = settings or NanoparticleSettings()
    names = list(s.elements)
    shares = np.array([s.elements[name] for name in names])
    element = str(rng.choice(names, p=shares / shares.sum()))
    a = reference_states[atomic_numbers[element]]["a"] * rng.uniform(*s.lattice_scale)
    diameter = rng.uniform(*s.diameter_A)
    twin = bool(rng.random() < s.twin)

    aspect = 1.0 if s.aspect[0] == s.aspect[1] else float(np.exp(rng.uniform(*np.log(s.aspect))))
    points = lattice_110(a, 1.25 * diameter, min(1.25 * diameter * max(aspect, 1.0), s.height_A))
    points += rng.uniform(-0.5, 0.5, 3) * a
    if twin:
        points = twinned(points, a, offset=rng.uniform(-0.25, 0.25) * diameter)
    inside = random_facets(points, diameter / 2, rng, aspect)
    neighbours = neighbour_table(points, a / np.sqrt(2))
    occupied = np.append(inside, False)  # the last entry stands for 'no neighbour'
    if rng.random() < s.rough:
        temperature = np.exp(rng.uniform(*np.log(s.temperature)))
        grow(occupied, neighbours, int(rng.uniform(0, s.rough_share) * inside.sum()), temperature, rng)
    column = column_index(points)
    limit = diameter / 2 + 4
    occupied[:-1] &= np.linalg.norm(points[:, :2], axis=1) < min(limit, s.cell_A / 2 - 1.5)
    if rng.random() < s.defects:
        disturb_surface(occupied, points, column, neighbours, rng)
    relaxed = bool(rng.random() < s.relax) and element in EMT_ELEMENTS
    drop_loose(occupied, neighbours, bonds=3 if relaxed else 1)

    atoms = Atoms(f"{element}{int(occupied.sum())}", positions=points[occupied[:-1]])
    column = column[occupied[:-1]]
    if relaxed and s.relax_steps and len(atoms):
        atoms.calc = EMT()
        LBFGS(atoms, logfile=None, maxstep=0.1).run(fmax=0.05, steps=s.relax_steps)
        atoms.calc = None
    surface = rng.uniform(*s.surface_motion)
    missing = 12 - occupied[neighbours[occupied[:-1]]].sum(1)
    motion = 1.0 + (surface - 1.0) * np.minimum(missing / FREE_BONDS, 1.0)
    if rng.random() < s.defects:
        atoms, column = add_isolated_columns(atoms, column, a, s.cell_A, rng)
        motion = np.append(motion, np.full(len(atoms) - len(motion), surface))

    tilt = rng.uniform(*s.tilt_deg)
    orient(atoms, tilt, rng)
    atoms.set_cell([s.cell_A, s.cell_A, np.ptp(atoms.positions[:, 2]) + rng.uniform(3.0, 8.0)])
    atoms.pbc = True
    atoms.positions[:, :2] += s.cell_A / 2
    atoms.center(axis=2)
    notes: dict[str, float | int | str | bool] = {
        "element": element,
        "diameter_A": diameter,
        "tilt_deg": tilt,
        "twin": twin,
        "relaxed": relaxed,
        "surface_motion": surface,
    }
    return Specimen(atoms, column, notes, motion=motion)


EMT_ELEMENTS = frozenset({"Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt"})
#: Of an atom's twelve neighbours, so many are missing on (100): its atoms, and freer ones, move most.
FREE_BONDS = 4


def lattice_110(a: float, width: float, height: float) -> Points:
    """Points of an fcc lattice with [110] along z, [001] along x and [1-10] along y, centred on the origin.

    Parameters
    ----------
    a : float
        Cubic lattice constant, Å.
    width, height : float
        Extent in the image plane and along the beam, Å.

    Returns
    -------
    numpy.ndarray, shape (n, 3)
    """
    step = np.array([a, a / np.sqrt(2), a / np.sqrt(2)])
    n = np.ceil(np.array([width, width, height]) / step / 2).astype(int) + 1
    grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in n), indexing="ij"), -1).reshape(-1, 3)
    return np.concatenate([grid * step, (grid + 0.5) * step])


def twinned(points: Points, a: float, offset: float) -> Points:
    """Replace the crystal on one side of a (111) plane, which contains the beam, by its mirror image.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 3)
        Lattice of :func:`lattice_110`, possibly shifted.
    a : float
        Cubic lattice constant, Å.
    offset : float
        Wanted distance of the twin plane from the origin, Å; the nearest lattice plane is taken.
    """
    normal = np.array([1.0, np.sqrt(2.0), 0.0]) / np.sqrt(3.0)
    height = points @ normal
    plane = height[np.argmin(np.abs(height - offset))]
    below = points[height <= plane + 1e-3 * a]
    depth = below @ normal - plane
    mirrored = below - 2 * depth[:, None] * normal
    return np.concatenate([below, mirrored[depth < -1e-3 * a]])


def random_facets(points: Points, radius: float, rng: np.random.Generator, aspect: float = 1.0) -> Mask:
    """Cut a random polyhedron by {100}, {110} and {111} planes, each face at a distance of its own.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 3)
        Lattice points in the [110] setting, Å.
    radius : float
        Mean distance of the faces, Å.
    aspect : float
        Factor on the distance of faces that lie across the beam, and less of inclined ones.

    Returns
    -------
    numpy.ndarray, shape (n,), bool
    """
    centre = rng.uniform(-0.15, 0.15, 3) * radius
    # rows: x, y, z of our setting
    axes = np.array([[0, 0, 1], [1, -1, 0], [1, 1, 0]]) / np.sqrt([[1], [2], [2]])
    mean = {"100": rng.uniform(0.8, 1.15), "110": rng.uniform(0.95, 1.3), "111": rng.uniform(0.8, 1.05)}
    inside = np.linalg.norm((points - centre) / np.array([1.0, 1.0, aspect]), axis=1) < 1.05 * radius
    for indices in itertools.product((-1, 0, 1), repeat=3):
        family = "".join(sorted(map(str, np.abs(indices)), reverse=True))
        if family not in mean:
            continue
        normal = axes @ np.array(indices) / np.linalg.norm(indices)
        longer = np.hypot(aspect * normal[2], np.hypot(normal[0], normal[1]))
        inside &= (points - centre) @ normal < radius * longer * mean[family] * rng.uniform(0.75, 1.1)
    thin = rng.uniform(0.55, 1.0) if rng.random() < 0.4 else 1.0  # flattened along the beam
    return np.asarray(inside & (np.abs(points[:, 2] - centre[2]) < thin * radius * aspect))


def neighbour_table(points: Points, distance: float) -> Index:
    """Nearest neighbours of every lattice point, padded with n (one past the last point).

    Returns
    -------
    numpy.ndarray, shape (n, 12), int
    """
    found, index = cKDTree(points).query(points, k=13, distance_upper_bound=1.12 * distance)
    return np.asarray(np.where(np.isfinite(found), index, len(points))[:, 1:], dtype=np.int64)


def grow(
    occupied: Mask, neighbours: Index, number: int, temperature: float, rng: np.random.Generator
) -> None:
    """Add atoms at free lattice points, p ∝ exp(N/T) with N occupied neighbours (eq. 6.18), in place."""
    coordination = occupied[neighbours].sum(1)
    batch = max(1, number // 40)  # a few atoms at a time, coordination renewed after each batch
    for _ in range(0, number, batch):
        candidates = np.flatnonzero(~occupied[:-1] & (coordination > 0))
        weight = np.exp((coordination[candidates] - 12) / temperature)
        chosen = rng.choice(
            candidates, size=min(batch, len(candidates)), replace=False, p=weight / weight.sum()
        )
        occupied[chosen] = True
        coordination = occupied[neighbours].sum(1)


def column_index(points: Points, tolerance_A: float = 0.4) -> Index:
    """Number the columns: lattice points with the same projection share an index."""
    tree = cKDTree(points[:, :2])
    index = np.full(len(points), -1)
    number = 0
    for i in range(len(points)):
        if index[i] < 0:
            index[tree.query_ball_point(points[i, :2], tolerance_A)] = number
            number += 1
    return index


def disturb_surface(
    occupied: Mask, points: Points, column: Index, neighbours: Index, rng: np.random.Generator
) -> None:
    """Remove and shorten columns of the outline, add adatom columns and half-filled rows, in place."""
    full = occupied[:-1]
    height = np.bincount(column, weights=full)
    atoms_in = np.bincount(column)
    centre_of = np.column_stack([np.bincount(column, weights=points[:, k]) / atoms_in for k in (0, 1)])
    radius = 1.3 * nearest_distance(points, neighbours)
    reach = cast("list[list[int]]", list(cKDTree(centre_of).query_ball_point(centre_of, radius)))
    taken = height > 0
    around = np.array([taken[r].sum() - taken[i] for i, r in enumerate(reach)])
    most = np.array([len(r) - 1 for r in reach]).max()
    outline = np.flatnonzero(taken & (around < most))
    free = np.flatnonzero(~taken & (around > 0))
    for chosen in pick(outline, rng, 0.35):
        remove_part(full, np.flatnonzero(column == chosen), points, rng, whole=rng.random() < 0.55)
    inner = np.flatnonzero(taken & (around >= most))
    if rng.random() < 0.25:  # a vacancy column inside
        for chosen in pick(inner, rng, 0.02):
            remove_part(full, np.flatnonzero(column == chosen), points, rng, whole=rng.random() < 0.3)
    for chosen in pick(free, rng, 0.3):  # adatoms: short columns on lattice points outside the outline
        members = np.flatnonzero(column == chosen)
        next_to = members[occupied[neighbours[members]].any(1)]
        if len(next_to):
            middle = np.abs(points[next_to, 2] - rng.choice(points[next_to, 2]))
            full[next_to[np.argsort(middle)[: rng.integers(1, 9)]]] = True
    if rng.random() < 0.4 and len(outline):  # a row of the facet, cut to one common length
        angle = rng.uniform(0, 2 * np.pi)
        depth = centre_of[outline] @ np.array([np.cos(angle), np.sin(angle)])
        row = outline[depth > depth.max() - 0.8]
        keep = rng.uniform(0.1, 0.9)
        for chosen in row:
            members = np.flatnonzero((column == chosen) & full)
            if len(members):
                order = members[np.argsort(points[members, 2])]
                full[order[max(1, round(keep * len(order))) :]] = False


def pick(candidates: Index, rng: np.random.Generator, largest_share: float) -> Index:
    """Draw a random subset of at most the given share of the candidates."""
    number = int(rng.uniform(0, largest_share) * len(candidates) + rng.random())
    return np.asarray(rng.choice(candidates, size=min(number, len(candidates)), replace=False))


def remove_part(full: Mask, members: Index, points: Points, rng: np.random.Generator, *, whole: bool) -> None:
    """Empty a column, or take atoms from one of its ends, in place."""
    members = members[full[members]]
    order = members[np.argsort(points[members, 2])]
    if rng.random() < 0.5:
        order = order[::-1]
    full[order if whole else order[: rng.integers(1, max(2, len(order)))]] = False


def drop_loose(occupied: Mask, neighbours: Index, bonds: int) -> None:
    """Take atoms away that have fewer neighbours than ``bonds``, until none is left, in place.

    An atom without a neighbour would float in vacuum; one with two slides along the surface when relaxed.
    """
    while True:
        loose = occupied[:-1] & (occupied[neighbours].sum(1) < bonds)
        if not loose.any():
            return
        occupied[:-1] &= ~loose


def nearest_distance(points: Points, neighbours: Index) -> float:
    """Distance between nearest lattice points, Å."""
    known = neighbours[:, 0] < len(points)
    return float(np.median(np.linalg.norm(points[known] - points[neighbours[known, 0]], axis=1)))


def add_isolated_columns(
    atoms: Atoms, column: Index, a: float, cell_A: float, rng: np.random.Generator
) -> tuple[Atoms, Index]:
    """Set zero to four columns apart from the particle, anywhere at least 3.2 Å from other columns."""
    placed = atoms.positions[:, :2]
    symbol = atoms.get_chemical_symbols()[0]
    limit = cell_A / 2 - 2.0
    for _ in range(rng.integers(0, 5)):
        spot = rng.uniform(-limit, limit, 2)
        distance = np.linalg.norm(placed - spot, axis=1).min()
        if distance < 3.2:
            continue
        length = int(rng.integers(1, 9))
        z = (np.arange(length) - length / 2) * a / np.sqrt(2) + rng.choice(atoms.positions[:, 2]) * 0.5
        new = np.column_stack([np.tile(spot, (length, 1)), z])
        atoms = atoms + Atoms(f"{symbol}{length}", positions=new)
        column = np.append(column, np.full(length, column.max() + 1))
        placed = atoms.positions[:, :2]
    return atoms, column


def orient(atoms: Atoms, tilt_deg: float, rng: np.random.Generator) -> None:
    """Rotate at random in the plane and tilt about a random axis in the plane, in place."""
    spin = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True)
    direction = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(direction), np.sin(direction), 0.0])
    tilt = Rotation.from_rotvec(np.deg2rad(tilt_deg) * axis)
    centre = atoms.positions.mean(0)
    atoms.positions = (tilt * spin).apply(atoms.positions - centre) + np.array([0.0, 0.0, centre[2]])
