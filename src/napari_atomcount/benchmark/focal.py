"""The benchmark of a model of focal series: thesis eq. 6.19, drift between the images, total dose, floors."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from napari_atomcount.benchmark.columns import FAINTEST_SCORE, IMAGES, describe, floor
from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS, name_of
from napari_atomcount.benchmark.scenes import (
    CAMERA_WIDE,
    FOCAL_MEAN,
    FOCI,
    MEANT,
    MULTISLICE,
    OPTICS_A,
    STREAM,
    Condition,
    ParticleSet,
    cache_folder,
    prepare,
    scene,
)
from napari_atomcount.benchmark.scoring import Scored, column_figures, pooled, score_image
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics.focal import exposed
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.pipeline.camera import camera_mtf
from napari_atomcount.pipeline.focal import look_at
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

Tell = Callable[[str, int, int], None]

#: Total doses of the curve, e/Å².
TOTAL_DOSES = (300.0, 1000.0, 3000.0, 1e4, 3e4, 1e5, 1e6)
#: Those at other pixel sizes than the network's own, between which a card interpolates.
CARD_DOSES = (300.0, 1000.0, 1e4, 1e6)
OWN_PIXEL_A = 0.2
OPTICS = OPTICS_A | {"cs_um": Uniform(low=-20.0, high=-10.0)}
ABERRATED = OPTICS | {
    "c5_mm": Uniform(low=0.0, high=5.0),
    "astigmatism_nm": Uniform(low=0.0, high=2.0),
    "astigmatism_deg": Uniform(low=0.0, high=360.0),
    "coma_nm": Uniform(low=0.0, high=50.0),
    "coma_deg": Uniform(low=0.0, high=360.0),
    "focal_spread_nm": Uniform(low=2.0, high=4.0),
}


class FocalCondition(Condition):
    """How a series is taken: thesis eq. 6.19 unless said otherwise. Its dose is that of each image."""

    optics: dict[str, Uniform] = OPTICS
    defocus_nm: tuple[float, ...] = (-17.0, -4.0, 9.0)
    error_nm: float = 2.0  # largest, of each image's defocus
    drift_A: float = 1.0  # largest, of each further image against the first, along each axis
    total: float


def conditions(meant: bool = False) -> list[FocalCondition]:
    """The rows of the benchmark; ``meant``: those of a card are of images as a mean over focus."""

    def row(name: str, title: str, total: float, **changes: Any) -> FocalCondition:
        each = Uniform(low=total / 3, high=total / 3)
        return FocalCondition(name=name, title=title, dose_e_per_A2=each, total=total, **changes)

    def both(name: str, words: str, **changes: Any) -> list[FocalCondition]:
        return [
            row(f"focal-{name_of(d)}-{name}", f"{name_of(d)} e/Å² in all, {words}", d, share=0.5, **changes)
            for d in (1e4, 1e6)
        ]

    tilted = ParticleSet(tilt_deg=(0.0, 3.0))
    rows = [
        row(f"focal-{name_of(d)}", f"{name_of(d)} e/Å² in all", d, axis="dose", at=d) for d in TOTAL_DOSES
    ]
    rows += [
        row(
            f"focal-{name_of(d)}-pixel-{name_of(p)}" + ("-mean" if meant else ""),
            f"{name_of(d)} e/Å² in all, {p:g} Å/px" + (f", {MEANT}" if meant else ""),
            d,
            optics=OPTICS | (FOCAL_MEAN if meant else {}),
            pixel_A=Uniform(low=p, high=p),
            axis=MEANT_CARD_AXIS if meant else CARD_AXIS,
            at=d,
            share=share,
        )
        for p, share in ((0.1, 0.5), (0.15, 0.5), (0.25, 0.5), *([(OWN_PIXEL_A, 1.0)] if meant else []))
        for d in (TOTAL_DOSES if p == OWN_PIXEL_A else CARD_DOSES)
    ]
    rows += both("tilt3", "tilt up to 3°", particles=tilted)
    rows += both("training-generator", "new particles of the training's generator",
                 particles=ParticleSet(generator="training", relax_steps=25))  # fmt: skip
    rows += both("aberrated", "C5, astigmatism, coma, any focal spread and MTF of Table 6.1",
                 optics=ABERRATED, camera=CAMERA_WIDE)  # fmt: skip
    rows += both("mean", MEANT, optics=OPTICS | FOCAL_MEAN)
    rows += both("drift", "drift up to 0.4 nm between the images", drift_A=4.0)
    rows += both("Pt", "Pt for Au", particles=ParticleSet(element="Pt"))
    rows += both("fine", "0.12 Å/px", pixel_A=Uniform(low=0.12, high=0.12))
    return rows


@dataclass
class FocalResult:
    """What the benchmark of one model of focal series found."""

    card: ModelCard
    rows: pd.DataFrame
    scored: dict[str, Scored] = field(default_factory=dict)
    floors: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Series:
    """One test series with its truth in px of the first image."""

    movie: Movie
    truth: pd.DataFrame
    missing: pd.DataFrame
    shift_px: np.ndarray  # (K, 2)


def series(condition: FocalCondition, seed: int, index: int, number: int, cache: Path | None) -> Series:
    """Series number ``index`` of a condition, of particle ``index % number``."""
    rng = np.random.default_rng([STREAM, seed, zlib.crc32(condition.name.encode()), index])
    base = scene(condition.particles, seed, index % number, cache)
    n = max(8, 2 * round(base.cell_A / float(condition.pixel_A.draw(rng, 1)[0]) / 2))
    pixel_A = base.cell_A / n
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
    camera = {name: float(u.draw(rng, 1)[0]) for name, u in condition.camera.items()}
    camera["dose_e_per_A2"] = float(condition.dose_e_per_A2.draw(rng, 1)[0])
    images = len(condition.defocus_nm)
    defocus = np.array([condition.defocus_nm]) + rng.uniform(-1, 1, (1, images)) * condition.error_nm
    drift = rng.uniform(-1, 1, (1, images, 2)) * condition.drift_A
    drift[:, 0] = 0
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    size = (base.cell_A, base.cell_A)
    waves = torch.from_numpy(base.waves)[None]
    kv = MULTISLICE.kv
    made = exposed(waves, size, kv, microscope, camera, (n, n), defocus, drift, noise, FOCI)
    truth, missing = (t.assign(y=t.y_A / pixel_A, x=t.x_A / pixel_A) for t in (base.columns, base.missing))
    dose = camera["dose_e_per_A2"]  # stated to the program, as a user would
    calibration = Calibration(pixel_size_nm=(pixel_A / 10, pixel_A / 10), dose_e_per_A2=dose)
    movie = Movie(made.detected[0].numpy(), calibration, condition.name)
    return Series(movie, truth, missing, drift[0] / pixel_A)


def examine(detector: Detector, one: Series, index: int) -> tuple[Scored, float]:
    """Align and detect as `analyze` does; also the mean square error of the alignment, px² per axis."""
    card = detector.card
    pixel = one.movie.calibration.require_pixel_size()
    look = look_at(one.movie, 0, card, DetectSettings(focal_series=True))
    mtf = camera_mtf(one.movie, AnalysisSettings(), card.images)
    maps = detector.detect(look.seen, pixel, look.valid, mtf)
    found = find_columns(maps, card.calibration, FAINTEST_SCORE)
    scored = score_image(
        index, found, one.truth, one.missing, pixel[0], one.movie.shape[1:], card.default_threshold
    )
    error = np.zeros(1) if look.shift is None else (look.shift - one.shift_px)[1:]
    return scored, float(np.mean(error**2))


def run_focal(card: ModelCard, images: int | None, seed: int, tell: Tell) -> FocalResult:
    """Measure a model of focal series on unseen simulated particles of the second generator.

    Parameters
    ----------
    card : ModelCard
        A model of fcc metals in [110] that looks at series.
    images : int, optional
        Particles of each condition; some conditions take half of them.
    seed : int
        Of everything random: another one makes other particles.
    tell : callable
        ``tell(stage, done, total)``.

    Raises
    ------
    InputError
        For a model that this benchmark does not fit.
    """
    wanted = conditions(card.knows_means)
    if card.task != "columns" or card.images != len(wanted[0].defocus_nm):
        raise InputError(f"There is no benchmark for the model '{card.name}' ({card.task}).")
    particles = IMAGES if images is None else max(1, images)
    number = {c.name: max(1, round(particles * c.share)) for c in wanted}
    cache = cache_folder()
    prepare(list(wanted), number, seed, cache, tell)
    detector = Detector(card)
    result = FocalResult(card, pd.DataFrame())
    rows = []
    for done, condition in enumerate(wanted):
        tell("conditions", done, len(wanted))
        parts, errors = [], []
        for index in range(number[condition.name]):
            one = series(condition, seed, index, number[condition.name], cache)
            scored, error = examine(detector, one, index)
            parts.append(scored)
            errors.append(error * (one.movie.calibration.require_pixel_size()[0] * 1e3) ** 2)
        result.scored[condition.name] = pooled(parts)
        figures = column_figures(result.scored[condition.name], card.default_threshold)
        about = describe(condition, card, seed) | {
            "benchmark": "focal",
            "total_dose_e_per_A2": condition.total,
        }
        rows.append(about | figures | {"alignment_pm": float(np.sqrt(np.mean(errors)))})
    tell("conditions", len(wanted), len(wanted))
    result.rows = pd.DataFrame(rows)
    result.floors = floors(result.rows)
    return result


#: What the bundled model must reach: condition, figure, limit, whether that is the least value.
LIMITS = (
    ("focal-1e4", "count_exact", 0.88, True),
    ("focal-1e6", "count_exact", 0.95, True),
    *((c, f, 0.05, False) for c in ("focal-1e4", "focal-1e6") for f in ("ece_score", "ece_count")),
)


def floors(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold the rows against what the bundled model must reach."""
    found = rows.set_index("condition")
    return [
        floor(str(found.loc[c, "title"]), figure, float(found[figure].to_dict()[c]), limit, at_least=least)
        for c, figure, limit, least in LIMITS
        if c in found.index
    ]
