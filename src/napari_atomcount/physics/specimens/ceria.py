"""Seeded CeO2 specimens in [110]: particles and slabs with all kinds of surfaces, vacancies and adatoms.

Seen along [110], fluorite shows Ce columns on a centred rectangle of a × a/√2 and two O columns for each of
them, a quarter of a beside it along [001]. A specimen is cut from that lattice by an outline of edge-on
facets (:mod:`.ceria_shape`) and a thickness for each Ce column; oxygen follows the cations by coordination.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from napari_atomcount.physics.specimens.ceria_shape import Outline, particle_outline, slab_outline, thickness
from napari_atomcount.physics.specimens.specimen import Specimen

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

#: Labels of the columns, numbers of the recipe's classes.
CERIUM, OXYGEN = 0, 1
#: Specimens of fewer Ce columns are drawn again.
SMALLEST = 10


class CeriaSettings(BaseModel):
    """What a random CeO2 specimen may look like. Lengths in Å, angles in degrees, chances in 0…1."""

    generator: Literal["ceria"] = "ceria"
    lattice_A: float = Field(5.411, gt=0, description="cubic lattice constant")
    lattice_scale: tuple[float, float] = (0.99, 1.015)
    cell_A: float = 51.2
    diameter_A: tuple[float, float] = (20.0, 48.0)
    thickness: tuple[float, float] = Field((2.0, 12.0), description="thickest part, Ce atoms along the beam")
    slab: float = Field(0.4, description="chance of a slab with one free surface instead of a particle")
    tilt_deg: tuple[float, float] = (0.0, 3.2)
    regular: float = Field(
        0.0, description="chance of a crystal as one draws it: level or in a few terraces, without any defect"
    )
    ragged: float = Field(0.5, description="chance that each column is on its own an atom longer or shorter")
    defects: float = Field(0.8, description="chance of vacancies of both kinds and adatoms")
    relax: float = Field(0.5, description="chance of displaced surfaces and vacancies' neighbours")
    oxygen_motion: tuple[float, float] = Field(
        (1.1, 1.6), description="thermal displacement of O over that of Ce (Debye-Waller B of 0.5 and 0.3 Å²)"
    )


def ceria(rng: np.random.Generator, settings: CeriaSettings | None = None) -> Specimen:
    """Draw one specimen, its zone axis along z up to the tilt, in its cell.

    Parameters
    ----------
    rng : numpy.random.Generator
        All random choices come from here: the same state gives the same specimen.
    settings : CeriaSettings, optional
        Ranges and chances.

    Returns
    -------
    Specimen
        Columns are labelled :data:`CERIUM` and :data:`OXYGEN`.
    """
    s = settings or CeriaSettings()
    a = s.lattice_A * rng.uniform(*s.lattice_scale)
    spin, direction = rng.uniform(0, 2 * np.pi, 2)
    tilt = np.deg2rad(rng.uniform(*s.tilt_deg))
    most = rng.uniform(*s.thickness)
    regular = bool(rng.random() < s.regular)
    slab = bool(rng.random() < s.slab)
    width = 1.45 * s.cell_A if slab else 1.1 * s.diameter_A[1]
    cerium, oxygen = lattice(a, width, (most + 3) * a / np.sqrt(2))
    shift = rng.uniform(-0.5, 0.5, 3) * a
    cerium, oxygen = cerium + shift, oxygen + shift
    room = s.cell_A / 2 - 1.2
    outline: Outline
    if slab:
        outline = slab_outline(rng, a, rng.uniform(-0.6, 0.7) * room, room, spin)
    else:
        outline = particle_outline(rng, a, rng.uniform(*s.diameter_A) / 2, room - 0.3)
    depth = outline.depth(cerium[:, :2])
    number, middle = thickness(rng, cerium[:, :2], depth, most, regular)
    step = a / np.sqrt(2)
    column = column_index(cerium, a)
    uneven = rng.choice([-1.0, 0.0, 0.0, 0.0, 1.0], column.max() + 1)
    ragged = bool(rng.random() < s.ragged and not regular)
    length = np.maximum(number + ragged * uneven[column], 1.0) * step
    full = (depth > 0) & (np.abs(cerium[:, 2] - middle * step) < length / 2)
    defects = bool(rng.random() < s.defects and not regular)
    if defects:
        cation_defects(rng, full, cerium, column, depth, length)
    cerium = cerium[full]
    if len(np.unique(column[full])) < SMALLEST:
        return ceria(rng, s)

    oxygen = oxygen[held(rng, oxygen, cerium, a)]
    vacant = np.zeros(len(oxygen), bool)
    if defects:
        vacant = oxygen_vacancies(rng, oxygen, outline.depth(oxygen[:, :2]), a)
    holes, oxygen = oxygen[vacant], oxygen[~vacant]
    points = np.concatenate([cerium, oxygen])
    label = np.repeat([CERIUM, OXYGEN], [len(cerium), len(oxygen)])
    column = column_index(points, a)
    relaxed = bool(rng.random() < s.relax)
    if relaxed:
        points = points + relaxation(rng, points, label, holes, a)
    atoms = Atoms("Ce" * len(cerium) + "O" * len(oxygen), positions=points)
    atoms.positions[:, 2] -= atoms.positions[:, 2].mean()
    axis = np.array([np.cos(direction), np.sin(direction), 0.0])
    turn = Rotation.from_rotvec(tilt * axis) * Rotation.from_euler("z", spin)
    atoms.positions = turn.apply(atoms.positions)
    atoms.set_cell([s.cell_A, s.cell_A, np.ptp(atoms.positions[:, 2]) + rng.uniform(3.0, 8.0)])
    atoms.pbc = True
    atoms.positions[:, :2] += s.cell_A / 2
    atoms.center(axis=2)
    notes: dict[str, float | int | str | bool] = {
        "slab": slab,
        "thickness": most,
        "regular": regular,
        "surface": outline.surface,
        "tilt_deg": float(np.rad2deg(tilt)),
        "relaxed": relaxed,
        "defects": defects,
        "lattice_A": a,
    }
    motion = np.where(label == OXYGEN, rng.uniform(*s.oxygen_motion), 1.0)
    return Specimen(atoms, column, notes, label=label, motion=motion)


def lattice(a: float, width: float, height: float) -> tuple[Points, Points]:
    """Ce and O sites of fluorite with [110] along z, [001] along x and [1-10] along y, around the origin.

    Parameters
    ----------
    a : float
        Cubic lattice constant, Å.
    width, height : float
        Extent in the image plane and along the beam, Å.

    Returns
    -------
    numpy.ndarray, shape (n, 3)
        Cerium: an fcc lattice, body-centred tetragonal (a, a/√2, a/√2) in this setting.
    numpy.ndarray, shape (2 n, 3)
        Oxygen, in the tetrahedra a √3/4 away from their four cations.
    """
    step = np.array([a, a / np.sqrt(2), a / np.sqrt(2)])
    n = np.ceil(np.array([width, width, height]) / step / 2).astype(int) + 1
    grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in n), indexing="ij"), -1).reshape(-1, 3)
    cells = np.concatenate([grid, grid + 0.5])
    anions = [cells + np.array([x, 0.0, 0.5]) for x in (0.25, 0.75)]
    return cells * step, np.concatenate(anions) * step


def column_index(points: Points, a: float) -> Index:
    """Number the columns along z of lattice sites: those with the same projection share a number."""
    flat = (points[:, :2] - points[0, :2]) / np.array([a / 4, a / np.sqrt(8)])
    _, number = np.unique(np.rint(flat).astype(np.int64), axis=0, return_inverse=True)
    return np.asarray(number, dtype=np.int64).reshape(-1)


def cation_defects(
    rng: np.random.Generator, full: Mask, points: Points, column: Index, depth: Points, length: Points
) -> None:
    """Single cation vacancies, columns that are missing or short, and Ce adatoms on the outline, in place."""
    near = depth < 4.5
    rate = np.where(near, rng.uniform(0, 0.12), rng.uniform(0, 0.03))
    occupied = np.unique(column[full])
    edge = np.unique(column[full & (depth < 3.2)])
    outside = np.unique(column[(depth <= 0) & (depth > -2.6)])
    full &= rng.random(len(full)) >= rate
    for chosen in share_of(rng, edge, 0.3):
        members = np.flatnonzero((column == chosen) & full)
        order = members[np.argsort(points[members, 2] * rng.choice([-1, 1]))]
        full[order[: len(order) if rng.random() < 0.5 else rng.integers(1, max(2, len(order)))]] = False
    if rng.random() < 0.25:
        for chosen in share_of(rng, occupied, 0.02):
            full[column == chosen] = False
    tree = cKDTree(points[full]) if full.any() else None
    for chosen in share_of(rng, outside, 0.35):
        members = np.flatnonzero((column == chosen) & (np.abs(points[:, 2]) < length / 2 + 1))
        if tree is None or not len(members):
            continue
        bound = members[tree.query(points[members])[0] < 4.0]  # next cation: a / √2 away
        if len(bound):
            from_seed = np.abs(points[bound, 2] - points[rng.choice(bound), 2])
            full[bound[np.argsort(from_seed)[: rng.integers(1, 6)]]] = True


def share_of(rng: np.random.Generator, candidates: Index, largest: float) -> Index:
    """Draw a random subset of at most the given share of the candidates."""
    number = int(rng.uniform(0, largest) * len(candidates) + rng.random())
    return np.asarray(rng.choice(candidates, size=min(number, len(candidates)), replace=False))


def held(rng: np.random.Generator, oxygen: Points, cerium: Points, a: float) -> Mask:
    """Which oxygen sites are filled, by the number of their cations.

    Four (bulk) and three (the outer layer of {111}, both layers of {110}) always; two, as on the polar {100}
    that half of its oxygen must leave, at random by atoms or by columns; one, as in a hydroxyl, seldom.
    """
    bonds = cKDTree(cerium).query_ball_point(oxygen, 1.1 * a * np.sqrt(3) / 4, return_length=True)
    two, one = rng.uniform(0.2, 1.0), rng.uniform(0, 0.15) * (rng.random() < 0.3)
    chance = np.array([0.0, one, two, 1.0, 1.0])[np.minimum(bonds, 4)]
    draw = rng.random(len(oxygen))
    if rng.random() < 0.5:
        column = column_index(oxygen, a)
        draw = rng.random(column.max() + 1)[column]
    return np.asarray(draw < chance)


def oxygen_vacancies(rng: np.random.Generator, oxygen: Points, depth: Points, a: float) -> Mask:
    """Which oxygen atoms are missing: single ones everywhere, and columns that are partly or wholly empty."""
    rate = np.where(depth < 4.5, rng.uniform(0, 0.15), rng.uniform(0, 0.05))
    vacant = rng.random(len(oxygen)) < rate
    column = column_index(oxygen, a)
    for group, largest in ((depth < 4.5, 0.25), (depth >= 4.5, 0.08)):
        for chosen in share_of(rng, np.unique(column[group]), largest * (rng.random() < 0.7)):
            members = np.flatnonzero(column == chosen)
            vacant[members] |= rng.random(len(members)) < rng.uniform(0.1, 1.2)
    return vacant


def relaxation(rng: np.random.Generator, points: Points, label: Index, holes: Points, a: float) -> Points:
    """Displacements of a relaxed specimen: a seeded field, because no potential of ASE's is made for oxides.

    Three parts, each of the size that calculations of ceria find: (1) atoms of the surface move along the
    direction in which they lack neighbours, by -0.25…0.1 Å, Ce and O by amounts of their own, and the
    movement fades within two layers as the lack does; (2) around an oxygen vacancy Ce moves away
    (0.05–0.15 Å), O moves in (0.1–0.25 Å), both falling with the square of the distance; (3) a smooth strain
    of long wavelength.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 3)
        Sites, Å.
    label : numpy.ndarray, shape (n,)
        Kind of each atom.
    holes : numpy.ndarray, shape (k, 3)
        Places of the vacancies, Å.
    a : float
        Lattice constant, Å.

    Returns
    -------
    numpy.ndarray, shape (n, 3)
    """
    width = 0.55 * a
    pairs = cKDTree(points).query_pairs(1.3 * a, output_type="ndarray")
    way = points[pairs[:, 0]] - points[pairs[:, 1]]
    way *= np.exp(-(way**2).sum(1) / (2 * width**2))[:, None]
    lack = np.zeros_like(points)
    for axis in range(3):
        lack[:, axis] = np.bincount(pairs[:, 0], way[:, axis], len(points))
        lack[:, axis] -= np.bincount(pairs[:, 1], way[:, axis], len(points))
    size = np.linalg.norm(lack, axis=1)
    lack /= max(float(np.quantile(size, 0.95)), 1e-6)  # about one at a surface, zero in the bulk
    lack /= np.maximum(np.linalg.norm(lack, axis=1, keepdims=True) / 1.5, 1)
    outward = np.where(label == OXYGEN, rng.uniform(-0.2, 0.1), rng.uniform(-0.25, 0.1))
    move = lack * outward[:, None]
    if len(holes):
        push = np.where(label == OXYGEN, -rng.uniform(0.1, 0.25), rng.uniform(0.05, 0.15))
        bond = a * np.sqrt(3) / 4
        for hole in holes:
            away = points - hole
            distance = np.linalg.norm(away, axis=1)
            close = (distance < 1.2 * a) & (distance > 0.1)
            fall = (bond / distance[close]) ** 2
            move[close] += away[close] / distance[close, None] * (push[close] * np.minimum(fall, 1))[:, None]
    strain = rng.normal(scale=0.004, size=(3, 3))
    wave = rng.normal(scale=2 * np.pi / 40, size=3)
    phase = rng.uniform(0, 2 * np.pi)
    move += np.sin(points @ wave + phase)[:, None] * rng.normal(scale=0.04, size=3)
    return np.asarray(np.clip(move, -0.5, 0.5) + points @ strain)
