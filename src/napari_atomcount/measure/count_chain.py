"""How many atoms are there now? A chain of counts per site that likes steps of one atom.

The network's expected count of a column has a level of its own at each site (its bias is the same in every
frame) and moves by about one when one atom comes or goes. So the chain knows a site's level, how much the
expected count moves for one atom, and the rate of changes only by what the movie says: they lie on a grid,
the evidence of every grid point is computed once for every site, and the weights of the rates are learned
from all sites (EM; pooled over sites of like coordination). Noise that a constant level explains is none.

The chain runs within the stays that the occupancy's path finds; after an empty stretch it begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure import markov
from napari_atomcount.measure.counts import count_noise, count_offsets
from napari_atomcount.measure.threads import in_threads

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_Block = tuple[Single, Bools, slice]  # of sites

REACH = 4  # atoms more or fewer than a site usually has
STEPS = np.arange(-REACH, REACH + 1)
LEVELS = np.linspace(-0.75, 0.75, 7)  # of the usual count, relative to the site's median
# Expected counts per atom, and what is believed of them. The least one is what tells an atom from the shifts
# of about half an atom that a change next to a column makes in the network's count of it.
GAINS = np.array([0.85, 1.05, 1.35])
GAIN_BELIEF = np.array([0.4, 0.4, 0.2])
RATES = np.array([2e-4, 0.01, 0.04, 0.12])  # changes per frame; the first stands for sites that keep still
RATE_BELIEF = np.array([0.8, 0.1, 0.07, 0.03])
MORE_AT_ONCE = 0.1  # two atoms at once are so much rarer than one
PRIOR_SITES = 8.0  # how many sites these beliefs weigh
POOL_SITES = 4.0
START_SPREAD = 0.5  # how probable each further step from the usual count is where a stay begins
MOST_OF_ONE_FRAME = 5.0  # nats
EXPLANATIONS = 8
SITES_AT_ONCE = 64
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
    n_frames, n_sites = expected.shape
    x = np.where(occupied, expected, np.nan)
    offset = count_offsets(x)
    noise = count_noise(x - offset[:, None], n_counts)
    pools, pool = np.unique(np.asarray(coordination, dtype=np.int64), return_inverse=True)
    belief = np.log(np.tile(RATE_BELIEF, (max(len(pools), 1), 1)))
    bare = CountModel(noise, offset, belief, pools if len(pools) else np.zeros(1, np.int64), LEAST_PENALTY)
    if n_sites == 0 or n_frames < FEWEST_FRAMES or not np.isfinite(x).any():
        return _none(replace(bare, penalty=NO_CHANGE), x.shape)
    evidence = np.concatenate(in_threads(lambda b: _evidence(bare, b[0], b[1]), _blocks(x, occupied)))
    by_rate = np.logaddexp.reduce(evidence, axis=1)
    heard = np.isfinite(x).sum(axis=0) >= FEWEST_FRAMES
    log_rate = np.log(_learn_rates(by_rate[heard], pool[heard], len(pools)))
    model = replace(bare, log_rate=log_rate)
    found = _posterior(model, x, occupied, pool, evidence)
    for penalty in np.concatenate([np.arange(LEAST_PENALTY, 4, 0.5), np.arange(4, 20, 1.0)]):
        step = _paths(found, x, occupied, model, float(penalty))
        false, number = _expected_false(step, occupied, found)
        if false <= max(allowed, BUSY_SHARE * number):
            break
    else:
        penalty = NO_CHANGE
        step = _paths(found, x, occupied, model, penalty)
    return Counts(step.astype(np.int8), found.gain, found.lose, replace(model, penalty=float(penalty)))


def decode_counts(
    model: CountModel, expected: Single, occupied: Bools, coordination: npt.NDArray[np.integer]
) -> Counts:
    """Find the counts of some sites with what was learned from all; parameters as in `learn_counts`."""
    x = np.where(occupied, expected, np.nan)
    pool = np.abs(np.asarray(coordination)[:, None] - model.pools).argmin(axis=1)
    if x.shape[1] == 0 or len(x) < FEWEST_FRAMES:
        return _none(model, x.shape)
    evidence = np.concatenate(in_threads(lambda b: _evidence(model, b[0], b[1]), _blocks(x, occupied)))
    found = _posterior(model, x, occupied, pool, evidence)
    step = _paths(found, x, occupied, model, model.penalty)
    return Counts(step.astype(np.int8), found.gain, found.lose, model)


def _none(model: CountModel, shape: tuple[int, ...]) -> Counts:
    """No change anywhere."""
    return Counts(np.zeros(shape, np.int8), np.zeros(shape, np.float32), np.zeros(shape, np.float32), model)


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Probabilities of changes, and each site's best explanation: indices into levels, gains, rates."""

    gain: Single
    lose: Single
    level: Ints
    scale: Ints
    rate: Ints


