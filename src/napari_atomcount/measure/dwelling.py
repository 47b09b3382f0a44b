"""How long sites stay occupied or empty: stays with their censoring, and survival curves (Kaplan-Meier)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2, norm

States = npt.NDArray[np.int8]


def stays(
    state: npt.NDArray[np.integer], frame: npt.NDArray[np.int64], site_id: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Every stretch of frames that a site spends occupied or empty.

    Frames that were not observed belong to the stay around them where it is the same on both sides; else they
    count for neither.

    Parameters
    ----------
    state : ndarray of int, shape (T, S)
        -1 not observed, 0 empty, n occupied.
    frame, site_id : ndarray of int, shapes (T,) and (S,)

    Returns
    -------
    DataFrame
        site_id, kind ("occupied" or "empty"), start (first frame), frames (length), begun (False: it was
        under way when the site was first observed), ended (False: it still lasted at the last observed
        frame), by site and time.
    """
    parts = []
    for s in range(state.shape[1]):
        rows = np.flatnonzero(state[:, s] >= 0)
        if not len(rows):
            continue
        full = state[rows, s] > 0
        first = np.concatenate([[0], np.flatnonzero(full[1:] != full[:-1]) + 1])
        last = np.concatenate([first[1:] - 1, [len(rows) - 1]])
        start, stop = frame[rows[first]], frame[rows[last]]
        parts.append(
            pd.DataFrame(
                {
                    "site_id": site_id[s],
                    "kind": np.where(full[first], "occupied", "empty"),
                    "start": start,
                    "frames": stop - start + 1,
                    "begun": np.arange(len(first)) > 0,
                    "ended": np.arange(len(first)) < len(first) - 1,
                }
            )
        )
    if parts:
        return pd.concat(parts, ignore_index=True)
    empty = {
        "site_id": np.int64,
        "kind": str,
        "start": np.int64,
        "frames": np.int64,
        "begun": bool,
        "ended": bool,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()})


def survival(
    duration: npt.NDArray[np.floating], ended: npt.NDArray[np.bool_], probability: float = 0.95
) -> pd.DataFrame:
    """Share of stays that last longer than a time, with those that were cut off (Kaplan & Meier 1958).

    Parameters
    ----------
    duration : ndarray, shape (N,)
        Length of each stay, any unit, > 0. Leave out stays whose beginning was not seen.
    ended : ndarray of bool, shape (N,)
        False: it lasted at least so long.
    probability : float
        Of the interval: Greenwood's variance on the log-log scale (Kalbfleisch & Prentice 1980, eq. 1.13).

    Returns
    -------
    DataFrame
        time, at_risk, ends, survival, low, high; one row for each length at which a stay ended, after one for
        time 0. NaN intervals where the curve is 1 or 0.
    """
    duration, ended = np.asarray(duration, dtype=np.float64), np.asarray(ended, dtype=bool)
    time = np.unique(duration[ended])
    at_risk = np.array([(duration >= t).sum() for t in time], dtype=np.int64)
    ends = np.array([((duration == t) & ended).sum() for t in time], dtype=np.int64)
    curve = np.cumprod(1 - ends / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(ends / (at_risk * (at_risk - ends)))
        spread = norm.ppf((1 + probability) / 2) * np.sqrt(greenwood) / np.abs(np.log(curve))
        low, high = curve ** np.exp(spread), curve ** np.exp(-spread)
    inside = (curve > 0) & (curve < 1)
    rows = pd.DataFrame(
        {
            "time": time,
            "at_risk": at_risk,
            "ends": ends,
            "survival": curve,
            "low": np.where(inside, low, np.nan),
            "high": np.where(inside, high, np.nan),
        }
    )
    start = pd.DataFrame(
        {
            "time": [0.0],
            "at_risk": [len(duration)],
            "ends": [0],
            "survival": [1.0],
            "low": [1.0],
            "high": [1.0],
        }
    )
    return pd.concat([start, rows], ignore_index=True)


def median_survival(curve: pd.DataFrame) -> float:
    """The time that half of the stays outlast; NaN where the curve stays above one half."""
    below = curve.loc[curve["survival"] <= 0.5, "time"]
    return float(below.iloc[0]) if len(below) else float("nan")


def mean_dwell(
    duration: npt.NDArray[np.floating], ended: npt.NDArray[np.bool_], probability: float = 0.95
) -> tuple[float, float, float]:
    """Mean length of stays that end at a constant rate: all the time watched over the number of ends.

    Returns
    -------
    tuple of float
        The maximum-likelihood mean and its exact (chi-square) interval for censored exponential times
        (Epstein & Sobel 1953, J. Am. Stat. Assoc. 48, 486); the upper end is inf where no stay ended.
    """
    total, number = float(np.sum(duration)), int(np.sum(ended))
    tail = (1 - probability) / 2
    low = 2 * total / chi2.ppf(1 - tail, 2 * number + 2) if total > 0 else np.nan
    if number == 0:
        return np.nan, float(low), np.inf if total > 0 else np.nan
    return total / number, float(low), float(2 * total / chi2.ppf(tail, 2 * number))
