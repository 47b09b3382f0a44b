"""How many atoms are there now? A chain of counts per site that likes steps of one atom.

The network's expected count of a column has a level of its own at each site (its bias is the same in every
frame) and moves by about one when one atom comes or goes. So the chain knows a site's level, how much the
expected count moves for one atom, and the rate of changes only by what the movie says: they lie on a grid,
the evidence of every grid point is computed once for every site, and the weights of the rates are learned
from all sites (EM; pooled over sites of like coordination). Noise that a constant level explains is none.

The chain runs within the stays that the occupancy's path finds; after an empty stretch it begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure import count_paths, markov
from napari_atomcount.measure.counts import count_noise, count_offsets, louder_sites
from napari_atomcount.measure.threads import in_threads

Single = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LEVELS = np.linspace(-0.75, 0.75, 7)  # of the usual count, relative to the site's median
# Expected counts per atom, and what is believed of them. The least one is what tells an atom from the shifts
# of about half an atom that a change next to a column makes in the network's count of it.
GAINS = np.array([0.85, 1.05, 1.35])
GAIN_BELIEF = np.array([0.4, 0.4, 0.2])
RATES = np.array([2e-4, 0.01, 0.04, 0.12])  # changes per frame; the first stands for sites that keep still
RATE_BELIEF = np.array([0.8, 0.1, 0.07, 0.03])
PRIOR_SITES = 8.0  # how many sites these beliefs weigh
POOL_SITES = 4.0
EXPLANATIONS = 8
SITES_AT_ONCE = 16
FEWEST_FRAMES = 5
LEAST_PENALTY = 3.0  # nats: shifts by the surroundings look like changes more often than noise does
ROUNDS = 30
NO_CHANGE = 1e6
BUSY_SHARE = 0.05  # where a movie has many changes, so many of them may be false, whatever was accepted
TIMING = 2  # frames: a change at an uncertain time is a change all the same


@dataclass(frozen=True, eq=False)
class CountModel:
    """What was learned of a movie's counts.

    Parameters
    ----------
    noise : ndarray, shape (K + 1,)
        Standard deviation of the expected count from frame to frame, at the expected counts 0…K.
    offset : ndarray, shape (T,)
        What each frame adds to every expected count.
    log_rate : ndarray, shape (pools, R)
        Log weight of each of the `RATES` in each pool.
    pools : ndarray of int, shape (pools,)
        The coordination of each pool.
    penalty : float
        What a change costs in the most probable path, nats.
    """

    noise: Single
    offset: Single
    log_rate: npt.NDArray[np.float64]
    pools: Ints
    penalty: float

    @property
    def n_counts(self) -> int:
        """K, the largest count."""
        return len(self.noise) - 1


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of some sites.

    Parameters
    ----------
    step : ndarray of int8, shape (T, S)
        Atoms more (less) than the site's usual count; 0 where it is empty or not observed.
    gain, lose : ndarray of float32, shape (T, S)
        Probability that atoms came or went between frame t - 1 and t, within a stay.
    model : CountModel
        What was learned.
    """

    step: npt.NDArray[np.int8]
    gain: Single
    lose: Single
    model: CountModel


