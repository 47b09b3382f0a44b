"""Kinetic movies: a specimen whose columns hop, gain and lose atoms, under drift; all is known.

In fcc particles the columns of the surface take part; of a compound, the classes that the recipe names, such
as the oxygen columns of CeO2, where vacancies form and heal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator
from scipy.spatial import cKDTree

from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.recipe import Recipe, draw_specimen, hash_seed
from napari_atomcount.physics.specimens import Specimen

#: Columns within this projected distance are neighbours, Å: the six of the [110] projection of Au and Pt.
NEIGHBOUR_A = 3.3


class Kinetics(BaseModel):
    """What moves, and how often. Rates are per frame and column."""

    frames: int = Field(40, ge=1)
    frame_time_s: float = Field(0.2, gt=0)
    mobile: int = Field(12, ge=0, description="columns that take part, the least coordinated ones first")
    classes: tuple[str, ...] = Field((), description="classes of columns that may take part; all if empty")
    neighbour_A: float = Field(
        NEIGHBOUR_A, gt=0, description="columns of one class within this projected distance are neighbours"
    )
    rate: float = Field(0.06, ge=0, le=1, description="hops per frame of a column of coordination 2")
    rate_per_neighbour: float = Field(
        0.75, gt=0, le=1, description="factor on the rate for each further neighbour"
    )
    partial: float = Field(
        0.0, ge=0, le=1, description="share of changes that move one atom, not the whole column"
    )
    smallest: int = Field(
        2, ge=1, description="mobile columns hold at least so many atoms when they are there"
    )
    drift: Literal["none", "walk", "steps", "oscillation"] = "walk"
    drift_nm: float = Field(
        0.01, ge=0, description="size of the drift: step of the walk, jump, or amplitude, nm"
    )
    turn_deg: float = Field(
        0.0,
        ge=-30,
        le=30,
        description="turn of the particle in the plane from the first frame to the last, counter-clockwise",
    )
    growth: float = Field(
        0.0,
        ge=-0.1,
        le=0.1,
        description="how much larger the particle is in the image in the last frame than in the first",
    )
    defocus_jitter_nm: float = Field(0.3, ge=0, description="spread of the defocus from frame to frame, nm")


class HoppingRecipe(Recipe):
    """A recipe whose images are the frames of one movie."""

    # narrower than the base on purpose: a recipe of images must not pass for one of a movie, nor the reverse
    kind: Literal["hopping"] = "hopping"  # type: ignore[assignment]
    kinetics: Kinetics = Kinetics()

    @model_validator(mode="after")
    def _classes_are_the_recipes(self) -> Self:
        unknown = set(self.kinetics.classes) - set(self.classes)
        if unknown:
            raise ValueError(f"kinetics name the class {min(unknown)}, which is none of the recipe's classes")
        return self


@dataclass
class KineticMovie:
    """A simulated movie and everything that happened in it. Positions in pixels.

    Attributes
    ----------
    frames : numpy.ndarray, shape (T, Y, X), float32
        Electrons per pixel.
    truth : pandas.DataFrame
        frame, y, x (in that frame), count, label (number of the class), site.
    events : pandas.DataFrame
        frame (the first one in the new state), y, x (of the site in frame 0), kind, site, before, after.
    drift : numpy.ndarray, shape (T, 2)
        Shift (dy, dx) of each frame against frame 0.
    states : numpy.ndarray, shape (T, S), int
        Atoms in every column.
    sites : pandas.DataFrame
        y, x in frame 0, coordination, mobile, full (atoms of the complete column), label.
    pixel_A : float
        Side of a pixel, Å.
    optics : dict of str to float
        What was drawn for the microscope, by the names of :data:`optics.DEFAULTS`; parameters that the recipe
        leaves out are zero. The defocus of a frame lies around this one by ``kinetics.defocus_jitter_nm``.
    turn : numpy.ndarray, shape (T,)
        Degrees against frame 0 about the middle of the image, counter-clockwise on the screen.
    scale : numpy.ndarray, shape (T,)
        Enlargement against frame 0, about the same point.
    """

    frames: NDArray[np.float32]
    truth: pd.DataFrame
    events: pd.DataFrame
    drift: NDArray[np.float64]
    states: NDArray[np.int64]
    sites: pd.DataFrame
    pixel_A: float
    optics: dict[str, float]
    turn: NDArray[np.float64] = dataclass_field(default_factory=lambda: np.zeros(0))
    scale: NDArray[np.float64] = dataclass_field(default_factory=lambda: np.ones(0))


def kinetic_states(
    full: NDArray[np.int64],
    coordination: NDArray[np.int64],
    kinetics: Kinetics,
    rng: np.random.Generator,
    may: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw the history of every column.

    Parameters
    ----------
    full : numpy.ndarray, shape (S,)
        Atoms of each column when it is complete.
    coordination : numpy.ndarray, shape (S,)
        Projected neighbours; rates fall with it.
    may : numpy.ndarray of bool, shape (S,), optional
        Columns that may take part; all of them if not given.

    Returns
    -------
    numpy.ndarray, shape (T, S), int
        Atoms in each column and frame.
    numpy.ndarray, shape (S,), bool
        Which columns are mobile.
    """
    number = len(full)
    fit = (full >= kinetics.smallest) & (coordination < 6) & (coordination > 0)
    eligible = np.flatnonzero(fit if may is None else fit & may)
    order = eligible[np.argsort(coordination[eligible] + rng.uniform(0, 1.5, len(eligible)), kind="stable")]
    mobile = np.zeros(number, bool)
    mobile[order[: kinetics.mobile]] = True
    rate = kinetics.rate * kinetics.rate_per_neighbour ** np.maximum(coordination - 2, 0) * mobile
    states = np.tile(full, (kinetics.frames, 1))
    states[0, mobile & (rng.random(number) < 0.4)] = 0
    for t in range(1, kinetics.frames):
        states[t] = states[t - 1]
        for s in np.flatnonzero(rng.random(number) < rate):
            now = states[t, s]
            one = rng.random() < kinetics.partial and full[s] > kinetics.smallest
            if one and now > 0:
                step = -1 if now == full[s] or (now > 1 and rng.random() < 0.5) else 1
                states[t, s] = now + step
            else:
                states[t, s] = 0 if now else full[s]
    return states, mobile


