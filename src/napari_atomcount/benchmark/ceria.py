"""The benchmark of CeO2 in [110]: cerium and oxygen columns, particles and slabs, floors, classical peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.ceria_scenes import (
    CLASSES,
    KINDS,
    OPTICS,
    CeriaCondition,
    CeriaPictures,
    CeriaSet,
    prepare,
)
from napari_atomcount.benchmark.columns import (
    FAINTEST_SCORE,
    LOOKED_WITH,
    by_count,
    camera_of,
    floor,
)
from napari_atomcount.benchmark.conditions import CARD_AXIS, MEANT_CARD_AXIS, name_of
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
from napari_atomcount.benchmark.scenes import (
    CAMERA_WIDE,
    FOCAL_MEAN,
    MEANT,
    Picture,
    cache_folder,
    fixed,
)
from napari_atomcount.benchmark.scoring import Scored, column_figures, pooled, score_image
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.records.errors import InputError

Tell = Callable[[str, int, int], None]

#: Specimens of a default run: errors of counts are common to a specimen, and of 32 of a condition even honest
#: probabilities are often 0.05 off.
IMAGES = 96
#: Doses of the curve at 0.1 Å/px, e/Å²: 100 is a signal-to-noise ratio of 1 in a pixel, 900 one of 3.
DOSES = (50.0, 100.0, 200.0, 400.0, 900.0, 1000.0, 3000.0, 1e4)
#: Conditions with all specimens; the other ones take a quarter of them.
TABLE = (
    "ceo2-100",
    "ceo2-900",
    "ceo2-1000",
    "ceo2-100-mean",
    "ceo2-900-mean",
    "ceo2-1000-mean",
    "ceo2-wide",
    "ceo2-wide-mean",
)
PEERS = ("ceo2-100", "ceo2-900")
#: The precision at which the oxygen columns' recall is asked for.
PRECISION = 0.9
#: Everything that the model is for.
OPTICS_WIDE = OPTICS | {
    "cs_um": Uniform(low=-13.0, high=-5.0),
    "astigmatism_nm": Uniform(low=0.0, high=2.0),
    "astigmatism_deg": Uniform(low=0.0, high=360.0),
    "focal_spread_nm": Uniform(low=2.0, high=4.0),
}
SOURCES = (*IMAGING, "benchmark.ceria_scenes", "physics.specimens.ceria_cluster")


def conditions(meant: bool = False) -> list[CeriaCondition]:
    """The rows of the benchmark; ``meant``: those of a card are of images as a mean over focus."""
    rows = [
        CeriaCondition(
            name=f"ceo2-{name_of(d)}",
            title=f"{name_of(d)} e/Å²" + {100.0: " (SNR 1)", 900.0: " (SNR 3)"}.get(d, ""),
            dose_e_per_A2=fixed(d),
            axis="dose",
            at=d,
        )
        for d in DOSES
    ]
    rows += [
        CeriaCondition(
            name=f"ceo2-{name_of(d)}-pixel-{name_of(p)}" + ("-mean" if meant else ""),
            title=f"{name_of(d)} e/Å², {p:g} Å/px" + (f", {MEANT}" if meant else ""),
            optics=OPTICS | (FOCAL_MEAN if meant else {}),
            dose_e_per_A2=fixed(d),
            pixel_A=fixed(p),
            axis=MEANT_CARD_AXIS if meant else CARD_AXIS,
            at=d,
        )
        for p in ((0.06, 0.1, 0.15, 0.2) if meant else (0.06, 0.15, 0.2))
        for d in ((100.0, 300.0, 900.0, 1e4) if meant else (100.0, 900.0, 1e4))
    ]
    rows += [
        CeriaCondition(
            name=f"ceo2-defocus-{name_of(d)}",
            title=f"900 e/Å², defocus {d:+g} nm",
            optics=OPTICS | {"defocus_nm": fixed(d)},
            dose_e_per_A2=fixed(900.0),
            axis="defocus",
            at=d,
        )
        for d in (1.0, 3.0, 5.0, 7.0, 9.0)
    ]
    rows += [
        CeriaCondition(
            name=f"ceo2-tilt-{name_of(t)}",
            title=f"900 e/Å², tilt {t:g}°",
            specimens=CeriaSet(tilt_deg=(t, t)),
            dose_e_per_A2=fixed(900.0),
            axis="tilt",
            at=t,
        )
        for t in (0.0, 3.0)
    ]
    rows += [
        CeriaCondition(
            name=f"ceo2-{name_of(d)}-mean",
            title=f"{name_of(d)} e/Å², {MEANT}",
            optics=OPTICS | FOCAL_MEAN,
            dose_e_per_A2=fixed(d),
        )
        for d in (100.0, 900.0, 1000.0)
    ]
    rows.append(
        CeriaCondition(
            name="ceo2-wide",
            title="wide: 80–20,000 e/Å², 0.06–0.2 Å/px, Cs -13…-5 µm, astigmatism up to 2 nm, any camera",
            optics=OPTICS_WIDE,
            camera=CAMERA_WIDE,
            dose_e_per_A2=Uniform(low=80.0, high=2e4, log=True),
            pixel_A=Uniform(low=0.06, high=0.2),
        )
    )
    wide = {"name": "ceo2-wide-mean", "title": f"wide, {MEANT}", "optics": OPTICS_WIDE | FOCAL_MEAN}
    return [*rows, rows[-1].model_copy(update=wide)]


@dataclass
class CeriaResult:
    """What the benchmark of a CeO2 model found; ``scored`` by condition and class."""

    card: ModelCard
    rows: pd.DataFrame
    kinds: pd.DataFrame
    peers: pd.DataFrame
    scored: dict[tuple[str, str], Scored] = field(default_factory=dict)
    floors: list[dict[str, Any]] = field(default_factory=list)

    def counts(self) -> pd.DataFrame:
        """Recall and count rates by class and true number of atoms, at SNR 3."""
        parts = [
            by_count(self.scored["ceo2-900", label], self.card.default_threshold).assign(label=label)
            for label in CLASSES
        ]
        return pd.concat(parts, ignore_index=True)


def fits(card: ModelCard) -> bool:
    """Whether this is a model that the benchmark is made for."""
    return card.task == "columns" and not card.focal_series and tuple(card.classes) == CLASSES


def run_ceria(card: ModelCard, images: int | None, seed: int, tell: Tell) -> CeriaResult:
    """Measure a CeO2 model on specimens of the second generator.

    Each class is scored on its own: a cerium column that is called oxygen is a missed one and a false one.
    All figures but the recall at a precision of 0.9 are at the model's one default threshold.

    Parameters
    ----------
    card : ModelCard
        A model with the classes Ce and O.
    images : int, optional
        Specimens of the table's conditions; curves take a quarter of them.
    seed : int
        Of everything random: another one makes other specimens.
    tell : callable
        ``tell(stage, done, total)``.

    Raises
    ------
    InputError
        For another kind of model.
    """
    if not fits(card):
        raise InputError(f"'{card.name}' does not find Ce and O columns: this benchmark is not for it.")
    images = IMAGES if images is None else max(1, images)
    # of a model that knows a microscope's images the card is to say what to expect of these
    own = conditions(card.knows_means)
    # curves show each of the six kinds of specimens at least once, where there are as many
    fewer = max(min(images, len(KINDS)), images // 4)
    number = {c.name: images if c.name in TABLE else fewer for c in own}
    cache = cache_folder()
    prepare(own, number, seed, cache, tell)
    detector = Detector(card)
    result = CeriaResult(card, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    rows, kinds, peers = [], [], {}
    for done, condition in enumerate(own):
        tell("conditions", done, len(own))
        pictures = CeriaPictures(condition, seed, number[condition.name], cache)
        for label, scored in measured(detector, pictures).items():
            result.scored[condition.name, label] = scored
            about = describe(condition, card, seed, label)
            rows.append(about | figures(scored, card.default_threshold))
            if condition.name == "ceo2-900":
                kinds += [about | one for one in by_kind(scored, card.default_threshold)]
        if condition.name in PEERS:
            peers[condition.name] = peer_table(pictures)
    tell("conditions", len(own), len(own))
    result.rows, result.kinds, result.peers = pd.DataFrame(rows), pd.DataFrame(kinds), tuned(peers)
    result.floors = floors(result.rows)
    return result


def measured(detector: Detector, pictures: CeriaPictures) -> dict[str, Scored]:
    """Detections of each class in all images of a condition, matched with their truth, or from the cache."""
    card = detector.card
    parts = [card.model_dump(mode="json", include=LOOKED_WITH), FAINTEST_SCORE]
    modules, own = SOURCES + DETECTING, pictures.parts()
    paths = {name: result_path(pictures.cache, "ceria", modules, [parts, own, name]) for name in CLASSES}
    if all(path is not None and path.exists() for path in paths.values()):
        return {name: load_scored(path) for name, path in paths.items() if path is not None}
    images = [examine(detector, image, index) for index, image in enumerate(pictures)]
    together = {name: pooled([one[name] for one in images]) for name in CLASSES}
    for name, path in paths.items():
        if path is not None:
            save_scored(together[name], path)
    return together


def examine(detector: Detector, image: Picture, index: int) -> dict[str, Scored]:
    """Detect in one test image, and match each class with its own truth; gaps are those of cerium."""
    card = detector.card
    maps = detector.detect(image.frame, (image.pixel_nm, image.pixel_nm), mtf=camera_of(image))
    found = find_columns(maps, card.calibration, FAINTEST_SCORE)
    shape = (image.frame.shape[0], image.frame.shape[1])
    out = {}
    for name in CLASSES:
        mine = found[found.label == name].reset_index(drop=True)
        truth = image.truth[image.truth.label == name].reset_index(drop=True)
        gaps = image.missing if name == CLASSES[0] else image.missing.iloc[:0]
        out[name] = score_image(index, mine, truth, gaps, image.pixel_nm, shape, card.default_threshold)
    return out


def peer_table(pictures: CeriaPictures) -> pd.DataFrame:
    """The classical methods with every setting, scored on the cerium columns, or from the cache.

    They cannot name a class; what they find at oxygen columns counts as false, and the best threshold of the
    grid is the one that leaves these out.
    """
    path = result_path(pictures.cache, "ceria-peers", (*SOURCES, "benchmark.peers"), pictures.parts())
    if path is not None and path.exists():
        return load_table(path)
    cerium = (
        Picture(p.frame, p.pixel_nm, p.truth[p.truth.label == CLASSES[0]].reset_index(drop=True), p.missing)
        for p in pictures
    )
    table = every_setting(cerium)
    if path is not None:
        save_table(table, path)
    return table


def describe(condition: CeriaCondition, card: ModelCard, seed: int, label: str) -> dict[str, Any]:
    """What every row states: model, conditions, class, seed."""
    dose, pixel, tilt = condition.dose_e_per_A2, condition.pixel_A, condition.specimens.tilt_deg
    return {
        "benchmark": "ceria",
        "condition": condition.name,
        "title": condition.title,
        "label": label,
        "model": card.name,
        "sha256": card.sha256[:12],
        "seed": seed,
        "threshold": card.default_threshold,
        "generator": "second",
        "dose_low_e_per_A2": dose.low,
        "dose_high_e_per_A2": dose.high,
        "pixel_low_A": pixel.low,
        "pixel_high_A": pixel.high,
        "tilt_low_deg": tilt[0],
        "tilt_high_deg": tilt[1],
        # a card takes what to expect from rows of an axis; those of cerium are the first class's
        "axis": condition.axis if label == CLASSES[0] or not condition.axis else f"{condition.axis}, {label}",
        "at": condition.at,
    }


def figures(scored: Scored, threshold: float) -> dict[str, float]:
    """Figures at the threshold, and the recall where the precision is 0.9."""
    recall, at = recall_at(scored, PRECISION)
    return column_figures(scored, threshold) | {"recall_at_precision": recall, "threshold_there": at}


def recall_at(scored: Scored, precision: float) -> tuple[float, float]:
    """The largest recall of any threshold whose precision is at least the given one, and that threshold.

    Zero and one where no threshold has such a precision; NaN where there is nothing to find.
    """
    if not len(scored.truth):
        return float("nan"), float("nan")
    found = scored.found.sort_values("score", ascending=False)
    score, hits = found.score.to_numpy(float), found.true.to_numpy(float).cumsum()
    last = np.append(score[1:] != score[:-1], True)[: len(score)]  # a threshold keeps all of one score
    good = last & (hits / np.maximum(np.arange(1, len(score) + 1), 1) >= precision)
    if not good.any():
        return 0.0, 1.0
    where = int(np.flatnonzero(good)[-1])
    return float((scored.truth.score >= score[where]).mean()), float(score[where])


def by_kind(scored: Scored, threshold: float) -> list[dict[str, Any]]:
    """The same figures for each form and surface; images are of the kinds in turn."""
    rows = []
    for number, (form, surface) in enumerate(KINDS):
        tables = [
            getattr(scored, name)[getattr(scored, name).image % len(KINDS) == number]
            for name in ("found", "truth", "gaps")
        ]
        images = len(range(number, scored.images, len(KINDS)))
        if images:
            part = Scored(tables[0], tables[1], tables[2], images)
            rows.append({"form": form, "surface": surface} | figures(part, threshold))
    return rows


#: What the bundled model must reach: condition, class, figure, least value.
FLOORS = (
    ("ceo2-100", "Ce", "precision", 0.92),
    ("ceo2-100", "Ce", "recall", 0.90),
    ("ceo2-900", "Ce", "precision", 0.98),
    ("ceo2-900", "Ce", "recall", 0.97),
    ("ceo2-900", "Ce", "count_exact", 0.70),
    ("ceo2-900", "Ce", "count_within_one", 0.97),
    ("ceo2-1000", "O", "recall_at_precision", 0.9),
)
#: The same for figures that must not be larger.
CEILINGS = tuple(
    (condition, label, figure, 0.05)
    for condition in ("ceo2-100", "ceo2-900", "ceo2-1000")
    for label in CLASSES
    for figure in ("ece_score", "ece_count")
)


def floors(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold the rows against what the bundled model must reach."""
    result = []
    for limits, at_least in ((FLOORS, True), (CEILINGS, False)):
        for condition, label, figure, limit in limits:
            own = rows[(rows.condition == condition) & (rows.label == label)]
            if len(own):
                words = f"CeO2, {own.title.iloc[0]}, {label}"
                result.append(floor(words, figure, float(own[figure].iloc[0]), limit, at_least=at_least))
    return result
