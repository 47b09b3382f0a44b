"""Gold particles without noise: strain errors against defocus and tilt (Figs. 4.6 to 4.9 of the thesis)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.strain_particles import (
    CELLS,
    StrainScene,
    exposed,
    ideal,
    strain_scene,
    true_places,
)
from napari_atomcount.benchmark.strain_rows import Doubles, mean_error, measured, paired, row
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.measure.facets import find_facets, surface_relaxation
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.records.calibration import Calibration

GOLD = "fcc110:Au"
#: The model that finds the columns from which the refinement starts.
FINDER = "fcc-110-hrtem"
#: The middle of a particle, in units of its width.
CENTRE = 0.2
PIXEL_NM = 0.02
DEFOCI_NM = (4.5, 6.5, 8.5, 10.5, 12.5, 14.5)
TILTS_DEG = (0.0, 1.0, 2.0, 2.5, 3.0, 4.0)
#: The size of which tilts, maps and time averages are made.
MIDDLE_NM = 4.0


@functools.cache
def finder() -> Detector:
    """The bundled network: a plain Laplacian misses thick columns where contrast begins to turn over."""
    return Detector(load_card(FINDER), device="cpu")


def found_columns(frame: Doubles) -> pd.DataFrame:
    """Columns that the network sees, y and x in px."""
    detector = finder()
    card = detector.card
    maps = detector.detect(frame.astype(np.float32), (PIXEL_NM, PIXEL_NM))
    return find_columns(maps, card.calibration, card.default_threshold)


def particle_strain(frame: Doubles, **how: Any) -> pd.DataFrame:
    """Columns that the network sees, refined, and their strain."""
    seen = found_columns(frame)
    return measured(frame, seen.y.to_numpy(), seen.x.to_numpy(), load_structure(GOLD), PIXEL_NM, **how)


def true_strain(scene: StrainScene) -> pd.DataFrame:
    """Strain of the projected columns; ``kind``: bulk where the template is complete, else surface."""
    calibration = Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM))
    table = strain_table(true_places(scene), [load_structure(GOLD)], calibration, reference="absolute").table
    return table.assign(kind=np.where(table.n_matched == 6, "bulk", "surface"))


def clean_rows(
    scenes: dict[tuple[float, int], StrainScene], seed: int, cache: Path | None
) -> list[dict[str, Any]]:
    """Noise-free particles of random shape against defocus, against tilt, and as a mean over focus."""
    rows: list[dict[str, Any]] = []
    conditions: list[tuple[str, float, float, float, list[StrainScene]]] = []
    for size in CELLS:
        own = [scene for (diameter, _), scene in scenes.items() if diameter == size]
        conditions += [("defocus", defocus, 0.0, size, own) for defocus in DEFOCI_NM]
        conditions.append(("partial coherence", 8.5, 0.0, size, own))
    for tilt in TILTS_DEG:
        own = [strain_scene(MIDDLE_NM, tilt, seed, i, cache) for d, i in scenes if d == MIDDLE_NM]
        conditions.append(("tilt", 8.5, tilt, MIDDLE_NM, own))
    for axis, defocus, tilt, size, own in conditions:
        about = {"axis": axis, "defocus_nm": defocus, "tilt_deg": tilt, "size_nm": size}
        changed = {"defocus_nm": defocus}
        if axis == "partial coherence":
            about["focal_mean"] = changed["focal_mean"] = 1.0
        errors = [clean_errors(scene, **changed) for scene in own]
        rows += error_rows("particle, A, noise-free", errors, about)
    return rows


@dataclass
class CleanErrors:
    """Errors of one noise-free image.

    Parameters
    ----------
    columns : DataFrame
        y, x (px), error of the planar strain, ``kind``, ``centre``: nearer to the middle than a fifth of the
        particle's width, ``count``.
    relaxation : DataFrame
        facet, error of the surface relaxation.
    """

    columns: pd.DataFrame
    relaxation: pd.DataFrame


def clean_errors(scene: StrainScene, **changed: float) -> CleanErrors:
    """Measure one noise-free image against the projected columns; ``changed`` replaces optics."""
    truth = true_strain(scene)
    image = exposed(ideal(scene, **changed), scene.cell_A, 1000.0)
    found = paired(particle_strain(image), truth, 4.0)
    off = np.hypot(truth.y - truth.y.mean(), truth.x - truth.x.mean())
    columns = pd.DataFrame(
        {"y": truth.y, "x": truth.x, "error": found.planar - truth.planar, "kind": truth.kind}
    )
    columns["centre"] = (off < CENTRE * 2 * off.max()) & (truth.kind == "bulk")
    columns["count"] = true_places(scene)["count"].to_numpy()
    return CleanErrors(columns, relaxation_errors(truth, found))


def error_rows(name: str, errors: list[CleanErrors], conditions: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of the images of one condition."""
    error = pd.concat([one.columns for one in errors])
    relaxation = pd.concat([one.relaxation for one in errors])
    about: dict[str, Any] = {
        "method": "template, gaussian",
        **conditions,
        "images": len(errors),
        "columns": len(error),
    }
    rows = [
        row(name, f"planar error, {words}", mean_error(error.error, chosen), "%", **about)
        for words, chosen in (
            ("bulk", error.kind == "bulk"),
            ("surface", error.kind == "surface"),
            ("centre", error.centre),
        )
    ]
    largest = float(100 * error.error[error.centre].abs().max())
    rows.append(row(name, "planar error, largest in the centre", largest, "%", **about))
    rows.append(row(name, "columns not measured", float(100 * error.error.isna().mean()), "%", **about))
    rows.append(row(name, "longest column", float(error["count"].max()), "atoms", **about))
    for facet, group in relaxation.groupby("facet"):
        for words, value in (("mean", group.error.mean()), ("std", group.error.std())):
            rows.append(row(name, f"relaxation error, {words}, {facet}", float(100 * value), "%", **about))
    return rows


def relaxation_errors(truth: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Error of the surface relaxation (eq. 4.2) at each facet column; ``facet`` is {111} or {100}."""
    facets = find_facets(truth)
    both = [surface_relaxation(table, facets) for table in (truth, found)]
    axis = float(np.nanmedian(truth.rotation))
    angle = np.mod(both[0].normal_deg.to_numpy(float) - axis, 180.0)  # from [1-10]; [001] is at 90
    kind = np.where(
        np.abs(angle - 90) < 10, "{100}", np.where(np.abs(np.abs(angle - 90) - 54.7) < 10, "{111}", "other")
    )
    table = pd.DataFrame({"facet": kind, "error": both[1].relaxation - both[0].relaxation})
    return table[table.facet != "other"]
