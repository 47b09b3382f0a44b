"""The later stages of a recipe: exit waves put into scenes, ideal images, detected images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_atomcount.physics import optics
from napari_atomcount.physics.focal import Exposure, exposed
from napari_atomcount.physics.recipe import Particle, Recipe, hash_seed

Scene = Particle  # a particle in its surroundings, ready for the optics


class WaveBank:
    """The exit waves of a recipe, combined into ever new scenes.

    Those of particles are read from the cache when they are drawn, so that thousands need little memory;
    without a cache they are held.

    Parameters
    ----------
    recipe : Recipe
        What to simulate.
    indices : sequence of int
        Numbers of the particles.
    cache : pathlib.Path, optional
        Folder of exit waves; missing ones are simulated.
    """

    def __init__(self, recipe: Recipe, indices: list[int], cache: Path | None = None) -> None:
        self.recipe, self.indices, self.cache = recipe, list(indices), cache
        self._held: list[Particle] = []
        thickest = np.zeros(len(indices))
        for position, index in enumerate(indices):
            particle = recipe.exit_waves(index, cache)
            thickest[position] = particle.count.max()
            if cache is None:
                self._held.append(particle)
        # thick columns are rare and the hardest to count: particles that hold them are drawn more often
        weights = thickest**recipe.thick_power
        # damping by thermal motion is hard to tell from fewer atoms: most specimens are at room temperature
        if recipe.warm_A is not None:
            thermal = np.array([recipe.thermal(index) for index in indices])
            weights *= np.where(thermal >= recipe.warm_A, recipe.warm_weight, 1.0)
        self.shares = weights / weights.sum()
        around = recipe.surroundings
        nothing = around.empty > 0
        self.films = [recipe.film(i, cache) for i in range(around.films if around.film or nothing else 0)]
        self.films += [recipe.soot(i, cache) for i in range(around.soots if around.film or nothing else 0)]
        self.edges = [recipe.edge(i, cache) for i in range(around.edges if around.edge or nothing else 0)]

    def particle(self, position: int) -> Particle:
        """The particle at this position in the bank."""
        if self.cache is None:
            return self._held[position]
        return self.recipe.exit_waves(self.indices[position], self.cache)

    def empty_scene(self, rng: np.random.Generator, snapshots: int | None) -> Scene:
        """A support without a particle."""
        choices = self.films + (self.edges if rng.random() < 0.3 else [])
        wave = choices[rng.integers(len(choices))]
        for _ in range(rng.integers(0, 4)):  # thick supports: one on the other
            wave = wave * shifted(choices[rng.integers(len(choices))], rng.integers(0, wave.shape[-1], 2))
        wave = np.rot90(shifted(wave, rng.integers(0, wave.shape[-1], 2)), int(rng.integers(4)))
        none, no_number = np.empty(0), np.empty(0, np.int64)
        copies = min(snapshots or self.recipe.snapshots, self.recipe.snapshots)
        return Scene(np.repeat(wave[None], copies, axis=0), none, none, no_number, no_number)

    def scene(
        self, rng: np.random.Generator, index: int | None = None, snapshots: int | None = None
    ) -> Scene:
        """Place a particle in its surroundings: film, edge, symmetry and translation at random.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the choices.
        index : int, optional
            Position of the particle in the bank; random if not given.
        snapshots : int, optional
            Use only this many thermal snapshots.
        """
        if index is None and self.films and rng.random() < self.recipe.surroundings.empty:
            return self.empty_scene(rng, snapshots)
        index = int(rng.choice(len(self.indices), p=self.shares)) if index is None else index
        particle = self.particle(index)
        waves, y, x = particle.waves, particle.y_A, particle.x_A
        if snapshots is not None and snapshots < len(waves):
            waves = waves[rng.choice(len(waves), size=snapshots, replace=False)]
        size = self.recipe.particle.cell_A
        step = size / waves.shape[-1]
        around = self.recipe.surroundings
        kind = rng.random()
        if kind < around.film:
            film = self.films[rng.integers(len(self.films))]
            waves = waves * shifted(film, rng.integers(0, waves.shape[-1], 2))
        elif kind < around.film + around.edge:
            space = size - (x.max() - x.min()) - 4.0
            # the slab wraps around the periodic cell and must end before the particle
            if space > around.edge_depth_A:
                edge = self.edges[rng.integers(len(self.edges))]
                edge = edge[::-1] if rng.random() < 0.5 else edge
                move = x.min() - rng.uniform(1.2, 3.0) - around.edge_depth_A
                waves = waves * shifted(
                    edge, np.array([rng.integers(0, waves.shape[-1]), round(move / step)])
                )
        # around the middle, now and then across the periodic border: cut particles belong to a frame's edges
        move = np.round(rng.uniform(-0.3, 0.3, 2) * waves.shape[-1]).astype(int)
        waves = shifted(waves, move)
        y, x = (y + move[0] * step) % size, (x + move[1] * step) % size
        lean_y, lean_x = particle.tilt_deg
        # pixel i lies at i * step: a mirror maps i to n - 1 - i
        if rng.random() < 0.5:
            waves, y, lean_y = waves[..., ::-1, :], (size - step - y) % size, -lean_y
        if rng.random() < 0.5:
            waves, x, lean_x = waves[..., :, ::-1], (size - step - x) % size, -lean_x
        if rng.random() < 0.5:
            waves, y, x, lean_y, lean_x = waves.swapaxes(-1, -2), x, y, lean_x, lean_y
        waves = np.ascontiguousarray(waves)
        return Scene(waves, y, x, particle.count, particle.label, particle.thermal_A, (lean_y, lean_x))


def shifted(wave: NDArray[np.complex64], move: NDArray[np.integer]) -> NDArray[np.complex64]:
    """Shift a periodic wave (…, Y, X) by whole pixels (dy, dx)."""
    return np.roll(wave, (int(move[0]), int(move[1])), axis=(-2, -1))


@dataclass
class Images:
    """A batch of simulated images with their truth, and the parameters that made them."""

    detected: Tensor  # (B, Y, X) electrons per pixel; (B, K, Y, X) for focal series
    ideal: Tensor  # the same shape
    truth: pd.DataFrame  # frame, y, x in pixels of the (first) image, count, label (number of the class)
    pixel_A: float
    optics: dict[str, NDArray[np.float64]]
    detector: dict[str, NDArray[np.float64]]
    series: Exposure | None = None


def expose(
    recipe: Recipe, scenes: list[Scene], rng: np.random.Generator, pixel_A: float | None = None
) -> Images:
    """Stages 3 and 4 for a batch of scenes: optics and detector drawn anew for each image.

    Parameters
    ----------
    recipe : Recipe
        Ranges of optics and detector.
    scenes : list of Scene
        Exit waves of one common shape.
    rng : numpy.random.Generator
        Source of all parameters and of the noise.
    pixel_A : float, optional
        Sampling of the images; the recipe's pixel with its jitter if not given.
    """
    size = recipe.particle.cell_A
    if pixel_A is None:
        pixel_A = recipe.pixel_A * (1 + float(rng.uniform(-1, 1)) * recipe.pixel_jitter)
    n = max(8, 2 * round(size / pixel_A / 2))
    pixel_A = size / n
    microscope = recipe.draw_optics(rng, len(scenes))
    camera = recipe.draw_detector(rng, len(scenes))
    # nothing must be found on supports at low magnification either, where fringes look like small lattices
    empty = np.array([len(scene.count) == 0 for scene in scenes])
    camera["camera_pixel_A"] *= np.where(empty, rng.uniform(1, 4, len(scenes)), 1)
    if "defocus_nm" in microscope:
        microscope["defocus_nm"] *= np.where(empty, rng.uniform(1, 4, len(scenes)), 1)
    waves = torch.from_numpy(np.stack([scene.waves for scene in scenes]))
    extent = (size, size)
    series = None
    if recipe.focal is None:
        ideal = optics.ideal_image(waves, extent, recipe.multislice.kv, microscope, (n, n))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        detected = optics.detected_image(ideal, extent, camera, noise)
    else:
        defocus = recipe.focal.defocus_nm(microscope["defocus_nm"], rng)
        shift = recipe.focal.shift_A(len(scenes), rng)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        kv = recipe.multislice.kv
        series = exposed(waves, extent, kv, microscope, camera, (n, n), defocus, shift, noise)
        ideal, detected = series.ideal, series.detected
    truth = pd.concat(
        [
            pd.DataFrame(
                {
                    "frame": frame,
                    "y": scene.y_A / pixel_A,
                    "x": scene.x_A / pixel_A,
                    "count": scene.count,
                    "label": scene.label,
                }
            )
            for frame, scene in enumerate(scenes)
        ],
        ignore_index=True,
    )
    return Images(detected, ideal, truth, pixel_A, microscope, camera, series)


def simulate(recipe: Recipe, n: int, seed: int, cache: Path | None = None) -> Iterator[Images]:
    """Make ``n`` images of the recipe's own particles, one at a time, on the recipe's exact pixel size.

    Parameters
    ----------
    recipe : Recipe
        What to simulate.
    n : int
        Number of images.
    seed : int
        Seed of optics, noise and placement; the particles come from the recipe's own seed and this one.
    """
    own = recipe.model_copy(update={"seed": hash_seed(recipe.seed, seed)})
    for index in range(n):
        bank = WaveBank(one_surrounding(own, index), [index], cache)
        rng = own.stream(5, index)
        yield expose(own, [bank.scene(rng, 0)], rng, pixel_A=recipe.pixel_A)


def one_surrounding(recipe: Recipe, index: int) -> Recipe:
    """The recipe with as few films and edges as one image needs."""
    around = recipe.surroundings.model_copy(update={"films": 1, "edges": 1})
    return recipe.model_copy(update={"surroundings": around, "seed": hash_seed(recipe.seed, index)})