def _blocks(x: Single, occupied: Bools) -> Iterator[_Block]:
    for start in range(0, x.shape[1], SITES_AT_ONCE):
        s = slice(start, start + SITES_AT_ONCE)
        yield x[:, s], occupied[:, s], s


def _transitions() -> npt.NDArray[np.float64]:
    """Probability of each step from each, (R, W, W)."""
    far = np.abs(STEPS[:, None] - STEPS[None])
    move = np.where(far > 0, MORE_AT_ONCE ** (far - 1.0), 0.0)
    move /= move.sum(axis=1, keepdims=True)
    return np.stack([(1 - r) * np.eye(len(STEPS)) + r * move for r in RATES])


def _start() -> Single:
    weight = START_SPREAD ** np.abs(STEPS)
    return np.asarray(weight / weight.sum(), dtype=np.float32)


def _restarts(occupied: Bools) -> Bools:
    """Where a stay begins: occupied, and not so in the frame before (or the first frame), (T, S).

    Frames that were not observed within a stay count as occupied here: `occupied` is the path's.
    """
    return np.asarray(occupied & ~np.vstack([np.zeros((1, occupied.shape[1]), bool), occupied[:-1]]))


def _largest(x: Single) -> Single:
    """Maximum over a short last axis, which is kept; numpy's own reduction is slow over so few."""
    out = x[..., 0].copy()
    for k in range(1, x.shape[-1]):
        np.maximum(out, x[..., k], out=out)
    return out[..., None]


def _likelihood(
    model: CountModel,
    x: Single,
    median: Single,
    level: npt.NDArray[np.floating],
    gain: npt.NDArray[np.floating],
) -> Single:
    """Likelihood of x (T, n) in each step, (T, n, …, W), for levels and gains of shape (n, …), best one 1."""
    shape = (1, len(median), *level.shape[1:], 1)
    mean = (median.reshape(-1, *[1] * (level.ndim - 1)) + level)[..., None] + gain[..., None] * STEPS
    sigma = np.interp(mean, np.arange(len(model.noise)), model.noise).astype(np.float32)
    known = np.isfinite(x)
    value = np.where(known, x, 0).reshape(len(x), *shape[1:2], *[1] * (level.ndim - 1), 1)
    z = np.abs(value - mean.astype(np.float32)) * (np.float32(np.pi / 2) / sigma)
    log = -z - np.log1p(np.exp(-2 * z)) - np.log(sigma)
    best = _largest(log)
    log = np.maximum(log - best, -MOST_OF_ONE_FRAME)
    log[..., :] = np.where(mean < 0.4, np.float32(-20), log)  # fewer than one atom is none
    out = np.asarray(np.exp(log + best), dtype=np.float32)
    out[~known] = 1.0
    return out


def _medians(model: CountModel, x: Single) -> tuple[Single, Single]:
    """The expected counts without the frames' offsets, and its median over each site's frames."""
    clean = x - model.offset[:, None]
    median = np.zeros(x.shape[1], np.float32)
    some = np.isfinite(clean).any(axis=0)
    median[some] = np.nanmedian(clean[:, some], axis=0)
    return clean, median


def _evidence(model: CountModel, x: Single, occupied: Bools) -> npt.NDArray[np.float64]:
    """Log evidence of every explanation, (n, levels × gains, R), the beliefs in levels and gains included."""
    clean, median = _medians(model, x)
    n = x.shape[1]
    level = np.tile(np.repeat(LEVELS, len(GAINS)), (n, 1))
    gain = np.tile(np.tile(GAINS, len(LEVELS)), (n, 1))
    belief = np.log(np.tile(GAIN_BELIEF, len(LEVELS)) / len(LEVELS))
    move = _transitions().astype(np.float32)
    start = _start()
    ones = np.ones(len(STEPS), np.float32)
    begins = _restarts(occupied)
    message = np.broadcast_to(start, (len(RATES), n, level.shape[1], len(STEPS))).copy()
    total = np.zeros((len(RATES), n, level.shape[1]))
    for t0 in range(0, len(x), 32):
        like = _likelihood(model, clean[t0 : t0 + 32], median, level, gain)
        for k in range(len(like)):
            t = t0 + k
            if t:
                flat = message.reshape(len(RATES), -1, len(STEPS))
                message = np.matmul(flat, move).reshape(message.shape)
            message[:, begins[t]] = start
            message *= like[k]
            norm = np.matmul(message, ones)  # a sum over so few is slow
            message /= norm[..., None]
            total += np.log(norm)
    return np.asarray(np.moveaxis(total, 0, -1) + belief[None, :, None])


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


