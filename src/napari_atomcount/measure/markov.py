"""Two-state chains, many at once: evidence, posterior, most probable path, paths drawn from the posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.compiled import compiled

Floats = npt.NDArray[np.floating]
Single = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
LARGEST_LOG_ODDS = 20.0  # of one frame
FRAMES_BETWEEN_LOGS = 32  # float64 holds a product of so many such odds


def log_evidence(
    codes: npt.NDArray[np.integer], odds: Floats, appear: Floats, vanish: Floats, start: Floats
) -> Single:
    """Log of p(data | chain) / p(data | always empty), by the forward recursion.

    Parameters
    ----------
    codes : ndarray of int, shape (T, S)
        What was seen at each site in each frame: a row of `odds`.
    odds : ndarray, shape (C, P)
        p(code | occupied) / p(code | empty) under each of P explanations.
    appear, vanish : ndarray, shape (R,)
        Probability per frame of empty -> occupied and of occupied -> empty.
    start : ndarray, shape (R,)
        Probability of being occupied in the first frame.

    Returns
    -------
    ndarray, shape (S, P, R)
        Of every site, for each explanation and each chain.

    Notes
    -----
    Rabiner 1989, Proc. IEEE 77, 257, eqs. 19-20, with the scaling of section V.A.
    """
    return _log_evidence(codes, *(np.asarray(a, dtype=np.float64) for a in (odds, appear, vanish, start)))


@compiled
def _log_evidence(
    codes: npt.NDArray[np.integer], odds: Doubles, appear: Doubles, vanish: Doubles, start: Doubles
) -> Single:
    frames, sites = codes.shape
    chains, pairs = len(appear), odds.shape[1]
    out = np.empty((sites, pairs, chains), np.float32)
    occupied, empty, total = np.empty((3, chains, pairs))
    for s in range(sites):
        for r in range(chains):
            occupied[r, :], empty[r, :], total[r, :] = start[r], 1 - start[r], 0.0
        for t in range(frames):
            now = odds[codes[t, s]]
            for r in range(chains):
                up, down = appear[r], vanish[r]
                for p in range(pairs):
                    full = occupied[r, p] * now[p]
                    none = empty[r, p]
                    occupied[r, p] = full * (1 - down) + none * up
                    empty[r, p] = full * down + none * (1 - up)
            if t % FRAMES_BETWEEN_LOGS == FRAMES_BETWEEN_LOGS - 1 or t == frames - 1:
                for r in range(chains):
                    for p in range(pairs):
                        norm = occupied[r, p] + empty[r, p]
                        total[r, p] += np.log(norm)
                        occupied[r, p] /= norm
                        empty[r, p] /= norm
        out[s] = total.T
    return out


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a chain's data say about its path.

    Parameters
    ----------
    occupied : ndarray, shape (T, S)
        Probability of being occupied in each frame, given all frames.
    appear, vanish : ndarray, shape (T, S)
        Probability that the step from frame t - 1 to t is empty -> occupied, occupied -> empty; 0 at t = 0.
    """

    occupied: Single
    appear: Single
    vanish: Single

    def of_sites(self, sites: npt.NDArray[np.integer]) -> Posterior:
        """Return the posterior of some sites only."""
        return Posterior(self.occupied[:, sites], self.appear[:, sites], self.vanish[:, sites])

    def conditional(self) -> tuple[Single, Single]:
        """P(occupied at t | empty at t - 1, data) and P(empty at t | occupied at t - 1, data), each (T, S).

        The posterior of a Markov chain is itself a chain, with these transition probabilities.
        """
        before = np.vstack([self.occupied[:1], self.occupied[:-1]])
        tiny = np.float32(1e-12)
        appear = np.clip(self.appear / np.maximum(1 - before, tiny), 0, 1)
        vanish = np.clip(self.vanish / np.maximum(before, tiny), 0, 1)
        return appear.astype(np.float32), vanish.astype(np.float32)


def side_by_side(parts: Sequence[Posterior]) -> Posterior:
    """Return the posteriors of several groups of sites as one."""
    return Posterior(
        np.hstack([part.occupied for part in parts]),
        np.hstack([part.appear for part in parts]),
        np.hstack([part.vanish for part in parts]),
    )


