"""Two-state chains, many at once: evidence, posterior, most probable path, paths drawn from the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Single = npt.NDArray[np.float32]
LARGEST_LOG_ODDS = 20.0  # of one frame: float32 holds a product of four such odds


def log_evidence(odds: Single, appear: Single, vanish: Single, start: Single) -> Single:
    """Log of p(data | chain) / p(data | always empty), by the forward recursion.

    Parameters
    ----------
    odds : ndarray, shape (T, ...)
        p(x_t | occupied) / p(x_t | empty); 1 where a frame was not observed.
    appear, vanish : ndarray, broadcastable to ``odds[0]``
        Probability per frame of empty -> occupied and of occupied -> empty.
    start : ndarray, broadcastable
        Probability of being occupied in the first frame.

    Returns
    -------
    ndarray
        Shape of the broadcast of all but the first axis.

    Notes
    -----
    Rabiner 1989, Proc. IEEE 77, 257, eqs. 19-20, with the scaling of section V.A. In a chain of two states
    one number (the probability of being occupied) carries the whole message.
    """
    keep = np.float32(1.0) - appear - vanish
    occupied = np.broadcast_to(start, np.broadcast_shapes(odds.shape[1:], keep.shape, start.shape)).copy()
    total = np.zeros_like(occupied)
    product = np.ones_like(occupied)
    for t in range(len(odds)):
        joint = occupied * odds[t]
        norm = joint + np.float32(1.0) - occupied
        product *= norm
        joint /= norm
        joint *= keep
        joint += appear
        occupied = joint
        if t % 4 == 3:  # a logarithm each frame would cost as much as the recursion
            total += np.log(product)
            product[...] = 1.0
    return np.asarray(total + np.log(product), dtype=np.float32)


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
    n_frames = len(odds)
    one = np.float32(1.0)
    keep = one - appear - vanish
    filtered = np.empty_like(odds)
    occupied = np.array(start, dtype=np.float32)
    for t in range(n_frames):
        joint = occupied * odds[t]
        filtered[t] = joint / (joint + one - occupied)
        occupied = keep * filtered[t] + appear
    shape = odds.shape[:2]
    out = Posterior(np.empty(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    # `later` = p(data after t | occupied) / (that + p(data after t | empty))
    later = np.full(odds.shape[1:], 0.5, np.float32)
    for t in range(n_frames - 1, -1, -1):
        if_occupied = filtered[t] * later
        if_empty = (one - filtered[t]) * (one - later)
        out.occupied[t] = np.sum(weight * (if_occupied / (if_occupied + if_empty)), axis=-1)
        np.clip(out.occupied[t], 0, 1, out=out.occupied[t])
        if t == 0:
            break
        seen = odds[t] * later  # evidence from t on for 'occupied at t', against (1 - later) for 'empty at t'
        unseen = one - later
        before = filtered[t - 1]
        up = (one - before) * appear * seen
        down = before * vanish * unseen
        norm = up + down + before * (one - vanish) * seen + (one - before) * (one - appear) * unseen
        out.appear[t] = np.sum(weight * (up / norm), axis=-1)
        out.vanish[t] = np.sum(weight * (down / norm), axis=-1)
        from_occupied = vanish * unseen + (one - vanish) * seen
        from_empty = (one - appear) * unseen + appear * seen
        later = from_occupied / (from_occupied + from_empty)
    return out


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
    up, down, stay_empty, stay_occupied, occupied, empty = (
        np.maximum(a, floor) for a in (up, down, stay_empty, stay_occupied, occupied, empty)
    )
    n_frames, n_sites = chain.occupied.shape
    from_occupied = np.zeros((n_frames, 2, n_sites), bool)  # best predecessor of (empty, occupied)
    for t in range(1, n_frames):
        a, b = empty + stay_empty[t], occupied + down[t]
        c, d = empty + up[t], occupied + stay_occupied[t]
        from_occupied[t, 0], from_occupied[t, 1] = b > a, d >= c
        empty, occupied = np.maximum(a, b), np.maximum(c, d)
    path = np.zeros((n_frames, n_sites), bool)
    state = occupied >= empty
    for t in range(n_frames - 1, -1, -1):
        path[t] = state
        state = np.where(state, from_occupied[t, 1], from_occupied[t, 0])
    return path


def sample_paths(
    chain: Posterior, observed: npt.NDArray[np.bool_], n_samples: int, rng: np.random.Generator
) -> tuple[Single, Single]:
    """Draw paths from the posterior: the share of observed frames that each is occupied, and its changes.

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
    stay = 1 - vanish
    n_frames, n_sites = chain.occupied.shape
    total = np.zeros((n_samples, n_sites), np.float32)
    changes = np.zeros((n_samples, n_sites), np.float32)
    state = rng.random((n_samples, n_sites), dtype=np.float32) < chain.occupied[0]
    total += state & observed[0]
    for t in range(1, n_frames):
        new = rng.random((n_samples, n_sites), dtype=np.float32) < np.where(state, stay[t], appear[t])
        changes += new != state
        state = new
        total += state & observed[t]
    frames = observed.sum(axis=0).astype(np.float32)
    share = np.where(frames > 0, total / np.maximum(frames, 1), np.nan)
    return share.astype(np.float32), np.where(frames > 0, changes, np.nan).astype(np.float32)


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
