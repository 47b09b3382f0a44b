"""What to expect of a model at a dose and pixel size: interpolated in the measurements on its card."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_atomcount.networks.card import ModelCard

#: Figures that are interpolated.
FIGURES = ("precision", "recall", "count_exact", "count_within_one", "position_pm")
#: This far beyond a measured dose or pixel size, as a factor, the nearest measurement still stands.
DOSE_MARGIN, PIXEL_MARGIN = 1.6, 1.1


@dataclass(frozen=True)
class Expectation:
    """Figures at one dose and pixel size; NaN where the card does not say.

    Attributes
    ----------
    precision, recall : float
        Shares of the found columns that are there, and of the columns that are found.
    count_exact, count_within_one : float
        Shares of the found columns whose count is right, and off by at most one.
    position_pm : float
        Root mean square error along each axis, pm.
    dose_e_per_A2, pixel_size_nm : float
        Where.
    """

    precision: float
    recall: float
    count_exact: float
    count_within_one: float
    position_pm: float
    dose_e_per_A2: float
    pixel_size_nm: float

    def record(self) -> dict[str, float | None]:
        """For JSON: None where the card does not say."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def expect(
    card: ModelCard, dose_e_per_A2: float | None, pixel_size_nm: float | None = None
) -> Expectation | None:
    """Interpolate in the card's scores, linearly in the logarithms of dose and pixel size.

    Parameters
    ----------
    card : ModelCard
        Its scores: those with one dose and one pixel size (``dose_low_e_per_A2`` equal to ``dose_high…``,
        ``pixel_low_A`` to ``pixel_high_A``) count; without a pixel size they hold for the network's own.
    dose_e_per_A2 : float, optional
        Dose per image.
    pixel_size_nm : float, optional
        Pixel size; the network's own if not given.

    Returns
    -------
    Expectation or None
        None where nothing near was measured.
    """
    if dose_e_per_A2 is None or not (math.isfinite(dose_e_per_A2) and dose_e_per_A2 > 0):
        return None
    pixel = card.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
    if not (math.isfinite(pixel) and pixel > 0):
        return None
    here = {}
    for name in FIGURES:
        curves = measured(card, name)
        at_dose = {p: along(curve, dose_e_per_A2, DOSE_MARGIN) for p, curve in curves.items()}
        here[name] = along({p: v for p, v in at_dose.items() if math.isfinite(v)}, pixel, PIXEL_MARGIN)
    if not any(math.isfinite(value) for value in here.values()):
        return None
    return Expectation(**here, dose_e_per_A2=dose_e_per_A2, pixel_size_nm=pixel)


def measured(card: ModelCard, name: str) -> dict[float, dict[float, float]]:
    """One figure of a card: pixel size in nm -> dose -> value."""
    curves: dict[float, dict[float, float]] = {}
    for score in card.scores:
        dose = only(score, "dose_low_e_per_A2", "dose_high_e_per_A2")
        pixel = card.pixel_size_nm
        if "pixel_low_A" in score:
            pixel = only(score, "pixel_low_A", "pixel_high_A") / 10
        value = number(score.get(name))
        if all(math.isfinite(v) for v in (dose, pixel, value)) and dose > 0 and pixel > 0:
            curves.setdefault(round(pixel, 6), {}).setdefault(dose, value)
    return curves


def along(points: dict[float, float], x: float, margin: float) -> float:
    """Value at x, linear in log x between points; the nearest one's within a margin; NaN farther out."""
    if not points:
        return math.nan
    places = sorted(points)
    if not places[0] / margin <= x <= places[-1] * margin:
        return math.nan
    return float(np.interp(math.log(x), np.log(places), [points[p] for p in places]))


def only(score: dict[str, Any], low: str, high: str) -> float:
    """The one value of a range; NaN where it is a range, or not there."""
    value = number(score.get(low))
    return value if value == number(score.get(high)) else math.nan


def number(value: Any) -> float:
    """A finite number as it is; NaN for anything else a card may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)
