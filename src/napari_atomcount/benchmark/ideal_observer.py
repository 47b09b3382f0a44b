"""The limit: how well anyone could count from one image who knows everything but this column's count.

Two known images of mean counts I0 and I1 are told apart by their Poisson likelihood ratio with
d'² = Σ (I1 - I0)² / ((I0 + I1) / 2), and mistaken with probability Q(d'/2). The camera's MTF is not in it: it
blurs the electrons after they were counted, the noise with the signal (thesis eq. 2.22), and as it is nowhere
zero the blur can be undone, so that the blurred image says exactly as much as the electrons did.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from napari_atomcount.benchmark.scenes import MULTISLICE, STREAM, ParticleSet, scene, snapshots_of
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.physics.specimens import Specimen

Doubles = NDArray[np.float64]
Tell = Callable[[str, int, int], None]

#: Columns that change at once lie this far apart; beyond the window nothing of a column's change is left.
APART_A = 10.5
WINDOW_A = 5.0
#: Distance of two atoms in a column over the lattice constant of an fcc metal in [110].
STEP = 1 / np.sqrt(2)
PIXEL_A = 0.2
#: Groups of counts, as (lowest, highest, words).
GROUPS = ((1, 1, "1"), (3, 5, "3–5"), (6, 9, "6–9"), (10, 14, "10–14"))


def detectability(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """d'² of two images of known mean counts per pixel.

    Parameters
    ----------
    first, second : numpy.ndarray, same shape
        Mean electrons per pixel, positive.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    return float(np.sum((b - a) ** 2 / ((a + b) / 2)))


def mistaken(d_squared: NDArray[np.floating] | float) -> Doubles:
    """Probability of taking one of two equally likely images for the other, Q(d'/2)."""
    return np.asarray(norm.sf(np.sqrt(d_squared) / 2), dtype=np.float64)


@dataclass(frozen=True)
class Observer:
    """What one more and one fewer atom change, for many columns.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each column: image, count, fewer, more: d'² per e/Å² against one atom fewer and more.
    """

    table: pd.DataFrame

    def count_error(self, dose: float) -> float:
        """Share of columns that the observer counts wrongly: too few or too many; none is no count."""
        t = self.table
        few = np.where(t["count"] > 1, mistaken(t.fewer.to_numpy() * dose), 0.0)
        return float(np.mean(np.minimum(1, few + mistaken(t.more.to_numpy() * dose))))

    def missed(self, dose: float) -> float:
        """Probability that a column of one atom is taken for none, or none for it; NaN without any."""
        single = self.table[self.table["count"] == 1]
        return float(mistaken(single.fewer.to_numpy() * dose).mean()) if len(single) else float("nan")

    def dose_at(self, error: float) -> float:
        """Dose at which so many counts are wrong, e/Å²."""
        return float(np.exp(brentq(lambda log: self.count_error(np.exp(log)) - error, 0.0, np.log(1e8))))

    def groups(self, doses: Sequence[float]) -> pd.DataFrame:
        """Median error of one atom fewer, by groups of counts: a column for each dose.

        Returns
        -------
        pandas.DataFrame
            atoms, columns, and one column for each dose, named by it.
        """
        rows = []
        for low, high, words in GROUPS:
            own = self.table[self.table["count"].between(low, high)].fewer.to_numpy()
            errors = {f"{d:g}": float(np.median(mistaken(own * d))) if len(own) else np.nan for d in doses}
            rows.append({"atoms": words, "columns": len(own)} | errors)
        return pd.DataFrame(rows)


def observe(
    particles: ParticleSet,
    microscope: dict[str, Uniform],
    images: int,
    seed: int,
    cache: Path | None,
    tell: Tell,
    sets: int = 3,
) -> Observer:
    """Change columns of test particles by one atom and compare the images.

    Parameters
    ----------
    particles : ParticleSet
        The family; the images are means over its thermal snapshots, as in the benchmark.
    microscope : dict
        Optics, drawn anew for each particle.
    images, seed : int
        Particles 0 … images - 1 of the benchmark of this seed.
    cache : pathlib.Path, optional
        Folder of earlier results.
    tell : callable
        ``tell(stage, done, total)``.
    sets : int
        Exposures of each particle; in each, columns far enough apart are changed at once.
    """
    tables = []
    for index in range(images):
        tell("ideal observer", index, images)
        tables.append(one_particle(particles, microscope, seed, index, sets, cache))
    tell("ideal observer", images, images)
    return Observer(pd.concat(tables, ignore_index=True))


FIELDS = ("image", "count", "fewer", "more")


