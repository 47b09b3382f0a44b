"""From decoded sites to an analysis: which sites are kept, their counts, events and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.count_chain import CountModel, Counts, decode_counts, learn_counts
from napari_atomcount.measure.counts import Seen, context_offsets, longest, read_counts, usual_counts
from napari_atomcount.measure.events import find_events
from napari_atomcount.measure.kinetics import hidden_rate_interval
from napari_atomcount.measure.markov import Posterior, change_probabilities
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
Steps = Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], npt.NDArray[np.int8]]


@dataclass(frozen=True, eq=False)
class Counting:
    """What the counts of a movie were learned from, and with; shapes as of the sites of the analysis.

    Parameters
    ----------
    models : dict of str to CountModel
        Noise, rates, cost of a change, for each class of columns.
    context : ndarray, shape (F, n_sites)
        What the surroundings add to each expected count.
    n_counts : int
        K.
    """

    models: dict[str, CountModel]
    context: Single
    n_counts: int

    def model(self, label: str) -> CountModel:
        """What was learned of a class; of a class that no site had, what was learned of the first."""
        return self.models.get(label, next(iter(self.models.values())))


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


@dataclass(frozen=True, eq=False)
class Counted:
    """Sites with their counts: states (F, n), mean counts (n,), probabilities of changes (F, n)."""

    state: npt.NDArray[np.int8]
    mean_count: npt.NDArray[np.float64]
    gain: Single | None = None
    lose: Single | None = None
    given: Bools | None = None


@dataclass(frozen=True, eq=False)
class _Decoded:
    """The network's counts at sites, and their steps and changes (F, n)."""

    seen: Seen
    step: npt.NDArray[np.int8]
    gain: Single
    lose: Single

    def put(self, own: Ints, found: Counts) -> None:
        """Put the counts of some of the sites in their place."""
        self.step[:, own], self.gain[:, own], self.lose[:, own] = found.step, found.gain, found.lose


def learn_counting(
    columns: pd.DataFrame,
    frames: Ints,
    state: npt.NDArray[np.int8],
    chain: Posterior,
    sites: pd.DataFrame,
    places: SiteSet,
    false_per_1000: float,
) -> tuple[Counting | None, _Decoded | None]:
    """Learn what one needs to count the atoms at sites through time, and count them; None without counts.

    The false events that the appearing and vanishing columns leave over are what changes of the count may be.
    Each class of columns is learned on its own: an oxygen's contrast is not a cerium's.

    Parameters
    ----------
    columns, frames, state
        As in `counted_states`.
    chain : Posterior
        Of these sites.
    sites : DataFrame
        SITES, with positions in nm, coordination and label.
    places : SiteSet
        For the usual distance of neighbours.
    false_per_1000 : float
        Accepted false events per 1,000 site-frames, of all kinds.
    """
    counts = columns[columns["count"] >= 0] if "count_p" in columns else columns.iloc[:0]
    if not len(counts):
        return None, None
    network = counts[counts["origin"] == "network"]
    row = np.searchsorted(frames, network["frame"].to_numpy())
    seen = read_counts(network, row, len(frames), state.shape[1], longest(counts["count_p"]))
    n_counts = seen.p.shape[1]
    occupied = state > 0
    nm, pool = sites[["y_nm", "x_nm"]].to_numpy(), sites["coordination"].to_numpy()
    context = np.zeros(state.shape, np.float32)
    models: dict[str, CountModel] = {}
    decoded = _Decoded(seen, *(np.zeros(state.shape, kind) for kind in (np.int8, np.float32, np.float32)))
    for label, own in by_class(sites["label"]) or [("column", np.zeros(0, np.int64))]:
        here = occupied[:, own]
        context[:, own] = context_offsets(seen.expected[:, own], here, nm[own], places.spacing(label))
        part = state[:, own] >= 0
        spent = float(np.sum(1 - change_probabilities(chain.of_sites(own), here, part)[3]))
        allowed = max(false_per_1000 / 1000 * float(part.sum()) - spent, 0.0)
        expected = seen.expected[:, own] - context[:, own]
        found = learn_counts(expected, here, pool[own], n_counts, allowed)
        models[label] = found.model
        decoded.put(own, found)
    return Counting(models, context, n_counts), decoded


