"""What to look at first: columns, and places without one, ordered by how much the answer depends on them.

The answer is, for a movie, the states of the sites: occupancies, events and counts; for a single image, the
number of atoms. What is uncertain counts by its risk (the probability that it is wrong) times its stake (how
many of the answer's numbers would change with it). What a person looked at has no risk left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records.analysis import Analysis

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

#: Places of less risk than this are not worth a look, and not listed.
LEAST_RISK = 0.005
#: An event that comes or goes weighs as much as this many site-frames or atoms.
EVENT_STAKE = 2.0
QUEUE = ["frame", "y", "x", "column_id", "site_id", "risk", "stake", "why"]


@dataclass(frozen=True, eq=False)
class Review:
    """What is left to review.

    Parameters
    ----------
    queue : DataFrame
        frame, y, x (px), column_id (-1: no column there), site_id (-1: none), risk (probability of being
        wrong), stake, why (words); what matters most first, reviewed ones left out.
    columns, reviewed : int
        Columns, and those that a person looked at.
    share_reviewed : float
        `reviewed` over `columns`; NaN without columns.
    share_settled : float
        Share of the risk times stake that reviewing has taken away; NaN where there never was any.
    errors_left : float
        Expected number of wrong columns and missed ones among what nobody looked at.
    presence_left, counts_left : float
        The same in two parts: columns that are not there or are missed, and wrong counts.
    """

    queue: pd.DataFrame
    columns: int
    reviewed: int
    share_reviewed: float
    share_settled: float
    errors_left: float
    presence_left: float
    counts_left: float


def review_queue(
    columns: pd.DataFrame,
    reviewed_ids: npt.NDArray[np.int64],
    reviewed_frames: tuple[int, ...] = (),
    analysis: Analysis | None = None,
    drift: pd.DataFrame | None = None,
) -> Review:
    """Order what is uncertain by how much the answer depends on it.

    Parameters
    ----------
    columns : DataFrame
        COLUMNS as corrected.
    reviewed_ids : ndarray of int
        ``column_id`` of columns that a person edited or accepted.
    reviewed_frames : tuple of int
        Frames that were accepted as a whole.
    analysis : Analysis, optional
        Of these columns; with it, sites, their posteriors and events count, and places without a column are
        listed.
    drift : DataFrame, optional
        DRIFT, for the places of sites; by default the analysis' own.
    """
    seen = (
        columns["column_id"].isin(reviewed_ids).to_numpy() | columns["frame"].isin(reviewed_frames).to_numpy()
    )
    seen |= (columns["origin"] != "network").to_numpy()
    rows = _of_columns(columns, analysis)
    if analysis is not None and len(analysis.site_id):
        rows = pd.concat([rows, _of_gaps(columns, analysis, drift)], ignore_index=True)
    gap_seen = rows["frame"].isin(reviewed_frames).to_numpy()[len(columns) :]
    done = np.concatenate([seen, gap_seen])
    weight = (rows["risk"] * rows["stake"]).to_numpy(dtype=np.float64)
    queue = rows[~done & (rows["risk"] >= LEAST_RISK).to_numpy()]
    order = np.argsort(-(queue["risk"] * queue["stake"]).to_numpy(), kind="stable")
    total = float(weight.sum())
    return Review(
        queue=queue.iloc[order][QUEUE].reset_index(drop=True),
        columns=len(columns),
        reviewed=int(seen.sum()),
        share_reviewed=float(seen.mean()) if len(seen) else float("nan"),
        share_settled=float(weight[done].sum() / total) if total > 0 else float("nan"),
        errors_left=float(rows["risk"].to_numpy(dtype=np.float64)[~done].sum()),
        presence_left=float(rows["absent"].to_numpy(dtype=np.float64)[~done].sum()),
        counts_left=float(rows["miscounted"].to_numpy(dtype=np.float64)[~done].sum()),
    )


def _of_columns(columns: pd.DataFrame, analysis: Analysis | None) -> pd.DataFrame:
    """Risk and stake of each column: that it is not there, or that its count is wrong."""
    absent = 1.0 - columns["score"].to_numpy(dtype=np.float64)
    count = columns["count"].to_numpy(dtype=np.float64)
    sure = columns["count_prob"].to_numpy(dtype=np.float64)
    miscounted = np.where(count >= 0, 1.0 - np.nan_to_num(sure, nan=1.0), 0.0) * (1.0 - absent)
    spread = (columns["count_high"] - columns["count_low"]).to_numpy(
        dtype=np.float64
    ) / 4.0  # 95 % is four sigma
    there = np.where(count > 0, count, 1.0)
    flips = np.zeros(len(columns))
    site = columns["site_id"].to_numpy(dtype=np.int64)
    if analysis is not None and len(analysis.site_id):
        row = np.searchsorted(analysis.frame, columns["frame"].to_numpy())
        col = pd.Index(analysis.site_id).get_indexer(pd.Index(site))
        known = (col >= 0) & (row < len(analysis.frame))
        p = analysis.probability[row[known], col[known]].astype(np.float64)
        # the neighbours in time have their say too: the site's posterior, where there is one
        absent[known] = np.where(np.isfinite(p), 1.0 - p, absent[known])
        flips[known] = _flips(analysis.state)[row[known], col[known]]
        there = np.ones(len(columns))
    risk = absent + miscounted
    with np.errstate(invalid="ignore", divide="ignore"):
        stake = (absent * (there + EVENT_STAKE * flips) + miscounted * np.maximum(spread, 0.5)) / risk
    why = np.where(
        miscounted > absent, "the count is uncertain",
        np.where(flips > 0, "an event depends on it", "it may not be there"),
    )  # fmt: skip
    return pd.DataFrame(
        {
            "frame": columns["frame"].to_numpy(),
            "y": columns["y"].to_numpy(),
            "x": columns["x"].to_numpy(),
            "column_id": columns["column_id"].to_numpy(),
            "site_id": site,
            "risk": np.clip(risk, 0.0, 1.0),
            "absent": absent,
            "miscounted": miscounted,
            "stake": np.nan_to_num(stake),
            "why": why,
        }
    )


def _of_gaps(columns: pd.DataFrame, analysis: Analysis, drift: pd.DataFrame | None) -> pd.DataFrame:
    """Sites that are observed, have no column in a frame, and may hold one all the same."""
    p = np.nan_to_num(analysis.probability.astype(np.float64))
    row, col = np.nonzero((analysis.state == 0) & (p >= LEAST_RISK))
    has = pd.MultiIndex.from_arrays([columns["frame"], columns["site_id"]])
    asked = pd.MultiIndex.from_arrays([analysis.frame[row], analysis.site_id[col]])
    free = ~asked.isin(has)
    row, col = row[free], col[free]
    table = (analysis.drift if drift is None else drift).set_index("frame")
    shift = table.loc[analysis.frame[row], ["dy", "dx"]].to_numpy() if len(row) else np.zeros((0, 2))
    places = analysis.sites.set_index("site_id").loc[analysis.site_id[col], ["y", "x"]].to_numpy()
    flips = _flips(analysis.state)[row, col]
    return pd.DataFrame(
        {
            "frame": analysis.frame[row],
            "y": places[:, 0] + shift[:, 0],
            "x": places[:, 1] + shift[:, 1],
            "column_id": np.full(len(row), -1),
            "site_id": analysis.site_id[col],
            "risk": p[row, col],
            "absent": p[row, col],
            "miscounted": np.zeros(len(row)),
            "stake": 1.0 + EVENT_STAKE * flips,
            "why": np.full(len(row), "a column may be missing"),
        }
    )


def _flips(state: npt.NDArray[np.int8]) -> Doubles:
    """How many events come or go if a site's state in a frame is the other one, shape (T, S).

    The neighbours in time are the last and next observed frames; without any, nothing does.
    """
    occupied = np.where(state < 0, np.nan, (state > 0).astype(np.float64))
    filled = pd.DataFrame(occupied)
    before = filled.ffill().shift(1).to_numpy()
    after = filled.bfill().shift(-1).to_numpy()
    now = np.nan_to_num((occupied != before) & np.isfinite(before), nan=0.0).astype(float)
    now += ((occupied != after) & np.isfinite(after)).astype(float)
    other = ((1 - occupied != before) & np.isfinite(before)).astype(float)
    other += ((1 - occupied != after) & np.isfinite(after)).astype(float)
    return np.where(np.isnan(occupied), 0.0, np.abs(now - other))


def compare_columns(one: pd.DataFrame, two: pd.DataFrame, distance_px: tuple[float, float]) -> pd.DataFrame:
    """Two runs, or two models, on the same frames: which columns they share.

    Parameters
    ----------
    one, two : DataFrame
        COLUMNS.
    distance_px : tuple of float
        (y, x): columns this near are the same, one to one (least sum of distances).

    Returns
    -------
    DataFrame
        frame, y, x, found (``both``, ``one``, ``two``), column_id_one, column_id_two (-1: none), count_one,
        count_two, distance (px; NaN).
    """
    from scipy.optimize import linear_sum_assignment

    rows: list[tuple[int, float, float, str, int, int, int, int, float]] = []
    scale = np.array(distance_px)
    for t in sorted({*one["frame"], *two["frame"]}):
        a, b = one[one["frame"] == t], two[two["frame"] == t]
        pa, pb = a[["y", "x"]].to_numpy(), b[["y", "x"]].to_numpy()
        far = np.hypot(*((pa[:, None] - pb[None]) / scale).transpose(2, 0, 1))
        i, j = linear_sum_assignment(np.where(far <= 1, far, 1e3))
        same = far[i, j] <= 1
        i, j = i[same], j[same]
        ids_a, ids_b = a["column_id"].to_numpy(), b["column_id"].to_numpy()
        counts_a, counts_b = a["count"].to_numpy(), b["count"].to_numpy()
        for m, n in zip(i, j, strict=True):
            apart = float(np.hypot(*(pa[m] - pb[n])))
            rows.append((t, *pa[m], "both", ids_a[m], ids_b[n], counts_a[m], counts_b[n], apart))
        rows += [
            (t, *pa[m], "one", ids_a[m], -1, counts_a[m], -1, np.nan)
            for m in np.setdiff1d(np.arange(len(pa)), i)
        ]
        rows += [
            (t, *pb[n], "two", -1, ids_b[n], -1, counts_b[n], np.nan)
            for n in np.setdiff1d(np.arange(len(pb)), j)
        ]
    names = [
        "frame", "y", "x", "found", "column_id_one", "column_id_two", "count_one", "count_two", "distance"
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)
