"""How many atoms the sites of an analysis have: what is learned of all of them, and the counts of some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.count_chain import CountModel, Counts, decode_counts, learn_counts
from napari_atomcount.measure.counts import Seen, context_offsets, longest, read_counts, usual_counts
from napari_atomcount.measure.markov import Posterior, change_probabilities
from napari_atomcount.measure.sites import SiteSet
from napari_atomcount.records.analysis import Analysis

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
class Counted:
    """Sites with their counts: states (F, n), mean counts (n,), probabilities of changes (F, n)."""

    state: npt.NDArray[np.int8]
    mean_count: npt.NDArray[np.float64]
    gain: Single | None = None
    lose: Single | None = None
    given: Bools | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
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
) -> tuple[Counting | None, Decoded | None]:
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
    decoded = Decoded(seen, *(np.zeros(state.shape, kind) for kind in (np.int8, np.float32, np.float32)))
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
    decoded: Decoded | None = None,
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
        decoded = Decoded(seen, *(np.zeros(state.shape, kind) for kind in (np.int8, np.float32, np.float32)))
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
