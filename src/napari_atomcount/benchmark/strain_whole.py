"""Whole gold particles tilted about the thesis' two axes: Figs. 4.6 to 4.9, error maps and curves.

The particles of the floors are cut and turned at random, and tilted in a random direction. The thesis shows
one whole particle for each size, tilted about [1-10] (Ω₁) and about [001] (Ω₂); a tilt disturbs the long
columns in its middle.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.emt import EMT
from ase.cluster.wulff import wulff_construction
from ase.data import atomic_numbers, reference_states
from ase.optimize import LBFGS
from numpy.typing import NDArray

from napari_atomcount.benchmark.scenes import MULTISLICE, STREAM
from napari_atomcount.benchmark.strain_gold import DEFOCI_NM, MIDDLE_NM, clean_errors, error_rows
from napari_atomcount.benchmark.strain_particles import CELLS, THERMAL_A, StrainScene
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.specimens.specimen import Specimen
from napari_atomcount.physics.specimens.wulff import (
    FACETS,
    SETTING,
    column_numbers,
    held_by_neighbours,
    thermal_pairs,
)

Tell = Callable[[str, int, int], None]

#: Surface energies of {111}, {100} and {110}, relative.
ENERGIES = (1.0, 1.15, 1.3)
#: The thesis' axes: along [1-10], the image's x here, and along [001], its y.
AXES = {"tilt Ω1": (1.0, 0.0, 0.0), "tilt Ω2": (0.0, 1.0, 0.0)}
TILTS_DEG = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
CASE = "whole particle, A, noise-free"
#: What is drawn: axis, defocus, tilt.
MAPS = (
    ("defocus", 4.5, 0.0),
    ("defocus", 8.5, 0.0),
    ("defocus", 12.5, 0.0),
    ("tilt Ω1", 8.5, 1.0),
    ("tilt Ω1", 8.5, 2.0),
    ("tilt Ω1", 8.5, 2.5),
    ("tilt Ω1", 8.5, 3.0),
    ("tilt Ω2", 8.5, 3.0),
)


def whole_particle(diameter_nm: float, relax_steps: int = 40) -> tuple[Atoms, NDArray[np.int64]]:
    """A whole, EMT-relaxed Wulff particle along [110] with [1-10] along x, and the column of each atom."""
    a = float(reference_states[atomic_numbers["Au"]]["a"])
    number = int(np.pi / 6 * (10 * diameter_nm) ** 3 * 4 / a**3)
    cluster = wulff_construction(
        "Au", list(FACETS), list(ENERGIES), number, "fcc", rounding="closest", latticeconstant=a
    )
    middle = cluster.positions[np.argmin(np.linalg.norm(cluster.positions, axis=1))]
    sites = held_by_neighbours(np.rint(2 * (cluster.positions - middle) / a).astype(np.int64))
    atoms = Atoms("Au" * len(sites), positions=sites @ SETTING.T * a / 2)
    if relax_steps:
        atoms.calc = EMT()
        LBFGS(atoms, logfile=None, maxstep=0.1).run(fmax=0.05, steps=relax_steps)
        atoms.calc = None
    atoms.positions -= atoms.positions.mean(0)
    return atoms, column_numbers(sites)


class WholeScenes:
    """Exit waves of whole particles, from the cache where they are in it."""

    def __init__(self, seed: int, cache: Path | None, relax_steps: int = 40) -> None:
        self.seed, self.cache, self.relax_steps = seed, cache, relax_steps
        self._particles: dict[float, tuple[Atoms, NDArray[np.int64]]] = {}

    def scene(self, diameter_nm: float, axis: tuple[float, float, float], tilt_deg: float) -> StrainScene:
        """The particle of a size, tilted about an axis of the image.

        Parameters
        ----------
        diameter_nm : float
            One of :data:`~napari_atomcount.benchmark.strain_particles.CELLS`.
        axis : tuple of float
            x, y, z.
        tilt_deg : float
            0: not at all, whatever the axis.
        """
        cell = CELLS[diameter_nm]
        axis = axis if tilt_deg else (1.0, 0.0, 0.0)
        parts = ["whole", diameter_nm, axis, tilt_deg, self.seed, self.relax_steps, THERMAL_A, ENERGIES]
        key = json.dumps([*parts, MULTISLICE.model_dump(mode="json")], sort_keys=True)
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        path = None if self.cache is None else self.cache / f"strain-{name}.npz"
        if path is not None and path.exists():
            with np.load(path, allow_pickle=False) as stored:
                columns = pd.DataFrame(stored["columns"], columns=["y_A", "x_A", "count"])
                return StrainScene(stored["waves"], columns.astype({"count": np.int64}), cell)
        if diameter_nm not in self._particles:
            self._particles[diameter_nm] = whole_particle(diameter_nm, self.relax_steps)
        still, column = self._particles[diameter_nm]
        atoms = still.copy()
        atoms.rotate(tilt_deg, axis)
        thickness = float(np.ptp(atoms.positions[:, 2])) + 6.0
        atoms.set_cell([cell, cell, thickness])
        atoms.pbc = True
        atoms.positions += [cell / 2, cell / 2, 0]
        low, high = atoms.positions[:, 2].min(), atoms.positions[:, 2].max()
        atoms.positions[:, 2] += thickness / 2 - (low + high) / 2
        specimen = Specimen(atoms, column, {})
        rng = np.random.default_rng([STREAM, self.seed, 33])
        waves = np.stack(
            [exit_wave(s.atoms, MULTISLICE) for s in thermal_pairs(specimen, THERMAL_A, 2, rng, 1.2)]
        )
        columns = specimen.columns().reset_index(drop=True)[["y_A", "x_A", "count"]]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{os.getpid()}-{path.name}")
            np.savez(temporary, waves=waves, columns=columns.to_numpy(float))
            temporary.replace(path)
        return StrainScene(waves, columns, cell)


def whole_rows(
    seed: int, cache: Path | None, tell: Tell, relax_steps: int = 40
) -> tuple[list[dict[str, Any]], list[tuple[str, pd.DataFrame]]]:
    """Figs. 4.6 to 4.9: rows, and maps of the middle size.

    All sizes are tilted about Ω₁, the middle one about Ω₂ too.
    """
    scenes = WholeScenes(seed, cache, relax_steps)
    conditions = [("defocus", defocus, 0.0, size) for size in CELLS for defocus in DEFOCI_NM]
    for axis in AXES:
        sizes = tuple(CELLS) if axis.endswith("1") else (MIDDLE_NM,)
        conditions += [(axis, 8.5, tilt, size) for size in sizes for tilt in TILTS_DEG]
    rows: list[dict[str, Any]] = []
    maps: list[tuple[str, pd.DataFrame]] = []
    for done, (axis, defocus, tilt, size) in enumerate(conditions):
        tell("whole particles", done, len(conditions))
        scene = scenes.scene(size, AXES.get(axis, (1.0, 0.0, 0.0)), tilt)
        errors = clean_errors(scene, defocus_nm=defocus)
        about = {"axis": axis, "defocus_nm": defocus, "tilt_deg": tilt, "size_nm": size}
        rows += error_rows(CASE, [errors], about)
        if size == MIDDLE_NM and (axis, defocus, tilt) in MAPS:
            words = f"{defocus:+g} nm" if axis == "defocus" else f"{tilt:g}° about {axis[-2:]}"
            maps.append((words, errors.columns[["y", "x", "error"]]))
    return rows, maps
