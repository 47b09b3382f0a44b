"""What a user would otherwise do: a Laplacian of Gaussian and its peaks, with one setting and tuned."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace, maximum_filter

from napari_atomcount.benchmark.scenes import Picture
from napari_atomcount.benchmark.scoring import Scored, column_figures, pooled, score_image

#: The grid of settings: width of the Gaussian, Å; bright or dark; threshold over the strongest response.
SIGMAS_A = (0.35, 0.5, 0.65, 0.85)
SIGNS = (1, -1)
THRESHOLDS = (0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
#: Peaks are at least this far apart, nm.
CLOSEST_NM = 0.085


def laplacian_peaks(frame: NDArray[np.floating], pixel_nm: float, sigma_A: float, sign: int) -> pd.DataFrame:
    """Peaks of the Laplacian of Gaussian, strongest first, refined by a parabola along each axis.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        Intensities.
    pixel_nm : float
        Size of a pixel.
    sigma_A : float
        Width of the Gaussian.
    sign : int
        1 for bright columns, -1 for dark ones.

    Returns
    -------
    pandas.DataFrame
        y, x (px), score (response over the 99.9th percentile, at most 1).
    """
    response = -sign * gaussian_laplace(frame.astype(np.float32), sigma_A / 10 / pixel_nm)
    size = 2 * max(1, round(0.7 * CLOSEST_NM / pixel_nm)) + 1
    top = max(float(np.quantile(response, 0.999)), 1e-12)
    y, x = np.nonzero((response == maximum_filter(response, size)) & (response > THRESHOLDS[0] * top))
    inner = (y > 0) & (x > 0) & (y < frame.shape[0] - 1) & (x < frame.shape[1] - 1)
    y, x = y[inner], x[inner]
    here = response[y, x]

    def vertex(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.floating]:
        curvature = np.minimum(before - 2 * here + after, -1e-12)
        return np.asarray(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))

    table = pd.DataFrame(
        {
            "y": y + vertex(response[y - 1, x], response[y + 1, x]),
            "x": x + vertex(response[y, x - 1], response[y, x + 1]),
            "score": np.clip(here / top, 0, 1),
        }
    )
    return table.assign(count=-1, count_prob=np.nan).sort_values("score", ascending=False, ignore_index=True)


@dataclass(frozen=True)
class LaplacianSetting:
    """One way to run it."""

    sigma_A: float
    sign: int
    threshold: float


class LaplacianBench:
    """The peer over many images: every setting of the grid, scored like ours."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[tuple[float, int], list[Scored]]] = {}

    def add(self, condition: str, index: int, image: Picture) -> None:
        """Run all settings over one image of a condition."""
        own = self.parts.setdefault(condition, {})
        for sigma in SIGMAS_A:
            for sign in SIGNS:
                found = laplacian_peaks(image.frame, image.pixel_nm, sigma, sign)
                shape = (image.frame.shape[0], image.frame.shape[1])
                scored = score_image(index, found, image.truth, image.missing, image.pixel_nm, shape, 0.0)
                own.setdefault((sigma, sign), []).append(scored)

    def rows(self) -> pd.DataFrame:
        """Figures of each condition: the one setting that is best on average, tuned to it, and to each image.

        Returns
        -------
        pandas.DataFrame
            condition, tuning (one setting, condition, image), the setting, and the figures of
            :func:`~napari_atomcount.benchmark.scoring.column_figures`.
        """
        together = {c: {key: pooled(parts) for key, parts in own.items()} for c, own in self.parts.items()}
        settings = [LaplacianSetting(*key, t) for key in product(SIGMAS_A, SIGNS) for t in THRESHOLDS]
        quality = {
            c: {s: f1(own[s.sigma_A, s.sign], s.threshold) for s in settings} for c, own in together.items()
        }
        one = max(settings, key=lambda s: float(np.mean([values[s] for values in quality.values()])))
        rows = []
        for condition, values in quality.items():
            tuned = max(settings, key=lambda s: values[s])
            for tuning, setting in (("one setting", one), ("condition", tuned)):
                scored = together[condition][setting.sigma_A, setting.sign]
                figures = column_figures(scored, setting.threshold)
                rows.append({"condition": condition, "tuning": tuning, **vars(setting), **figures})
            rows.append({"condition": condition, "tuning": "image", **self._image_by_image(condition)})
        return pd.DataFrame(rows)

    def _image_by_image(self, condition: str) -> dict[str, float]:
        best: list[Scored] = []
        for parts in zip(*self.parts[condition].values(), strict=True):
            part, threshold = max(((p, t) for p in parts for t in THRESHOLDS), key=lambda choice: f1(*choice))
            best.append(above(part, threshold))
        return column_figures(pooled(best), 0.0)


def f1(scored: Scored, threshold: float) -> float:
    """F1 alone, for the choice among many settings."""
    written = scored.found.score.to_numpy() >= threshold
    hits = (written & scored.found.true.to_numpy(bool)).sum()
    return float(2 * hits / max(1, written.sum() + len(scored.truth)))


def above(scored: Scored, threshold: float) -> Scored:
    """Forget what lies below a threshold."""
    found = scored.found[scored.found.score >= threshold]
    truth = scored.truth.assign(score=scored.truth.score.where(scored.truth.score >= threshold))
    return Scored(found, truth, scored.gaps, scored.images)
