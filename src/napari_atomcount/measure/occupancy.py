"""Is a column there? A two-state chain per site over the network's logit; what is unknown is averaged out.

Each site has a level of the logit while empty, one while occupied, and rates of appearing and vanishing.
None is known. All are put on a grid; the evidence of every grid point is computed for every site once
(`markov`), and the weights of the grid points are then learned from all sites together (empirical Bayes, by
EM; rates pooled over sites of like coordination). A site that never changes thus borrows from the others
what a change would look like, and the split of one level's noise into two states has to pay for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure import emission, markov
from napari_atomcount.measure.emission import LEVELS, Emission
from napari_atomcount.measure.explanations import (
    KIND,
    OCCUPIED,
    RATES,
    WAVERING,
    OccupancyModel,
    blocks,
    evidence_of,
    learn_weights,
    level_belief,
    log_weight_of,
    pair_weights,
    posterior_of,
    rate_belief,
)
from napari_atomcount.measure.threads import in_threads
from napari_atomcount.records.settings import OccupancySettings

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer]

FEWEST_FRAMES = 3  # of fewer, a change cannot be told from noise
# Nats. Noise has more ways to look like a change than the model knows of: on simulated sites this halves
# the false events and finds as many true ones.
LEAST_PENALTY = 1.5
NO_CHANGE = 1e6
LOST_FRAME = -4.0  # a frame in which the median site falls by so much shows nothing


@dataclass(frozen=True, eq=False)
class Occupancy:
    """The answer for a set of sites.

    Parameters
    ----------
    state : ndarray of int8, shape (T, S)
        -1 not observed, 0 empty, 1 occupied; the most probable path.
    probability : ndarray of float32, shape (T, S)
        Posterior probability of being occupied; NaN where not observed.
    chain : Posterior
        Posterior of every frame and step, observed or not.
    occupancy, low, high : ndarray, shape (S,)
        Fraction of observed frames that the path is occupied, and its posterior interval.
    changes : ndarray, shape (n, S)
        How often the site changed in each of the paths drawn from the posterior.
    empty_level, occupied_level : ndarray, shape (S,)
        Posterior means of the two levels of the logit.
    rates : DataFrame
        coordination, n_sites, appear, vanish (per frame, posterior means over the sites of the pool).
    model : OccupancyModel
        What was learned.
    """

    state: npt.NDArray[np.int8]
    probability: Single
    chain: markov.Posterior
    occupancy: Single
    low: Single
    high: Single
    changes: Single
    empty_level: Single
    occupied_level: Single
    rates: pd.DataFrame
    model: OccupancyModel


def hidden_markov(
    logit: npt.NDArray[np.floating],
    observed: Bools,
    coordination: Ints,
    settings: OccupancySettings | None = None,
    known: npt.NDArray[np.int8] | None = None,
) -> Occupancy:
    """Learn noise, frame offsets, levels, rates and the cost of a change from all sites; find their paths.

    Parameters
    ----------
    logit : ndarray, shape (T, S)
        The network's logit of "a column is here" at every site in every frame; ignored where not observed.
    observed : ndarray of bool, shape (T, S)
        False for blank frames and for sites outside the field of view or in a bad area.
    coordination : ndarray of int, shape (S,)
        Rates are pooled over sites of the same value.
    settings : OccupancySettings, optional
        False-event rate, interval, samples, seed.
    known : ndarray of int8, shape (T, S), optional
        What a person said: 0 empty, 1 occupied, -1 nothing.

    Returns
    -------
    Occupancy
        Shapes (T, S) and (S,).
    """
    settings = settings or OccupancySettings()
    logit, observed = _checked(logit, observed)
    offset = emission.frame_offsets(logit, observed)
    lost = offset < LOST_FRAME
    offset = np.where(lost, 0, offset).astype(np.float32)
    seen = observed & ~lost[:, None]
    tables = Emission.from_noise(emission.estimate_noise(logit - offset[:, None], seen))
    pools, pool = np.unique(np.asarray(coordination, dtype=np.int64), return_inverse=True)
    pairs, rates = log_weight_of(pair_weights(level_belief(), tables)), log_weight_of(rate_belief())
    if not len(pools):
        pools = np.zeros(1, np.int64)
    model = OccupancyModel(tables, offset, lost, pairs, np.tile(rates, (len(pools), 1)), pools)
    evidence = evidence_of(model, logit, seen, known)
    if len(evidence):
        log_pair, log_rate = learn_weights(evidence, pool, len(pools), tables, settings.iterations)
        model = replace(model, log_pair=log_pair, log_rate=log_rate)
    chain, weights = posterior_of(model, evidence, logit, seen, pool, known)
    if len(evidence):
        model = replace(model, penalty=_penalty(chain, seen, settings.false_events_per_1000))
    return _answer(model, chain, weights, seen, pool, settings)


def decode(
    model: OccupancyModel,
    logit: npt.NDArray[np.floating],
    observed: Bools,
    coordination: Ints,
    settings: OccupancySettings,
    known: npt.NDArray[np.int8] | None = None,
) -> Occupancy:
    """Find the paths of some sites with what was learned from all; parameters as in `hidden_markov`.

    This is all that has to run again for one site when one of its columns was corrected.
    """
    logit, observed = _checked(logit, observed)
    seen = observed & ~model.lost[:, None]
    pool = model.pool_index(coordination)
    evidence = evidence_of(model, logit, seen, known)
    chain, weights = posterior_of(model, evidence, logit, seen, pool, known)
    return _answer(model, chain, weights, seen, pool, settings)


def _answer(
    model: OccupancyModel,
    chain: markov.Posterior,
    weights: Single,
    seen: Bools,
    pool: npt.NDArray[np.intp],
    settings: OccupancySettings,
) -> Occupancy:
    """Paths and figures from the posterior of the chains and the weights (S, P, R) of its explanations."""
    path = markov.most_probable_path(chain, model.penalty) if len(seen) else np.zeros(seen.shape, bool)
    frames = seen.sum(axis=0)
    with np.errstate(invalid="ignore"):
        fraction = np.where(frames > 0, (path & seen).sum(axis=0) / np.maximum(frames, 1), np.nan)
    low, high, changes = _interval(chain, seen, fraction, path, settings)
    pairs = weights.sum(axis=2)
    return Occupancy(
        state=np.where(seen, path, -1).astype(np.int8),
        probability=np.where(seen, chain.occupied, np.nan).astype(np.float32),
        chain=chain,
        occupancy=fraction.astype(np.float32),
        low=low,
        high=high,
        changes=changes,
        empty_level=(pairs @ LEVELS[model.emission.empty]).astype(np.float32),
        occupied_level=(pairs @ LEVELS[model.emission.occupied]).astype(np.float32),
        rates=_rate_table(weights.sum(axis=1), pool, model.pools),
        model=model,
    )


def _checked(logit: npt.NDArray[np.floating], observed: Bools) -> tuple[Single, Bools]:
    if logit.ndim != 2 or logit.shape != observed.shape:
        raise ValueError(f"logit {logit.shape} and observed {observed.shape} must both be (frames, sites)")
    seen = observed & np.isfinite(logit)
    return np.where(seen, logit, 0).astype(np.float32), seen


def _penalty(chain: markov.Posterior, seen: Bools, false_per_1000: float) -> float:
    """The least cost of a change at which no more false events are expected than allowed, nats."""
    if len(seen) == 0 or seen.sum(axis=0).max(initial=0) < FEWEST_FRAMES:
        return NO_CHANGE
    allowed = false_per_1000 / 1000 * float(seen.sum())
    for penalty in np.concatenate([np.arange(LEAST_PENALTY, 4, 0.5), np.arange(4, 20, 1.0)]):
        path = markov.most_probable_path(chain, float(penalty))
        if float(np.sum(1 - markov.change_probabilities(chain, path, seen)[3])) <= allowed:
            break
    return float(penalty)


def _interval(
    chain: markov.Posterior,
    seen: Bools,
    fraction: npt.NDArray[np.floating],
    path: Bools,
    settings: OccupancySettings,
) -> tuple[Single, Single, Single]:
    """Interval of each site's occupied fraction, and the changes (n, S) of paths drawn from the posterior.

    The interval is widened to hold the most probable path's own fraction.
    """
    low = np.array(fraction, dtype=np.float32)
    high = low.copy()
    certain = (path[1:] != path[:-1]).sum(axis=0).astype(np.float32)
    changes = np.tile(certain, (settings.samples, 1))
    doubt = np.where(seen, np.minimum(chain.occupied, 1 - chain.occupied), 0)
    # A site without doubt in any frame has one path: drawing it 400 times would say nothing.
    open_sites = (
        np.flatnonzero((doubt.max(axis=0) > 1e-3) & seen.any(axis=0)) if len(seen) else np.zeros(0, int)
    )
    tails = [(1 - settings.interval) / 2, (1 + settings.interval) / 2]

    def draw(block: slice) -> None:
        s = open_sites[block]
        rng = np.random.default_rng(settings.seed)
        share, changes[:, s] = markov.sample_paths(chain.of_sites(s), seen[:, s], settings.samples, rng)
        bottom, top = np.quantile(share, tails, axis=0)
        low[s], high[s] = np.minimum(bottom, low[s]), np.maximum(top, high[s])

    in_threads(draw, blocks(len(open_sites)))
    return low, high, changes


def _rate_table(weights: Single, pool: npt.NDArray[np.intp], pools: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Mean rates per frame of each pool from the weights of the `RATES` at each site, shape (S, R)."""
    rates = weights @ np.where(KIND[:, None] == WAVERING, RATES[OCCUPIED], RATES)
    rows = [
        (int(pools[p]), int(np.sum(pool == p)), *(rates[pool == p].mean(axis=0).tolist()))
        for p in np.unique(pool)
    ]
    return pd.DataFrame(rows, columns=["coordination", "n_sites", "appear", "vanish"])
