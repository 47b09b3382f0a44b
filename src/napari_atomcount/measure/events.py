"""Counts and events of sites, from their paths and the columns found at them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.markov import Posterior, change_probabilities
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

COUNT_FRAMES = 4  # frames on each side whose counts are averaged, within one stay


def counts_of_sites(
    columns: pd.DataFrame, row: Ints, occupied: Bools, n_counts: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Most probable count of every site in every frame that it is occupied.

    Parameters
    ----------
    columns : DataFrame
        With site_id (index of the site, -1: none) and ``count_p``.
    row : ndarray of int, shape (N,)
        Index of each column's frame.
    occupied : ndarray of bool, shape (T, S)
        Paths of the sites.
    n_counts : int
        K, the largest count.

    Returns
    -------
    count : ndarray of int8, shape (T, S)
        0 where not occupied. p(count) is averaged over the columns found within four frames in the same
        stay, or over the stay, or over the site, whichever first holds a column: the network's counts of
        one column in successive frames are not independent, so they are averaged and not multiplied. 1 if
        none was found.
    mean_count : ndarray, shape (S,)
        Mean of the expected count over the columns found while occupied; NaN where there is none.
    """
    n_frames, n_sites = occupied.shape
    count = np.zeros((n_frames, n_sites), np.int8)
    mean_count = np.full(n_sites, np.nan)
    site = columns["site_id"].to_numpy()
    given = np.array([np.size(p) == n_counts for p in columns["count_p"]], dtype=bool)
    use = (site >= 0) & given
    use[use] &= occupied[row[use], site[use]]
    order = np.flatnonzero(use)[np.argsort(site[use], kind="stable")]
    p = np.array([*columns["count_p"].to_numpy()[order]], dtype=np.float64).reshape(-1, n_counts)
    bounds = np.searchsorted(site[order], np.arange(n_sites + 1))
    values = np.arange(1, n_counts + 1)
    for s in np.flatnonzero(occupied.any(axis=0)):
        mine = slice(bounds[s], bounds[s + 1])
        stay = np.flatnonzero(occupied[:, s])
        if bounds[s] == bounds[s + 1]:
            count[stay, s] = 1
            continue
        mean_count[s] = float(np.mean(p[mine] @ values))
        count[stay, s] = _smooth_counts(p[mine], row[order[mine]], occupied[:, s])[stay]
    return count, mean_count


def _smooth_counts(p: npt.NDArray[np.float64], row: Ints, occupied: Bools) -> npt.NDArray[np.int8]:
    """Counts of one site, shape (T,), from p(count) (n, K) of its columns in frames `row`."""
    n_frames = len(occupied)
    total = np.zeros((n_frames + 1, p.shape[1]))
    number = np.zeros(n_frames + 1)
    np.add.at(total, row + 1, p)
    np.add.at(number, row + 1, 1)
    total, number = np.cumsum(total, axis=0), np.cumsum(number)
    frame = np.arange(n_frames)
    starts = occupied & ~np.concatenate([[False], occupied[:-1]])
    ends = occupied & ~np.concatenate([occupied[1:], [False]])
    first = np.maximum.accumulate(np.where(starts, frame, 0))
    last = np.minimum.accumulate(np.where(ends, frame, n_frames - 1)[::-1])[::-1]
    out = np.full(n_frames, 1 + int(total[-1].argmax()), np.int8)
    windows = (
        (first, last),
        (np.maximum(first, frame - COUNT_FRAMES), np.minimum(last, frame + COUNT_FRAMES)),
    )
    for low, high in windows:
        some = number[high + 1] > number[low]
        out[some] = 1 + (total[high + 1] - total[low])[some].argmax(axis=1)
    return out


def find_events(
    chain: Posterior,
    state: npt.NDArray[np.int8],
    frame: Ints,
    site_id: Ints,
    calibration: Calibration,
) -> pd.DataFrame:
    """List the changes of the most probable paths.

    Parameters
    ----------
    chain : Posterior
        Posterior of the sites, (T, S).
    state : ndarray of int8, shape (T, S)
        -1 not observed, 0 empty, n occupied.
    frame, site_id : ndarray of int, shape (T,), (S,)
        Of the rows and columns of `state`.
    calibration : Calibration
        For the time of the frames.

    Returns
    -------
    DataFrame
        EVENTS, by frame. The probability is that of such a change within one frame of the stated one, or
        since the last observed frame.
    """
    seen = state >= 0
    row, site, appeared, probability = change_probabilities(chain, state > 0, seen)
    rows = np.where(seen, np.arange(len(state))[:, None], -1)
    last = np.vstack([np.full((1, state.shape[1]), -1), np.maximum.accumulate(rows, axis=0)[:-1]])
    return tables.conform(
        pd.DataFrame(
            {
                "frame": frame[row],
                "time_s": calibration.time_s(frame[row].astype(np.float64)),
                "site_id": site_id[site],
                "kind": pd.Series(np.where(appeared, "appear", "vanish"), dtype="str"),
                "before": state[last[row, site], site].astype(np.int64),
                "after": state[row, site].astype(np.int64),
                "probability": probability.astype(np.float64),
            }
        ),
        tables.EVENTS,
    )
