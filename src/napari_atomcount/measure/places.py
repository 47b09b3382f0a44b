"""Places that a person can look at, each with what it may make wrong in the answer.

A place is what one look settles: a site through the frames in which it wavers, a site's count for as long as
it stays the same, or a single column. For each answer (events, occupancy, columns, counts) places come with
their risk, the probability that what is said there is wrong, and with what they are expected to make wrong
in the answer, so that places can be added up and compared.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.motion import Motion

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

#: States and events that are wrong with less than this probability make no place of their own.
LEAST_RISK = 0.005
NOUNS = {
    "appear": "that it appears",
    "vanish": "that it vanishes",
    "gain": "that it gains atoms",
    "lose": "that it loses atoms",
}
PLACES = [
    "frame", "first", "last", "y", "x", "column_id", "site_id", "risk", "expected", "share", "why"
]  # fmt: skip


def state_risk(analysis: Analysis) -> Doubles:
    """Probability that each site's state in each frame is wrong, shape (T, S); 0 where not observed."""
    p = analysis.probability.astype(np.float64)
    wrong = np.where(analysis.state > 0, 1.0 - p, p)
    return np.where((analysis.state >= 0) & np.isfinite(p), np.clip(wrong, 0.0, 1.0), 0.0)


def wavering(analysis: Analysis, drift: pd.DataFrame | None = None) -> pd.DataFrame:
    """Places where sites waver, with what they may make wrong in the occupancies and in the events.

    Parameters
    ----------
    analysis : Analysis
        Its states, posteriors and events.
    drift : DataFrame, optional
        DRIFT, for where sites are; by default the analysis' own.

    Returns
    -------
    DataFrame
        `PLACES` without share, and ``frames`` (expected wrong site-frames) and ``events`` (expected wrong
        events). A listed event is wrong with one minus its probability. Where a site wavers and no event is
        listed, the events that were missed are two within a stay, one at an end of what was observed, times
        the largest probability of the other state: the least that the posteriors allow.
    """
    risk = state_risk(analysis)
    observed = analysis.state >= 0
    mark = risk >= LEAST_RISK
    events = _events(analysis)
    rows: list[tuple[object, ...]] = []
    for site in np.flatnonzero(mark.any(axis=0)):
        seen = np.flatnonzero(observed[:, site])
        occupied = analysis.state[seen, site] > 0
        for first, last in _runs(mark[seen, site]):
            own = risk[seen[first : last + 1], site]
            worst = first + int(own.argmax())
            listed = [e for e in events.get(int(site), ()) if seen[first] <= e[0] <= _next(seen, last)]
            ends = int(first > 0) + int(last < len(seen) - 1)
            wrong = float(sum(e[1] for e in listed)) if listed else float(own.max()) * ends
            if listed:
                why = max(listed, key=lambda e: e[1])[2]
            else:
                why = "it may be gone here" if occupied[worst] else "a column may be missing here"
            rows.append((seen[worst], seen[first], seen[last], site, own.max(), own.sum(), wrong, why))
    taken = {(int(row[3]), int(t)) for row in rows for t in range(int(row[1]), int(row[2]) + 2)}  # type: ignore[call-overload]
    for col, listed in events.items():  # of counts, and what the posteriors of single frames do not show
        for row, p, words in listed:
            if (col, row) not in taken and p >= LEAST_RISK:
                rows.append((row, row, row, col, p, 0.0, p, words))
    names = ["row", "from", "to", "col", "risk", "frames", "events", "why"]
    table = pd.DataFrame(rows, columns=names).astype(
        {name: np.int64 for name in names[:4]} | {name: np.float64 for name in names[4:7]}
    )
    return _placed(table, analysis, drift)


