"""From an analysis to the trace of one site: p(count) in every frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.gui.trace_plot import Trace
from napari_atomcount.records.analysis import Analysis


def site_trace(analysis: Analysis, site_id: int, counts: bool) -> Trace:
    """The probabilities, states and events of a site.

    p(n atoms) in a frame is p(occupied), from the chain over all frames, times p(n | occupied), from the
    network in that frame; where it found no column there, the site's mean p(n | occupied) stands in.

    Parameters
    ----------
    analysis
        The tables and states.
    site_id
        A site of ``analysis.site_id``.
    counts
        Whether the model counts.

    Raises
    ------
    KeyError
        When the analysis has no such site.
    """
    where = np.flatnonzero(analysis.site_id == site_id)
    if len(where) == 0:
        raise KeyError(site_id)
    occupied = analysis.probability[:, where[0]].astype(float)
    state = analysis.state[:, where[0]].astype(np.int64)
    occupied[state < 0] = np.nan
    events = analysis.events[analysis.events["site_id"] == site_id]
    columns = analysis.columns[analysis.columns["site_id"] == site_id]
    given = _count_given_occupied(columns, analysis.frame) if counts else np.ones((len(occupied), 1))
    probability = np.column_stack([1.0 - occupied, occupied[:, None] * given])
    if counts:
        probability = probability[:, : _useful_rows(probability, state)]
    site = analysis.sites[analysis.sites["site_id"] == site_id].iloc[0]
    return Trace(
        title=_title(analysis.site_name(site_id), site, counts),
        frames=np.asarray(analysis.frame, np.int64),
        probability=probability,
        state=state,
        events=tuple(zip(events["frame"].astype(int), events["kind"].astype(str), strict=True)),
        counts=counts,
    )


def _useful_rows(probability: NDArray[np.float64], state: NDArray[np.int64]) -> int:
    """How many counts to draw: up to the last that is ever likely, at least 0..3."""
    likely = np.flatnonzero(np.nanmax(probability, axis=0, initial=0.0) > 0.02)
    highest = max(int(likely[-1]) if len(likely) else 1, int(state.max(initial=1)))
    return min(probability.shape[1], max(4, highest + 2))


def _count_given_occupied(columns: pd.DataFrame, frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """p(count = 1..K | occupied) in each of ``frames``, (T, K)."""
    rows = [_distribution(row) for row in columns.itertuples()]
    known = [row for row in rows if row is not None]
    if not known:
        return np.ones((len(frames), 1))
    width = max(len(row) for row in known)
    known_padded = np.array([np.pad(row, (0, width - len(row))) for row in known])
    given = np.tile(known_padded.mean(axis=0), (len(frames), 1))
    position = {int(frame): index for index, frame in enumerate(frames)}
    for frame, row in zip(columns["frame"], rows, strict=True):
        if row is not None and int(frame) in position:
            given[position[int(frame)]] = np.pad(row, (0, width - len(row)))
    return given / given.sum(axis=1, keepdims=True)


def _distribution(row) -> NDArray[np.float64] | None:
    """p(count = 1..K) of one column: the network's, or all on the count where that was not kept."""
    full = getattr(row, "count_p", None)
    if full is not None and np.ndim(full) == 1 and len(full):
        return np.asarray(full, float)
    if row.count >= 1:
        return np.eye(row.count)[-1]
    return None


def _title(name: str, site: pd.Series, counts: bool) -> str:
    parts = [name]
    if site["coordination"] >= 0:
        parts.append(f"{int(site['coordination'])} neighbours")
    if np.isfinite(site["occupancy"]):
        low, high = site["occupancy_low"], site["occupancy_high"]
        interval = f" ({100 * low:.0f}–{100 * high:.0f})" if np.isfinite(low) and np.isfinite(high) else ""
        parts.append(f"occupied {100 * site['occupancy']:.0f} %{interval}")
    if counts and np.isfinite(site["mean_count"]):
        parts.append(f"{site['mean_count']:.1f} atoms")
    number = int(site["n_events"])
    parts.append(f"{number} event{'' if number == 1 else 's'}")
    return " · ".join(parts)
