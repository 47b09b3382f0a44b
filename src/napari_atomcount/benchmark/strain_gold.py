"""Gold particles without noise: strain errors against defocus and tilt (Figs. 4.6 to 4.9 of the thesis)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.peers import laplacian_peaks
from napari_atomcount.benchmark.strain_particles import (
    CELLS,
    StrainScene,
    exposed,
    ideal,
    strain_scene,
    true_places,
)
from napari_atomcount.benchmark.strain_rows import Doubles, mean_error, measured, paired, row
from napari_atomcount.measure.facets import find_facets, surface_relaxation
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration

GOLD = "fcc110:Au"
PIXEL_NM = 0.02
DEFOCI_NM = (4.5, 6.5, 8.5, 10.5, 12.5, 14.5)
TILTS_DEG = (0.0, 1.0, 2.0, 3.0)
#: The size of which tilts, maps and time averages are made.
MIDDLE_NM = 4.0


def particle_strain(frame: Doubles, **how: Any) -> pd.DataFrame:
    """Maxima of the Laplacian, refined, and their strain."""
    peaks = laplacian_peaks(frame, PIXEL_NM, 0.6, 1)
    peaks = peaks[peaks.score > 0.3]
    return measured(frame, peaks.y.to_numpy(), peaks.x.to_numpy(), load_structure(GOLD), PIXEL_NM, **how)


def true_strain(scene: StrainScene) -> pd.DataFrame:
    """Strain of the projected columns; ``kind``: bulk where the template is complete, else surface."""
    calibration = Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM))
    table = strain_table(true_places(scene), [load_structure(GOLD)], calibration, reference="absolute").table
    return table.assign(kind=np.where(table.n_matched == 6, "bulk", "surface"))


def clean_rows(
    scenes: dict[tuple[float, int], StrainScene], seed: int, cache: Path | None
) -> tuple[list[dict[str, Any]], list[tuple[str, pd.DataFrame]]]:
    """Noise-free particles against defocus and tilt: Figs. 4.6 to 4.9."""
    rows: list[dict[str, Any]] = []
    maps = []
    conditions: list[tuple[str, float, float, float, list[StrainScene]]] = []
    for size in CELLS:
        own = [scene for (diameter, _), scene in scenes.items() if diameter == size]
        conditions += [("defocus", defocus, 0.0, size, own) for defocus in DEFOCI_NM]
    for tilt in TILTS_DEG:
        own = [strain_scene(MIDDLE_NM, tilt, seed, i, cache) for d, i in scenes if d == MIDDLE_NM]
        conditions.append(("tilt", 8.5, tilt, MIDDLE_NM, own))
    for axis, defocus, tilt, size, own in conditions:
        errors: list[pd.DataFrame] = []
        relaxations: list[pd.DataFrame] = []
        for scene in own:
            truth = true_strain(scene)
            found = paired(
                particle_strain(exposed(ideal(scene, defocus_nm=defocus), scene.cell_A, 1000.0)), truth, 4.0
            )
            errors.append(pd.DataFrame({"error": found.planar - truth.planar, "kind": truth.kind}))
            relaxations.append(relaxation_errors(truth, found))
            if scene is own[0] and size == MIDDLE_NM and (axis == "tilt" or defocus in (4.5, 8.5, 12.5)):
                words = f"tilt {tilt:g}°" if axis == "tilt" else f"defocus {defocus:g} nm"
                maps.append(
                    (words, pd.DataFrame({"y": truth.y, "x": truth.x, "error": found.planar - truth.planar}))
                )
        error, relaxation = pd.concat(errors), pd.concat(relaxations)
        about: dict[str, Any] = {
            "method": "template, gaussian",
            "axis": axis,
            "defocus_nm": defocus,
            "tilt_deg": tilt,
            "size_nm": size,
            "images": len(own),
            "columns": len(error),
        }
        name = "particle, A, noise-free"
        for kind in ("bulk", "surface"):
            rows.append(
                row(name, f"planar error, {kind}", mean_error(error.error, error.kind == kind), "%", **about)
            )
        rows.append(row(name, "columns not measured", float(100 * error.error.isna().mean()), "%", **about))
        for facet, group in relaxation.groupby("facet"):
            rows.append(
                row(name, f"relaxation error, mean, {facet}", float(100 * group.error.mean()), "%", **about)
            )
            rows.append(
                row(name, f"relaxation error, std, {facet}", float(100 * group.error.std()), "%", **about)
            )
    return rows, maps


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
