"""Gold particles with noise: the noise part of the strain (eq. 4.6) in dose and frames, and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.scenes import STREAM
from napari_atomcount.benchmark.strain_gold import GOLD, MIDDLE_NM, PIXEL_NM, particle_strain, true_strain
from napari_atomcount.benchmark.strain_particles import StrainScene, exposed, ideal
from napari_atomcount.benchmark.strain_rows import mean_error, paired, row
from napari_atomcount.measure.noise import estimate_noise, filtered, wiener_response
from napari_atomcount.measure.refine import refine_positions
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.strain_views import Z95
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration

#: Exposures of each particle and dose.
EXPOSURES = 6
DOSES = (300.0, 1000.0, 3000.0, 1e4, 3e4)
SUM_FRAMES = (1, 4, 16)
#: Doses and exposures with which the errors behind a Wiener filter are checked.
WIENER_DOSES, WIENER_EXPOSURES = (1000.0, 1e4), 3
#: Noise errors beyond this many robust standard deviations are misfits, not noise (thesis 4.4.3).
OUTLIER = 6.0


def dose_rows(scenes: dict[tuple[float, int], StrainScene], seed: int) -> list[dict[str, Any]]:
    """Total error, noise part (eq. 4.6), its slope in dose, and whether the standard errors cover it."""
    rows: list[dict[str, Any]] = []
    noise_parts = []
    for dose in DOSES:
        total: list[pd.DataFrame] = []
        for number, scene in enumerate(scenes.values()):
            truth = true_strain(scene)
            image = ideal(scene)
            clean = paired(particle_strain(exposed(image, scene.cell_A, dose)), truth, 4.0)
            for index in range(EXPOSURES):
                noise_seed = int(
                    np.random.default_rng([STREAM, seed, 43, number, index, int(dose)]).integers(2**60)
                )
                frame = exposed(image, scene.cell_A, dose, noise_seed)
                found = paired(particle_strain(frame, electrons_per_unit=1.0), truth, 4.0)
                part = pd.DataFrame({"kind": truth.kind, "total": found.planar - truth.planar})
                for name in ("exx", "eyy", "exy", "rotation", "planar"):
                    part[f"pull_{name}"] = (found[name] - clean[name]) / found[f"sigma_{name}"]
                same = (found.n_matched == clean.n_matched).to_numpy()
                part["noise"] = np.where(same, found.planar - clean.planar, np.nan)
                total.append(part)
        table = pd.concat(total)
        about: dict[str, Any] = {
            "method": "template, gaussian",
            "axis": "dose",
            "dose_e_per_A2": dose,
            "defocus_nm": 8.5,
            "tilt_deg": 0.0,
            "images": len(scenes) * EXPOSURES,
            "columns": len(table),
        }
        name = "particle, A, with noise"
        noise = table.noise / (1.4826 * table.noise.abs().median())
        kept = noise.abs() < OUTLIER
        for kind in ("bulk", "surface"):
            own = table.kind == kind
            rows.append(row(name, f"planar error, {kind}", mean_error(table.total, own), "%", **about))
            part_value = mean_error(table.noise, own & kept)
            rows.append(row(name, f"noise part, {kind}", part_value, "%", **about))
            if kind == "bulk":
                noise_parts.append(part_value)
        rows.append(row(name, "outliers", float(100 * (~kept & table.noise.notna()).mean()), "%", **about))
        for component in ("exx", "eyy", "exy", "rotation", "planar"):
            pull = table[f"pull_{component}"].dropna()
            rows.append(
                row(
                    name,
                    f"95 % errors cover, {component}",
                    float(100 * (pull.abs() < Z95).mean()),
                    "%",
                    **about,
                )
            )
    chosen = np.array(DOSES) >= 1000
    slope = float(np.polyfit(np.log(np.array(DOSES)[chosen]), np.log(np.array(noise_parts)[chosen]), 1)[0])
    rows.append(
        row(
            "particle, A, with noise",
            "exponent of the noise part in dose, bulk",
            slope,
            "",
            len(scenes) * EXPOSURES,
            0,
            method="template, gaussian",
            axis="dose",
        )
    )
    return rows


def average_rows(scene: StrainScene, seed: int) -> list[dict[str, Any]]:
    """Noise part of the strain of positions averaged over frames, and whether its error covers it."""
    truth, image, dose = true_strain(scene), ideal(scene), 1000.0
    clean = paired(particle_strain(exposed(image, scene.cell_A, dose)), truth, 4.0)
    frames = []
    for index in range(max(SUM_FRAMES)):
        frame = exposed(image, scene.cell_A, dose, 900 + 1000 * seed + index)
        r = refine_positions(frame, truth.y.to_numpy(), truth.x.to_numpy(), electrons_per_unit=1.0)
        frames.append(np.stack([r.y, r.x, r.y_sigma, r.x_sigma]))
    stack = np.stack(frames)
    rows = []
    for number in SUM_FRAMES:
        parts = np.split(stack[: number * (len(stack) // number)], len(stack) // number)
        errors, covered = [], []
        for part in parts:
            place = part[:, :2].mean(0)
            sigma = np.sqrt((part[:, 2:] ** 2).mean(0) / number)
            columns = pd.DataFrame({"y": place[0], "x": place[1], "y_sigma": sigma[0], "x_sigma": sigma[1]})
            calibration = Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM))
            got = strain_table(
                columns, [load_structure(GOLD)], calibration, reference="absolute", frame=-1
            ).table
            error = (got.planar - clean.planar).to_numpy()
            own = (truth.kind == "bulk").to_numpy() & np.isfinite(error)
            errors.append(np.abs(error[own]))
            covered.append((np.abs(error) < Z95 * got.sigma_planar.to_numpy())[own])
        about: dict[str, Any] = {
            "method": "template, gaussian",
            "axis": "frames",
            "frames": number,
            "dose_e_per_A2": dose,
            "size_nm": MIDDLE_NM,
        }
        name = "time average of frames"
        columns_number = int(sum(len(e) for e in errors))
        rows.append(
            row(
                name,
                "noise part, bulk",
                float(100 * np.concatenate(errors).mean()),
                "%",
                images=len(stack),
                columns=columns_number,
                **about,
            )
        )
        rows.append(
            row(
                name,
                "95 % errors cover, planar",
                float(100 * np.concatenate(covered).mean()),
                "%",
                images=len(stack),
                columns=columns_number,
                **about,
            )
        )
    return rows


def wiener_rows(scenes: dict[tuple[float, int], StrainScene], seed: int) -> list[dict[str, Any]]:
    """Whether the standard errors behind a Wiener filter cover what the same filter finds without noise."""
    rows: list[dict[str, Any]] = []
    for dose in WIENER_DOSES:
        pulls: list[pd.DataFrame] = []
        for number, scene in enumerate(scenes.values()):
            truth, image = true_strain(scene), ideal(scene)
            clean = exposed(image, scene.cell_A, dose)
            for index in range(WIENER_EXPOSURES):
                rng = np.random.default_rng([STREAM, seed, 44, number, index, int(dose)])
                frame = exposed(image, scene.cell_A, dose, int(rng.integers(2**60)))
                noise = estimate_noise(frame, float(frame.mean()))
                same = filtered(clean, wiener_response(frame, noise))  # the noisy image's own filter
                wanted = paired(particle_strain(same, prefilter="none"), truth, 4.0)
                how: dict[str, Any] = {"prefilter": "wiener", "noise": noise, "electrons_per_unit": 1.0}
                found = paired(particle_strain(frame, **how), truth, 4.0)
                part = {c: (found[c] - wanted[c]) / found[f"sigma_{c}"] for c in ("planar", "rotation")}
                pulls.append(pd.DataFrame(part)[(truth.kind == "bulk").to_numpy()])
        table = pd.concat(pulls)
        about: dict[str, Any] = {"axis": "dose", "dose_e_per_A2": dose, "defocus_nm": 8.5, "tilt_deg": 0.0}
        for component in table:
            pull = table[component].dropna()
            rows.append(
                row(
                    "particle, A, with noise",
                    f"95 % errors cover, {component}, bulk",
                    float(100 * (pull.abs() < Z95).mean()),
                    "%",
                    images=len(pulls),
                    columns=len(pull),
                    method="template, wiener",
                    **about,
                )
            )
    return rows
