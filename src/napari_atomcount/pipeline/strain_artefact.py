"""What could be an artefact: the same analysis on a zero-strain simulation of the user's conditions.

The particle is rebuilt as a perfect lattice with the columns that were found and as many atoms as were
counted, imaged with the user's optics, and measured like the real image. What comes out is not strain:
overlap of neighbouring columns, thickness, tilt and the camera made it (thesis chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ase import Atoms
from ase.data import atomic_numbers, reference_states

from napari_atomcount.measure.refine import refine_positions
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import Structure
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import MultisliceSettings, exit_wave
from napari_atomcount.pipeline.perfect_fcc import (
    build_atoms,
    guessed_counts,
    lattice_constant_nm,
    perfect_places,
)
from napari_atomcount.pipeline.straining import load_structures
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, StrainSettings

#: Room around the particle, Å.
MARGIN_A = 6.0
KINDS = ("exx", "eyy", "exy", "rotation", "planar")


@dataclass(frozen=True)
class Conditions:
    """How the user's image was taken.

    Parameters
    ----------
    element : str
        Of an fcc metal.
    defocus_nm, cs_um, focal_spread_nm, convergence_mrad, vibration_nm : float
        Optics; positive defocus is overfocus.
    tilt_deg, tilt_direction_deg : float
        Tilt away from the zone axis, and the direction (counter-clockwise from +x on the screen) of the axis
        it turns around.
    kv : float
        Acceleration voltage.
    dose_e_per_A2 : float, optional
        With a dose, ``exposures`` noisy images are measured too, and their spread is stated.
    exposures : int
        Number of noisy images.
    thermal_A : float
        Root mean square displacement along each axis; four frozen phonons in opposite pairs.
    """

    element: str = "Au"
    defocus_nm: float = 8.5
    cs_um: float = -10.0
    focal_spread_nm: float = 2.9
    convergence_mrad: float = 0.15
    vibration_nm: float = 0.025
    tilt_deg: float = 0.0
    tilt_direction_deg: float = 0.0
    kv: float = 300.0
    dose_e_per_A2: float | None = None
    exposures: int = 8
    thermal_A: float = 0.085


def zero_strain_artefact(
    columns: pd.DataFrame,
    calibration: Calibration,
    structures: list[Structure],
    settings: StrainSettings,
    conditions: Conditions,
    *,
    seed: int = 0,
    cache: Path | None = None,
) -> pd.DataFrame:
    """Measure the strain of a particle that has none, imaged as the user's.

    Parameters
    ----------
    columns : DataFrame
        y, x in px and count of one frame or of the time average, of an fcc particle along [100], [110] or
        [111]; where the count is missing or -1 the columns are as long as the particle is wide there.
    calibration : Calibration
        With a pixel size.
    structures : list of Structure
        The templates of the real analysis.
    settings : StrainSettings
        Refinement and limits of the real analysis; its reference is taken as ``absolute``, for the simulated
        lattice is known.
    conditions : Conditions
        How the image was taken.
    seed : int
        Of thermal displacements and noise.
    cache : pathlib.Path, optional
        Folder of earlier exit waves.

    Returns
    -------
    DataFrame
        A row for each column that belongs to the lattice: ``row`` (of ``columns``), y, x in px, exx, eyy,
        exy, rotation, planar of the perfect particle, NaN where nothing was found; with a dose also
        ``noise_`` of each, the standard deviation over the exposures.

    Raises
    ------
    InputError
        If there is no pixel size, the element is no fcc metal, or the columns make no lattice.
    """
    per_y, per_x = calibration.require_pixel_size()
    state = (
        reference_states[atomic_numbers[conditions.element]] if conditions.element in atomic_numbers else None
    )
    if not state or state.get("symmetry") != "fcc":
        raise InputError(f"The artefact simulation knows fcc metals, not '{conditions.element}'.")
    a = 10 * lattice_constant_nm(structures, float(state["a"]) / 10)
    flat = np.column_stack([columns["y"].to_numpy(float) * per_y, columns["x"].to_numpy(float) * per_x]) * 10
    view, places, height, member = perfect_places(flat, a)
    count = columns["count"].to_numpy()[member] if "count" in columns else np.full(len(member), -1)
    count = np.where(count > 0, count, guessed_counts(places, view.repeat * a))
    shift = places.min(0) - MARGIN_A
    size = float((places.max(0) - shift + MARGIN_A).max())
    pixels = 2 * int(np.ceil(size / (10 * min(per_y, per_x)) / 2))
    cell = pixels * 10 * min(per_y, per_x)
    atoms = build_atoms(places - shift, height * a, count, view.repeat * a, cell, conditions)
    waves = [
        exit_wave(snapshot, MultisliceSettings(kv=conditions.kv), cache)
        for snapshot in phonons(atoms, conditions.thermal_A, seed)
    ]
    microscope = {
        name: getattr(conditions, name)
        for name in ("defocus_nm", "cs_um", "focal_spread_nm", "convergence_mrad", "vibration_nm")
    }
    image = optics.ideal_image(
        torch.from_numpy(np.stack(waves))[None], (cell, cell), conditions.kv, microscope, (pixels, pixels)
    )
    pixel_A = cell / pixels
    camera: dict[str, float] = {"dose_e_per_A2": conditions.dose_e_per_A2 or 1e4, "mtf_c1": 0.05}
    clean = optics.detected_image(
        image * camera["dose_e_per_A2"] * pixel_A**2, (cell, cell), {"mtf_c1": 0.05}
    )
    start = (places - shift) / pixel_A
    square = Calibration(pixel_size_nm=(pixel_A / 10, pixel_A / 10))

    def measured(frame: torch.Tensor) -> pd.DataFrame:
        r = refine_positions(
            frame[0].numpy(),
            start[:, 0],
            start[:, 1],
            method="quadratic" if settings.refine == "none" else settings.refine,
            prefilter=settings.prefilter,
        )
        table = strain_table(
            pd.DataFrame({"y": r.y, "x": r.x}),
            structures,
            square,
            reference="absolute",
            max_rmsd=settings.max_rmsd,
            min_matched=settings.min_matched,
        ).table
        return table.loc[:, list(KINDS)].mask(~np.repeat(r.found[:, None], len(KINDS), 1))

    zero = strain_table(
        pd.DataFrame({"y": start[:, 0], "x": start[:, 1]}), structures, square, reference="absolute"
    ).table.loc[:, list(KINDS)]
    error = measured(clean) - zero
    found = pd.DataFrame(
        {"row": member, "y": columns["y"].to_numpy()[member], "x": columns["x"].to_numpy()[member]}
    )
    result = pd.concat([found, error], axis=1)
    if conditions.dose_e_per_A2 is not None:
        noise = torch.Generator().manual_seed(seed)
        frames = [
            measured(optics.detected_image(image, (cell, cell), camera, noise))
            for _ in range(conditions.exposures)
        ]
        spread = pd.concat(frames).groupby(level=0).std().add_prefix("noise_")
        result = pd.concat([result, spread], axis=1)
    return result


def conditions_of(
    calibration: Calibration, settings: AnalysisSettings, given: Mapping[str, float]
) -> Conditions:
    """Conditions A with what is known of the movie, and what the user gives."""
    known: dict[str, Any] = {"element": element_of(settings.strain.templates, settings.material or "Au")}
    kv = settings.kv or calibration.kv
    if kv is not None:
        known["kv"] = float(kv)
    if calibration.dose_e_per_A2 is not None:
        known["dose_e_per_A2"] = calibration.dose_e_per_A2
    return Conditions(**known | dict(given))


def element_of(names: Sequence[str], usual: str) -> str:
    """The element that a template's name has, like fcc110:Au; the usual one where none has."""
    words = [name.partition(":")[2] for name in names]
    return next((word for word in words if word in atomic_numbers), usual)