def posterior(odds: Single, appear: Single, vanish: Single, start: Single, weight: Single) -> Posterior:
    """Forward-backward over several explanations of each site, averaged by their weights.

    Parameters
    ----------
    odds : ndarray, shape (T, S, M)
        p(x_t | occupied) / p(x_t | empty) under explanation m of site s.
    appear, vanish, start : ndarray, shape (S, M)
        Rates per frame and the probability of being occupied in the first frame.
    weight : ndarray, shape (S, M)
        Probability of each explanation; each row sums to one.

    Returns
    -------
    Posterior
        Averages over M; shapes (T, S).
    """
    given = (np.asarray(a, dtype=np.float32) for a in (odds, appear, vanish, start, weight))
    return Posterior(*_posterior(*given))


@compiled
def _posterior(
    odds: Single, appear: Single, vanish: Single, start: Single, weight: Single
) -> tuple[Single, Single, Single]:
    frames, sites, many = odds.shape
    one = np.float32(1.0)
    occupied = np.zeros((frames, sites), np.float32)
    appeared, vanished = np.zeros_like(occupied), np.zeros_like(occupied)
    filtered = np.empty((frames, many), np.float32)
    # p(data after t | occupied) / (that + p(data after t | empty))
    later, here, rose, fell = np.empty((4, many), np.float32)
    for s in range(sites):
        up, down, share = appear[s], vanish[s], weight[s]
        here[:] = start[s]
        for t in range(frames):
            for m in range(many):
                joint = here[m] * odds[t, s, m]
                filtered[t, m] = joint / (joint + one - here[m])
                here[m] = (one - up[m] - down[m]) * filtered[t, m] + up[m]
        later[:] = np.float32(0.5)
        for t in range(frames - 1, -1, -1):
            for m in range(many):
                full = filtered[t, m] * later[m]
                none = (one - filtered[t, m]) * (one - later[m])
                here[m] = share[m] * (full / (full + none))
            occupied[t, s] = min(max(here.sum(), np.float32(0.0)), one)
            if t == 0:
                break
            for m in range(many):
                # evidence from t on for 'occupied at t', against that for 'empty at t'
                seen, unseen = odds[t, s, m] * later[m], one - later[m]
                before = filtered[t - 1, m]
                rise, fall = (one - before) * up[m] * seen, before * down[m] * unseen
                from_full = down[m] * unseen + (one - down[m]) * seen
                from_none = (one - up[m]) * unseen + up[m] * seen
                norm = before * from_full + (one - before) * from_none
                rose[m], fell[m] = share[m] * (rise / norm), share[m] * (fall / norm)
                later[m] = from_full / (from_full + from_none)
            appeared[t, s], vanished[t, s] = rose.sum(), fell.sum()
    return occupied, appeared, vanished


def most_probable_path(chain: Posterior, penalty: float = 0.0) -> npt.NDArray[np.bool_]:
    """Viterbi's path through the posterior chain; each change costs `penalty` (nats) on top.

    Parameters
    ----------
    chain : Posterior
        (T, S).
    penalty : float
        Above zero, paths of fewer changes win: the way to ask for fewer events and still have one path in
        which states and events agree.

    Returns
    -------
    ndarray of bool, shape (T, S)
        Whether the site is occupied.
    """
    appear, vanish = chain.conditional()
    with np.errstate(divide="ignore"):
        up = np.log(appear) - penalty
        down = np.log(vanish) - penalty
        stay_empty = np.log1p(-appear)
        stay_occupied = np.log1p(-vanish)
        occupied = np.log(chain.occupied[0])
        empty = np.log1p(-chain.occupied[0])
    floor = np.float32(-1e30)  # -inf - -inf would be NaN
    logs = (up, down, stay_empty, stay_occupied, empty, occupied)
    return _best_path(*(np.maximum(log, floor).astype(np.float32) for log in logs))


@compiled
def _best_path(
    up: Single, down: Single, stay_empty: Single, stay_occupied: Single, empty: Single, occupied: Single
) -> npt.NDArray[np.bool_]:
    frames, sites = up.shape
    path = np.zeros((frames, sites), np.bool_)
    from_occupied = np.zeros((frames, 2), np.bool_)  # best predecessor of (empty, occupied)
    for s in range(sites):
        none, full = empty[s], occupied[s]
        for t in range(1, frames):
            stays_none, falls = none + stay_empty[t, s], full + down[t, s]
            rises, stays_full = none + up[t, s], full + stay_occupied[t, s]
            from_occupied[t, 0], from_occupied[t, 1] = falls > stays_none, stays_full >= rises
            none, full = max(stays_none, falls), max(rises, stays_full)
        state = full >= none
        for t in range(frames - 1, -1, -1):
            path[t, s] = state
            state = from_occupied[t, 1] if state else from_occupied[t, 0]
    return path


