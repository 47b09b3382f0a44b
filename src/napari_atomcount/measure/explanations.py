"""What may explain a site's evidence: levels and rates on a grid, their weights, and their posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from napari_atomcount.measure import emission, markov
from napari_atomcount.measure.emission import LEVELS, Emission
from napari_atomcount.measure.threads import in_threads

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.integer]

# (appear, vanish) per frame and the probability of being occupied in the first frame. The first two stand
# for sites that keep still, full and empty; their rates are not zero, because nothing is. The last ones
# have no memory: there the network wavers between two answers, each frame anew, and the site keeps still.
# Faster changes than those in between could not be told from that.
CHAINS = np.array(
    [
        (2e-4, 2e-4, 0.999),
        (2e-4, 2e-4, 0.001),
        (0.01, 0.01, 0.5),
        (0.04, 0.01, 0.8),
        (0.01, 0.04, 0.2),
        (0.04, 0.04, 0.5),
        (0.12, 0.04, 0.75),
        (0.04, 0.12, 0.25),
        (0.12, 0.12, 0.5),
        (0.04, 0.96, 0.04),
        (0.15, 0.85, 0.15),
        (0.5, 0.5, 0.5),
        (0.85, 0.15, 0.85),
        (0.96, 0.04, 0.96),
    ],
    dtype=np.float32,
)
RATES, START = CHAINS[:, :2], CHAINS[:, 2]
OCCUPIED, EMPTY, CHANGING, WAVERING = range(4)
KIND = np.array([OCCUPIED, EMPTY] + [CHANGING] * 7 + [WAVERING] * 5)
# Belief in each kind before the movie is seen; a still site is full or empty as the network's logit says.
BELIEF = {OCCUPIED: 0.65, EMPTY: 0.65, CHANGING: 0.2, WAVERING: 0.15}
SURENESS = 2.0  # a site's level is a mean over frames: it says more than the logit of one frame
# What is believed of the levels before the movie is seen: the networks' logits are calibrated on simulations.
PRIOR_LEVEL = 4.0
PRIOR_LEVEL_SPREAD = 2.5
PRIOR_SITES = 4.0  # how many sites these beliefs weigh
POOL_SITES = 4.0  # how many sites the average over all pools weighs in each pool
EXPLANATIONS = 16  # grid points kept per site for the posterior
SITES_AT_ONCE = 64
IMPOSSIBLE = -1e6  # log weight


@dataclass(frozen=True, eq=False)
class OccupancyModel:
    """What was learned from all sites of a movie; it decodes any of them again on its own.

    Parameters
    ----------
    emission : Emission
        Densities of the logit.
    offset : ndarray, shape (T,)
        What each frame adds to every logit.
    lost : ndarray of bool, shape (T,)
        Frames that show nothing.
    log_pair : ndarray, shape (P, 4)
        Log weight of each pair of levels for a site that stays occupied, stays empty, changes, or at which
        the network wavers.
    log_rate : ndarray, shape (pools, R)
        Log weight of each of the `CHAINS` in each pool; the first two share theirs.
    pools : ndarray of int, shape (pools,)
        The coordination that each pool stands for.
    penalty : float
        What a change costs in the most probable path, nats (from ``false_events_per_1000``).
    """

    emission: Emission
    offset: Single
    lost: Bools
    log_pair: Single
    log_rate: Single
    pools: npt.NDArray[np.int64]
    penalty: float = 0.0

    def pool_index(self, coordination: Ints) -> npt.NDArray[np.intp]:
        """Index of the pool nearest to each coordination."""
        return np.asarray(np.abs(np.asarray(coordination)[:, None] - self.pools).argmin(axis=1))


def level_belief() -> npt.NDArray[np.float64]:
    """Weight of each of the `LEVELS` before the movie is seen, empty or occupied, shape (J,), sum one."""
    at = np.exp(-0.5 * ((np.abs(LEVELS) - PRIOR_LEVEL) / PRIOR_LEVEL_SPREAD) ** 2)
    return np.asarray(at / at.sum())


def pair_weights(level: npt.NDArray[np.float64], tables: Emission) -> npt.NDArray[np.float64]:
    """Weight of each pair of levels for the kinds of sites, shape (P, 4), from that of each level (J,).

    How much of a level's weight is due to empty and how much to occupied sites is not learned: for a site
    that never changes nothing in the movie tells, and the network, whose logits are calibrated, does.
    """
    occupied = level / (1 + np.exp(-SURENESS * LEVELS))
    empty = level - occupied
    partners_below = np.bincount(tables.occupied, minlength=len(LEVELS))[tables.occupied]
    partners_above = np.bincount(tables.empty, minlength=len(LEVELS))[tables.empty]
    still = [occupied[tables.occupied] / partners_below, empty[tables.empty] / partners_above]
    both = empty[tables.empty] * occupied[tables.occupied]
    any_two = level[tables.empty] * level[tables.occupied]
    return np.column_stack([*still, both / both.sum(), any_two / any_two.sum()])


def rate_belief() -> npt.NDArray[np.float64]:
    """Weight of each of the `CHAINS` before the movie is seen, shape (R,); the first two share theirs."""
    return np.array([BELIEF[kind] / (1 if kind <= EMPTY else np.sum(KIND == kind)) for kind in KIND.tolist()])


def log_weight_of(weight: npt.NDArray[np.float64]) -> Single:
    """Logarithm of weights, any shape; of 0 that of 1e-30."""
    return np.asarray(np.log(np.maximum(weight, 1e-30)), dtype=np.float32)


def evidence_of(
    model: OccupancyModel, logit: Single, seen: Bools, known: npt.NDArray[np.int8] | None
) -> Single:
    """Log evidence of every grid point at every site, (S, P, R), up to a constant per site."""
    codes = emission.encode(logit - model.offset[:, None], seen)
    tables = model.emission

    def block(sites: slice) -> Single:
        mine = codes[:, sites]
        changing = markov.log_evidence(mine, tables.odds, RATES[:, 0], RATES[:, 1], START)
        rows = len(tables.log_empty)
        cell = np.arange(mine.shape[1]) * rows + mine
        histogram = np.bincount(cell.ravel(), minlength=mine.shape[1] * rows).reshape(-1, rows)
        return np.asarray(changing + (histogram.astype(np.float32) @ tables.log_empty)[:, :, None])

    none = np.zeros((0, len(model.log_pair), len(RATES)), np.float32)
    out = np.concatenate([none, *in_threads(block, blocks(codes.shape[1]))])
    if known is not None:  # a site of which a person spoke is not one of which nothing can be known
        spoken = (known >= 0).any(axis=0)
        out[np.ix_(spoken, np.arange(out.shape[1]), KIND == WAVERING)] += IMPOSSIBLE
    return out


def blocks(n_sites: int) -> list[slice]:
    """Sites that are decoded at once."""
    return [slice(start, start + SITES_AT_ONCE) for start in range(0, n_sites, SITES_AT_ONCE)]


def learn_weights(
    evidence: Single, pool: npt.NDArray[np.intp], n_pools: int, tables: Emission, rounds: int
) -> tuple[Single, Single]:
    """EM for the weights of the grid points: levels over all sites, rates by pool (and over all pools).

    The weights of the levels are smoothed over neighbouring levels, so that a few sites do not make a comb.
    """
    n_sites = len(evidence)
    likelihood = np.exp(evidence - evidence.max(axis=(1, 2), keepdims=True)).astype(np.float64)
    levels, rates = level_belief(), rate_belief()
    level = levels
    rate = np.tile(rates, (n_pools, 1))
    members = np.zeros((n_pools, n_sites))
    members[pool, np.arange(n_sites)] = 1
    to_level = np.zeros((2, len(LEVELS), len(tables.empty)))
    to_level[0, tables.empty, np.arange(len(tables.empty))] = 1
    to_level[1, tables.occupied, np.arange(len(tables.empty))] = 1
    for _ in range(rounds):
        joint = likelihood * pair_weights(level, tables)[None, :, KIND] * rate[pool][:, None, :]
        joint /= joint.sum(axis=(1, 2), keepdims=True)
        # Only states that a site was in teach a level: a still site says nothing of its other one.
        by_chain = joint.sum(axis=0)
        by_pair = by_chain.sum(axis=1)
        seen = to_level[1] @ (by_pair - by_chain[:, EMPTY]) + to_level[0] @ (by_pair - by_chain[:, OCCUPIED])
        new_level = gaussian_filter1d(seen, 1.0, mode="nearest") + PRIOR_SITES * levels
        new_level /= new_level.sum()
        by_pool = members @ joint.sum(axis=1)
        by_pool[:, [OCCUPIED, EMPTY]] = by_pool[:, [OCCUPIED, EMPTY]].sum(axis=1, keepdims=True)
        overall = by_pool.sum(axis=0) + PRIOR_SITES * rates
        overall /= overall[1:].sum()
        new_rate = by_pool + POOL_SITES * overall
        new_rate /= new_rate[:, 1:].sum(axis=1, keepdims=True)
        change = max(float(np.abs(new_level - level).max()), float(np.abs(new_rate - rate).max()))
        level, rate = new_level, new_rate
        if change < 1e-4:
            break
    return log_weight_of(pair_weights(level, tables)), log_weight_of(rate)


def posterior_of(
    model: OccupancyModel,
    evidence: Single,
    logit: Single,
    seen: Bools,
    pool: npt.NDArray[np.intp],
    known: npt.NDArray[np.int8] | None,
) -> tuple[markov.Posterior, Single]:
    """Posterior of every site over its likeliest explanations, and the weights (S, P, R) of all of them."""
    n_frames, n_sites = logit.shape
    log_weight = evidence + model.log_pair[None, :, KIND] + model.log_rate[pool][:, None, :]
    weights = np.exp(log_weight - log_weight.max(axis=(1, 2), keepdims=True)) if n_sites else log_weight
    weights /= np.maximum(weights.sum(axis=(1, 2), keepdims=True), 1e-30)
    flat = weights.reshape(n_sites, weights.shape[1] * weights.shape[2])
    best = np.argsort(-flat, axis=1, kind="stable")[:, :EXPLANATIONS]
    share = np.take_along_axis(flat, best, axis=1)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
    pair, rate = np.divmod(best, len(RATES))
    codes = emission.encode(logit - model.offset[:, None], seen)

    def block(s: slice) -> markov.Posterior:
        odds = model.emission.odds[codes[:, s, None], pair[None, s]]
        rates, start_at = RATES[rate[s]], START[rate[s]]
        wavers = KIND[rate[s]] == WAVERING
        odds[:, wavers] = 1.0  # which of its two answers the network gives there says nothing of the site
        rates = np.where(wavers[..., None], RATES[OCCUPIED], rates)
        if known is not None:  # a person's word holds for its frame; levels and rates stay the network's
            odds[known[:, s] == 0] = np.exp(-markov.LARGEST_LOG_ODDS)
            odds[known[:, s] == 1] = np.exp(markov.LARGEST_LOG_ODDS)
        start_at = np.where(wavers, _occupied_while_wavering(model.emission, pair[s], start_at), start_at)
        return markov.posterior(odds, rates[..., 0], rates[..., 1], start_at, share[s])

    none = np.zeros((n_frames, 0), np.float32)
    return markov.side_by_side(
        [markov.Posterior(none, none, none), *in_threads(block, blocks(n_sites))]
    ), weights


def _occupied_while_wavering(tables: Emission, pair: npt.NDArray[np.intp], share: Single) -> Single:
    """Probability that a still site is occupied at which the upper answer comes in a `share` of frames."""
    mean = share * LEVELS[tables.occupied[pair]] + (1 - share) * LEVELS[tables.empty[pair]]
    return np.asarray(1 / (1 + np.exp(-SURENESS * mean)), dtype=np.float32)