def learn_counts(
    expected: Single,
    occupied: Bools,
    coordination: npt.NDArray[np.integer],
    n_counts: int,
    allowed: float,
) -> Counts:
    """Learn noise, frame offsets, the weights of the rates and the cost of a change, and count.

    Parameters
    ----------
    expected : ndarray, shape (T, S)
        Of `read_counts`, without the `context_offsets`.
    occupied : ndarray of bool, shape (T, S)
        The occupancy's paths, False also where not observed.
    coordination : ndarray of int, shape (S,)
        Rates are pooled over sites of the same value.
    n_counts : int
        K.
    allowed : float
        How many false changes are accepted in all.
    """
    x = np.where(occupied, expected, np.nan)
    offset = count_offsets(x)
    noise = count_noise(x - offset[:, None], n_counts)
    pools, pool = np.unique(np.asarray(coordination, dtype=np.int64), return_inverse=True)
    belief = np.log(np.tile(RATE_BELIEF, (max(len(pools), 1), 1)))
    model = CountModel(noise, offset, belief, pools if len(pools) else np.zeros(1, np.int64), LEAST_PENALTY)
    if not x.shape[1] or len(x) < FEWEST_FRAMES or not np.isfinite(x).any():
        return _none(replace(model, penalty=NO_CHANGE), x.shape)
    sites = _Sites.of(model, x, occupied)
    heard = np.isfinite(x).sum(axis=0) >= FEWEST_FRAMES
    by_rate = np.logaddexp.reduce(sites.evidence, axis=1)
    model = replace(model, log_rate=np.log(_learn_rates(by_rate[heard], pool[heard], len(pools))))
    found = _posterior(model, sites, pool)
    penalties = [*np.arange(LEAST_PENALTY, 4, 0.5), *np.arange(4, 20, 1.0), NO_CHANGE]
    for penalty in penalties:
        step = _paths(found, sites, float(penalty))
        false, number = _expected_false(step, occupied, found)
        if false <= max(allowed, BUSY_SHARE * number):
            break
    return Counts(step, found.gain, found.lose, replace(model, penalty=float(penalty)))


def decode_counts(
    model: CountModel, expected: Single, occupied: Bools, coordination: npt.NDArray[np.integer]
) -> Counts:
    """Find the counts of some sites with what was learned from all; parameters as in `learn_counts`."""
    x = np.where(occupied, expected, np.nan)
    pool = np.abs(np.asarray(coordination)[:, None] - model.pools).argmin(axis=1)
    if not x.shape[1] or len(x) < FEWEST_FRAMES:
        return _none(model, x.shape)
    sites = _Sites.of(model, x, occupied)
    found = _posterior(model, sites, pool)
    return Counts(_paths(found, sites, model.penalty), found.gain, found.lose, model)


def _none(model: CountModel, shape: tuple[int, ...]) -> Counts:
    """No change anywhere."""
    return Counts(np.zeros(shape, np.int8), np.zeros(shape, np.float32), np.zeros(shape, np.float32), model)


@dataclass(frozen=True, eq=False)
class _Sites:
    """What is decoded.

    Parameters
    ----------
    x : ndarray, shape (T, S)
        Expected counts without the frames' offsets; NaN where not known.
    occupied, begins : ndarray of bool, shape (T, S)
        The occupancy's paths, and where a stay begins.
    median, noise, louder : ndarray, shape (S,), (K + 1,), (S,)
        Of x; its standard deviation at 0…K; how many times as large that is at each site.
    evidence : ndarray, shape (S, levels × gains, R)
        Log evidence of every explanation, the beliefs in levels and gains included.
    """

    x: Single
    occupied: Bools
    begins: Bools
    median: Single
    noise: Single
    louder: Doubles
    evidence: Doubles

    @classmethod
    def of(cls, model: CountModel, x: Single, occupied: Bools) -> _Sites:
        """Take the frames' offsets off x (T, S) and weigh every explanation of every site."""
        x = x - model.offset[:, None]
        some = np.isfinite(x).any(axis=0)
        median = np.zeros(x.shape[1], np.float32)
        median[some] = np.nanmedian(x[:, some], axis=0)
        # frames that were not observed within a stay count as occupied here: `occupied` is the path's
        before = np.vstack([np.zeros((1, occupied.shape[1]), bool), occupied[:-1]])
        shape = (x.shape[1], len(LEVELS) * len(GAINS), len(RATES))
        louder = louder_sites(x, model.noise)
        sites = cls(x, occupied, occupied & ~before, median, model.noise, louder, np.empty(shape))
        both = np.tile(np.arange(shape[1]), (shape[0], 1))
        belief = np.log(np.tile(GAIN_BELIEF, len(LEVELS)) / len(LEVELS))

        def weigh(s: slice) -> None:
            log = count_paths.evidence(sites.likelihood(s, both), sites.begins[:, s], RATES)
            sites.evidence[s] = log.T.reshape(-1, *shape[1:]) + belief[:, None]

        in_threads(weigh, sites.blocks())
        return sites

    def blocks(self) -> list[slice]:
        """Sites that are decoded at once."""
        return [slice(s, s + SITES_AT_ONCE) for s in range(0, self.x.shape[1], SITES_AT_ONCE)]

    def likelihood(self, s: slice, explanation: Ints) -> Single:
        """Of sites `s` under some explanations (S, M), indices into levels × gains: (T, W, sites × M)."""
        level, gain = np.divmod(explanation[s], len(GAINS))
        usual = self.median[s, None] + LEVELS[level]
        louder = np.repeat(self.louder[s], level.shape[1])
        return count_paths.likelihood(self.x[:, s], usual.ravel(), GAINS[gain].ravel(), self.noise, louder)


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Probabilities of changes (T, S), and each site's best explanation and rate (S,), as indices."""

    gain: Single
    lose: Single
    explanation: Ints
    rate: Ints


