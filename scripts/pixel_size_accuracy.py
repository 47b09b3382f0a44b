"""How far the pixel size that `calibrate` finds on simulated free particles is from the true one.

Usage: python scripts/pixel_size_accuracy.py [--element Au] [--particles N] [--seed S] [--own-lattice]

Particles are those of the benchmark's second generator, relaxed with the EMT potential, imaged under
standard conditions A at 1000 e/Å². The potential's own bulk lattice is not the tabulated one (gold: 0.54 %
smaller), so that an image of such a particle is one of a crystal that does not exist. Therefore positions
and cell are scaled by the ratio of the two before the image is made: then the particle differs from the
tabulated bulk by its surface alone, as a real one does. `--own-lattice` leaves that out.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from scipy.optimize import minimize_scalar

from napari_atomcount.benchmark.scenes import MULTISLICE, OPTICS_A, ParticleSet
from napari_atomcount.measure.crystal import crystal
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.pipeline.calibrating import calibrate
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

STREAM = 25_000_000
PIXEL_A, DOSE = 0.2, 1000.0
CAMERA = {"mtf_c1": 0.05, "mtf_c2": 0.5, "mtf_c3": 2.5, "dose_e_per_A2": DOSE}


def tabulated(element: str) -> float:
    """Lattice constant that `calibrate` takes for the bulk's, Å."""
    lengths = np.unique(np.round(np.hypot(*crystal(element).reflections((1, 1, 0))[0].T), 6))
    return 10 * 2 / float(lengths[1])  # {111} is the first, {002} the second


def of_potential(element: str) -> float:
    """Lattice constant at which the EMT potential has its least energy, Å."""

    def energy(a: float) -> float:
        cell = bulk(element, "fcc", a=a, cubic=True)
        cell.calc = EMT()
        return float(cell.get_potential_energy())

    near = tabulated(element)
    found = minimize_scalar(
        energy, bounds=(0.96 * near, 1.04 * near), method="bounded", options={"xatol": 1e-6}
    )
    return float(found.x)


def inner_lattice(atoms: Atoms, near: float) -> float:
    """Lattice constant of the atoms that have twelve neighbours, by the mean distance of these, Å."""
    free = atoms.copy()
    free.pbc = False
    i, distance = neighbor_list("id", free, 0.85 * near)
    inner = np.bincount(i, minlength=len(free)) == 12
    return float(np.sqrt(2) * distance[inner[i]].mean())


def measured(element: str, seed: int, index: int, scaled: bool) -> dict[str, float]:
    """One particle: its own lattice, and the pixel size with and without what is known of small crystals."""
    family = ParticleSet(element=element, thermal_A=(0.0, 0.0), pairs=1)
    particle, _ = family.particle(seed, index)
    atoms = particle.specimen.atoms.copy()
    own, table = of_potential(element), tabulated(element)
    contracted = 1 - inner_lattice(atoms, own) / own
    if scaled:
        atoms.set_cell(atoms.cell[:] * table / own, scale_atoms=True)
    size = float(atoms.cell[0, 0])
    n = 2 * round(size / PIXEL_A / 2)
    rng = np.random.default_rng([STREAM, seed, index])
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in OPTICS_A.items()}
    wave = torch.from_numpy(exit_wave(atoms, MULTISLICE))[None, None]
    ideal = optics.ideal_image(wave, (size, size), MULTISLICE.kv, microscope, (n, n))
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    frame = optics.detected_image(ideal, (size, size), CAMERA, noise)[0].numpy()
    true_nm = size / n / 10
    movie = Movie(frame[None], Calibration(pixel_size_nm=(true_nm, true_nm)), "particle")
    found = calibrate(movie, element)["pixel_size_nm"]
    small = found["small_crystal"]
    return {
        "index": index,
        "diameter_nm": np.nan if small is None else small["diameter_nm"],
        "own contraction": 100 * contracted,
        "assumed contraction": 0.0 if small is None else 100 * small["contraction"],
        "off": 100 * (found["mean"] / true_nm - 1),
        "stated": 100 * found["mean_error"] / true_nm,
        "off as bulk": 100 * ((found["mean"] if small is None else small["mean_as_bulk"]) / true_nm - 1),
    }


def main(arguments: list[str]) -> int:
    """Measure, and print a table, in per cent."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    parser.add_argument("--element", default="Au")
    parser.add_argument("--particles", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--own-lattice", action="store_true")
    chosen = parser.parse_args(arguments)
    own, table = of_potential(chosen.element), tabulated(chosen.element)
    print(
        f"{chosen.element}: bulk {table:.4f} Å, of the potential {own:.4f} Å "
        f"({100 * (own / table - 1):+.2f} %)"
    )
    rows = []
    for index in range(chosen.particles):
        rows.append(measured(chosen.element, chosen.seed, index, not chosen.own_lattice))
        print({name: round(float(value), 3) for name, value in rows[-1].items()}, flush=True)
    off = pd.DataFrame(rows)["off"]
    print(
        f"{len(off)} particles of {chosen.element}, seed {chosen.seed}: mean {off.mean():+.2f} %, worst "
        f"{off.abs().max():.2f} %, {100 * (off.abs() <= 0.5).mean():.0f} % within 0.5 %; as bulk "
        f"{pd.DataFrame(rows)['off as bulk'].mean():+.2f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
