"""What a user would otherwise do: a Laplacian of Gaussian or local maxima, with the best of many settings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_laplace, maximum_filter

from napari_atomcount.benchmark.scenes import Picture
from napari_atomcount.benchmark.scoring import Scored, pooled, position_error, ratio, score_image

#: The methods: peaks of the Laplacian of Gaussian, and of the smoothed image.
LAPLACIAN, MAXIMA = "Laplacian of Gaussian", "local maxima"
METHODS = (LAPLACIAN, MAXIMA)
#: The grid of settings: width of the Gaussian, Å; bright or dark; threshold over the strongest response.
SIGMAS_A = (0.35, 0.5, 0.65, 0.85)
SIGNS = (1, -1)
THRESHOLDS = (0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
#: Peaks are at least this far apart, nm.
CLOSEST_NM = 0.085
SETTING = ("method", "sigma_A", "sign", "threshold")


def response(
    frame: NDArray[np.floating], pixel_nm: float, method: str, sigma_A: float, sign: int
) -> NDArray[np.float32]:
    """What a method looks for peaks in; zero where there is nothing.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X)
        Intensities.
    pixel_nm : float
        Size of a pixel.
    method : str
        One of :data:`METHODS`.
    sigma_A : float
        Width of the Gaussian.
    sign : int
        1 for bright columns, -1 for dark ones.
    """
    image, sigma = frame.astype(np.float32), sigma_A / 10 / pixel_nm
    if method == LAPLACIAN:
        return np.asarray(-sign * gaussian_laplace(image, sigma), dtype=np.float32)
    smooth = gaussian_filter(image, sigma)
    return np.asarray(sign * (smooth - np.median(smooth)), dtype=np.float32)


def peaks(
    frame: NDArray[np.floating], pixel_nm: float, method: str, sigma_A: float, sign: int
) -> pd.DataFrame:
    """Peaks of a method's response, strongest first, refined by a parabola along each axis.

    Parameters
    ----------
    frame, pixel_nm, method, sigma_A, sign
        As in :func:`response`.

    Returns
    -------
    pandas.DataFrame
        y, x (px), score (response over the 99.9th percentile, at most 1).
    """
    found = response(frame, pixel_nm, method, sigma_A, sign)
    size = 2 * max(1, round(0.7 * CLOSEST_NM / pixel_nm)) + 1
    top = max(float(np.quantile(found, 0.999)), 1e-12)
    y, x = np.nonzero((found == maximum_filter(found, size)) & (found > THRESHOLDS[0] * top))
    inner = (y > 0) & (x > 0) & (y < frame.shape[0] - 1) & (x < frame.shape[1] - 1)
    y, x = y[inner], x[inner]
    here = found[y, x]

    def vertex(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.floating]:
        curvature = np.minimum(before - 2 * here + after, -1e-12)
        return np.asarray(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))

    table = pd.DataFrame(
        {
            "y": y + vertex(found[y - 1, x], found[y + 1, x]),
            "x": x + vertex(found[y, x - 1], found[y, x + 1]),
            "score": np.clip(here / top, 0, 1),
        }
    )
    return table.assign(count=-1, count_prob=np.nan).sort_values("score", ascending=False, ignore_index=True)


def every_setting(images: Iterable[Picture]) -> pd.DataFrame:
    """Every method with every setting over the images of one condition, scored like ours.

    Returns
    -------
    pandas.DataFrame
        method, sigma_A, sign, threshold, tuning ('grid': this setting for all images; 'image': the best
        setting of each image, sigma_A … NaN), images, columns, found, precision, recall, f1, position_pm.
    """
    parts: dict[tuple[str, float, int], list[Scored]] = {}
    for index, image in enumerate(images):
        shape = (image.frame.shape[0], image.frame.shape[1])
        for key in product(METHODS, SIGMAS_A, SIGNS):
            found = peaks(image.frame, image.pixel_nm, *key)
            scored = score_image(index, found, image.truth, image.missing, image.pixel_nm, shape, 0.0)
            parts.setdefault(key, []).append(scored)
    rows: list[dict[str, object]] = []
    for key, own in parts.items():
        together = pooled(own)
        for threshold in THRESHOLDS:
            setting: dict[str, object] = dict(zip(SETTING, (*key, threshold), strict=True))
            rows.append(setting | {"tuning": "grid"} | figures(together, threshold))
    for method in METHODS:
        best: list[Scored] = []
        mine = [own for key, own in parts.items() if key[0] == method]
        for one in zip(*mine, strict=True):
            part, threshold = max(((p, t) for p in one for t in THRESHOLDS), key=lambda choice: f1(*choice))
            best.append(above(part, threshold))
        row: dict[str, object] = {"method": method, "tuning": "image"}
        rows.append(row | figures(pooled(best), 0.0))
    return pd.DataFrame(rows)


def tuned(tables: dict[str, pd.DataFrame], shared: Iterable[str] | None = None) -> pd.DataFrame:
    """Figures of each method and condition with its best settings, chosen with the truth at hand.

    Parameters
    ----------
    tables : dict
        Of :func:`every_setting`, by the condition's name.
    shared : iterable of str, optional
        Conditions that the one setting for all is chosen on, by the mean F1; all if not given.

    Returns
    -------
    pandas.DataFrame
        condition, method, tuning (one setting, condition, image), the setting, and the figures.
    """
    rows: list[pd.DataFrame] = []
    for method in METHODS:
        # the grid has the same order everywhere: a setting is a position in it
        own = {c: t[t.method == method].reset_index(drop=True) for c, t in tables.items()}
        quality = pd.DataFrame({c: t[t.tuning == "grid"].f1 for c, t in own.items()})
        chosen = [c for c in (shared or quality.columns) if c in quality]
        one = int(quality[chosen].mean(axis=1).to_numpy().argmax())
        for condition, table in own.items():
            best = int(quality[condition].to_numpy().argmax())
            for tuning, number in (("one setting", one), ("condition", best)):
                rows.append(table.iloc[[number]].assign(condition=condition, tuning=tuning))
            rows.append(table[table.tuning == "image"].assign(condition=condition))
    columns = ["condition", "tuning", *SETTING, *FIGURES]
    return pd.concat(rows, ignore_index=True)[columns]


FIGURES = ("images", "columns", "found", "precision", "recall", "f1", "position_pm")


def figures(s: Scored, threshold: float) -> dict[str, float]:
    """Precision, recall, F1 and position error at a threshold: the columns of :data:`FIGURES`."""
    written = s.found[s.found.score >= threshold]
    hits = written[written.true]
    return {
        "images": s.images,
        "columns": len(s.truth),
        "found": len(written),
        "precision": ratio(len(hits), len(written)),
        "recall": ratio((s.truth.score >= threshold).sum(), len(s.truth)),
        "f1": ratio(2 * len(hits), len(written) + len(s.truth)),
        "position_pm": position_error(hits) * 1e3,
    }


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