def sample_paths(
    chain: Posterior, observed: npt.NDArray[np.bool_], n_samples: int, rng: np.random.Generator
) -> tuple[Single, Single]:
    """Draw paths from the posterior: the share of observed frames that each is occupied, and its changes.

    All sites are drawn with the same random numbers: what is drawn for a site does not depend on which other
    ones there are.

    Parameters
    ----------
    chain : Posterior
        (T, S).
    observed : ndarray of bool, shape (T, S)
        Frames that count.
    n_samples : int
        Paths per site.
    rng : Generator
        Source of the draws.

    Returns
    -------
    share, changes : ndarray, shape (n_samples, S)
        NaN for a site that was never observed. Changes between frames that were not observed count too: the
        specimen has made them.
    """
    appear, vanish = chain.conditional()
    draws = rng.random((len(appear), n_samples), dtype=np.float32)
    draws[0] = (np.arange(n_samples) + draws[0]) / n_samples  # so many start occupied as should
    total, changes = _walks(draws, chain.occupied[0], appear, 1 - vanish, observed)
    frames = observed.sum(axis=0)
    share = np.where(frames > 0, total / np.maximum(frames, 1), np.nan)
    return share.astype(np.float32), np.where(frames > 0, changes, np.nan).astype(np.float32)


@compiled
def _walks(
    draws: Single, start: Single, appear: Single, stay: Single, observed: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """In how many observed frames each path (n, S) is occupied, and how often it changes."""
    frames, many = draws.shape
    sites = len(start)
    total, changes = np.zeros((many, sites), np.int32), np.zeros((many, sites), np.int32)
    state, occupied, moved = np.zeros((3, many), np.int32)
    for s in range(sites):
        occupied[:], moved[:] = 0, 0
        for t in range(frames):
            counts = np.int32(observed[t, s])
            for n in range(many):
                if t == 0:
                    new = np.int32(draws[t, n] < start[s])
                else:
                    new = np.int32(draws[t, n] < (stay[t, s] if state[n] else appear[t, s]))
                    moved[n] += np.int32(new != state[n])
                state[n] = new
                occupied[n] += new * counts
        total[:, s], changes[:, s] = occupied, moved
    return total, changes


def change_probabilities(
    chain: Posterior, path: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_], window: int = 1
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_], Single]:
    """Find the changes of paths between observed frames, each with its posterior probability.

    Parameters
    ----------
    chain : Posterior
        (T, S).
    path, seen : ndarray of bool, shape (T, S)
        Occupied; observed.
    window : int
        A change so many frames earlier or later counts as the same one.

    Returns
    -------
    frame, site : ndarray of int, shape (E,)
        First observed frame in the new state (row), and the site, by frame.
    appeared : ndarray of bool, shape (E,)
        Whether it became occupied.
    probability : ndarray, shape (E,)
        That such a change happened, within the window or since the last observed frame.
    """
    n_frames = len(path)
    rows = np.where(seen, np.arange(n_frames)[:, None], -1)
    last = np.vstack([np.full((1, path.shape[1]), -1), np.maximum.accumulate(rows, axis=0)[:-1]])
    previous = np.take_along_axis(path, np.maximum(last, 0), axis=0)
    frame, site = np.nonzero(seen & (last >= 0) & (previous != path))
    appeared = path[frame, site]
    since = last[frame, site]
    probability = np.where(
        appeared,
        window_probability(chain.appear, frame, site, since, window),
        window_probability(chain.vanish, frame, site, since, window),
    )
    return frame, site, appeared, probability.astype(np.float32)


def window_probability(
    steps: Single,
    frame: npt.NDArray[np.integer],
    site: npt.NDArray[np.integer],
    since: npt.NDArray[np.integer],
    window: int = 1,
) -> Single:
    """Probability that changes happened around their frames.

    Parameters
    ----------
    steps : ndarray, shape (T, S)
        Probability of such a change between frame t - 1 and t.
    frame, site, since : ndarray of int, shape (E,)
        First frame in the new state, the site, and the last observed frame before.
    window : int
        A change so many frames earlier or later counts as the same one.
    """
    total = np.vstack([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0, dtype=np.float64)])
    first = np.maximum(since + 1 - window, 0)
    stop = np.minimum(frame + 1 + window, len(steps))
    return np.asarray(np.clip(total[stop, site] - total[first, site], 0, 1), dtype=np.float32)
