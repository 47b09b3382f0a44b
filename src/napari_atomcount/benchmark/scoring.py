"""How results are held against the truth: columns, positions, counts, probabilities.

Pure functions of numpy and pandas; positions in pixels unless the name says nm. A figure that cannot be known
(nothing to judge) is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

#: A detection within this distance of a true column can be that column, nm.
MATCH_NM = 0.08
#: Columns and detections nearer than this to the frame's edge are not judged, nm.
BORDER_NM = 0.3
#: A column that was taken out is reported missing if nothing is found within this distance, nm.
GAP_NM = 0.1

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


def match(found: Doubles, truth: Doubles, radius: float) -> tuple[Indices, Indices]:
    """Pair points one to one: as many pairs as possible within a radius, then the least sum of distances.

    Parameters
    ----------
    found, truth : numpy.ndarray, shapes (N, 2) and (M, 2)
        Positions (y, x).
    radius : float
        Largest distance of a pair.

    Returns
    -------
    numpy.ndarray, numpy.ndarray, shape (K,)
        Indices of the pairs' members in ``found`` and ``truth``.
    """
    nothing = np.zeros(0, np.int64)
    if not len(found) or not len(truth):
        return nothing, nothing
    near = cKDTree(found).sparse_distance_matrix(cKDTree(truth), radius, output_type="ndarray")
    # points without a partner in reach cannot change the pairs of the others
    i, row = np.unique(near["i"], return_inverse=True)
    j, col = np.unique(near["j"], return_inverse=True)
    cost = np.full((len(i), len(j)), 1e3)
    cost[row, col] = near["v"] / radius
    rows, cols = linear_sum_assignment(cost)
    real = cost[rows, cols] < 1e2
    return i[rows[real]].astype(np.int64), j[cols[real]].astype(np.int64)


def match_in_turn(
    found: Doubles, truth: Doubles, radius: float, first: NDArray[np.bool_]
) -> tuple[Indices, Indices]:
    """Pair the ``first`` of the found points one to one, then the other ones with what is left."""
    i, j = match(found[first], truth, radius)
    i = np.flatnonzero(first)[i]
    left = np.setdiff1d(np.arange(len(truth)), j)
    k, m = match(found[~first], truth[left], radius)
    return np.append(i, np.flatnonzero(~first)[k]), np.append(j, left[m])


@dataclass
class Scored:
    """Detections and true columns of many images, matched and without the border; figures at any threshold.

    Attributes
    ----------
    found : pandas.DataFrame
        A row for each judged detection: image, score, count, count_prob, true (bool), true_count, dy_nm,
        dx_nm (found minus true; NaN where false).
    truth : pandas.DataFrame
        A row for each judged true column: image, count, isolated (bool), score (of its detection; NaN: none).
    gaps : pandas.DataFrame
        A row for each place of a missing column: image, score (of the strongest detection there; NaN: none).
    images : int
        How many images there are.
    """

    found: pd.DataFrame
    truth: pd.DataFrame
    gaps: pd.DataFrame
    images: int


FOUND = ("image", "score", "count", "count_prob", "true", "true_count", "dy_nm", "dx_nm")


def score_image(
    image: int,
    found: pd.DataFrame,
    truth: pd.DataFrame,
    gaps: pd.DataFrame,
    pixel_nm: float,
    shape: tuple[int, int],
    threshold: float = 0.5,
) -> Scored:
    """Match the detections of one image with its true columns; the fainter ones take what the others left.

    Parameters
    ----------
    found : pandas.DataFrame
        y, x, score, count, count_prob.
    truth : pandas.DataFrame
        y, x, count, and optionally isolated.
    gaps : pandas.DataFrame
        y, x of columns taken out.
    pixel_nm : float
        Size of a pixel.
    shape : tuple of int
        (Y, X) of the image.
    threshold : float
        Detections of at least this score are matched first, as if no others were there.
    """
    places, true = (table[["y", "x"]].to_numpy(float).reshape(-1, 2) for table in (found, truth))
    i, j = match_in_turn(places, true, MATCH_NM / pixel_nm, found["score"].to_numpy() >= threshold)
    columns = found[["score", "count", "count_prob"]].reset_index(drop=True).assign(image=image)
    columns["true"] = np.isin(np.arange(len(found)), i)
    columns[["dy_nm", "dx_nm"]] = np.nan
    columns["true_count"] = -1
    columns.loc[i, "true_count"] = truth["count"].to_numpy()[j]
    columns.loc[i, ["dy_nm", "dx_nm"]] = (places[i] - true[j]) * pixel_nm
    known = pd.DataFrame({"image": image, "count": truth["count"].to_numpy(), "score": np.nan})
    known["isolated"] = truth["isolated"].to_numpy(bool) if "isolated" in truth else False
    known.loc[j, "score"] = found["score"].to_numpy()[i]

    def inside(points: Doubles) -> NDArray[np.bool_]:
        border = BORDER_NM / pixel_nm
        return np.asarray(((points > border) & (points < np.array(shape) - 1 - border)).all(1))

    # a pair is judged where its true column lies, so that neither half of it counts alone
    judged = inside(places)
    judged[i] = inside(true)[j]
    spots = gaps[["y", "x"]].to_numpy(float).reshape(-1, 2)
    strongest = np.full(len(spots), np.nan)
    if len(places) and len(spots):
        for k, near in enumerate(cKDTree(places).query_ball_point(spots, GAP_NM / pixel_nm)):
            strongest[k] = found["score"].to_numpy()[near].max() if near else np.nan
    empty = pd.DataFrame({"image": np.full(len(spots), image), "score": strongest})
    return Scored(columns.loc[judged, list(FOUND)], known[inside(true)], empty[inside(spots)], 1)


def pooled(parts: list[Scored]) -> Scored:
    """All images of a condition together."""
    tables = [
        pd.concat([getattr(p, name) for p in parts], ignore_index=True) for name in ("found", "truth", "gaps")
    ]
    return Scored(tables[0], tables[1], tables[2], sum(p.images for p in parts))


def column_figures(s: Scored, threshold: float) -> dict[str, float]:
    """Precision, recall, position, counts and calibration of what is found at a threshold of the score.

    Returns
    -------
    dict
        ``precision``, ``recall``, ``f1``; ``position_pm`` (rms per axis after removing each image's mean
        shift); ``count_exact``, ``count_within_one``, ``count_bias`` over matched columns that were counted;
        ``ece_score`` over all detections, ``ece_score_written`` above the threshold, ``ece_count``;
        ``missing_reported``, ``isolated_found``; ``columns``, ``found``.
    """
    written = s.found[s.found.score >= threshold]
    hits = written[written.true]
    recall = ratio((s.truth.score >= threshold).sum(), len(s.truth))
    precision = ratio(len(hits), len(written))
    error = (hits["count"] - hits.true_count).to_numpy()[hits["count"].to_numpy() > 0]
    counted = hits[hits["count"] > 0]
    isolated = s.truth[s.truth.isolated]
    return {
        "images": s.images,
        "columns": len(s.truth),
        "found": len(written),
        "precision": precision,
        "recall": recall,
        "f1": ratio(2 * len(hits), len(written) + len(s.truth)),
        "position_pm": position_error(hits) * 1e3,
        "count_exact": float(np.mean(error == 0)) if len(error) else np.nan,
        "count_within_one": float(np.mean(np.abs(error) <= 1)) if len(error) else np.nan,
        "count_bias": float(np.mean(error)) if len(error) else np.nan,
        "ece_score": calibration_error(s.found.score.to_numpy(), s.found.true.to_numpy(bool)),
        "ece_score_written": calibration_error(written.score.to_numpy(), written.true.to_numpy(bool)),
        "ece_count": calibration_error(
            counted.count_prob.to_numpy(), (counted["count"] == counted.true_count).to_numpy()
        ),
        "missing": len(s.gaps),
        "missing_reported": ratio((~(s.gaps.score >= threshold)).sum(), len(s.gaps)),
        "isolated": len(isolated),
        "isolated_found": ratio((isolated.score >= threshold).sum(), len(isolated)),
    }


def ratio(part: float, whole: float) -> float:
    """Part of a whole; NaN of nothing."""
    return float(part) / float(whole) if whole else np.nan


def position_error(hits: pd.DataFrame) -> float:
    """Root mean square error per axis after removing the mean shift of each image, nm."""
    if not len(hits):
        return np.nan
    error = hits[["dy_nm", "dx_nm"]]
    error = error - error.groupby(hits["image"]).transform("mean")
    return float(np.sqrt(np.mean(error.to_numpy() ** 2)))


def reliability(
    probability: NDArray[np.floating], hit: NDArray[np.bool_], bins: int = 10
) -> tuple[Doubles, Doubles, Indices]:
    """Mean stated probability, share that came true, and number, in equal bins of the probability.

    Returns
    -------
    stated, true : numpy.ndarray, shape (bins,)
        NaN in empty bins.
    number : numpy.ndarray of int, shape (bins,)
    """
    which = np.clip((np.asarray(probability) * bins).astype(int), 0, bins - 1)
    number = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        stated = np.bincount(which, probability, minlength=bins) / number
        true = np.bincount(which, hit.astype(float), minlength=bins) / number
    return stated, true, number.astype(np.int64)


def calibration_error(probability: NDArray[np.floating], hit: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: mean |stated - true| over ten bins, weighted by their numbers."""
    if not len(probability):
        return np.nan
    stated, true, number = reliability(probability, hit, bins)
    return float(np.nansum(np.abs(stated - true) * number) / number.sum())
