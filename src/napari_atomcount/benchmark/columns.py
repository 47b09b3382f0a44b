"""The benchmark of a columns model: standard conditions A, wide ones, surroundings, curves, peers, floors."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from napari_atomcount.benchmark.conditions import (
    DOSES,
    SECOND,
    card_conditions,
    curve_conditions,
    name_of,
    table_conditions,
)
from napari_atomcount.benchmark.ideal_observer import Observer, observe
from napari_atomcount.benchmark.kept import (
    DETECTING,
    IMAGING,
    load_scored,
    load_table,
    result_path,
    save_scored,
    save_table,
)
from napari_atomcount.benchmark.peers import every_setting, tuned
from napari_atomcount.benchmark.robustness import (
    LARGEST_FALL,
    falls,
    robustness_conditions,
    robustness_table,
)
from napari_atomcount.benchmark.scenes import (
    OPTICS_A,
    Condition,
    Picture,
    cache_folder,
    picture,
    prepare,
)
from napari_atomcount.benchmark.scoring import Scored, column_figures, pooled, ratio, score_image
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.detector import Detector
from napari_atomcount.pipeline.camera import camera_mtf
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

Tell = Callable[[str, int, int], None]

#: Detections below this score are not looked at.
FAINTEST_SCORE = 0.02
#: What of a card its detections depend on.
LOOKED_WITH = {
    "symmetries",
    "sha256",
    "calibration",
    "default_threshold",
    "network",
    "pixel_size_nm",
    "peak_nm",
    "normalisation",
}
#: Particles of a default run.
IMAGES = 32
#: Curves that show the classical methods too.
PEER_AXES = ("dose", "tilt", "defocus", "Cs", "pixel size")
#: A real micrograph without atomic columns: its place under ATOMCOUNT_TEST_DATA, and its pixel size.
NEGATIVE = ("hrtem_soot_negative/ExampleImage.tif", 0.0555)


@dataclass
class ColumnsResult:
    """What the benchmark of one model found."""

    card: ModelCard
    rows: pd.DataFrame
    peers: pd.DataFrame
    robustness: pd.DataFrame
    observer: Observer
    scored: dict[str, Scored] = field(default_factory=dict)
    floors: list[dict[str, Any]] = field(default_factory=list)


def run_columns(card: ModelCard, images: int | None, seed: int, tell: Tell) -> ColumnsResult:
    """Measure a columns model on unseen simulated particles.

    What was measured before with the same model, conditions, seed and code is read from the cache.

    Parameters
    ----------
    card : ModelCard
        A model that finds columns of fcc metals in [110].
    images : int, optional
        Particles of each condition; robustness takes half of them, curves and the ideal observer a quarter,
        some conditions several images of each.
    seed : int
        Of everything random: another one makes other particles.
    tell : callable
        ``tell(stage, done, total)``.

    Raises
    ------
    InputError
        For a model that this benchmark does not fit.
    """
    if card.task != "columns" or card.focal_series or "110" not in card.zone_axis.replace("-", ""):
        raise InputError(
            f"There is no benchmark for the model '{card.name}' ({card.task}, {card.zone_axis})."
        )
    images = IMAGES if images is None else max(1, images)
    # of a model that knows a microscope's images the card is to say what to expect of these
    table, curves = table_conditions(), [*curve_conditions(), *card_conditions(card.knows_means)]
    robust, places = robustness_conditions()
    number = {c.name: max(1, images // 2 if c.particles.element != "Au" else images) for c in table}
    number |= {c.name: max(1, images // 4) for c in curves} | {c.name: max(1, images // 2) for c in robust}
    cache = cache_folder()
    conditions = [*table, *robust, *curves]
    prepare(conditions, number, seed, cache, tell)
    detector = Detector(card)
    scored: dict[str, Scored] = {}
    peers: dict[str, pd.DataFrame] = {}
    rows = []
    for done, condition in enumerate(conditions):
        tell("conditions", done, len(conditions))
        pictures = Pictures(condition, seed, number[condition.name], cache)
        own = measured(detector, pictures)
        scored[condition.name] = own
        rows.append(describe(condition, card, seed) | column_figures(own, card.default_threshold))
        if condition.axis in PEER_AXES or condition.name == "wide":
            peers[condition.name] = peer_table(pictures)
    tell("conditions", len(conditions), len(conditions))
    observer = observe(SECOND, OPTICS_A, max(1, images // 4), seed, cache, tell)
    result = ColumnsResult(
        card,
        pd.DataFrame(rows),
        tuned(peers, [c.name for c in table]),
        robustness_table(places, pd.DataFrame(rows)),
        observer,
        scored,
    )
    negative = negative_row(detector, card)
    if negative is not None:
        result.rows = pd.concat([result.rows, pd.DataFrame([negative])], ignore_index=True)
    result.floors = floors(result.rows) + [
        floor(f"robustness at 10⁴ e/Å²: {factor}", "fall of count_exact", fall, LARGEST_FALL, at_least=False)
        for factor, fall in falls(result.robustness).items()
    ]
    return result


@dataclass(frozen=True)
class Pictures:
    """The test images of one condition, made when they are asked for."""

    condition: Condition
    seed: int
    number: int  # of particles
    cache: Path | None

    def __iter__(self) -> Iterator[Picture]:
        """Make one image after the other."""
        for index in range(round(self.number * self.condition.share)):
            yield picture(self.condition, self.seed, index, self.number, self.cache)

    def parts(self) -> list[Any]:
        """All that they depend on, fit for JSON."""
        return [self.condition.model_dump(mode="json"), self.seed, self.number]


def measured(detector: Detector, pictures: Pictures) -> Scored:
    """Detections in all images of a condition, matched with their truth, or from the cache."""
    card = detector.card.model_dump(mode="json", include=LOOKED_WITH)
    parts = [card, FAINTEST_SCORE, inspect.getsource(examine), pictures.parts()]
    path = result_path(pictures.cache, "columns", IMAGING + DETECTING, parts)
    if path is not None and path.exists():
        return load_scored(path)
    scored = pooled([examine(detector, image, index) for index, image in enumerate(pictures)])
    if path is not None:
        save_scored(scored, path)
    return scored


def peer_table(pictures: Pictures) -> pd.DataFrame:
    """The classical methods with every setting over the images of a condition, or from the cache."""
    path = result_path(pictures.cache, "peers", (*IMAGING, "benchmark.peers"), pictures.parts())
    if path is not None and path.exists():
        return load_table(path)
    table = every_setting(pictures)
    if path is not None:
        save_table(table, path)
    return table


def examine(detector: Detector, image: Picture, index: int) -> Scored:
    """Detect in one test image and match with its truth."""
    card = detector.card
    size = (image.pixel_nm, image.pixel_nm)
    maps = detector.detect(image.frame, size, mtf=camera_of(image), beam_level=image.beam_level)
    found = find_columns(maps, card.calibration, FAINTEST_SCORE)
    shape = (image.frame.shape[0], image.frame.shape[1])
    return score_image(
        index, found, image.truth, image.missing, image.pixel_nm, shape, card.default_threshold
    )


def camera_of(image: Picture) -> Mtf:
    """What the program finds of a test image's camera, the dose stated or not."""
    dose = image.parameters.get("dose_e_per_A2") if image.dose_stated else None
    scales = Calibration(pixel_size_nm=(image.pixel_nm, image.pixel_nm), dose_e_per_A2=dose)
    settings = AnalysisSettings(detect=DetectSettings(beam_level=image.beam_level))
    return camera_mtf(Movie(image.frame[None], scales, "image"), settings)