def _events(analysis: Analysis) -> dict[int, list[tuple[int, float, str]]]:
    """Row, probability of being wrong, and words for the events of each site (index into the arrays)."""
    events = analysis.events
    wrong = 1.0 - events["probability"].to_numpy(dtype=np.float64)
    row = np.searchsorted(analysis.frame, events["frame"].to_numpy())
    col = pd.Index(analysis.site_id).get_indexer(pd.Index(events["site_id"]))
    out: dict[int, list[tuple[int, float, str]]] = {}
    for r, c, p, kind in zip(
        row.tolist(), col.tolist(), np.nan_to_num(wrong).tolist(), events["kind"], strict=True
    ):
        if c >= 0:
            words = f"{NOUNS.get(kind, 'the event')} may be false, or at another time"
            out.setdefault(c, []).append((r, max(p, 0.0), words))
    return out


def _runs(mark: Bools) -> list[tuple[int, int]]:
    """First and last index of each unbroken run; one sure frame in between does not break it."""
    where = np.flatnonzero(mark)
    if not len(where):
        return []
    cut = np.flatnonzero(np.diff(where) > 2)
    starts, stops = np.append(0, cut + 1), np.append(cut, len(where) - 1)
    return [(int(where[a]), int(where[b])) for a, b in zip(starts, stops, strict=True)]


def _next(seen: Ints, index: int) -> int:
    """The observed row after one; the row itself at the end."""
    return int(seen[min(index + 1, len(seen) - 1)])


def _placed(table: pd.DataFrame, analysis: Analysis, drift: pd.DataFrame | None) -> pd.DataFrame:
    """Frames, positions and columns for rows that name row and column of the analysis' arrays."""
    frame = analysis.frame[table["row"].to_numpy()]
    site = analysis.site_id[table["col"].to_numpy()]
    motion = Motion.of(analysis.drift if drift is None else drift)
    home = analysis.sites.set_index("site_id").loc[site, ["y", "x"]].to_numpy(dtype=np.float64)
    place = motion.forward(home, motion.rows(frame))
    y, x, ids = place[:, 0].copy(), place[:, 1].copy(), np.full(len(table), -1)
    columns = analysis.columns
    at = _column_rows(analysis)[table["row"].to_numpy(), table["col"].to_numpy()]
    there = at >= 0
    for values, name in ((y, "y"), (x, "x"), (ids, "column_id")):
        values[there] = columns[name].to_numpy()[at[there]]
    return table.assign(
        frame=frame,
        first=analysis.frame[table["from"].to_numpy()],
        last=analysis.frame[table["to"].to_numpy()],
        y=y,
        x=x,
        column_id=ids,
        site_id=site,
    ).drop(columns=["row", "from", "to", "col"])


def _column_rows(analysis: Analysis) -> Ints:
    """Position in the columns' table of each site's column in each frame, shape (T, S); -1: none."""
    row, col = _rows_and_sites(analysis)
    good = col >= 0
    at = np.full(analysis.state.shape, -1, np.int64)
    at[row[good], col[good]] = np.flatnonzero(good)
    return at


def _rows_and_sites(analysis: Analysis) -> tuple[Ints, Ints]:
    """Where each column stands in the analysis' arrays: row, and column (-1: at no site)."""
    row = np.searchsorted(analysis.frame, analysis.columns["frame"].to_numpy())
    site = analysis.columns["site_id"].to_numpy(dtype=np.int64)
    order = np.argsort(analysis.site_id, kind="stable")
    place = np.searchsorted(analysis.site_id[order], site)
    col = order[np.minimum(place, len(order) - 1)] if len(order) else np.full(len(site), -1)
    if len(order):
        col = np.where(analysis.site_id[col] == site, col, -1)
    return row.astype(np.int64), col.astype(np.int64)


