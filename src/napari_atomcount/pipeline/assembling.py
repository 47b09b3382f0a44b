"""From decoded sites to an analysis: which sites are kept, their counts, events and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.events import find_events
from napari_atomcount.measure.kinetics import hidden_rate_interval
from napari_atomcount.measure.occupancy import Occupancy
from napari_atomcount.measure.sites import SiteSet
from napari_atomcount.pipeline.area import Area
from napari_atomcount.pipeline.counting import (
    Counting,
    Steps,
    counted_states,
    learn_counting,
    shuffled_steps,
)
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.settings import AnalysisSettings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Single = npt.NDArray[np.float32]

HALF = 0.5


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
    counting : Counting or None
        What the counts of the sites were learned with; None: the model does not count.
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
    counting: Counting | None


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
    false_per_1000: float,
) -> tuple[Analysis, Ints, Counting | None, Steps | None]:
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
    false_per_1000 : float
        Accepted false events per 1,000 site-frames.

    Returns
    -------
    analysis : Analysis
        Its summary is empty.
    keep : ndarray of int
        The place of each of its sites.
    counting : Counting or None
        What the counts were learned with.
    steps : callable or None
        Decodes the counts of the same frames in another order, for the static control.
    """
    keep = np.flatnonzero(places.seen | (found.state > 0).any(axis=0)).astype(np.int64)
    place = columns["site_id"].to_numpy(np.int64)
    columns = columns.assign(site_id=site_ids(place, keep, len(places.table)))
    site_id = np.arange(len(keep), dtype=np.int64)
    table = places.table.iloc[keep].reset_index(drop=True)
    chain, paths = found.chain.of_sites(keep), found.state[:, keep]
    counting, decoded = learn_counting(columns, frames, paths, chain, table, places, false_per_1000)
    counted = counted_states(columns, frames, paths, table, counting, decoded)
    state = counted.state
    events = find_events(
        chain, state, frames, site_id, calibration, counted.gain, counted.lose, counted.given
    )
    table = table.assign(site_id=site_id, mean_count=counted.mean_count)
    table = site_figures(table, found, keep, state, events, calibration)
    table = table.assign(coordination=coordination(places, table))
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
    if counting is None or decoded is None:
        return analysis, keep, counting, None
    return analysis, keep, counting, shuffled_steps(analysis, counting, decoded.seen)


def site_figures(
    table: pd.DataFrame,
    found: Occupancy,
    place: Ints,
    state: npt.NDArray[np.int8],
    events: pd.DataFrame,
    calibration: Calibration,
) -> pd.DataFrame:
    """Some rows of the SITES table with what only time can tell of each: occupancies, events, rates.

    Parameters
    ----------
    table : DataFrame
        SITES of n sites.
    found : Occupancy
        Of all places.
    place : ndarray of int, shape (n,)
        The place of each.
    state : ndarray of int8, shape (F, n)
        Of each.
    events : DataFrame
        EVENTS, their own and those of others.
    calibration : Calibration
        For times.
    """
    site_id = table["site_id"].to_numpy()
    mine = events[np.isin(events["site_id"].to_numpy(), site_id)]
    own = np.searchsorted(site_id, mine["site_id"].to_numpy())
    n_events = np.bincount(own, minlength=len(table)).astype(np.int64)
    seen_frames = (state >= 0).sum(axis=0)
    seconds = calibration.time_s(seen_frames.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seen_frames > 1, n_events / seconds, np.nan)
    # What the counts add is taken as found; what appears and vanishes, with the doubt of its paths.
    atoms = own[mine["kind"].isin(["gain", "lose"]).to_numpy()]
    changes = found.changes[:, place] + np.bincount(atoms, minlength=len(table))
    watched = calibration.time_s(np.maximum(seen_frames - 1.0, 0.0))
    rate_low, rate_high = hidden_rate_interval(changes, watched)
    return table.assign(
        occupancy=found.occupancy[place].astype(np.float64),
        occupancy_low=found.low[place].astype(np.float64),
        occupancy_high=found.high[place].astype(np.float64),
        n_events=n_events,
        event_rate_per_s=rate,
        event_rate_low_per_s=rate_low,
        event_rate_high_per_s=rate_high,
    )


def coordination(places: SiteSet, sites: pd.DataFrame) -> Ints:
    """Neighbours of each row of a SITES table that are usually occupied."""
    return places.neighbours(sites, sites["occupancy"].fillna(0).to_numpy() >= HALF)


def totals(analysis: Analysis, store: LogitStore) -> dict[str, Any]:
    """Numbers for the summary: frames, columns, sites, events and what was observed."""
    kinds = analysis.events["kind"].value_counts()
    found = analysis.columns["site_id"] >= 0
    labels = sorted({*analysis.sites["label"].unique(), *analysis.columns["label"].unique()})
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
        **({"by_label": {name: of_label(analysis, name) for name in labels}} if len(labels) > 1 else {}),
    }


def of_label(analysis: Analysis, label: str) -> dict[str, Any]:
    """Numbers of one class of columns: columns, sites, mean occupancy (None: not known), events."""
    own = (analysis.sites["label"] == label).to_numpy()
    occupancy = analysis.sites.loc[own, "occupancy"].dropna()
    return {
        "columns": int((analysis.columns["label"] == label).sum()),
        "sites": int(own.sum()),
        "mean_occupancy": round(float(occupancy.mean()), 4) if len(occupancy) else None,
        "events": int(analysis.events["site_id"].isin(analysis.sites.loc[own, "site_id"]).sum()),
    }