def describe(condition: Condition, card: ModelCard, seed: int) -> dict[str, Any]:
    """What every row states: model, conditions, seed."""
    p = condition.particles
    dose, pixel = condition.dose_e_per_A2, condition.pixel_A
    return {
        "benchmark": "columns",
        "condition": condition.name,
        "title": condition.title,
        "model": card.name,
        "sha256": card.sha256[:12],
        "seed": seed,
        "threshold": card.default_threshold,
        "generator": "second" if p.generator == "wulff" else "training's",
        "element": p.element,
        "dose_low_e_per_A2": dose.low,
        "dose_high_e_per_A2": dose.high,
        "pixel_low_A": pixel.low,
        "pixel_high_A": pixel.high,
        "tilt_low_deg": p.tilt_deg[0],
        "tilt_high_deg": p.tilt_deg[1],
        "surroundings": condition.surroundings,
        "axis": condition.axis,
        "at": condition.at,
    }


def negative_row(detector: Detector, card: ModelCard) -> dict[str, Any] | None:
    """False columns on the real micrograph without columns, where ATOMCOUNT_TEST_DATA says that it lies."""
    folder = os.environ.get("ATOMCOUNT_TEST_DATA")
    if not folder:
        return None
    path = Path(folder) / NEGATIVE[0]
    if not path.is_file():
        raise InputError(f"ATOMCOUNT_TEST_DATA is set, but there is no {path}.")
    found, area = false_columns(detector, path, NEGATIVE[1])
    return {
        "benchmark": "columns",
        "condition": "negative",
        "title": "soot, a real image without columns",
        "model": card.name,
        "sha256": card.sha256[:12],
        "threshold": card.threshold_at((NEGATIVE[1], NEGATIVE[1])),
        "images": 1,
        "columns": 0,
        "found": found,
        "false_per_100_nm2": 100 * found / area,
    }


