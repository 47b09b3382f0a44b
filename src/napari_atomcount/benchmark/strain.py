"""The strain benchmark: Gaussians of known strain, simulated gold particles, errors against errors, speed.

Positions start from maxima of the image, never from the truth, are refined, and go through template matching.
The truth of a particle is the strain of its projected columns by the same template (thesis 4.3).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from napari_atomcount.benchmark.columns import floor
from napari_atomcount.benchmark.peers import laplacian_peaks
from napari_atomcount.benchmark.scenes import STREAM, cache_folder
from napari_atomcount.benchmark.speed import SpeedResult
from napari_atomcount.benchmark.strain_cases import (
    BOND,
    SPACING,
    VARIANCE,
    WIDTH,
    Case,
    grains_case,
    smooth_case,
    steps_case,
)
from napari_atomcount.benchmark.strain_particles import (
    CELLS,
    StrainScene,
    exposed,
    ideal,
    strain_scene,
    true_places,
)
from napari_atomcount.measure.facets import find_facets, surface_relaxation
from napari_atomcount.measure.gpa import phase_strain
from napari_atomcount.measure.refine import refine_positions
from napari_atomcount.measure.strain import Z95, strain_table
from napari_atomcount.measure.templates import Structure, load_structure
from napari_atomcount.records.calibration import Calibration

Tell = Callable[[str, int, int], None]
Doubles = NDArray[np.float64]

#: Particles of each size, images of Gaussians of each kind, exposures of each particle and dose.
PARTICLES, IMAGES, EXPOSURES = 3, 6, 6
DEFOCI_NM = (4.5, 6.5, 8.5, 10.5, 12.5, 14.5)
TILTS_DEG = (0.0, 1.0, 2.0, 3.0)
DOSES = (300.0, 1000.0, 3000.0, 1e4, 3e4)
SUM_FRAMES = (1, 4, 16)
#: Standard deviation of a Gaussian that averages as the template of eight neighbours does, spacings: 2^-1/2.
EQUAL_AVERAGING = 0.7071
#: Noise errors beyond this many robust standard deviations are misfits, not noise (thesis 4.4.3).
OUTLIER = 6.0
PIXEL_NM = 0.02
#: The size of which tilts, maps and time averages are made.
MIDDLE_NM = 4.0
COLUMNS_TIMED = 50_000


@dataclass
class StrainBenchmark:
    """Rows of figures, floors, and maps for a figure."""

    rows: pd.DataFrame
    floors: list[dict[str, Any]]
    maps: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    seed: int = 0


def run_strain(number: int | None, seed: int, tell: Tell, cache: Path | None = None) -> StrainBenchmark:
    """Run all parts.

    Parameters
    ----------
    number : int, optional
        Particles of each size; 3 if not given.
    seed : int
        Other seeds make other particles, images and noise.
    tell : callable
        ``tell(stage, done, total)``.
    cache : pathlib.Path, optional
        Of exit waves; the user's cache folder if not given.
    """
    particles = PARTICLES if number is None else max(1, number)
    cache = cache_folder() if cache is None else cache
    rows: list[dict[str, Any]] = []
    parts: list[tuple[str, Callable[[], list[dict[str, Any]]]]] = [
        ("gaussians", lambda: gaussian_rows(seed)),
        ("grains", lambda: grain_rows(seed)),
        ("template speed", template_speed_rows),
    ]
    for done, (name, part) in enumerate(parts):
        tell(name, done, len(parts))
        rows += part()
    scenes: dict[tuple[float, int], StrainScene] = {}
    for done in range(len(CELLS) * particles):
        tell("exit waves", done, len(CELLS) * particles)
        key = (list(CELLS)[done % len(CELLS)], done // len(CELLS))
        scenes[key] = strain_scene(key[0], 0.0, seed, key[1], cache)
    tell("defocus and tilt", 0, 2)
    more, maps = clean_rows(scenes, seed, cache)
    rows += more
    tell("dose", 1, 2)
    rows += dose_rows(scenes, seed)
    rows += average_rows(scenes[(MIDDLE_NM, 0)], seed)
    tell("dose", 2, 2)
    table = pd.DataFrame(rows)
    table.insert(0, "benchmark", "strain")
    return StrainBenchmark(table.assign(seed=seed), strain_floors(table), maps, seed)


def row(
    case: str, figure: str, value: float, unit: str, images: int, columns: int, **more: Any
) -> dict[str, Any]:
    """One figure with its conditions and what it was measured on."""
    return {
        "case": case,
        **more,
        "figure": figure,
        "value": value,
        "unit": unit,
        "images": images,
        "columns": columns,
    }


# ---------------------------------------------------------------- Gaussians


def maxima(image: Doubles, spacing: float, width: float) -> tuple[Doubles, Doubles]:
    """Whole-pixel maxima (y, x) of an image of Gaussians after a blur of their own width."""
    smooth = gaussian_filter(image, width)
    size = 2 * int(0.35 * spacing) + 1
    y, x = np.nonzero((smooth == maximum_filter(smooth, size)) & (smooth > 0.3 * np.quantile(smooth, 0.995)))
    inside = (np.minimum(y, x) > 2) & (y < image.shape[0] - 3) & (x < image.shape[1] - 3)
    return y[inside].astype(float), x[inside].astype(float)


def measured(
    image: Doubles, y: Doubles, x: Doubles, lattice: Structure, pixel_nm: float, **how: Any
) -> pd.DataFrame:
    """Refined positions and their strain, absolute."""
    r = refine_positions(image, y, x, **how)
    columns = pd.DataFrame({"y": r.y, "x": r.x, "y_sigma": r.y_sigma, "x_sigma": r.x_sigma})
    keep = r.found & ~columns[["y", "x"]].round(3).duplicated().to_numpy()
    calibration = Calibration(pixel_size_nm=(pixel_nm, pixel_nm))
    return strain_table(
        columns[keep].reset_index(drop=True), [lattice], calibration, reference="absolute"
    ).table


def paired(found: pd.DataFrame, truth: pd.DataFrame, within_px: float) -> pd.DataFrame:
    """The found row nearest to each true column; NaN where there is none within reach."""
    nearest = cKDTree(found[["y", "x"]].to_numpy()).query(truth[["y", "x"]].to_numpy())
    distance, index = np.asarray(nearest[0]), np.asarray(nearest[1])
    result = found.iloc[index].reset_index(drop=True)
    result.loc[distance > within_px, result.select_dtypes("number").columns] = np.nan
    return result


def mean_error(error: Doubles | pd.Series[Any], chosen: Any) -> float:
    """Mean absolute value in %, of the columns chosen."""
    return float(100 * np.nanmean(np.abs(np.asarray(error, float)[np.asarray(chosen)])))


def gaussian_rows(seed: int) -> list[dict[str, Any]]:
    """Figs. 3.6 and 3.9: planar errors of template matching and of phase analysis with equal averaging."""
    lattice, pixel = load_structure("square:0.16"), 0.16 / SPACING
    spots = np.array([[0.0, 1 / SPACING], [1 / SPACING, 0.0]])
    makers: tuple[tuple[str, Callable[[np.random.Generator], Case]], ...] = (
        ("steps, vacancy, surface (Fig. 3.6)", steps_case),
        ("smooth field (eq. 3.15)", smooth_case),
    )
    rows = []
    for name, make in makers:
        for variance in (0.0, VARIANCE):
            errors: dict[tuple[str, str], list[float]] = {}
            covered: list[Doubles] = []
            columns = 0
            for index in range(IMAGES):
                rng = np.random.default_rng([STREAM, seed, 41, index])
                case = make(rng)
                image = case.noisy(rng, variance)
                kind = case.truth["kind"].to_numpy()
                columns += int((kind != "border").sum())
                y, x = maxima(image, SPACING, WIDTH)
                for prefilter in ("gaussian", "wiener"):
                    got = paired(measured(image, y, x, lattice, pixel, prefilter=prefilter), case.truth, 5.0)
                    error = (got["planar"] - case.truth["planar"]).to_numpy()
                    if prefilter == "gaussian":
                        inner = np.abs(error / got["sigma_planar"].to_numpy())[kind == "bulk"]
                        covered.append(inner[np.isfinite(inner)] < Z95)
                    for part in ("bulk", "edge"):
                        if (kind == part).any():
                            errors.setdefault((f"template, {prefilter}", part), []).append(
                                mean_error(error, kind == part)
                            )
                region = (340, 400, 60, 450) if make is steps_case else None
                averaging = EQUAL_AVERAGING * SPACING
                gpa = phase_strain(image, spots=spots, averaging_px=averaging, region=region)
                at = tuple(
                    np.clip(case.truth[axis].round().astype(int), 0, n - 1)
                    for axis, n in zip("yx", image.shape, strict=True)
                )
                error = gpa.planar[at] - case.truth["planar"].to_numpy()
                if region is None:  # its own reference is its mean
                    error = error - np.nanmean(error[kind == "bulk"])
                for part in ("bulk", "edge"):
                    if (kind == part).any():
                        errors.setdefault(("phase analysis", part), []).append(
                            mean_error(error, kind == part)
                        )
            about: dict[str, Any] = {"variance": variance, "images": IMAGES, "columns": columns}
            for (method, part), values in errors.items():
                rows.append(
                    row(name, f"planar error, {part}", float(np.mean(values)), "%", method=method, **about)
                )
            if variance:
                rows.append(
                    row(
                        name,
                        "95 % errors cover, bulk",
                        float(100 * np.concatenate(covered).mean()),
                        "%",
                        method="template, gaussian",
                        **about,
                    )
                )
    return rows


def grain_rows(seed: int) -> list[dict[str, Any]]:
    """Fig. 3.7: rotation and strain of three graphene grains; the largest bias of any grain."""
    lattice = load_structure("graphene")
    rows = []
    for variance in (0.0, VARIANCE):
        turns, strains, scatter, columns = [], [], [], 0
        for index in range(IMAGES // 2):
            rng = np.random.default_rng([STREAM, seed, 42, index])
            case = grains_case(rng)
            image = case.noisy(rng, variance)
            found = measured(image, *maxima(image, BOND, 0.2 * BOND), lattice, 0.142 / BOND)
            got = paired(found, case.truth, 4.0)
            for grain in range(3):
                own = ((case.truth.grain == grain) & (case.truth.kind == "bulk")).to_numpy()
                columns += int(own.sum())
                turn = np.mod((got.rotation - case.truth.rotation).to_numpy()[own] + 30.0, 60.0) - 30.0
                turns.append(abs(float(np.nanmean(turn))))
                scatter.append(float(np.nanmean(np.abs(turn))))
                strains += [
                    abs(100 * float(np.nanmean((got[c] - case.truth[c])[own]))) for c in ("exx", "eyy", "exy")
                ]
        about: dict[str, Any] = {
            "method": "template, gaussian",
            "variance": variance,
            "images": IMAGES // 2,
            "columns": columns,
        }
        rows += [
            row("three grains (Fig. 3.7)", "rotation, bias, worst grain", max(turns), "°", **about),
            row("three grains (Fig. 3.7)", "rotation, mean absolute", float(np.mean(scatter)), "°", **about),
            row(
                "three grains (Fig. 3.7)",
                "strain, bias, worst grain and component",
                max(strains),
                "%",
                **about,
            ),
        ]
    return rows


# ---------------------------------------------------------------- gold particles

GOLD = "fcc110:Au"


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


# ---------------------------------------------------------------- speed


def honeycomb(number: int) -> pd.DataFrame:
    """About ``number`` columns of slightly displaced graphene, y and x in px of 0.01 nm."""
    side = int(np.ceil(np.sqrt(number / 2)))
    h, k = (n.ravel() for n in np.meshgrid(np.arange(side), np.arange(side)))
    a = 14.2 * np.sqrt(3)
    x, y = h * a + k * a / 2, k * a * np.sqrt(3) / 2
    x, y = np.concatenate([x, x + 14.2 * np.sqrt(3) / 2]), np.concatenate([y, y + 7.1])
    rng = np.random.default_rng(0)
    return pd.DataFrame({"y": y + 0.3 * rng.normal(size=len(y)), "x": x + 0.3 * rng.normal(size=len(x))})[
        :number
    ]


def template_speed_rows() -> list[dict[str, Any]]:
    """Strain of 50,000 columns by a template of nine neighbours, in products of 2048³ f32 of the same run."""
    matrices = torch.randn(2, 2048, 2048)

    def seconds(action: Callable[[], object], repeats: int) -> float:
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            action()
            times.append(time.perf_counter() - begun)
        return min(times)

    lattice, calibration = load_structure("graphene"), Calibration(pixel_size_nm=(0.01, 0.01))

    def job(number: int) -> Callable[[], object]:
        columns = honeycomb(number)
        return lambda: strain_table(columns, [lattice], calibration)

    unit = seconds(lambda: matrices[0] @ matrices[1], 8)
    quarter = seconds(job(COLUMNS_TIMED // 4), 3)
    whole = seconds(job(COLUMNS_TIMED), 3)
    unit = min(unit, seconds(lambda: matrices[0] @ matrices[1], 8))
    about: dict[str, Any] = {"method": "template", "images": 1, "columns": COLUMNS_TIMED}
    case = "speed, template of nine neighbours"
    return [
        row(case, "50,000 columns", whole / unit, "2048³ f32 products", **about),
        row(case, "columns a second", COLUMNS_TIMED / whole, "1/s", **about),
        row(case, "50,000 over four times 12,500 columns", whole / (4 * quarter), "", **about),
    ]


def with_template_speed(speed: SpeedResult) -> SpeedResult:
    """The speed benchmark with the rows and the floor of template matching, on the processor."""
    own = pd.DataFrame(template_speed_rows()).rename(columns={"case": "condition"})
    own = own.assign(
        benchmark="speed", figure="strain: " + own.figure, device="cpu", threads=torch.get_num_threads()
    )
    rows = pd.concat([speed.rows, own[[c for c in own if c in speed.rows]]], ignore_index=True)
    return SpeedResult(speed.card, rows, [*speed.floors, template_floor(float(own.value.iloc[0]))])


def template_floor(products: float) -> dict[str, Any]:
    """The line of the table of floors."""
    return floor("nine neighbours", "50,000 columns, 2048³ f32 products", products, 15.0, at_least=False)


# ---------------------------------------------------------------- floors


def strain_floors(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold the rows against what must be reached."""

    def value(case: str, figure: str, **where: Any) -> float:
        own = table[table.case.str.startswith(case) & (table.figure == figure)]
        for name, wanted in where.items():
            own = own[own[name] == wanted] if name in own else own[:0]
        return float(own.value.mean()) if len(own) else float("nan")

    result = []
    for case, words in (
        ("smooth", "eq. 3.15, noise variance 0.05"),
        ("steps", "Fig. 3.6, noise variance 0.05"),
    ):
        ours = value(case, "planar error, bulk", method="template, wiener", variance=VARIANCE)
        result.append(floor(words, "bulk error, Wiener pre-filter, %", ours, 0.30, at_least=False))
        # a Wiener filter averages over more columns than the template: the equal one is Gaussian
        ours = value(case, "planar error, bulk", method="template, gaussian", variance=VARIANCE)
        peer = value(case, "planar error, bulk", method="phase analysis", variance=VARIANCE)
        result.append(
            floor(
                words,
                "bulk error over that of phase analysis at equal averaging",
                ours / peer,
                1.0,
                at_least=False,
            )
        )
    for variance in (0.0, VARIANCE):
        ours = value("steps", "planar error, edge", method="template, wiener", variance=variance)
        peer = value("steps", "planar error, edge", method="phase analysis", variance=variance)
        words = f"Fig. 3.6, noise variance {variance:g}"
        result.append(
            floor(
                words,
                "error at surface and defects over that of phase analysis",
                ours / peer,
                0.2,
                at_least=False,
            )
        )
    for variance in (0.0, VARIANCE):
        words = f"three grains, noise variance {variance:g}"
        turn = value("three", "rotation, bias, worst grain", variance=variance)
        strain = value("three", "strain, bias, worst grain and component", variance=variance)
        result.append(floor(words, "rotation, °", turn, 0.1, at_least=False))
        result.append(floor(words, "strain bias, %", strain, 0.1, at_least=False))
    clean = {"axis": "defocus", "defocus_nm": 8.5}
    words = "A, +8.5 nm, noise-free, mean of 2, 4 and 6 nm"
    result.append(
        floor(
            words,
            "planar error, bulk, %",
            value("particle, A, noise", "planar error, bulk", **clean),
            0.28,
            at_least=False,
        )
    )
    result.append(
        floor(
            words,
            "planar error, surface, %",
            value("particle, A, noise", "planar error, surface", **clean),
            0.8,
            at_least=False,
        )
    )
    noisy = "particle, A, with noise"
    words = "A, +8.5 nm, 10³ e/Å²"
    result.append(
        floor(
            words,
            "planar error, bulk, %",
            value(noisy, "planar error, bulk", dose_e_per_A2=1000.0),
            0.35,
            at_least=False,
        )
    )
    slope = value(noisy, "exponent of the noise part in dose, bulk")
    result.append(
        floor(
            "A, 10³ to 3×10⁴ e/Å²",
            "deviation of the exponent of dose from -1/2, %",
            100 * abs(slope + 0.5) / 0.5,
            10.0,
            at_least=False,
        )
    )
    for dose in (1000.0, 1e4):
        covered = value(noisy, "95 % errors cover, planar", dose_e_per_A2=dose)
        words = f"A, {dose:g} e/Å²"
        result.append(floor(words, "95 % errors cover, %", covered, 90.0, at_least=True))
        result.append(floor(words, "95 % errors cover, %", covered, 98.0, at_least=False))
    result.append(template_floor(value("speed", "50,000 columns")))
    return [line for line in result if np.isfinite(line["measured"])]
