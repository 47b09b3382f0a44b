"""From decoded sites to an analysis: which sites are kept, their counts, events and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.events import counts_of_sites, find_events
from napari_atomcount.measure.lattice import coordination
from napari_atomcount.measure.occupancy import Occupancy
from napari_atomcount.measure.sites import SiteSet
from napari_atomcount.pipeline.area import Area
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.settings import AnalysisSettings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Single = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Followed:
    """An analysis with what was learned on the way: enough to decode any of its sites again on its own.

    Places are sites and also positions beside them on their lattice at which no column was ever found; a
    place becomes a site of the analysis when a column is found there or it is believed to have been occupied.

    Parameters
    ----------
    analysis : Analysis
        What was found.
    settings : AnalysisSettings
        As they were used.
    calibration : Calibration
        Of the movie.
    area : Area
        The part of the image that counts.
    store : LogitStore
        The network's maps; read again only for a place that a person adds.
    places : SiteSet
        All places, (S,) rows.
    keep : ndarray of int, shape (n_sites,)
        The place of each site of the analysis, in the order of ``site_id``.
    place : ndarray of int, shape (N,)
        The place of each row of ``analysis.columns``; -1: none.
    log_odds, observed : ndarray, shape (F, S)
        Evidence of every place in every frame.
    known : ndarray of int8, shape (F, S)
        What a person said: 1 a column, 0 none, -1 nothing.
    found : Occupancy
        Paths and posteriors of all places, with the model that decodes them.
    """

    analysis: Analysis
    settings: AnalysisSettings
    calibration: Calibration
    area: Area
    store: LogitStore
    places: SiteSet
    keep: Ints
    place: Ints
    log_odds: Single
    observed: Bools
    known: npt.NDArray[np.int8]
    found: Occupancy


def counted_states(
    columns: pd.DataFrame, frames: Ints, state: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Put counts where sites are occupied.

    Parameters
    ----------
    columns : DataFrame
        Of these sites, with frame, count, count_p and origin; ``site_id`` is the index into the columns of
        `state`, -1 none.
    frames : ndarray of int, shape (F,)
        Of the rows.
    state : ndarray of int8, shape (F, S)
        -1 not observed, 0 empty, 1 occupied.

    Returns
    -------
    state : ndarray of int8, shape (F, S)
        With the count in place of 1; a count that a person gave holds in its frame.
    mean_count : ndarray, shape (S,)
        NaN where nothing was counted.
    """
    counts = columns[columns["count"] >= 0] if "count_p" in columns else columns.iloc[:0]
    if not len(counts):
        return state, np.full(state.shape[1], np.nan)
    row = np.searchsorted(frames, counts["frame"].to_numpy())
    n_counts = max(np.size(p) for p in counts["count_p"])
    count, mean_count = counts_of_sites(counts, row, state > 0, n_counts)
    state = np.where(state > 0, count, state).astype(np.int8)
    theirs = (counts["origin"] != "network").to_numpy() & (counts["site_id"] >= 0).to_numpy()
    theirs &= (counts["count"] > 0).to_numpy()
    place = row[theirs], counts["site_id"].to_numpy()[theirs]
    state[place] = np.where(state[place] > 0, counts["count"].to_numpy()[theirs], state[place])
    return state, mean_count


def site_ids(place: Ints, keep: Ints, n_places: int) -> Ints:
    """The ``site_id`` of each of some places, shape of `place`; -1 for none and for those not kept."""
    number = np.full(n_places + 1, -1, np.int64)  # the last entry serves columns without a place
    number[keep] = np.arange(len(keep))
    return np.asarray(number[place])


def assemble(
    columns: pd.DataFrame,
    places: SiteSet,
    drift: pd.DataFrame,
    found: Occupancy,
    frames: Ints,
    calibration: Calibration,
) -> tuple[Analysis, Ints]:
    """Tables and arrays of the sites worth keeping: where a column was found or is believed to have been.

    Parameters
    ----------
    columns : DataFrame
        COLUMNS whose ``site_id`` is the place, by frame and ``column_id``.
    places : SiteSet
        All places.
    drift : DataFrame
        DRIFT.
    found : Occupancy
        Of all places.
    frames : ndarray of int, shape (F,)
        Of the rows of `found`.
    calibration : Calibration
        For times and rates.

    Returns
    -------
    analysis : Analysis
        Its summary is empty.
    keep : ndarray of int
        The place of each of its sites.
    """
    keep = np.flatnonzero(places.seen | (found.state > 0).any(axis=0)).astype(np.int64)
    place = columns["site_id"].to_numpy(np.int64)
    columns = columns.assign(site_id=site_ids(place, keep, len(places.table)))
    state, mean_count = counted_states(columns, frames, found.state[:, keep])
    site_id = np.arange(len(keep), dtype=np.int64)
    events = find_events(found.chain.of_sites(keep), state, frames, site_id, calibration)
    table = places.table.iloc[keep].reset_index(drop=True).assign(site_id=site_id, mean_count=mean_count)
    table = site_figures(table, found, keep, state, events, calibration, places.spacing_nm)
    analysis = Analysis(
        columns=tables.conform(columns, tables.COLUMNS),
        sites=tables.conform(table, tables.SITES),
        events=events,
        drift=drift,
        state=state,
        probability=found.probability[:, keep],
        site_id=site_id,
        frame=frames,
        summary={},
    )
    return analysis, keep


def site_figures(
    table: pd.DataFrame,
    found: Occupancy,
    keep: Ints,
    state: npt.NDArray[np.int8],
    events: pd.DataFrame,
    calibration: Calibration,
    spacing_nm: float,
) -> pd.DataFrame:
    """The SITES table with what only time can tell: occupancies, events, rates, coordination."""
    occupancy = found.occupancy[keep].astype(np.float64)
    n_events = (
        np.bincount(events["site_id"].to_numpy(), minlength=len(keep)) if len(keep) else np.zeros(0, int)
    )
    seen_frames = (state >= 0).sum(axis=0)
    seconds = calibration.time_s(seen_frames.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seen_frames > 1, n_events / seconds, np.nan)
    nm = table[["y_nm", "x_nm"]].to_numpy()
    return table.assign(
        coordination=coordination(nm, np.nan_to_num(occupancy) >= 0.5, spacing_nm),
        occupancy=occupancy,
        occupancy_low=found.low[keep].astype(np.float64),
        occupancy_high=found.high[keep].astype(np.float64),
        n_events=n_events.astype(np.int64),
        event_rate_per_s=rate,
    )


def totals(analysis: Analysis, store: LogitStore) -> dict[str, Any]:
    """Numbers for the summary: frames, columns, sites, events and what was observed."""
    kinds = analysis.events["kind"].value_counts()
    found = analysis.columns["site_id"] >= 0
    return {
        "frames": len(analysis.frame),
        "frames_observed": int(store.observed.sum()),
        "columns": len(analysis.columns),
        "columns_at_sites": int(found.sum()),
        "sites": len(analysis.sites),
        "lattices": len(set(analysis.sites["lattice_id"]) - {-1}),
        "site_frames_observed": int((analysis.state >= 0).sum()),
        "events": len(analysis.events),
        **{f"events_{kind}": int(n) for kind, n in kinds.items()},
    }
