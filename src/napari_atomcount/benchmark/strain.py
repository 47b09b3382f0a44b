"""The strain benchmark: Gaussians of known strain, simulated gold particles, errors against errors, speed.

Positions start from what is seen in the image, never from the truth, are refined, and go through templates.
The truth of a particle is the strain of its projected columns by the same template (thesis 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.columns import floor
from napari_atomcount.benchmark.scenes import cache_folder
from napari_atomcount.benchmark.speed_strain import linear_floor, template_floor, template_speed_rows
from napari_atomcount.benchmark.strain_cases import VARIANCE
from napari_atomcount.benchmark.strain_gaussians import gaussian_rows, grain_rows
from napari_atomcount.benchmark.strain_gold import FINDER, MIDDLE_NM, clean_rows, finder
from napari_atomcount.benchmark.strain_noise import average_rows, dose_rows, wiener_rows
from napari_atomcount.benchmark.strain_particles import CELLS, StrainScene, strain_scene
from napari_atomcount.benchmark.strain_whole import whole_rows

Tell = Callable[[str, int, int], None]

#: Particles of each size.
PARTICLES = 3


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
    rows += clean_rows(scenes, seed, cache)
    more, maps = whole_rows(seed, cache, tell)
    rows += more
    tell("dose", 1, 2)
    rows += dose_rows(scenes, seed)
    rows += wiener_rows(scenes, seed)
    rows += average_rows(scenes[(MIDDLE_NM, 0)], seed)
    tell("dose", 2, 2)
    table = pd.DataFrame(rows)
    table.insert(0, "benchmark", "strain")
    table = table.assign(seed=seed, finder=f"{FINDER} {finder().card.sha256[:12]}")
    return StrainBenchmark(table, strain_floors(table), maps, seed)


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
        for figure, method in (("planar", "gaussian"), ("planar, bulk", "wiener")):
            covered = value(
                noisy, f"95 % errors cover, {figure}", dose_e_per_A2=dose, method=f"template, {method}"
            )
            words = f"A, {dose:g} e/Å², {method} pre-filter"
            result.append(floor(words, "95 % errors cover, %", covered, 90.0, at_least=True))
            result.append(floor(words, "95 % errors cover, %", covered, 98.0, at_least=False))
    result.append(template_floor(value("speed", "50,000 columns")))
    result.append(linear_floor(value("speed", "50,000 over four times 12,500 columns")))
    return [line for line in result if np.isfinite(line["measured"])]