def drift_path(kinetics: Kinetics, rng: np.random.Generator) -> NDArray[np.float64]:
    """Shift (dy, dx) of every frame in nm, zero in frame 0; shape (T, 2)."""
    t = kinetics.frames
    if kinetics.drift == "none" or t == 1:
        return np.zeros((t, 2))
    if kinetics.drift == "walk":
        path = rng.normal(scale=kinetics.drift_nm, size=(t, 2)).cumsum(0)
    elif kinetics.drift == "steps":
        path = np.zeros((t, 2))
        for when in rng.choice(np.arange(1, t), size=min(3, t - 1), replace=False):
            angle = rng.uniform(0, 2 * np.pi)
            path[when:] += kinetics.drift_nm * np.array([np.sin(angle), np.cos(angle)])
    else:
        angle, period = rng.uniform(0, 2 * np.pi), rng.uniform(8, 20)
        wave = np.sin(2 * np.pi * np.arange(t) / period + rng.uniform(0, 2 * np.pi))
        path = kinetics.drift_nm * wave[:, None] * np.array([np.sin(angle), np.cos(angle)])
    return np.asarray(path - path[0])


def shift_wave(waves: NDArray[np.complex64], move: tuple[float, float]) -> NDArray[np.complex64]:
    """Shift periodic waves (…, Y, X) by a fraction of pixels (dy, dx), exactly, in Fourier space."""
    qy = np.fft.fftfreq(waves.shape[-2])[:, None]
    qx = np.fft.fftfreq(waves.shape[-1])[None, :]
    ramp = np.exp(-2j * np.pi * (qy * move[0] + qx * move[1]))
    return np.asarray(np.fft.ifft2(np.fft.fft2(waves) * ramp), dtype=np.complex64)