def one_particle(
    particles: ParticleSet,
    microscope: dict[str, Uniform],
    seed: int,
    index: int,
    sets: int,
    cache: Path | None,
) -> pd.DataFrame:
    """What :class:`Observer` holds, of one particle; kept in the cache."""
    parts = [
        particles.model_dump(mode="json"),
        {name: u.model_dump() for name, u in microscope.items()},
        MULTISLICE.model_dump(mode="json"),
        [STREAM, seed, index, sets, APART_A, WINDOW_A, PIXEL_A, 1],
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    path = None if cache is None else cache / f"observer-{key}.npy"
    if path is not None and path.exists():
        stored = np.load(path, allow_pickle=False)
    else:
        stored = np.array(changes(particles, microscope, seed, index, sets, cache), float).reshape(-1, 4)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{os.getpid()}-{path.name}")
            np.save(temporary, stored)
            temporary.replace(path)
    return pd.DataFrame(stored, columns=list(FIELDS)).astype({"image": np.int64, "count": np.int64})


def changes(
    particles: ParticleSet,
    microscope: dict[str, Uniform],
    seed: int,
    index: int,
    sets: int,
    cache: Path | None,
) -> list[tuple[float, ...]]:
    """Rows (image, count, d'² per dose of one atom fewer and of one more)."""
    rng = np.random.default_rng([STREAM, seed, 3, index])
    drawn = {name: float(u.draw(rng, 1)[0]) for name, u in microscope.items()}
    base = scene(particles, seed, index, cache)
    snapshots = snapshots_of(particles, seed, index)
    step = STEP * lattice_constant(particles.element)
    whole = image(base.waves, base.cell_A, drawn)
    truth = snapshots[0].columns()
    places = particles.particle(seed, index)[0].specimen.columns()[["y_A", "x_A"]].to_numpy()
    rows: list[tuple[float, ...]] = []
    left = np.arange(len(truth))
    for _ in range(sets):
        chosen = apart(places, left, rng)
        if not len(chosen):
            break
        left = np.setdiff1d(left, chosen)
        numbers = truth.index.to_numpy()[chosen]
        top = rng.random(len(chosen)) < 0.5
        results = []
        for more in (False, True):
            altered = [with_one(s, numbers, top, step, more=more) for s in snapshots]
            waves = np.stack([exit_wave(s.atoms, MULTISLICE) for s in altered])
            results.append(image(waves, base.cell_A, drawn))
        counts = truth["count"].to_numpy()[chosen]
        for place, count in zip(places[chosen], counts, strict=True):
            near = window(whole.shape, place)
            per_dose = [PIXEL_A**2 * detectability(whole[near], other[near]) for other in results]
            rows.append((index, count, *per_dose))
    return rows


def image(waves: NDArray[np.complexfloating], cell_A: float, microscope: dict[str, float]) -> Doubles:
    """Mean intensity of the snapshots at :data:`PIXEL_A`, no camera; 1 is the beam."""
    n = round(cell_A / PIXEL_A)
    ideal = optics.ideal_image(
        torch.from_numpy(waves)[None], (cell_A, cell_A), MULTISLICE.kv, microscope, (n, n)
    )
    return np.asarray(ideal[0].clamp(min=1e-6).numpy(), dtype=np.float64)


def apart(places: Doubles, left: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """Random ones of the ``left`` columns, no two nearer than :data:`APART_A`."""
    chosen: list[int] = []
    for k in rng.permutation(left):
        if all(np.hypot(*(places[k] - places[other])) >= APART_A for other in chosen):
            chosen.append(int(k))
    return np.array(chosen, np.int64)


def with_one(
    specimen: Specimen, numbers: NDArray[np.integer], top: NDArray[np.bool_], step: float, *, more: bool
) -> Specimen:
    """Add an atom to, or take one from, an end of each of some columns.

    Parameters
    ----------
    numbers : numpy.ndarray of int
        The columns, as in ``specimen.column``.
    top : numpy.ndarray of bool
        At which end: the beam's exit, or its entrance.
    step : float
        Distance of the new atom from the last one along the beam, Å.
    more : bool
        Add or take.
    """
    atoms, column = specimen.atoms.copy(), specimen.column.copy()
    thickness = float(atoms.cell[2, 2])
    gone = []
    for number, last in zip(numbers, top, strict=True):
        members = np.flatnonzero(specimen.column == number)
        z = specimen.atoms.positions[members, 2]
        end = members[z.argmax() if last else z.argmin()]
        if not more:
            gone.append(end)
            continue
        new = specimen.atoms[[end]]
        new.positions[0, 2] += step if last else -step
        new.positions[0, 2] = np.clip(new.positions[0, 2], 0.05, thickness - 0.05)
        atoms += new
        column = np.append(column, number)
    keep = np.setdiff1d(np.arange(len(atoms)), gone)
    return Specimen(atoms[keep], column[keep], specimen.notes)


def lattice_constant(element: str) -> float:
    """Of an fcc metal, Å."""
    from ase.data import atomic_numbers, reference_states

    return float(reference_states[atomic_numbers[element]]["a"])


def window(shape: tuple[int, ...], place: Doubles) -> NDArray[np.bool_]:
    """Pixels within :data:`WINDOW_A` of a place (y, x) in Å."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((y * PIXEL_A - place[0]) ** 2 + (x * PIXEL_A - place[1]) ** 2 <= WINDOW_A**2)
