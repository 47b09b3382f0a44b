"""A seeded JSON recipe of simulated images: what is drawn, and its first stages, atoms and exit waves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from napari_atomcount.physics import optics
from napari_atomcount.physics.focal import FocalSeries
from napari_atomcount.physics.multislice import ExitWave, MultisliceSettings, exit_wave
from napari_atomcount.physics.specimens import Specimen
from napari_atomcount.physics.specimens.ceria import CeriaSettings, ceria
from napari_atomcount.physics.specimens.nanoparticle import NanoparticleSettings, nanoparticle
from napari_atomcount.physics.specimens.support import amorphous_film, crystalline_edge, soot

#: Generators of specimens by their name in a recipe, with the settings that each one takes.
GENERATORS: dict[str, tuple[type[BaseModel], Callable[..., Specimen]]] = {
    "fcc": (NanoparticleSettings, nanoparticle),
    "ceria": (CeriaSettings, ceria),
}


def draw_specimen(rng: np.random.Generator, settings: BaseModel) -> Specimen:
    """A random specimen by the generator that the settings belong to."""
    generator = {kind: function for kind, function in GENERATORS.values()}[type(settings)]
    return generator(rng, settings)


class Uniform(BaseModel):
    """A random number between two bounds, uniform or uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw ``size`` numbers."""
        if self.log:
            return np.asarray(np.exp(rng.uniform(np.log(self.low), np.log(self.high), size)))
        return np.asarray(rng.uniform(self.low, self.high, size))


class Regime(BaseModel):
    """One way to use the microscope: a range for every parameter of the optics that is not zero."""

    share: float = 1.0
    optics: dict[str, Uniform]


class Detector(BaseModel):
    """Dose and camera."""

    dose_e_per_A2: Uniform
    mtf_c1: Uniform
    mtf_c2: Uniform
    mtf_c3: Uniform
    camera_pixel_A: Uniform


class Surroundings(BaseModel):
    """How often a particle lies on an amorphous film or beside a crystalline edge, and how many there are."""

    film: float = Field(0.3, ge=0, le=1)
    edge: float = Field(0.15, ge=0, le=1)
    film_thickness_A: Uniform = Uniform(low=8, high=45)
    edge_thickness_A: Uniform = Uniform(low=10, high=40)
    edge_depth_A: float = 16.0
    films: int = 40
    edges: int = 40
    soots: int = Field(0, ge=0, description="number of graphitic supports, used like films")
    empty: float = Field(0.0, ge=0, le=1, description="share of images without a particle")


@dataclass
class Particle:
    """Exit waves of a particle's thermal snapshots; the truth of its columns in Å from the wave's corner."""

    waves: NDArray[np.complex64]  # (S, Y, X)
    y_A: NDArray[np.float64]
    x_A: NDArray[np.float64]
    count: NDArray[np.int64]
    label: NDArray[np.int64]  # numbers of the recipe's classes
    thermal_A: float = float("nan")  # rms thermal displacement per axis, where anything moves
    tilt_deg: tuple[float, float] = (0.0, 0.0)  # of the columns along y and x


class Recipe(BaseModel):
    """Everything that makes a set of simulated images; the same recipe and seed give the same images."""

    name: str
    kind: Literal["fcc", "ceria"] = "fcc"
    seed: int = 0
    specimens: int = Field(800, ge=1, description="number of particles")
    particle: NanoparticleSettings | CeriaSettings = NanoparticleSettings()
    classes: tuple[str, ...] = Field(
        ("column",), min_length=1, description="kinds of columns, by their label"
    )
    thermal_A: Uniform = Field(Uniform(low=0.03, high=0.11), description="rms thermal displacement per axis")
    warm_A: float | None = Field(None, description="thermal displacement from which particles are usual")
    warm_weight: float = Field(3.0, ge=1, description="how much more often usual particles are drawn")
    thick_power: float = Field(
        2.0, ge=0, description="of its largest count, in how often a particle is drawn; 0: all alike"
    )
    snapshots: int = Field(3, ge=1, le=16, description="frozen phonons averaged in an image")
    multislice: MultisliceSettings = MultisliceSettings()
    surroundings: Surroundings = Surroundings()
    regimes: list[Regime]
    focal_mean: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of images that are a mean over the focal spread, as a microscope's; "
        "in the others it is an envelope on the wave",
    )
    focal: FocalSeries | None = Field(None, description="images of a series, where one is taken")
    detector: Detector
    pixel_A: float = Field(0.2, gt=0, description="sampling of the images, Å/px")
    pixel_jitter: float = Field(
        0.05, ge=0, lt=0.3, description="largest relative error of the stated pixel size"
    )

    @model_validator(mode="before")
    @classmethod
    def _particle_of_kind(cls, data: Any) -> Any:
        """Read the particle as the settings of this recipe's own generator."""
        if isinstance(data, dict) and not isinstance(data.get("particle", {}), BaseModel):
            given = data.get("particle", {})
            name = given.get("generator", data.get("kind")) if isinstance(given, dict) else None
            settings, _ = GENERATORS.get(str(name), GENERATORS["fcc"])
            data = data | {"particle": settings.model_validate(given)}
        return data

    def stream(self, kind: int, index: int) -> np.random.Generator:
        """Random numbers of one object, independent of how many others were made before."""
        return np.random.default_rng([self.seed, kind, index])

    def specimen(self, index: int) -> Specimen:
        """Stage 1, atoms: particle number ``index``."""
        return draw_specimen(self.stream(1, index), self.particle)

    def thermal(self, index: int) -> float:
        """Thermal displacement of particle number ``index``, rms per axis, Å."""
        return float(self.thermal_A.draw(self.stream(2, index), 1)[0])

    def exit_waves(self, index: int, cache: Path | None = None) -> Particle:
        """Stage 2, exit waves: thermal snapshots of particle number ``index``, and its columns' truth."""
        path = None if cache is None else cache / f"particle-{self.particle_key(index)}.npz"
        if path is not None and path.exists():
            with np.load(path, allow_pickle=False) as stored:
                count, label = stored["count"], stored["label"]
                lean = (float(stored["tilt_deg"][0]), float(stored["tilt_deg"][1]))
                place = stored["y_A"], stored["x_A"]
                return Particle(stored["waves"], *place, count, label, self.thermal(index), lean)
        specimen = self.specimen(index)
        rng = self.stream(2, index)
        sigma = float(self.thermal_A.draw(rng, 1)[0])
        waves = np.stack(
            [exit_wave(specimen.displaced(sigma, rng).atoms, self.multislice) for _ in range(self.snapshots)]
        )
        truth = specimen.columns()
        y, x, count, label = (truth[name].to_numpy() for name in ("y_A", "x_A", "count", "label"))
        particle = Particle(waves, y, x, count, label, sigma, specimen.tilt_deg())
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp.npz")
            tilt = np.array(particle.tilt_deg)
            np.savez(temporary, waves=waves, y_A=y, x_A=x, count=count, label=label, tilt_deg=tilt)
            temporary.replace(path)
        return particle

    def particle_key(self, index: int) -> str:
        """Hash of all that a particle's exit waves depend on."""
        parts = self.model_dump(
            mode="json", include={"kind", "seed", "particle", "thermal_A", "snapshots", "multislice"}
        )
        stored = 2  # changes with what is stored
        return hashlib.sha256(json.dumps([parts, index, stored], sort_keys=True).encode()).hexdigest()[:32]

    def film(self, index: int, cache: Path | None = None) -> ExitWave:
        """Transmission of amorphous film number ``index``."""
        rng = self.stream(3, index)
        thickness = float(self.surroundings.film_thickness_A.draw(rng, 1)[0])
        return exit_wave(amorphous_film(rng, self.particle.cell_A, thickness).atoms, self.multislice, cache)

    def edge(self, index: int, cache: Path | None = None) -> ExitWave:
        """Transmission of crystalline edge number ``index``; it fills x below ``edge_depth_A``."""
        rng = self.stream(4, index)
        thickness = float(self.surroundings.edge_thickness_A.draw(rng, 1)[0])
        depth = self.surroundings.edge_depth_A
        return exit_wave(
            crystalline_edge(rng, self.particle.cell_A, depth, thickness).atoms, self.multislice, cache
        )

    def soot(self, index: int, cache: Path | None = None) -> ExitWave:
        """Transmission of graphitic support number ``index``: carbon onions with their fringes."""
        rng = self.stream(6, index)
        return exit_wave(
            soot(rng, self.particle.cell_A, int(rng.integers(1, 5))).atoms, self.multislice, cache
        )

    def draw_optics(self, rng: np.random.Generator, size: int) -> dict[str, NDArray[np.float64]]:
        """Optics of ``size`` images, each from one regime by its share."""
        shares = np.array([regime.share for regime in self.regimes])
        which = rng.choice(len(shares), size=size, p=shares / shares.sum())
        names = sorted({name for regime in self.regimes for name in regime.optics})
        drawn = {name: np.full(size, optics.DEFAULTS[name]) for name in names}
        for number, regime in enumerate(self.regimes):
            for name, uniform in regime.optics.items():
                drawn[name] = np.where(which == number, uniform.draw(rng, size), drawn[name])
        if self.focal_mean > 0:
            drawn["focal_mean"] = (rng.random(size) < self.focal_mean).astype(float)
        return drawn

    def draw_detector(self, rng: np.random.Generator, size: int) -> dict[str, NDArray[np.float64]]:
        """Dose and camera of ``size`` images."""
        return {
            name: getattr(self.detector, name).draw(rng, size) for name in type(self.detector).model_fields
        }


def hash_seed(*parts: int) -> int:
    """One seed from several."""
    return int(np.random.SeedSequence(list(parts)).generate_state(1)[0])
