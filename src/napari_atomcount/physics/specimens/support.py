"""What lies under or beside a particle, without countable columns: amorphous films, the edge of an oxide."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from napari_atomcount.physics.specimens.specimen import Specimen

#: Atoms per Å³ of amorphous carbon at about 2 g/cm³.
CARBON_DENSITY = 0.10


def amorphous_film(
    rng: np.random.Generator, cell_A: float, thickness_A: float, element: str = "C"
) -> Specimen:
    """Random atoms with a hard core of 1.35 Å, filling the cell's plane.

    Parameters
    ----------
    cell_A : float
        Side of the square cell, Å.
    thickness_A : float
        Film thickness along the beam, Å.
    """
    number = int(CARBON_DENSITY * cell_A**2 * thickness_A)
    points = rng.uniform(0, 1, (int(1.7 * number), 3)) * [cell_A, cell_A, thickness_A]
    keep = np.ones(len(points), bool)
    for i, j in cKDTree(points).query_pairs(1.35):
        if keep[i] and keep[j]:
            keep[j] = False
    points = points[keep][:number]
    atoms = Atoms(
        f"{element}{len(points)}", positions=points, cell=[cell_A, cell_A, thickness_A + 2], pbc=True
    )
    atoms.center(axis=2)
    return Specimen(atoms, np.full(len(atoms), -1), {"thickness_A": thickness_A})


def crystalline_edge(rng: np.random.Generator, cell_A: float, depth_A: float, thickness_A: float) -> Specimen:
    """A CeO2 slab along [110] with a rough flat edge: it fills x < depth, the rest of the cell is empty.

    Parameters
    ----------
    depth_A : float
        How far the slab reaches into the cell along x, Å.
    thickness_A : float
        Thickness along the beam, Å.
    """
    unit = crystal(
        ["Ce", "O"], [(0, 0, 0), (0.25, 0.25, 0.25)], spacegroup=225, cellpar=[5.411] * 3 + [90] * 3
    )
    n = int(np.ceil(2 * cell_A / 5.411))
    block = unit.repeat((n, n, n))
    block.positions -= block.positions.mean(0)
    onto = np.array([[0, 0, 1], [1, -1, 0], [1, 1, 0]]) / np.sqrt([[1], [2], [2]])
    spin = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True)
    points = spin.apply(block.positions @ onto.T) + np.array([cell_A / 2, cell_A / 2, 0])
    rough = depth_A + rng.normal(scale=0.5, size=len(points))
    inside = (points[:, 0] > 0) & (points[:, 0] < rough) & (points[:, 1] > 0) & (points[:, 1] < cell_A)
    inside &= np.abs(points[:, 2]) < thickness_A / 2
    atoms = Atoms(np.array(block.get_chemical_symbols())[inside], positions=points[inside])
    atoms.positions += rng.normal(scale=0.07, size=atoms.positions.shape)
    atoms.set_cell([cell_A, cell_A, thickness_A + 4])
    atoms.pbc = True
    atoms.center(axis=2)
    return Specimen(atoms, np.full(len(atoms), -1), {"depth_A": depth_A, "thickness_A": thickness_A})


def soot(rng: np.random.Generator, cell_A: float, onions: int) -> Specimen:
    """Carbon onions: nested spherical shells 3.4 Å apart, whose walls show as curved fringes.

    Parameters
    ----------
    cell_A : float
        Side of the cubic cell, Å.
    onions : int
        Number of onions; they may overlap in projection and touch.
    """
    parts = []
    for _ in range(onions):
        centre = rng.uniform(0, cell_A, 3) * [1, 1, 0.5]
        inner = rng.uniform(3, 12)
        squash = rng.uniform(0.7, 1.0, 3)
        for radius in np.arange(inner, inner + rng.uniform(8, 24), 3.4):
            number = int(4 * np.pi * radius**2 * 0.38)  # atoms per Å² of graphene
            direction = rng.normal(size=(3 * number, 3))
            shell = radius * direction / np.linalg.norm(direction, axis=1, keepdims=True)
            keep = np.ones(len(shell), bool)
            for i, j in cKDTree(shell).query_pairs(1.2):
                if keep[i] and keep[j]:
                    keep[j] = False
            parts.append(shell[keep][:number] * squash + centre)
    points = np.concatenate(parts)
    points[:, :2] %= cell_A
    points[:, 2] -= points[:, 2].min()
    atoms = Atoms(
        f"C{len(points)}", positions=points, cell=[cell_A, cell_A, np.ptp(points[:, 2]) + 4], pbc=True
    )
    atoms.center(axis=2)
    return Specimen(atoms, np.full(len(atoms), -1), {"onions": onions})
