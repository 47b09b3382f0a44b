"""Test images of a columns model: unseen particles, their exit waves, and the conditions that image them."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import platformdirs
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import ExitWave, MultisliceSettings, exit_wave
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.physics.specimens import Specimen
from napari_atomcount.physics.specimens.nanoparticle import NanoparticleSettings, nanoparticle
from napari_atomcount.physics.specimens.support import amorphous_film, crystalline_edge
from napari_atomcount.physics.specimens.wulff import (
    WulffParticle,
    WulffSettings,
    thermal_pairs,
    wulff_particle,
)

#: Test particles are drawn from streams that start with this number; trainings use other ones.
STREAM = 7_700_000
#: Finer slices than a training's: the test is the better simulation.
MULTISLICE = MultisliceSettings(slice_A=1.4)
#: Field of view of the training generator's particles, Å.
OTHER_CELL_A = 51.2
#: Atoms with few neighbours move more than the inner ones by this factor.
SURFACE_MOTION = 1.2
#: Over this width the wave of a small cell goes over into the vacuum of a larger one, Å.
SEAM_A = 2.0


def cache_folder() -> Path:
    """Where exit waves of the benchmark lie: ATOMCOUNT_CACHE, or the user's cache folder."""
    chosen = os.environ.get("ATOMCOUNT_CACHE")
    root = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("napari-atomcount", appauthor=False))
    return root / "benchmark"


class ParticleSet(BaseModel):
    """A seeded family of test particles."""

    generator: Literal["wulff", "training"] = "wulff"
    element: str = "Au"
    diameter_A: tuple[float, float] = (20.0, 45.0)
    tilt_deg: tuple[float, float] = (0.0, 2.0)
    missing: int = 0
    isolated: int = 0
    thermal_A: tuple[float, float] = (0.07, 0.10)
    pairs: int = 2
    relax_steps: int = 40

    @property
    def cell_A(self) -> float:
        """Side of the square field of view, Å."""
        return WulffSettings().cell_A if self.generator == "wulff" else OTHER_CELL_A

    def particle(self, seed: int, index: int) -> tuple[WulffParticle, float]:
        """Atoms of particle number ``index``, and the thermal displacement to use, Å."""
        thermal = float(np.random.default_rng([STREAM, seed, index]).uniform(*self.thermal_A))
        still = self.model_copy(update={"thermal_A": (0.0, 0.0), "pairs": 1})
        return relaxed_particle(still.model_dump_json(), seed, index), thermal


@lru_cache(maxsize=8)
def relaxed_particle(particles: str, seed: int, index: int) -> WulffParticle:
    """Atoms of a particle; kept for a while, since families that differ in their motion share them."""
    family = ParticleSet.model_validate_json(particles)
    rng = np.random.default_rng([STREAM, seed, index])
    rng.uniform()  # the thermal displacement's draw
    if family.generator == "wulff":
        settings = WulffSettings(
            element=family.element,
            diameter_A=family.diameter_A,
            tilt_deg=family.tilt_deg,
            missing=family.missing,
            isolated=family.isolated,
            relax_steps=family.relax_steps,
        )
        return wulff_particle(rng, settings)
    other = NanoparticleSettings(
        elements={family.element: 1.0},
        diameter_A=family.diameter_A,
        tilt_deg=family.tilt_deg,
        cell_A=OTHER_CELL_A,
        relax=1.0,
        relax_steps=family.relax_steps,
    )
    return WulffParticle(nanoparticle(rng, other), no_places(), [])


def no_places() -> pd.DataFrame:
    """An empty table of places in Å."""
    return pd.DataFrame({"y_A": [], "x_A": [], "count": []}, dtype=float)


@dataclass
class Scene:
    """Exit waves of one test particle and its truth, Å from the wave's corner."""

    waves: NDArray[np.complex64]  # (S, Y, X)
    columns: pd.DataFrame  # y_A, x_A, count, isolated
    missing: pd.DataFrame  # y_A, x_A
    cell_A: float


