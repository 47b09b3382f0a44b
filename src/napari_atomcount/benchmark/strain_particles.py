"""Gold particles of 2, 4 and 6 nm for the strain benchmark: waves, true places, images (thesis chapter 4)."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from napari_atomcount.benchmark.scenes import CAMERA_A, MULTISLICE, STREAM
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.specimens.wulff import WulffSettings, thermal_pairs, wulff_particle

#: Sides of the square fields of view for the diameters in nm, Å.
CELLS = {2.0: 40.0, 4.0: 64.0, 6.0: 80.0}
THERMAL_A = 0.085
#: Standard conditions A at one defocus; what is not named is zero.
OPTICS = {
    "defocus_nm": 8.5,
    "cs_um": -10.0,
    "convergence_mrad": 0.15,
    "focal_spread_nm": 2.9,
    "vibration_nm": 0.025,
}
CAMERA = {name: float(value.low) for name, value in CAMERA_A.items()}
PIXEL_A = 0.2


@dataclass
class StrainScene:
    """Exit waves of one particle and where its columns are."""

    waves: NDArray[np.complex64]  # (S, Y, X)
    columns: pd.DataFrame  # y_A, x_A, count
    cell_A: float

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of an image of 0.2 Å/px."""
        n = 2 * round(self.cell_A / PIXEL_A / 2)
        return n, n


def strain_scene(
    diameter_nm: float, tilt_deg: float, seed: int, index: int, cache: Path | None, relax_steps: int = 40
) -> StrainScene:
    """Simulate a relaxed, thermally displaced gold particle in [110], or read it from the cache.

    Parameters
    ----------
    diameter_nm : float
        One of :data:`CELLS`.
    tilt_deg : float
        Away from the zone axis, in a random direction.
    seed, index : int
        Of the benchmark and of the particle; a particle of another tilt is the same one tilted.
    cache : pathlib.Path, optional
        Folder of earlier ones.
    relax_steps : int
        0 leaves the perfect lattice: the zero-strain twin.
    """
    parts = [
        diameter_nm,
        tilt_deg,
        seed,
        index,
        relax_steps,
        THERMAL_A,
        MULTISLICE.model_dump(mode="json"),
        1,
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    path = None if cache is None else cache / f"strain-{key}.npz"
    cell = CELLS[diameter_nm]
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            columns = pd.DataFrame(stored["columns"], columns=["y_A", "x_A", "count"])
            return StrainScene(stored["waves"], columns.astype({"count": np.int64}), cell)
    settings = WulffSettings(
        diameter_A=(10 * diameter_nm, 10 * diameter_nm),
        tilt_deg=(tilt_deg, tilt_deg),
        cell_A=cell,
        disorder=0.0,
        relax_steps=relax_steps,
    )
    specimen = wulff_particle(np.random.default_rng([STREAM, seed, 31, index]), settings).specimen
    rng = np.random.default_rng([STREAM, seed, 32, index])
    waves = np.stack(
        [exit_wave(s.atoms, MULTISLICE) for s in thermal_pairs(specimen, THERMAL_A, 2, rng, 1.2)]
    )
    columns = specimen.columns()[["y_A", "x_A", "count"]].reset_index(drop=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        np.savez(temporary, waves=waves, columns=columns.to_numpy(float))
        temporary.replace(path)
    return StrainScene(waves, columns, cell)


def ideal(scene: StrainScene, **changed: float) -> torch.Tensor:
    """The image without camera and noise, (1, Y, X), 1 in the vacuum; ``changed`` replaces optics."""
    size = (scene.cell_A, scene.cell_A)
    waves = torch.from_numpy(scene.waves)[None]
    return optics.ideal_image(waves, size, MULTISLICE.kv, OPTICS | changed, scene.shape)


def exposed(
    image: torch.Tensor, cell_A: float, dose_e_per_A2: float, seed: int | None = None
) -> NDArray[np.float64]:
    """Electrons per pixel through the camera, (Y, X); without a seed there is no noise.

    Parameters
    ----------
    image : torch.Tensor, shape (1, Y, X)
        Of :func:`ideal`.
    cell_A : float
        Field of view.
    dose_e_per_A2 : float
        Dose of the image.
    seed : int, optional
        Of the noise.
    """
    pixel = cell_A / image.shape[-1]
    if seed is None:
        frame = optics.detected_image(image * dose_e_per_A2 * pixel**2, (cell_A, cell_A), CAMERA)
    else:
        camera = CAMERA | {"dose_e_per_A2": dose_e_per_A2}
        generator = torch.Generator().manual_seed(seed)
        frame = optics.detected_image(image, (cell_A, cell_A), camera, generator)
    return np.asarray(frame[0].numpy(), dtype=np.float64)


def true_places(scene: StrainScene) -> pd.DataFrame:
    """Projected places of the columns in px: y, x, count."""
    pixel = scene.cell_A / scene.shape[0]
    c = scene.columns
    return pd.DataFrame({"y": c.y_A / pixel, "x": c.x_A / pixel, "count": c["count"]})