def _learn_rates(
    by_rate: npt.NDArray[np.float64], pool: npt.NDArray[np.intp], n_pools: int
) -> npt.NDArray[np.float64]:
    """EM for the weights of the rates, (pools, R), from each site's log evidence (S, R)."""
    rate = np.tile(RATE_BELIEF, (n_pools, 1))
    if not len(by_rate):
        return rate
    likelihood = np.exp(by_rate - by_rate.max(axis=1, keepdims=True))
    members = np.zeros((n_pools, len(pool)))
    members[pool, np.arange(len(pool))] = 1
    for _ in range(ROUNDS):
        share = likelihood * rate[pool]
        share /= share.sum(axis=1, keepdims=True)
        by_pool = members @ share
        overall = by_pool.sum(axis=0) + PRIOR_SITES * RATE_BELIEF
        new = by_pool + POOL_SITES * overall / overall.sum()
        new /= new.sum(axis=1, keepdims=True)
        done = np.abs(new - rate).max() < 1e-4
        rate = new
        if done:
            break
    return rate


def _posterior(model: CountModel, sites: _Sites, pool: npt.NDArray[np.intp]) -> _Posterior:
    """Forward-backward over each site's likeliest explanations, averaged by their weights."""
    log = (sites.evidence + model.log_rate[pool][:, None, :]).reshape(len(pool), -1)
    best = np.argsort(-log, axis=1, kind="stable")[:, :EXPLANATIONS]
    weight = np.take_along_axis(log, best, axis=1)
    weight = np.exp(weight - weight[:, :1])
    weight /= weight.sum(axis=1, keepdims=True)
    explanation, rate = np.divmod(best, len(RATES))
    gain, lose = np.zeros(sites.x.shape, np.float32), np.zeros(sites.x.shape, np.float32)

    def changes(s: slice) -> None:
        rates = RATES[rate[s]].astype(np.float32).ravel()
        found = count_paths.changes(sites.likelihood(s, explanation), sites.begins[:, s], rates)
        for out, part in zip((gain, lose), found, strict=True):
            mean = np.einsum("tsm,sm->ts", part.reshape(len(part), -1, best.shape[1]), weight[s])
            out[:, s] = np.where(sites.occupied[:, s], mean, 0)

    in_threads(changes, sites.blocks())
    return _Posterior(gain, lose, explanation[:, :1], rate[:, 0])


def _expected_false(step: npt.NDArray[np.int8], occupied: Bools, found: _Posterior) -> tuple[float, int]:
    """How many of the changes of the paths are expected to be none, and how many there are."""
    row, site = np.nonzero(occupied[1:] & occupied[:-1] & (step[1:] != step[:-1]))
    gained = step[row + 1, site] > step[row, site]
    sure = np.where(
        gained,
        markov.window_probability(found.gain, row + 1, site, row, TIMING),
        markov.window_probability(found.lose, row + 1, site, row, TIMING),
    )
    return float(np.sum(1 - sure)), len(sure)


def _paths(found: _Posterior, sites: _Sites, penalty: float) -> npt.NDArray[np.int8]:
    """Most probable steps of every site under its best explanation; each change costs `penalty` on top."""
    out = np.zeros(sites.x.shape, np.int8)

    def path(s: slice) -> None:
        like = sites.likelihood(s, found.explanation)
        rates = RATES[found.rate[s]].astype(np.float32)
        step = count_paths.best_path(like, sites.begins[:, s], rates, penalty)
        out[:, s] = np.where(sites.occupied[:, s], step, 0)

    in_threads(path, sites.blocks())
    return out