def scene(particles: ParticleSet, seed: int, index: int, cache: Path | None) -> Scene:
    """Simulate the exit waves of a test particle, or read them from the cache.

    Parameters
    ----------
    particles : ParticleSet
        The family.
    seed, index : int
        Seed of the benchmark and number of the particle.
    cache : pathlib.Path, optional
        Folder of earlier ones.
    """
    parts = [particles.model_dump(mode="json"), MULTISLICE.model_dump(mode="json"), STREAM, seed, index, 1]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    path = None if cache is None else cache / f"scene-{key}.npz"
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            columns = pd.DataFrame(stored["columns"], columns=["y_A", "x_A", "count", "isolated"])
            columns = columns.astype({"count": np.int64, "isolated": bool})
            missing = pd.DataFrame(stored["missing"], columns=["y_A", "x_A"])
            return Scene(stored["waves"], columns, missing, particles.cell_A)
    particle, _ = particles.particle(seed, index)
    waves = np.stack([exit_wave(s.atoms, MULTISLICE) for s in snapshots_of(particles, seed, index)])
    columns = particle.specimen.columns()
    columns["isolated"] = np.isin(columns.index, particle.isolated)
    columns = columns[["y_A", "x_A", "count", "isolated"]]
    missing = particle.missing[["y_A", "x_A"]]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        np.savez(temporary, waves=waves, columns=columns.to_numpy(float), missing=missing.to_numpy(float))
        temporary.replace(path)
    return Scene(waves, columns.reset_index(drop=True), missing, particles.cell_A)


def snapshots_of(particles: ParticleSet, seed: int, index: int) -> list[Specimen]:
    """The thermal snapshots whose images make up one exposure; one where nothing moves."""
    particle, thermal = particles.particle(seed, index)
    if not thermal:
        return [particle.specimen]
    rng = np.random.default_rng([STREAM, seed, index, 1])
    surface = SURFACE_MOTION if particles.generator == "wulff" else 1.0
    return thermal_pairs(particle.specimen, thermal, particles.pairs, rng, surface)


def fixed(value: float) -> Uniform:
    """A range of one value."""
    return Uniform(low=value, high=value)


#: Optics and camera of standard conditions A.
OPTICS_A = {
    "defocus_nm": Uniform(low=6.0, high=10.0),
    "cs_um": fixed(-10.0),
    "convergence_mrad": fixed(0.15),
    "focal_spread_nm": fixed(2.9),
    "vibration_nm": fixed(0.025),
}
CAMERA_A = {"mtf_c1": fixed(0.05), "mtf_c2": fixed(0.5), "mtf_c3": fixed(2.5)}
#: Partial coherence as a microscope has it, in place of the thesis' envelopes; how rows say so.
FOCAL_MEAN = {"focal_mean": fixed(1.0)}
MEANT = "the focal spread a mean over focus"
#: Foci of such a mean.
FOCI = 60
#: All of Table 6.1 at 300 kV, both contrasts.
OPTICS_WIDE = {
    "defocus_nm": Uniform(low=-20.0, high=20.0),
    "cs_um": Uniform(low=-20.0, high=20.0),
    "c5_mm": Uniform(low=0.0, high=5.0),
    "astigmatism_nm": Uniform(low=0.0, high=10.0),
    "astigmatism_deg": Uniform(low=0.0, high=360.0),
    "convergence_mrad": fixed(0.15),
    "focal_spread_nm": Uniform(low=2.0, high=4.0),
    "vibration_nm": Uniform(low=0.0, high=0.025),
}
CAMERA_WIDE = {
    "mtf_c1": Uniform(low=0.0, high=0.1),
    "mtf_c2": Uniform(low=0.4, high=0.6),
    "mtf_c3": Uniform(low=2.0, high=3.0),
}


class Condition(BaseModel):
    """How test particles are imaged; everything not named is zero."""

    name: str
    title: str
    particles: ParticleSet = ParticleSet()
    optics: dict[str, Uniform] = OPTICS_A
    camera: dict[str, Uniform] = CAMERA_A
    dose_e_per_A2: Uniform
    pixel_A: Uniform = fixed(0.2)
    surroundings: Literal["vacuum", "film", "edge"] = "vacuum"
    crop_nm: float | None = None  # side of a window through the particle
    view_nm: float | None = None  # side of the field of view: cropped, or with more vacuum around
    dose_stated: bool = True  # to the program, as a user would
    level_error: float | None = None  # relative standard error of a stated beam level; None: not stated
    draws: str = ""  # conditions of one name here share their random optics, noise and places
    share: float = 1.0  # images for each particle of the set that is asked for
    axis: str = ""  # the curve that this condition is a point of
    at: float = float("nan")