def _posterior(
    model: CountModel,
    x: Single,
    occupied: Bools,
    pool: npt.NDArray[np.intp],
    evidence: npt.NDArray[np.float64],
) -> _Posterior:
    """Forward-backward over each site's likeliest explanations, averaged by their weights."""
    n_rates = len(RATES)
    log = (evidence + model.log_rate[pool][:, None, :]).reshape(len(evidence), -1)
    best = np.argsort(-log, axis=1, kind="stable")[:, :EXPLANATIONS]
    weight = np.take_along_axis(log, best, axis=1)
    weight = np.exp(weight - weight[:, :1])
    weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    both, rate = np.divmod(best, n_rates)
    level, scale = np.divmod(both, len(GAINS))
    gain, lose = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.float32)

    def changes(block: _Block) -> None:
        part, here, s = block
        gain[:, s], lose[:, s] = _changes(model, part, here, level[s], scale[s], rate[s], weight[s])

    in_threads(changes, _blocks(x, occupied))
    return _Posterior(gain, lose, level[:, 0], scale[:, 0], rate[:, 0])


def _changes(
    model: CountModel, x: Single, occupied: Bools, level: Ints, scale: Ints, rate: Ints, weight: Single
) -> tuple[Single, Single]:
    """Probability of more and of fewer atoms than in the frame before, (T, n)."""
    clean, median = _medians(model, x)
    like = _likelihood(model, clean, median, LEVELS[level], GAINS[scale])
    move = _transitions().astype(np.float32)[rate]  # (n, M, W, W)
    start, begins = _start(), _restarts(occupied)
    ones = np.ones(len(STEPS), np.float32)
    frames = len(x)
    ahead = np.empty_like(like)
    message = np.broadcast_to(start, like.shape[1:]).copy()
    for t in range(frames):
        if t:
            message = np.matmul(message[..., None, :], move)[..., 0, :]
        message[begins[t]] = start
        message = message * like[t]
        message /= np.matmul(message, ones)[..., None]
        ahead[t] = message
    after = np.empty_like(like)  # what the data from this frame on say of its step
    behind = np.ones_like(message)
    for t in range(frames - 1, 0, -1):
        after[t] = like[t] * behind
        behind = np.matmul(move, after[t][..., None])[..., 0]
        behind[begins[t]] = 1.0
        behind /= _largest(behind)

    def joint(moves: Single) -> Single:
        """Sum over the steps before and after of p(before, after) of these moves, (T - 1, n, M)."""
        reached = np.matmul(np.moveaxis(ahead[:-1], 0, -2), moves)  # (n, M, T - 1, W)
        return np.asarray(np.einsum("nmtw,tnmw->tnm", reached, after[1:]))

    norm = joint(move)
    inside = ~begins[1:] & occupied[1:]
    gain, lose = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.float32)
    for out, side in ((gain, np.triu(move, 1)), (lose, np.tril(move, -1))):
        out[1:] = np.where(inside, (joint(side) / norm * weight).sum(axis=-1), 0)
    return gain, lose


def _expected_false(step: Ints, occupied: Bools, found: _Posterior) -> tuple[float, int]:
    """How many of the changes of the paths are expected to be none, and how many there are."""
    row, site = np.nonzero(occupied[1:] & occupied[:-1] & (step[1:] != step[:-1]))
    gained = step[row + 1, site] > step[row, site]
    sure = np.where(
        gained,
        markov.window_probability(found.gain, row + 1, site, row, TIMING),
        markov.window_probability(found.lose, row + 1, site, row, TIMING),
    )
    return float(np.sum(1 - sure)), len(sure)


def _paths(found: _Posterior, x: Single, occupied: Bools, model: CountModel, penalty: float) -> Ints:
    """Viterbi's path of every site under its best explanation; each change costs `penalty` on top."""
    out = np.zeros(x.shape, np.int64)
    log_move = np.log(np.maximum(_transitions(), 1e-30)).astype(np.float32)
    log_move[:, ~np.eye(len(STEPS), dtype=bool)] -= np.float32(penalty)
    log_start = np.log(_start())
    for part, here, s in _blocks(x, occupied):
        clean, median = _medians(model, part)
        like = _likelihood(model, clean, median, LEVELS[found.level[s]], GAINS[found.scale[s]])
        with np.errstate(divide="ignore"):
            log = np.log(np.maximum(like, 1e-30))
        begins = _restarts(here)
        move = log_move[found.rate[s]]
        n = part.shape[1]
        best = log_start + log[0]
        came = np.zeros((len(part), n, len(STEPS)), np.int8)
        for t in range(1, len(part)):
            way = best[:, :, None] + move
            came[t] = way.argmax(axis=1)
            new = way.max(axis=1)
            fresh = begins[t]
            if fresh.any():
                came[t, fresh] = best[fresh].argmax(axis=1)[:, None]
                new[fresh] = best[fresh].max(axis=1)[:, None] + log_start
            best = new + log[t]
        state = best.argmax(axis=1)
        for t in range(len(part) - 1, -1, -1):
            out[t, s] = STEPS[state]
            state = came[t, np.arange(n), state]
    return np.where(occupied, out, 0)
