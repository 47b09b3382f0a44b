"""What to look at first: the few places on which an answer depends, and what they may still make wrong.

The answer is what a person wants to publish: a movie's events, occupancies or counts; of a single image, its
columns or their counts. Each place (`places`) makes some of it wrong with some probability; what it is
expected to make wrong is its weight. What a person looked at weighs nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.places import (
    LEAST_RISK,
    PLACES,
    counted_sites,
    single_columns,
    state_risk,
    wavering,
)
from napari_atomcount.records.analysis import Analysis

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

#: The places that decide hold this share of what is uncertain.
DECIDING = 0.9
#: What may be asked of a movie that was followed through time, and of columns that were not.
OF_MOVIES, OF_IMAGES = ("events", "occupancy", "counts"), ("columns", "counts")


@dataclass(frozen=True, eq=False)
class Review:
    """What is left to review.

    Parameters
    ----------
    answer : str
        What was asked: events, occupancy, columns or counts.
    queue : DataFrame
        `places.PLACES`: frame, y, x (px) to look at; first, last (frames of the place); column_id (-1: no
        column there), site_id (-1: none), risk (probability that what is said there is wrong), expected
        (what it makes wrong, on average, in the answer), share (of all that is expected), why (words). What
        matters most first; reviewed places are left out.
    deciding : int
        So many rows of the queue hold 90 % of what is expected to be wrong.
    wrong_left : float
        Expected wrong events; wrong site-frames; false and missed columns; wrong counts of sites (weighed by
        the share of the movie for which they hold) or of columns.
    whole : float
        How many there are: events, observed site-frames, columns, counted sites or columns.
    places_reviewed : int
        Places (a site's or column's frames in a row) that a person looked at.
    columns, reviewed : int
        Columns, and those that a person looked at.
    of_sites : bool
        Whether places are sites through time, not single columns.
    """

    answer: str
    queue: pd.DataFrame
    deciding: int
    wrong_left: float
    whole: float
    places_reviewed: int
    columns: int
    reviewed: int
    of_sites: bool

    @property
    def share_reviewed(self) -> float:
        """`reviewed` over `columns`; NaN without columns."""
        return self.reviewed / self.columns if self.columns else float("nan")


def answers(analysis: Analysis | None, counted: bool = True) -> tuple[str, ...]:
    """What can be asked, the usual question first."""
    whole = OF_IMAGES if analysis is None or len(analysis.frame) < 2 else OF_MOVIES
    return whole if counted else tuple(name for name in whole if name != "counts")


def review_queue(
    columns: pd.DataFrame,
    reviewed_ids: npt.NDArray[np.int64],
    reviewed_frames: tuple[int, ...] = (),
    analysis: Analysis | None = None,
    drift: pd.DataFrame | None = None,
    answer: str | None = None,
    said: pd.DataFrame | None = None,
) -> Review:
    """Order what is uncertain by how much of an answer depends on it.

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
    answer : str, optional
        One of `answers`; by default the first of them.
    said : DataFrame, optional
        frame, y, x of what a person said (`CorrectedColumns.said`): places that were found empty count as
        reviewed with it.
    """
    possible = answers(analysis)
    answer = answer if answer in possible else possible[0]
    seen = (
        columns["column_id"].isin(reviewed_ids).to_numpy() | columns["frame"].isin(reviewed_frames).to_numpy()
    )
    seen |= (columns["origin"] != "network").to_numpy()
    if analysis is None or (answer == "columns" and not len(analysis.site_id)):
        rows = single_columns(columns)
        rows = rows.assign(expected=rows[answer], risk=rows[answer])
        if answer == "counts":
            rows["why"] = "the count is uncertain"
        rows, whole = rows[~seen], float(len(columns))
    elif answer == "counts":
        rows = counted_sites(analysis, drift)
        rows = rows.assign(expected=rows["counts"])
        rows = rows[~_looked_at(rows, columns[seen])]
        whole = float((analysis.state > 0).any(axis=0).sum())
    else:
        rows = wavering(analysis, drift)
        rows = rows.assign(expected=rows["events" if answer == "events" else "frames"])
        whole = _whole(analysis, answer)
        rows = rows[~rows["frame"].isin(reviewed_frames).to_numpy()]
    weight = rows["expected"].to_numpy(dtype=np.float64)
    left = float(weight.sum()) + _scattered(analysis, rows, answer)
    queue = rows.assign(share=weight / left if left > 0 else 0.0)
    queue = queue[(queue["risk"] >= LEAST_RISK) & (queue["expected"] > 0)]
    queue = queue.iloc[np.argsort(-queue["expected"].to_numpy(), kind="stable")][PLACES]
    sums = np.cumsum(queue["expected"].to_numpy(dtype=np.float64))
    return Review(
        answer=answer,
        queue=queue.reset_index(drop=True),
        deciding=int(np.searchsorted(sums, DECIDING * sums[-1]) + 1) if len(sums) else 0,
        wrong_left=left,
        whole=whole,
        places_reviewed=_places_reviewed(columns[seen], said),
        columns=len(columns),
        reviewed=int(seen.sum()),
        of_sites=analysis is not None,
    )


def _whole(analysis: Analysis, answer: str) -> float:
    """How many events there are, or observed site-frames; of one frame, columns."""
    if answer == "events":
        return float(len(analysis.events))
    return float((analysis.state > 0).sum() if answer == "columns" else (analysis.state >= 0).sum())


def _scattered(analysis: Analysis | None, rows: pd.DataFrame, answer: str) -> float:
    """Expected wrong site-frames too unlikely to make a place."""
    if analysis is None or answer not in ("occupancy", "columns") or "frames" not in rows:
        return 0.0
    risk = state_risk(analysis)
    return float(risk[risk < LEAST_RISK].sum())


def _looked_at(rows: pd.DataFrame, seen: pd.DataFrame) -> Bools:
    """Which places (site_id, first, last) hold a column that a person looked at."""
    frames: dict[int, list[int]] = {}
    for site, frame in zip(seen["site_id"].tolist(), seen["frame"].tolist(), strict=True):
        frames.setdefault(site, []).append(frame)
    return np.array(
        [
            any(first <= t <= last for t in frames.get(site, ()))
            for site, first, last in zip(rows["site_id"], rows["first"], rows["last"], strict=True)
        ],
        dtype=bool,
    )


def _places_reviewed(seen: pd.DataFrame, said: pd.DataFrame | None) -> int:
    """Places that a person looked at: the frames in a row of a site, or of a column, are one of them."""
    alone = seen["site_id"] < 0
    named = seen[~alone].sort_values(["site_id", "frame"])
    new = (named["site_id"].diff() != 0) | (named["frame"].diff() > 2)
    empty = 0 if said is None else int((~said["present"]).sum())
    return int(new.sum()) + int(alone.sum()) + empty


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