@dataclass
class Picture:
    """One test image with its truth in px."""

    frame: NDArray[np.float32]  # (Y, X) electrons per pixel
    pixel_nm: float
    truth: pd.DataFrame  # y, x, count, isolated
    missing: pd.DataFrame  # y, x
    parameters: dict[str, float] = field(default_factory=dict)
    dose_stated: bool = True
    beam_level: float | None = None  # as stated to the program


def picture(condition: Condition, seed: int, index: int, number: int, cache: Path | None) -> Picture:
    """Image number ``index`` of a condition, of particle ``index % number``; noise on the camera's grid."""
    rng = np.random.default_rng([STREAM, seed, zlib.crc32(condition.name.encode()), index])
    base = scene(condition.particles, seed, index % number, cache)
    size = base.cell_A
    waves, columns, missing = base.waves, base.columns, base.missing
    move = (0.0, 0.0)
    if condition.surroundings != "vacuum":
        waves, move = beside(condition, waves, columns, rng, seed, size, cache)
    if condition.draws:
        rng = np.random.default_rng([STREAM, seed, zlib.crc32(condition.draws.encode()), index])
    if condition.view_nm is not None and 10 * condition.view_nm > size:
        place = np.random.default_rng([STREAM, seed, 4, index])  # leaves the other draws as they are
        waves, move, size = in_more_vacuum(waves, size, 10 * condition.view_nm, place)
    columns, missing = (t.assign(y_A=t.y_A + move[0], x_A=t.x_A + move[1]) for t in (columns, missing))
    n = max(8, 2 * round(size / float(condition.pixel_A.draw(rng, 1)[0]) / 2))
    pixel_A = size / n
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
    camera = {name: float(u.draw(rng, 1)[0]) for name, u in condition.camera.items()}
    camera["dose_e_per_A2"] = float(condition.dose_e_per_A2.draw(rng, 1)[0])
    wave = torch.from_numpy(waves)[None]
    ideal = optics.ideal_image(wave, (size, size), MULTISLICE.kv, microscope, (n, n), FOCI)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    frame = optics.detected_image(ideal, (size, size), camera, noise)[0].numpy()
    truth, gaps = (t.assign(y=t.y_A / pixel_A, x=t.x_A / pixel_A) for t in (columns, missing))
    if condition.crop_nm is not None:
        side = round(condition.crop_nm * 10 / pixel_A)
        top, left = (round(float(truth[k].mean() + rng.uniform(-0.25, 0.25) * side - side / 2)) for k in "yx")
        top, left = (int(np.clip(start, 0, n - side)) for start in (top, left))
        frame = frame[top : top + side, left : left + side]
        truth, gaps = (cut(t, top, left, side) for t in (truth, gaps))
    elif condition.view_nm is not None and 10 * condition.view_nm < size:
        side = round(condition.view_nm * 10 / pixel_A)
        top, left = (int(np.clip(round(float(truth[k].mean() - side / 2)), 0, n - side)) for k in "yx")
        frame = frame[top : top + side, left : left + side]
        truth, gaps = (cut(t, top, left, side) for t in (truth, gaps))
    parameters = microscope | camera | {"pixel_A": pixel_A}
    level = None
    if condition.level_error is not None:
        level = camera["dose_e_per_A2"] * pixel_A**2 * float(rng.normal(1, condition.level_error))
    return Picture(frame, pixel_A / 10, truth, gaps, parameters, condition.dose_stated, level)


def cut(table: pd.DataFrame, top: int, left: int, side: int) -> pd.DataFrame:
    """Rows inside a window, in the window's coordinates."""
    table = table.assign(y=table.y - top, x=table.x - left)
    return table[table.y.between(-0.5, side - 0.5) & table.x.between(-0.5, side - 0.5)]


