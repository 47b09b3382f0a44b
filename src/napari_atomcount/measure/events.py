"""Events of sites from their paths: columns appear and vanish, atoms come and go."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.markov import Posterior, change_probabilities, window_probability
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def find_events(
    chain: Posterior,
    state: npt.NDArray[np.int8],
    frame: Ints,
    site_id: Ints,
    calibration: Calibration,
    gain: Single | None = None,
    lose: Single | None = None,
    given: Bools | None = None,
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
    gain, lose : ndarray, shape (T, S), optional
        Probability that atoms came or went between frame t - 1 and t (`count_chain`); without them counts are
        not compared.
    given : ndarray of bool, shape (T, S), optional
        Where a person gave the count: a change to or from it is certain.

    Returns
    -------
    DataFrame
        EVENTS, by frame. The probability is that of such a change within one frame of the stated one, or
        since the last observed frame.
    """
    seen = state >= 0
    last = last_seen(seen)
    row, site, appeared, probability = change_probabilities(chain, state > 0, seen)
    found = [_rows(row, site, np.where(appeared, "appear", "vanish"), probability)]
    if gain is not None and lose is not None:
        found.append(_count_changes(state, last, gain, lose, given))
    changes = pd.concat([part for part in found if len(part)] or found[:1])
    changes = changes.sort_values(["row", "site"], kind="stable", ignore_index=True)
    row, site = changes["row"].to_numpy(np.int64), changes["site"].to_numpy(np.int64)
    return tables.conform(
        pd.DataFrame(
            {
                "frame": frame[row],
                "time_s": calibration.time_s(frame[row].astype(np.float64)),
                "site_id": site_id[site],
                "kind": changes["kind"].astype("str"),
                "before": state[last[row, site], site].astype(np.int64),
                "after": state[row, site].astype(np.int64),
                "probability": changes["probability"].to_numpy(np.float64),
            }
        ),
        tables.EVENTS,
    )


def last_seen(seen: Bools) -> Ints:
    """Index of the last observed frame before each frame, (T, S); -1: none."""
    rows = np.where(seen, np.arange(len(seen))[:, None], -1)
    return np.vstack([np.full((1, seen.shape[1]), -1), np.maximum.accumulate(rows, axis=0)[:-1]])


def _count_changes(
    state: npt.NDArray[np.int8], last: Ints, gain: Single, lose: Single, given: Bools | None
) -> pd.DataFrame:
    """Changes between two counts, neither of them 0: row, site, kind, probability."""
    before = np.where(last >= 0, np.take_along_axis(state, np.maximum(last, 0), axis=0), 0)
    row, site = np.nonzero((state > 0) & (before > 0) & (before != state))
    gained = state[row, site] > before[row, site]
    since = last[row, site]
    probability = np.where(
        gained, window_probability(gain, row, site, since), window_probability(lose, row, site, since)
    )
    if given is not None:
        probability = np.where(given[row, site] | given[since, site], 1.0, probability)
    return _rows(row, site, np.where(gained, "gain", "lose"), probability)


def _rows(
    row: npt.NDArray[np.integer],
    site: npt.NDArray[np.integer],
    kind: npt.NDArray[np.str_],
    probability: npt.NDArray[np.floating],
) -> pd.DataFrame:
    return pd.DataFrame({"row": row, "site": site, "kind": kind, "probability": probability})