class KineticScene:
    """A particle, its history and its exit waves, with the optics and the dose drawn for it.

    Parameters
    ----------
    recipe : HoppingRecipe
        What to simulate.
    seed : int
        Seed of the particle, its history, drift, optics and noise, together with the recipe's own.
    """

    def __init__(self, recipe: HoppingRecipe, seed: int) -> None:
        # the order of the draws is part of the seed's meaning
        self.recipe = recipe
        self.rng = np.random.default_rng(hash_seed(recipe.seed, seed))
        self.specimen: Specimen = draw_specimen(self.rng, recipe.particle)
        truth = self.specimen.columns()
        self.index = truth.index.to_numpy()
        self.y_A, self.x_A = truth.y_A.to_numpy(), truth.x_A.to_numpy()
        self.full, self.label = truth["count"].to_numpy(), truth["label"].to_numpy()
        kinetics = recipe.kinetics
        place = np.column_stack([self.y_A, self.x_A])
        around = cKDTree(place).query_ball_point(place, kinetics.neighbour_A)
        alike = [int(np.sum(self.label[near] == own)) for near, own in zip(around, self.label, strict=True)]
        self.coordination = np.array(alike, dtype=np.int64) - 1
        names = np.array(recipe.classes)[self.label]
        may = np.isin(names, kinetics.classes) if kinetics.classes else None
        self.states, self.mobile = kinetic_states(self.full, self.coordination, kinetics, self.rng, may)
        self.drift_nm = drift_path(recipe.kinetics, self.rng)
        self.turn = np.linspace(0.0, kinetics.turn_deg, kinetics.frames)
        self.scale = np.linspace(1.0, 1.0 + kinetics.growth, kinetics.frames)
        sigma = float(recipe.thermal_A.draw(self.rng, 1)[0])
        self.snapshots = [self.specimen.displaced(sigma, self.rng) for _ in range(recipe.snapshots)]
        self.microscope = {name: float(v[0]) for name, v in recipe.draw_optics(self.rng, 1).items()}
        self.camera = {name: float(v[0]) for name, v in recipe.draw_detector(self.rng, 1).items()}

    def waves(
        self, state: NDArray[np.int64], cache: Path | None, turn_deg: float = 0.0, scale: float = 1.0
    ) -> NDArray[np.complex64]:
        """Exit waves of the particle with the given number of atoms in each column, shape (S, Y, X).

        It grows as the image of it would, in the plane only.
        """
        keep = np.ones(len(self.specimen.atoms), bool)
        for column, atoms in zip(self.index, state, strict=True):
            members = np.flatnonzero(self.specimen.column == column)
            order = members[np.argsort(self.specimen.atoms.positions[members, 2])]
            keep[order[atoms:]] = False
        turned = []
        for snapshot in self.snapshots:
            atoms = snapshot.atoms[keep]
            if turn_deg or scale != 1:
                y, x = self.turned(atoms.positions[:, 1], atoms.positions[:, 0], turn_deg, scale)
                atoms.positions[:, 0], atoms.positions[:, 1] = x, y
            turned.append(exit_wave(atoms, self.recipe.multislice, cache))
        return np.stack(turned)

    def turned(
        self, y: NDArray[np.float64], x: NDArray[np.float64], turn_deg: float, scale: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places (Å) turned and enlarged about the middle of the cell.

        Counter-clockwise on the screen: y points down.
        """
        middle = self.recipe.particle.cell_A / 2
        c, s = scale * np.cos(np.deg2rad(turn_deg)), scale * np.sin(np.deg2rad(turn_deg))
        dy, dx = y - middle, x - middle
        return middle + c * dy - s * dx, middle + s * dy + c * dx

    def positions(self, state: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean projected (y, x) of each column's atoms in this state, Å; of an empty one as if full."""
        y, x = self.y_A.copy(), self.x_A.copy()
        for s in np.flatnonzero((state > 0) & (state != self.full)):
            members = np.flatnonzero(self.specimen.column == self.index[s])
            order = members[np.argsort(self.specimen.atoms.positions[members, 2])][: state[s]]
            x[s], y[s] = self.specimen.atoms.positions[order, :2].mean(0)
        return y, x


def simulate_movie(recipe: HoppingRecipe, seed: int, cache: Path | None = None) -> KineticMovie:
    """Simulate a movie with known events.

    Parameters
    ----------
    recipe : HoppingRecipe
        Particle, kinetics, optics (one draw for the whole movie) and detector.
    seed : int
        As in :class:`KineticScene`.
    cache : pathlib.Path, optional
        Folder of exit waves.
    """
    scene = KineticScene(recipe, seed)
    frames = np.stack(list(frames_of(scene, cache)))
    pixel = pixel_of(recipe)
    truth = []
    for t, state in enumerate(scene.states):
        y, x = scene.positions(state)
        if scene.turn[t] or scene.scale[t] != 1:
            y, x = scene.turned(y, x, float(scene.turn[t]), float(scene.scale[t]))
        there = np.flatnonzero(state)
        dy, dx = scene.drift_nm[t] * 10 / pixel
        truth.append(
            pd.DataFrame(
                {
                    "frame": t,
                    "y": y[there] / pixel + dy,
                    "x": x[there] / pixel + dx,
                    "count": state[there],
                    "label": scene.label[there],
                    "site": there,
                }
            )
        )
    sites = pd.DataFrame(
        {
            "y": scene.y_A / pixel,
            "x": scene.x_A / pixel,
            "coordination": scene.coordination,
            "mobile": scene.mobile,
            "full": scene.full,
            "label": scene.label,
        }
    )
    return KineticMovie(
        frames,
        pd.concat(truth, ignore_index=True),
        events_of(scene.states, sites),
        scene.drift_nm * 10 / pixel,
        scene.states,
        sites,
        pixel,
        scene.microscope,
        scene.turn,
        scene.scale,
    )


def pixel_of(recipe: Recipe) -> float:
    """The sampling that fits the cell an even number of times, Å/px."""
    size = recipe.particle.cell_A
    return size / max(8, 2 * round(size / recipe.pixel_A / 2))


def frames_of(scene: KineticScene, cache: Path | None) -> Iterator[NDArray[np.float32]]:
    """Expose frame after frame, electrons per pixel."""
    recipe, rng = scene.recipe, scene.rng
    size = recipe.particle.cell_A
    n = round(size / pixel_of(recipe))
    last: bytes = b""
    waves: NDArray[np.complex64] = np.empty(0, np.complex64)
    for t, state in enumerate(scene.states):
        turn, scale = float(scene.turn[t]), float(scene.scale[t])
        key = state.tobytes() + np.array([turn, scale]).tobytes()
        if key != last:
            waves, last = scene.waves(state, cache, turn, scale), key
        step = size / waves.shape[-1]
        dy, dx = scene.drift_nm[t] * 10 / step
        moved = torch.from_numpy(shift_wave(waves, (float(dy), float(dx))))[None]
        defocus = scene.microscope.get("defocus_nm", 0.0)
        defocus += rng.normal(scale=recipe.kinetics.defocus_jitter_nm)
        microscope = scene.microscope | {"defocus_nm": defocus}
        ideal = optics.ideal_image(moved, (size, size), recipe.multislice.kv, microscope, (n, n))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        yield optics.detected_image(ideal, (size, size), scene.camera, noise)[0].numpy()


def events_of(states: NDArray[np.int64], sites: pd.DataFrame) -> pd.DataFrame:
    """Changes between neighbouring frames, with the frame that first shows the new state."""
    rows = []
    for t, s in np.argwhere(np.diff(states, axis=0) != 0):
        before, after = int(states[t, s]), int(states[t + 1, s])
        kind = "appear" if before == 0 else "vanish" if after == 0 else "gain" if after > before else "lose"
        rows.append((t + 1, sites.y[s], sites.x[s], kind, s, before, after))
    return pd.DataFrame(rows, columns=["frame", "y", "x", "kind", "site", "before", "after"])