def by_class(label: pd.Series[str]) -> list[tuple[str, Ints]]:
    """Each class among some sites with the indices of its own."""
    names = label.to_numpy()
    return [(str(name), np.flatnonzero(names == name).astype(np.int64)) for name in pd.unique(label)]


def shuffled_steps(analysis: Analysis, counting: Counting, seen: Seen) -> Steps:
    """What decodes the counts of an analysis with its frames in another order, for the static control."""
    expected = seen.expected - counting.context
    label, pool = analysis.sites["label"], analysis.sites["coordination"].to_numpy()

    def steps(sites: npt.NDArray[np.intp], order: npt.NDArray[np.intp]) -> npt.NDArray[np.int8]:
        out = np.zeros(order.shape, np.int8)
        for name, own in by_class(label.iloc[sites]):
            mine, model = sites[own], counting.model(name)
            calm = np.take_along_axis(expected[:, mine] - model.offset[:, None], order[:, own], axis=0)
            level = replace(model, offset=np.zeros_like(model.offset))
            found = decode_counts(level, calm, analysis.state[:, mine] > 0, pool[mine])
            out[:, own] = found.step
        return out

    return steps


def counted_states(
    columns: pd.DataFrame,
    frames: Ints,
    state: npt.NDArray[np.int8],
    sites: pd.DataFrame,
    counting: Counting | None,
    decoded: _Decoded | None = None,
) -> Counted:
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
    sites : DataFrame
        SITES, for coordination and label.
    counting : Counting, optional
        With the context of these sites; None: the model does not count.
    decoded : optional
        What `learn_counting` found on the way for all of these sites.

    Returns
    -------
    Counted
        The count in place of 1; a count that a person gave holds in its frame.
    """
    if counting is None:
        return Counted(state, np.full(state.shape[1], np.nan))
    occupied = state > 0
    counts = columns[(columns["count"] >= 0) & (columns["site_id"] >= 0)]
    row = np.searchsorted(frames, counts["frame"].to_numpy())
    theirs = (counts["origin"] != "network").to_numpy()
    if decoded is None:
        seen = read_counts(counts[~theirs], row[~theirs], len(frames), state.shape[1], counting.n_counts)
        expected, pool = seen.expected - counting.context, sites["coordination"].to_numpy()
        decoded = _Decoded(seen, *(np.zeros(state.shape, kind) for kind in (np.int8, np.float32, np.float32)))
        for label, own in by_class(sites["label"]):
            model = counting.model(label)
            decoded.put(own, decode_counts(model, expected[:, own], occupied[:, own], pool[own]))
    step, gain, lose = decoded.step, decoded.gain, decoded.lose
    usual, mean = usual_counts(decoded.seen, step, occupied)
    count = np.clip(usual + step, 1, counting.n_counts)
    state = np.where(occupied, count, state).astype(np.int8)
    given = np.zeros(state.shape, bool)
    number, site = counts["count"].to_numpy()[theirs], counts["site_id"].to_numpy()[theirs]
    row, site, number = row[theirs][number > 0], site[number > 0], number[number > 0]
    given[row, site] = occupied[row, site]
    state[row, site] = np.where(occupied[row, site], number, state[row, site])
    return Counted(state, mean, gain, lose, given)


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
    table = site_figures(table, found, keep, state, events, calibration, places)
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
    keep: Ints,
    state: npt.NDArray[np.int8],
    events: pd.DataFrame,
    calibration: Calibration,
    places: SiteSet,
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
    # What the counts add is taken as found; what appears and vanishes, with the doubt of its paths.
    atoms = events.loc[events["kind"].isin(["gain", "lose"]), "site_id"].to_numpy(np.int64)
    changes = found.changes[:, keep] + np.bincount(atoms, minlength=len(keep))[: len(keep)]
    watched = calibration.time_s(np.maximum(seen_frames - 1.0, 0.0))
    rate_low, rate_high = hidden_rate_interval(changes, watched)
    return table.assign(
        coordination=places.neighbours(table, np.nan_to_num(occupancy) >= 0.5),
        occupancy=occupancy,
        occupancy_low=found.low[keep].astype(np.float64),
        occupancy_high=found.high[keep].astype(np.float64),
        n_events=n_events.astype(np.int64),
        event_rate_per_s=rate,
        event_rate_low_per_s=rate_low,
        event_rate_high_per_s=rate_high,
    )


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
