"""Gaussians of known strain: Figs. 3.6, 3.7, 3.9 of the thesis, templates against phase analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from napari_atomcount.benchmark.scenes import STREAM
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
from napari_atomcount.benchmark.strain_rows import Doubles, mean_error, measured, paired, row
from napari_atomcount.measure.gpa import phase_strain
from napari_atomcount.measure.strain_views import Z95
from napari_atomcount.measure.templates import load_structure

#: Images of Gaussians of each kind.
IMAGES = 6
#: Standard deviation of a Gaussian that averages as the template of eight neighbours does, spacings: 2^-1/2.
EQUAL_AVERAGING = 0.7071


def maxima(image: Doubles, spacing: float, width: float) -> tuple[Doubles, Doubles]:
    """Whole-pixel maxima (y, x) of an image of Gaussians after a blur of their own width."""
    smooth = gaussian_filter(image, width)
    size = 2 * int(0.35 * spacing) + 1
    y, x = np.nonzero((smooth == maximum_filter(smooth, size)) & (smooth > 0.3 * np.quantile(smooth, 0.995)))
    inside = (np.minimum(y, x) > 2) & (y < image.shape[0] - 3) & (x < image.shape[1] - 3)
    return y[inside].astype(float), x[inside].astype(float)


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
            covered: dict[str, list[Doubles]] = {}
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
                    inner = np.abs(error / got["sigma_planar"].to_numpy())[kind == "bulk"]
                    covered.setdefault(prefilter, []).append(inner[np.isfinite(inner)] < Z95)
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
                rows += [
                    row(
                        name,
                        "95 % errors cover, bulk",
                        float(100 * np.concatenate(hits).mean()),
                        "%",
                        method=f"template, {prefilter}",
                        **about,
                    )
                    for prefilter, hits in covered.items()
                ]
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
