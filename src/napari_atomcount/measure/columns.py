"""From probability maps to columns: peaks, sub-pixel positions with errors, calibrated scores and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.special import log_softmax, logit, softmax

from napari_atomcount.measure.shared_scale import count_together
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.packed import nothing, pack

#: Peaks nearer to each other than this are one column, nm; projected fcc columns are 0.13 nm apart or more.
CLOSEST_NM = 0.085
#: Peaks below these log-odds are not looked at: calibrated scores there are far below any useful threshold.
FAINTEST = -6.0


class Trust(Protocol):
    """How a network's numbers become probabilities; ``by_label``: those of single classes of columns."""

    @property
    def evidence(self) -> list[float]:
        """Log-odds at a peak, increasing."""

    @property
    def score(self) -> list[float]:
        """Share of columns among such peaks."""

    @property
    def count_temperature(self) -> float:
        """Divides the logarithms of the counts' probabilities."""

    @property
    def scale_spread(self) -> float:
        """As in :func:`~napari_atomcount.measure.shared_scale.count_together`; 0: each column on its own."""

    @property
    def sigma_factor(self) -> float:
        """Multiplies the network's standard error."""

    @property
    def by_label(self) -> Mapping[str, Trust]:
        """The same of single classes, where a class has its own."""


def find_columns(maps: ProbabilityMaps, trust: Trust, threshold: float) -> pd.DataFrame:
    """Find the columns of one frame.

    Local maxima of the column map are the candidates (thesis 6.3.5 seeds its basins with them); the network's
    offsets, averaged over the core, give the centre.

    Parameters
    ----------
    maps : ProbabilityMaps
        What the network says.
    trust : Trust
        Calibration of the model.
    threshold : float
        Columns of a lower score are dropped.

    Returns
    -------
    pandas.DataFrame
        y, x, y_sigma, x_sigma (px of the file), score, label, count, count_prob, count_low, count_high,
        count_p; strongest first. Counts are -1 and NaN for a model that does not count.
    """
    top, left = 1, 1
    height = maps.column
    radius = max(1, round(maps.peak_nm / maps.pixel_size_nm))
    peak = (
        (height == maximum_filter(height, size=2 * radius + 1, mode="nearest"))
        & (height > FAINTEST)
        & maps.observed
    )
    iy, ix = np.nonzero(peak)
    kind, raw = named(maps, iy, ix)
    order = np.argsort(-raw, kind="stable")
    iy, ix, raw, kind = iy[order], ix[order], raw[order], kind[order]
    y, x = centres(maps, iy, ix)
    scores = np.zeros(len(raw))
    for own, scale in of_classes(kind, maps, trust):
        scores[own] = calibrated(raw[own], scale.evidence, scale.score)
    keep = (scores >= threshold) & ~duplicates(y, x, CLOSEST_NM / maps.pixel_size_nm)
    inside = (y > -top + 0.5) & (x > -left + 0.5) & (y < height.shape[0] - 0.5) & (x < height.shape[1] - 0.5)
    keep &= inside
    iy, ix, y, x, scores, kind = iy[keep], ix[keep], y[keep], x[keep], scores[keep], kind[keep]
    sigma = np.exp(maps.log_sigma[iy, ix])
    p = count_probabilities(maps, iy, ix)
    nm = maps.pixel_size_nm
    for own, scale in of_classes(kind, maps, trust):
        sigma[own] *= scale.sigma_factor
        if p is not None:
            if scale.scale_spread > 0:
                p[own] = count_together(p[own], y[own] * nm, x[own] * nm, scores[own], scale.scale_spread)
            p[own] = tempered(p[own], scale.count_temperature)
    file_y, file_x = maps.to_file(y, x)
    table = pd.DataFrame(
        {
            "y": file_y,
            "x": file_x,
            "y_sigma": sigma * maps.scale[0],
            "x_sigma": sigma * maps.scale[1],
            "score": scores,
            "label": [maps.classes[k] for k in kind],
        }
    )
    return table.join(count_columns(p, len(table)))


def calibrated(
    raw: NDArray[np.floating],
    evidence: NDArray[np.floating] | list[float],
    score: NDArray[np.floating] | list[float],
) -> NDArray[np.float64]:
    """Score of peaks by the model's calibration, interpolated in log-odds."""
    odds = np.interp(raw, np.asarray(evidence), logit(np.clip(score, 1e-6, 1 - 1e-6)))
    return np.asarray(1 / (1 + np.exp(-odds)))