def false_columns(detector: Detector, path: Path, pixel_nm: float) -> tuple[int, float]:
    """Number of columns that a model writes for an image without any, and the image's area in nm².

    Parameters
    ----------
    path : pathlib.Path
        A TIFF of one image, grey or RGB.
    pixel_nm : float
        Its pixel size.
    """
    image = np.asarray(tifffile.imread(path), np.float32)
    image = image.mean(-1) if image.ndim == 3 and image.shape[-1] in (3, 4) else image
    card = detector.card
    maps = detector.detect(image, (pixel_nm, pixel_nm))
    threshold = card.threshold_at((pixel_nm, pixel_nm))
    found = find_columns(maps, card.calibration, threshold)
    return len(found), float(image.size * pixel_nm**2)


#: What the bundled model must reach: condition, figure, least value.
FLOORS = (
    ("A-100", "precision", 0.96),
    ("A-100", "recall", 0.95),
    ("A-310", "precision", 0.99),
    ("A-310", "recall", 0.985),
    *((f"A-{name_of(d)}", "precision", 0.997) for d in DOSES if d >= 1000),
    *((f"A-{name_of(d)}", "recall", 0.995) for d in DOSES if d >= 1000),
    ("wide", "precision", 0.93),
    ("wide", "recall", 0.90),
    ("A-1000-gaps", "missing_reported", 0.95),
    ("A-1000-gaps", "isolated_found", 0.95),
    ("A-1000", "count_exact", 0.60),
    ("A-1000", "count_within_one", 0.95),
    ("A-1e4", "count_exact", 0.70),
    ("A-1e4", "count_within_one", 0.97),
)
#: Conditions whose probabilities must come true.
CALIBRATED = ("A-100", "A-310", "A-1000", "A-3000", "A-1e4", "wide")
#: The same for figures that must not be larger.
CEILINGS = (
    ("A-310", "position_pm", 7.0),
    ("A-1e4", "position_pm", 5.0),
    *((condition, "ece_score", 0.05) for condition in CALIBRATED),
    *((condition, "ece_count", 0.05) for condition in CALIBRATED),
    ("negative", "false_per_100_nm2", 1.0),
)


def floors(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold the rows against what the bundled model must reach; what was not measured is left out."""
    found = rows.set_index("condition")
    result = []
    for limits, at_least in ((FLOORS, True), (CEILINGS, False)):
        for condition, figure, limit in limits:
            if condition not in found.index or figure not in found:
                continue
            value = float(found[figure].to_dict()[condition])
            result.append(floor(str(found.loc[condition, "title"]), figure, value, limit, at_least=at_least))
    return result


def floor(condition: str, figure: str, value: float, limit: float, *, at_least: bool) -> dict[str, Any]:
    """One line of the table of floors."""
    met = bool(value >= limit) if at_least else bool(value <= limit)
    sign = "≥" if at_least else "≤"
    return {
        "condition": condition,
        "figure": figure,
        "floor": f"{sign} {limit:g}",
        "measured": value,
        "met": met,
    }


def by_count(scored: Scored, threshold: float) -> pd.DataFrame:
    """Recall and count rates by the true number of atoms.

    Returns
    -------
    pandas.DataFrame
        count, columns, recall, exact, within_one, bias.
    """
    rows = []
    hits = scored.found[scored.found.true & (scored.found.score >= threshold)]
    for count, own in scored.truth.groupby("count"):
        error = (hits["count"] - hits.true_count)[hits.true_count == count].to_numpy()
        rows.append(
            {
                "count": count,
                "columns": len(own),
                "recall": ratio((own.score >= threshold).sum(), len(own)),
                "exact": float(np.mean(error == 0)) if len(error) else np.nan,
                "within_one": float(np.mean(np.abs(error) <= 1)) if len(error) else np.nan,
                "bias": float(np.mean(error)) if len(error) else np.nan,
            }
        )
    return pd.DataFrame(rows)
