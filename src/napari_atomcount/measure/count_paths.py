"""Chains of counts, many at once: likelihood of each step, evidence, probabilities of changes, best path.

A step is how many atoms more or fewer than usual a site has. Chains lie beside each other along the last
axis, L of them: several explanations of each of several sites.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.compiled import compiled

Single = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REACH = 4  # atoms more or fewer than a site usually has
STEPS = np.arange(-REACH, REACH + 1)
MORE_AT_ONCE = 0.1  # two atoms at once are so much rarer than one
START_SPREAD = 0.5  # how probable each further step from the usual count is where a stay begins
MOST_OF_ONE_FRAME = 5.0  # nats
NO_ATOM = 20.0  # nats against a count of less than one atom
FEWEST_ATOMS = 0.4
FARTHEST = 40.0  # nats: what is farther off than this from all counts says nothing
FRAMES_BETWEEN_LOGS = 8


def _moves() -> Single:
    """Where a change leads to, (W, W): probability of each step after each, none of staying."""
    far = np.abs(STEPS[:, None] - STEPS[None])
    move = np.where(far > 0, MORE_AT_ONCE ** (far - 1.0), 0.0)
    return np.asarray(move / move.sum(axis=1, keepdims=True), dtype=np.float32)


def _start() -> Single:
    weight = START_SPREAD ** np.abs(STEPS)
    return np.asarray(weight / weight.sum(), dtype=np.float32)


MOVES, START = _moves(), _start()


def likelihood(x: Single, usual: Doubles, gain: Doubles, noise: Single, louder: Doubles) -> Single:
    """Likelihood of what was seen under each step of each chain, (T, W, L): hyperbolic secants, bounded.

    Parameters
    ----------
    x : ndarray, shape (T, S)
        Expected counts; NaN where not known. Each site has L / S chains beside each other.
    usual, gain : ndarray, shape (L,)
        Expected count at step 0, and what an atom adds to it.
    noise : ndarray, shape (K + 1,)
        Standard deviation of x at the expected counts 0…K.
    louder : ndarray, shape (L,)
        How many times as large it is at each chain's site.
    """
    mean = usual + gain * STEPS[:, None]
    sharp = np.pi / 2 / np.interp(mean, np.arange(len(noise)), noise) / louder
    return _likelihood(x, mean.astype(np.float32), sharp.astype(np.float32))


@compiled
def _likelihood(x: Single, mean: Single, sharp: Single) -> Single:
    frames, sites = x.shape
    steps, chains = mean.shape
    out = np.ones((frames, steps, chains), np.float32)
    one, farthest = np.float32(1.0), np.float32(FARTHEST)
    least, none = np.float32(np.exp(-MOST_OF_ONE_FRAME)), np.float32(np.exp(-NO_ATOM))
    best = np.empty(chains, np.float32)
    each = chains // sites
    for t in range(frames):
        for s in range(sites):
            value, first, stop = x[t, s], s * each, (s + 1) * each
            if np.isnan(value):
                continue
            best[first:stop] = 0
            for w in range(steps):
                for c in range(first, stop):
                    z = abs(value - mean[w, c]) * sharp[w, c]
                    q = np.exp(-min(z, farthest))
                    p = q / (one + q * q) * sharp[w, c]
                    out[t, w, c] = p
                    best[c] = max(best[c], p)
            for w in range(steps):
                for c in range(first, stop):
                    if mean[w, c] < FEWEST_ATOMS:
                        out[t, w, c] = best[c] * none
                    else:
                        out[t, w, c] = max(out[t, w, c], best[c] * least)
    return out


def evidence(like: Single, begins: Bools, rates: Doubles) -> Doubles:
    """Log evidence of each chain at each of R rates of change, (R, L).

    Parameters
    ----------
    like : ndarray, shape (T, W, L)
        Of `likelihood`.
    begins : ndarray of bool, shape (T, S)
        Where a stay begins and with it the chain, anew.
    rates : ndarray, shape (R,)
        Changes per frame.
    """
    each = np.repeat(rates.astype(np.float32)[:, None], like.shape[2], axis=1)
    return _forward(like, begins, each, MOVES, START, np.empty((0, *like.shape[1:]), np.float32))


@compiled
def _forward(
    like: Single, begins: Bools, rates: Single, moves: Single, start: Single, kept: Single
) -> Doubles:
    """Log evidence (R, L) at the rates (R, L); the messages of the last rates go to `kept`, unless empty."""
    frames, steps, chains = like.shape
    total = np.zeros(rates.shape)
    product = np.ones(rates.shape)
    message = np.empty((len(rates), steps, chains), np.float32)
    moved, norm = np.empty((steps, chains), np.float32), np.empty(chains, np.float32)
    each = chains // max(begins.shape[1], 1)
    for t in range(frames):
        for r in range(len(rates)):
            now, rate = message[r], rates[r]
            if t:
                moved[:] = 0
                for v in range(steps):
                    for w in range(steps):
                        p = moves[v, w]
                        for c in range(chains):
                            moved[w, c] += p * now[v, c]
                for w in range(steps):
                    for c in range(chains):
                        now[w, c] += rate[c] * (moved[w, c] - now[w, c])
            for s in range(begins.shape[1]):
                if begins[t, s] or t == 0:
                    for w in range(steps):
                        now[w, s * each : (s + 1) * each] = start[w]
            norm[:] = 0
            for w in range(steps):
                for c in range(chains):
                    now[w, c] *= like[t, w, c]
                    norm[c] += now[w, c]
            for w in range(steps):
                for c in range(chains):
                    now[w, c] /= norm[c]
            for c in range(chains):
                product[r, c] *= norm[c]
            if t % FRAMES_BETWEEN_LOGS == FRAMES_BETWEEN_LOGS - 1 or t == frames - 1:
                for c in range(chains):
                    total[r, c] += np.log(product[r, c])
                    product[r, c] = 1.0
            if len(kept):
                kept[t] = now
    return total


def changes(like: Single, begins: Bools, rates: Single) -> tuple[Single, Single]:
    """Probability that atoms came, and went, between frame t - 1 and t, each (T, L), by forward-backward.

    Parameters are those of `evidence`, with a rate (L,) of each chain. No atom comes or goes where a stay
    begins.
    """
    ahead = np.empty_like(like)
    _forward(like, begins, rates[None], MOVES, START, ahead)
    return _backward(like, ahead, begins, rates, MOVES)


@compiled
def _backward(
    like: Single, ahead: Single, begins: Bools, rates: Single, moves: Single
) -> tuple[Single, Single]:
    frames, steps, chains = like.shape
    more, fewer = np.zeros((frames, chains), np.float32), np.zeros((frames, chains), np.float32)
    one = np.float32(1.0)
    behind, after = np.ones((steps, chains), np.float32), np.empty((steps, chains), np.float32)
    up, down = np.empty((steps, chains), np.float32), np.empty((steps, chains), np.float32)
    gained, lost, kept = np.empty((3, chains), np.float32)
    each = chains // max(begins.shape[1], 1)
    for t in range(frames - 1, 0, -1):
        # what the data from this frame on say of its step, and of the step before
        after[:] = like[t] * behind
        up[:], down[:] = 0, 0
        for v in range(steps):
            for w in range(steps):
                p = moves[v, w]
                if w > v:
                    for c in range(chains):
                        up[v, c] += p * after[w, c]
                elif w < v:
                    for c in range(chains):
                        down[v, c] += p * after[w, c]
        gained[:], lost[:], kept[:] = 0, 0, 0
        for v in range(steps):
            for c in range(chains):
                behind[v, c] = rates[c] * (up[v, c] + down[v, c]) + (one - rates[c]) * after[v, c]
                gained[c] += ahead[t - 1, v, c] * rates[c] * up[v, c]
                lost[c] += ahead[t - 1, v, c] * rates[c] * down[v, c]
                kept[c] += ahead[t - 1, v, c] * behind[v, c]
        more[t], fewer[t] = gained / kept, lost / kept
        for s in range(begins.shape[1]):
            if begins[t, s]:
                mine = slice(s * each, (s + 1) * each)
                behind[:, mine], more[t, mine], fewer[t, mine] = 1, 0, 0
        gained[:] = 0
        for v in range(steps):
            for c in range(chains):
                gained[c] = max(gained[c], behind[v, c])
        for v in range(steps):
            for c in range(chains):
                behind[v, c] /= gained[c]
    return more, fewer


def best_path(like: Single, begins: Bools, rates: Single, penalty: float) -> npt.NDArray[np.int8]:
    """Viterbi's path of each chain, its steps (T, L); each change costs `penalty` on top.

    Parameters are those of `changes`; one chain a site.
    """
    log = np.log(np.maximum(like, np.float32(1e-30)))
    log_moves = np.log(np.maximum(MOVES, np.float32(1e-30))) - np.float32(penalty)
    stay, go = np.log1p(-rates), np.log(rates)
    return np.asarray(STEPS.astype(np.int8)[_best_path(log, begins, stay, go, log_moves, np.log(START))])


@compiled
def _best_path(
    log: Single, begins: Bools, stay: Single, go: Single, log_moves: Single, log_start: Single
) -> npt.NDArray[np.int8]:
    frames, steps, chains = log.shape
    came = np.zeros((frames, steps), np.int8)
    out = np.zeros((frames, chains), np.int8)
    best, new = np.empty(steps, np.float32), np.empty(steps, np.float32)
    for c in range(chains):
        best[:] = log_start + log[0, :, c]
        for t in range(1, frames):
            if begins[t, c]:
                came[t, :] = best.argmax()
                new[:] = best.max() + log_start
            else:
                for w in range(steps):
                    new[w] = -np.inf
                    for v in range(steps):
                        way = best[v] + (stay[c] if v == w else go[c] + log_moves[v, w])
                        if way > new[w]:
                            new[w], came[t, w] = way, v
            best[:] = new + log[t, :, c]
        state = np.int64(best.argmax())
        for t in range(frames - 1, -1, -1):
            out[t, c] = state
            state = np.int64(came[t, state])
    return out
