"""Test images of CeO2 in [110]: specimens of the second generator, their exit waves, the conditions."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_atomcount.benchmark.scenes import CAMERA_A, FOCI, MULTISLICE, STREAM, Picture, fixed
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.physics.specimens.ceria_cluster import ClusterSettings, ceria_cluster
from napari_atomcount.physics.specimens.wulff import WulffParticle, thermal_pairs

#: Names of the columns, by the numbers of the generator's labels.
CLASSES = ("Ce", "O")
#: Specimen number i is of kind i modulo six: every condition holds them all.
KINDS: tuple[tuple[Literal["particle", "slab"], Literal["flat", "stepped", "saw-tooth"]], ...] = (
    ("particle", "flat"),
    ("slab", "flat"),
    ("particle", "stepped"),
    ("slab", "stepped"),
    ("particle", "saw-tooth"),
    ("slab", "saw-tooth"),
)
#: The microscope: C3 about -9 µm, C5 5 mm, overfocus; everything not named is zero.
OPTICS = {
    "defocus_nm": Uniform(low=1.0, high=9.0),
    "cs_um": Uniform(low=-10.0, high=-8.0),
    "c5_mm": fixed(5.0),
    "convergence_mrad": fixed(0.15),
    "focal_spread_nm": fixed(2.9),
    "vibration_nm": fixed(0.025),
}


class CeriaSet(BaseModel):
    """A seeded family of test specimens: particles and slabs in turn, with each kind of surface."""

    tilt_deg: tuple[float, float] = (0.0, 2.0)
    missing: int = 1
    thermal_A: tuple[float, float] = (0.05, 0.08)
    pairs: int = 2

    @property
    def cell_A(self) -> float:
        """Side of the square field of view, Å."""
        return ClusterSettings().cell_A

    def specimen(self, seed: int, index: int) -> tuple[WulffParticle, float]:
        """Atoms of specimen number ``index``, and the thermal displacement of its cerium, Å."""
        return drawn(self.model_dump_json(), seed, index)


@lru_cache(maxsize=4)
def drawn(family: str, seed: int, index: int) -> tuple[WulffParticle, float]:
    """The specimen of a family (its JSON), kept for a while."""
    own = CeriaSet.model_validate_json(family)
    rng = np.random.default_rng([STREAM, 3, seed, index])
    thermal = float(rng.uniform(*own.thermal_A))
    form, surface = KINDS[index % len(KINDS)]
    settings = ClusterSettings(form=form, surface=surface, tilt_deg=own.tilt_deg, missing=own.missing)
    return ceria_cluster(rng, settings), thermal


class CeriaCondition(BaseModel):
    """How the specimens are imaged."""

    name: str
    title: str
    specimens: CeriaSet = CeriaSet()
    optics: dict[str, Uniform] = OPTICS
    camera: dict[str, Uniform] = CAMERA_A
    dose_e_per_A2: Uniform
    pixel_A: Uniform = fixed(0.1)
    axis: str = ""  # the curve that this condition is a point of
    at: float = float("nan")


@dataclass
class CeriaScene:
    """Exit waves of one specimen and its truth, Å from the wave's corner."""

    waves: NDArray[np.complex64]  # (S, Y, X)
    columns: pd.DataFrame  # y_A, x_A, count, label (number)
    missing: pd.DataFrame  # y_A, x_A


def scene(family: CeriaSet, seed: int, index: int, cache: Path | None) -> CeriaScene:
    """Simulate the exit waves of a specimen, or read them from the cache.

    Parameters
    ----------
    family : CeriaSet
        What is drawn.
    seed, index : int
        Seed of the benchmark and number of the specimen.
    cache : pathlib.Path, optional
        Folder of earlier ones.
    """
    parts = ["ceria", family.model_dump(mode="json"), MULTISLICE.model_dump(mode="json"), STREAM, seed, index]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    path = None if cache is None else cache / f"ceria-{key}.npz"
    names, places = ["y_A", "x_A", "count", "label"], ["y_A", "x_A"]
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            columns = pd.DataFrame(stored["columns"], columns=names)
            columns = columns.astype({"count": np.int64, "label": np.int64})
            return CeriaScene(stored["waves"], columns, pd.DataFrame(stored["missing"], columns=places))
    particle, thermal = family.specimen(seed, index)
    rng = np.random.default_rng([STREAM, 4, seed, index])
    snapshots = thermal_pairs(particle.specimen, thermal, family.pairs, rng)
    waves = np.stack([exit_wave(s.atoms, MULTISLICE) for s in snapshots])
    columns = particle.specimen.columns()[names].reset_index(drop=True)
    missing = particle.missing[places]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        np.savez(temporary, waves=waves, columns=columns.to_numpy(float), missing=missing.to_numpy(float))
        temporary.replace(path)
    return CeriaScene(waves, columns, missing)


def picture(condition: CeriaCondition, seed: int, index: int, cache: Path | None) -> Picture:
    """Image number ``index`` of a condition; its truth has the names of the classes as ``label``."""
    rng = np.random.default_rng([STREAM, 5, seed, zlib.crc32(condition.name.encode()), index])
    base, size = scene(condition.specimens, seed, index, cache), condition.specimens.cell_A
    n = max(8, 2 * round(size / float(condition.pixel_A.draw(rng, 1)[0]) / 2))
    pixel_A = size / n
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
    camera = {name: float(u.draw(rng, 1)[0]) for name, u in condition.camera.items()}
    camera["dose_e_per_A2"] = float(condition.dose_e_per_A2.draw(rng, 1)[0])
    waves = torch.from_numpy(base.waves)[None]
    ideal = optics.ideal_image(waves, (size, size), MULTISLICE.kv, microscope, (n, n), FOCI)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    frame = optics.detected_image(ideal, (size, size), camera, noise)[0].numpy()
    truth, gaps = (t.assign(y=t.y_A / pixel_A, x=t.x_A / pixel_A) for t in (base.columns, base.missing))
    truth["label"] = np.array(CLASSES)[truth.label.to_numpy()]
    return Picture(frame, pixel_A / 10, truth, gaps, microscope | camera | {"pixel_A": pixel_A})


@dataclass(frozen=True)
class CeriaPictures:
    """The test images of one condition, made when they are asked for."""

    condition: CeriaCondition
    seed: int
    number: int
    cache: Path | None

    def __iter__(self) -> Iterator[Picture]:
        """Make one image after the other."""
        for index in range(self.number):
            yield picture(self.condition, self.seed, index, self.cache)

    def parts(self) -> list[Any]:
        """All that they depend on, fit for JSON."""
        return ["ceria", self.condition.model_dump(mode="json"), self.seed, self.number]


def prepare(
    conditions: list[CeriaCondition],
    number: dict[str, int],
    seed: int,
    cache: Path | None,
    tell: Callable[[str, int, int], None],
) -> None:
    """Simulate all exit waves that conditions need; ``number`` of specimens by the condition's name."""
    wanted: dict[tuple[str, int], CeriaSet] = {}
    for condition in conditions:
        for index in range(number[condition.name]):
            wanted[(condition.specimens.model_dump_json(), index)] = condition.specimens
    for done, ((_, index), family) in enumerate(wanted.items()):
        tell("exit waves", done, len(wanted))
        scene(family, seed, index, cache)
    tell("exit waves", len(wanted), len(wanted))