#: Different films and edges of one benchmark.
SURROUNDINGS = 6
EDGE_DEPTH_A = 12.0


def beside(
    condition: Condition,
    waves: NDArray[np.complex64],
    columns: pd.DataFrame,
    rng: np.random.Generator,
    seed: int,
    size: float,
    cache: Path | None,
) -> tuple[NDArray[np.complex64], tuple[float, float]]:
    """Put the particle on a film or beside a crystalline edge; returns its shift (dy, dx) in Å too."""
    number = int(rng.integers(SURROUNDINGS))
    own = np.random.default_rng([STREAM, seed, 2, number])
    n = waves.shape[-1]
    if condition.surroundings == "film":
        film = exit_wave(amorphous_film(own, size, own.uniform(15, 40)).atoms, MULTISLICE, cache)
        return rolled(waves, 0, 0) * rolled(film, *rng.integers(0, n, 2)), (0.0, 0.0)
    edge = exit_wave(crystalline_edge(own, size, EDGE_DEPTH_A, own.uniform(15, 35)).atoms, MULTISLICE, cache)
    gap = rng.uniform(1.5, 4.0)
    steps = round((EDGE_DEPTH_A + gap - columns.x_A.min()) * n / size)
    together = rolled(waves, 0, steps) * rolled(edge, int(rng.integers(0, n)), 0)
    return together, (0.0, steps * size / n)


def in_more_vacuum(
    waves: ExitWave, size_A: float, wanted_A: float, rng: np.random.Generator
) -> tuple[ExitWave, tuple[float, float], float]:
    """Set the waves of a free particle into a larger empty field of view, at a random place.

    The wave beside a particle is the beam's: the particle's own cell ends 4 Å beyond its atoms, and what is
    left of their scattering there is blended into the beam.

    Returns
    -------
    numpy.ndarray, shape (S, Y, X)
        Waves of the larger field.
    tuple of float
        Shift (dy, dx) of the particle, Å.
    float
        Side of the field, Å.
    """
    n = waves.shape[-1]
    pixel = size_A / n
    large = 2 * round(wanted_A / pixel / 2)
    from_border = np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) * pixel
    seam = 0.5 - 0.5 * np.cos(np.pi * np.clip(from_border / SEAM_A, 0, 1))
    weight = np.minimum(seam[:, None], seam[None, :]).astype(np.float32)
    top, left = (int(k) for k in rng.integers(0, large - n + 1, 2))
    out = np.empty((len(waves), large, large), np.complex64)
    for one, wave in zip(out, waves, strict=True):
        rim = np.concatenate([wave[0], wave[-1], wave[:, 0], wave[:, -1]])
        beam = np.complex64(rim.mean() / abs(rim.mean()))
        one[:] = beam
        one[top : top + n, left : left + n] += weight * (wave - beam)
    return out, (top * pixel, left * pixel), large * pixel


def rolled(wave: ExitWave, dy: int, dx: int) -> NDArray[np.complex64]:
    """Shift a periodic wave (…, Y, X) by whole pixels."""
    return np.asarray(np.roll(wave, (int(dy), int(dx)), axis=(-2, -1)))


def prepare(
    conditions: list[Condition],
    number: dict[str, int],
    seed: int,
    cache: Path | None,
    tell: Callable[[str, int, int], None],
) -> None:
    """Simulate all exit waves that conditions need; ``number`` of particles by the condition's name.

    Families that differ in their motion only stand beside each other: each particle is relaxed once.
    """
    wanted: dict[tuple[int, str], ParticleSet] = {}
    for condition in conditions:
        for index in range(number[condition.name]):
            wanted[(index, condition.particles.model_dump_json())] = condition.particles
    for done, ((index, _), particles) in enumerate(sorted(wanted.items(), key=lambda item: item[0][0])):
        tell("exit waves", done, len(wanted))
        scene(particles, seed, index, cache)
    tell("exit waves", len(wanted), len(wanted))


def specimen_of(particles: ParticleSet, seed: int, index: int) -> Specimen:
    """The atoms behind a test image, to look at."""
    return particles.particle(seed, index)[0].specimen