def artefact_of_average(
    strain: pd.DataFrame,
    columns: pd.DataFrame,
    movie: Movie,
    settings: AnalysisSettings,
    conditions: Conditions,
    cache: Path | None = None,
) -> pd.DataFrame:
    """The artefact of the time average's columns, with the usual count of each site.

    Parameters
    ----------
    strain : DataFrame
        STRAIN with frame -1.
    columns : DataFrame
        COLUMNS of the frames, for the counts.
    movie, settings, conditions, cache
        As in :func:`zero_strain_artefact`.
    """
    average = strain[strain["frame"] == -1].reset_index(drop=True)
    structures = load_structures(settings.strain, settings.material)
    places = with_usual_counts(average, columns)
    return zero_strain_artefact(
        places, movie.calibration, structures, settings.strain, conditions, cache=cache
    )


def with_usual_counts(table: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """y, x of the rows of a strain table and the median count of their sites, -1 where there is none."""
    counted = columns[(columns["count"] > 0) & (columns["site_id"] >= 0)]
    usual = counted.groupby("site_id")["count"].median()
    count = table["site_id"].map(usual).fillna(-1).round().astype(int)
    return table[["y", "x"]].assign(count=count.to_numpy())


def phonons(atoms: Atoms, sigma_A: float, seed: int, pairs: int = 2) -> list[Atoms]:
    """Snapshots of thermal motion in pairs of opposite displacements."""
    rng = np.random.default_rng(seed)
    snapshots = []
    for _ in range(pairs):
        move = rng.normal(scale=sigma_A, size=atoms.positions.shape)
        for sign in (1.0, -1.0):
            one = atoms.copy()
            one.positions += sign * move
            snapshots.append(one)
    return snapshots
