"""A specimen: atoms in the beam direction z, and which of them form the atomic columns to be counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray


@dataclass
class Specimen:
    """Atoms and their columns.

    Attributes
    ----------
    atoms : ase.Atoms
        The structure in Å, beam along -z to +z, orthorhombic cell, periodic in the image plane.
    column : numpy.ndarray, shape (n_atoms,), int
        Index of the atomic column of each atom; -1 for atoms that belong to no column (film, support).
    notes : dict
        What the generator drew (shape, tilt, relaxation), so that a training set can be explained.
    label : numpy.ndarray, shape (n_atoms,), int, optional
        Kind of column that each atom belongs to, a number of the recipe's classes; all 0 if not given.
    motion : numpy.ndarray, shape (n_atoms,), optional
        Thermal displacement of each atom relative to the specimen's; all 1 if not given.
    """

    atoms: Atoms
    column: NDArray[np.int64]
    notes: dict[str, float | int | str | bool] = field(default_factory=dict)
    label: NDArray[np.int64] | None = None
    motion: NDArray[np.float64] | None = None

    def columns(self) -> pd.DataFrame:
        """Truth of the columns: mean projected position of their atoms, and how many they hold.

        Returns
        -------
        pandas.DataFrame
            Columns ``y_A``, ``x_A`` (Å in the cell; y is the structure's y axis, drawn downwards), ``count``,
            ``label`` (number of the class).
        """
        own = self.column >= 0
        index = self.column[own]
        position = self.atoms.positions[own]
        count = np.bincount(index)
        present = np.flatnonzero(count)
        mean = [np.bincount(index, weights=position[:, axis])[present] / count[present] for axis in (1, 0)]
        label = np.zeros(len(count), np.int64)
        if self.label is not None:
            label[index] = self.label[own]
        return pd.DataFrame(
            {"y_A": mean[0], "x_A": mean[1], "count": count[present], "label": label[present]}, index=present
        )

    def tilt_deg(self) -> tuple[float, float]:
        """Tilt of the columns against the beam along y and x, degrees.

        From the regression of their atoms' y and x on z, all columns together; 0 if none has two atoms.
        """
        own = self.column >= 0
        index, position = self.column[own], self.atoms.positions[own]
        count = np.bincount(index)
        mean = [np.bincount(index, position[:, k])[index] / count[index] for k in range(3)]
        x, y, z = (position[:, k] - mean[k] for k in range(3))
        depth = float((z**2).sum())
        if depth == 0:
            return 0.0, 0.0
        lean = np.array([(y * z).sum(), (x * z).sum()]) / depth
        return float(np.rad2deg(np.arctan(lean[0]))), float(np.rad2deg(np.arctan(lean[1])))

    def displaced(self, sigma_A: float, rng: np.random.Generator) -> Specimen:
        """Return a snapshot with independent Gaussian thermal displacements (Einstein model, thesis 2.5).

        Parameters
        ----------
        sigma_A : float
            Root mean square displacement along each axis of atoms of motion 1, Å.
        rng : numpy.random.Generator
            Source of the displacements.
        """
        atoms = self.atoms.copy()
        move = rng.normal(scale=sigma_A, size=atoms.positions.shape)
        atoms.positions += move if self.motion is None else move * self.motion[:, None]
        return Specimen(atoms, self.column, self.notes, self.label, self.motion)