def counted_sites(analysis: Analysis, drift: pd.DataFrame | None = None) -> pd.DataFrame:
    """One place for each stretch in which a site keeps its count.

    Parameters
    ----------
    analysis, drift
        As in `wavering`; the columns with ``count_p`` or at least ``count_prob``.

    Returns
    -------
    DataFrame
        `PLACES` without share, and ``counts``: the probability that the count is wrong, times the share of
        the observed frames for which it holds, so that all stretches of a site weigh as much as the site.
        The network errs at a site in much the same way in every frame, so the mean over the frames of its
        p(count) is taken, not their product. A stretch is the network's no more where a person gave or
        accepted a count; that is for the caller to take out.
    """
    columns = analysis.columns
    row, col = _rows_and_sites(analysis)
    good = (col >= 0) & (columns["count"] >= 1).to_numpy() & (columns["origin"] == "network").to_numpy()
    row, col, used = row[good], col[good], columns[good]
    state = analysis.state[row, col].astype(np.int64)
    right = _probability_of(used, state)
    sums, number = np.zeros(analysis.state.shape), np.zeros(analysis.state.shape)
    np.add.at(sums, (row, col), right)
    np.add.at(number, (row, col), 1.0)
    rows: list[tuple[object, ...]] = []
    for site in np.flatnonzero((analysis.state > 0).any(axis=0)):
        seen = np.flatnonzero(analysis.state[:, site] >= 0)
        count = analysis.state[seen, site]
        edges = np.flatnonzero(np.diff(count, prepend=-9, append=-9))
        for a, b in pairwise(edges.tolist()):
            own = seen[a:b]
            told = float(number[own, site].sum())
            if count[a] < 1 or not told:
                continue
            wrong = 1.0 - float(sums[own, site].sum()) / told
            first = own[int(np.argmax(number[own, site] > 0))]
            share = len(own) / len(seen)
            words = f"{int(count[a])} atoms, by the network, may be wrong"
            rows.append((first, own[0], own[-1], site, wrong, wrong * share, words))
    names = ["row", "from", "to", "col", "risk", "counts", "why"]
    table = pd.DataFrame(rows, columns=names).astype(
        {name: np.int64 for name in names[:4]} | {name: np.float64 for name in names[4:6]}
    )
    return _placed(table, analysis, drift)


def _probability_of(columns: pd.DataFrame, count: Ints) -> Doubles:
    """p(count) of each column as the network has it; without the whole list, of its own count or the rest."""
    own = columns["count"].to_numpy(dtype=np.int64) == count
    best = np.nan_to_num(columns["count_prob"].to_numpy(dtype=np.float64), nan=1.0)
    rough = np.where(own, best, (1.0 - best) / 2)  # of the two neighbours, mostly
    if "count_p" not in columns:
        return np.asarray(rough)
    lists: list[npt.NDArray[np.float32] | None] = columns["count_p"].tolist()
    there = np.array([0 if p is None or np.ndim(p) != 1 else len(p) for p in lists], dtype=np.int64)
    told = (there > 0) & (count >= 1) & (count <= there)
    parts = [p for p, ok in zip(lists, there > 0, strict=True) if ok and p is not None]
    starts = np.cumsum(there) - there
    rough[told] = np.concatenate(parts)[(starts + count - 1)[told]] if parts else 0.0
    return np.asarray(rough)


def single_columns(columns: pd.DataFrame) -> pd.DataFrame:
    """Each column on its own: that it is not there (``columns``), that its count is wrong (``counts``)."""
    absent = 1.0 - columns["score"].to_numpy(dtype=np.float64)
    sure = np.nan_to_num(columns["count_prob"].to_numpy(dtype=np.float64), nan=1.0)
    counted = (columns["count"] >= 1).to_numpy()
    frame = columns["frame"].to_numpy()
    return pd.DataFrame(
        {
            "frame": frame,
            "first": frame,
            "last": frame,
            "y": columns["y"].to_numpy(),
            "x": columns["x"].to_numpy(),
            "column_id": columns["column_id"].to_numpy(),
            "site_id": columns["site_id"].to_numpy(),
            "columns": absent,
            "counts": np.where(counted, (1.0 - sure) * (1.0 - absent), 0.0),
            "why": "it may not be there",
        }
    )