def core(
    iy: NDArray[np.intp], ix: NDArray[np.intp], shape: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the 3×3 pixels around each peak, shape (9, N), clipped at the border."""
    dy, dx = np.mgrid[-1:2, -1:2].reshape(2, 9, 1)
    return np.clip(iy + dy, 0, shape[0] - 1), np.clip(ix + dx, 0, shape[1] - 1)


def core_weights(maps: ProbabilityMaps, ys: NDArray[np.intp], xs: NDArray[np.intp]) -> NDArray[np.float32]:
    """Weights of the core's pixels, shape (9, N): their probability, and more for the middle."""
    p = 1 / (1 + np.exp(-maps.column[ys, xs]))
    middle = np.array([0.5, 1, 0.5, 1, 2, 1, 0.5, 1, 0.5])[:, None]
    weight = (p + 1e-6) * middle
    return np.asarray(weight / weight.sum(0))


def centres(
    maps: ProbabilityMaps, iy: NDArray[np.intp], ix: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sub-pixel centres in map px: the network's offsets averaged over the core (cf. thesis eq. 6.15)."""
    ys, xs = core(iy, ix, maps.column.shape)
    weight = core_weights(maps, ys, xs)
    y = ((ys + maps.offset[0][ys, xs]) * weight).sum(0)
    x = ((xs + maps.offset[1][ys, xs]) * weight).sum(0)
    # an offset of more than 1.5 px leads to another column's basin: keep the peak's own pixel then
    astray = (np.abs(y - iy) > 1.5) | (np.abs(x - ix) > 1.5)
    return np.where(astray, iy, y), np.where(astray, ix, x)


def duplicates(y: NDArray[np.floating], x: NDArray[np.floating], distance: float) -> NDArray[np.bool_]:
    """True for points that have an earlier (stronger) point within a distance."""
    from scipy.spatial import cKDTree

    again = np.zeros(len(y), bool)
    if len(y):
        for first, second in sorted(cKDTree(np.column_stack([y, x])).query_pairs(distance)):
            if not again[first]:
                again[second] = True
    return again


def named(
    maps: ProbabilityMaps, iy: NDArray[np.intp], ix: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Most probable class of each peak, and the log-odds that a column of this class is there."""
    raw = maps.column[iy, ix]
    if maps.label_logits is None:
        return np.zeros(len(iy), np.int64), raw
    ys, xs = core(iy, ix, maps.column.shape)
    logits = (maps.label_logits[:, ys, xs] * core_weights(maps, ys, xs)).sum(1)  # (C, N)
    log_p = log_softmax(logits, axis=0).max(0) - np.logaddexp(0, -raw)
    odds = log_p - np.log(-np.expm1(np.minimum(log_p, -1e-7)))
    return logits.argmax(0), odds.astype(np.float32)


def of_classes(
    kind: NDArray[np.int64], maps: ProbabilityMaps, trust: Trust
) -> list[tuple[NDArray[np.bool_], Trust]]:
    """Which peaks belong to each class, and the calibration of this class."""
    return [(kind == k, trust.by_label.get(name, trust)) for k, name in enumerate(maps.classes)]


def count_probabilities(
    maps: ProbabilityMaps, iy: NDArray[np.intp], ix: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """p(count = k | a column is there), k = 1…K, shape (N, K); logits averaged over the core (eq. 6.14)."""
    if maps.count_logits is None:
        return None
    ys, xs = core(iy, ix, maps.column.shape)
    weight = core_weights(maps, ys, xs)
    logits = (maps.count_logits[:, ys, xs] * weight).sum(1)  # (K, N)
    return np.asarray(softmax(logits, axis=0).T.astype(np.float64))


def tempered(p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities (N, K) whose logarithms are divided by a temperature."""
    return np.asarray(softmax(np.log(p + 1e-30) / temperature, axis=1))


def count_columns(p: NDArray[np.float64] | None, number: int) -> pd.DataFrame:
    """Most probable count, its probability, and the shortest central interval that holds 95 %."""
    if p is None:
        return pd.DataFrame(
            {"count": np.full(number, -1), "count_prob": np.nan, "count_low": -1, "count_high": -1,
             "count_p": nothing(number)}
        )  # fmt: skip
    best = p.argmax(1) if number else np.zeros(0, int)
    cumulative = p.cumsum(1)
    low = (cumulative < 0.025).sum(1) + 1
    high = (cumulative < 0.975).sum(1) + 1
    return pd.DataFrame(
        {
            "count": best + 1,
            "count_prob": p[np.arange(number), best],
            "count_low": np.minimum(low, best + 1),
            "count_high": np.maximum(np.minimum(high, p.shape[1]), best + 1),
            "count_p": pack(p),
        }
    )
