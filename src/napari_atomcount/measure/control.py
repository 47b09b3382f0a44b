"""How many events does noise make? The movie's own frames, shuffled so that nothing happens, decoded again.

Within each stretch in which a site's state does not change its frames are put in random order. What changed
in truth then changes at the same frames as before; anything else that the chains find was made by noise.
Noise that lasts for several frames is broken up, so the sites inside the specimen, which should keep still,
stand beside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from napari_atomcount.measure.explanations import OccupancyModel
from napari_atomcount.measure.occupancy import decode
from napari_atomcount.records.settings import OccupancySettings

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]

MOST_SITE_FRAMES = 60_000  # more would cost as much as the movie itself and say little more
BULK_NEIGHBOURS = 6
TIMING = 2  # frames: nearer to a change of the movie itself, one in the shuffled movie is that one


@dataclass(frozen=True)
class Control:
    """False events, measured.

    Parameters
    ----------
    false_events : int
        Events found in the shuffled movie where nothing happened.
    site_frames : int
        In how many places and frames.
    false_per_1000, high_per_1000 : float
        Per 1,000 site-frames, and the upper end of the 95 % interval (Poisson); NaN without frames.
    bulk_events, bulk_site_frames : int
        Events of the movie itself at sites that keep all their neighbours: those should be few as well.
    bulk_per_1000 : float
        Per 1,000 site-frames.
    """

    false_events: int
    site_frames: int
    false_per_1000: float
    high_per_1000: float
    bulk_events: int
    bulk_site_frames: int
    bulk_per_1000: float

    def as_dict(self) -> dict[str, float | int | None]:
        """For summary.json: NaN becomes None."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def shuffled(state: States, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Row to take in place of each, (T, S): the frames of each stretch of one state, in random order."""
    n_frames, n_sites = state.shape
    out = np.tile(np.arange(n_frames)[:, None], (1, n_sites))
    for s in range(n_sites):
        rows = np.flatnonzero(state[:, s] >= 0)
        for part in np.split(rows, np.flatnonzero(np.diff(state[rows, s]) != 0) + 1):
            out[part, s] = rng.permutation(part)
    return out


def static_control(
    model: OccupancyModel,
    logit: Single,
    state: States,
    pool: npt.NDArray[np.integer],
    inside: Bools,
    settings: OccupancySettings,
    steps: Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], States] | None = None,
) -> Control:
    """Measure how many events are found where nothing happens.

    Parameters
    ----------
    model : OccupancyModel
        As it decoded the movie.
    logit : ndarray, shape (T, S)
        Evidence of a column.
    state : ndarray of int8, shape (T, S)
        What was found: -1 not observed, 0 empty, n atoms.
    pool : ndarray of int, shape (S,)
        Which sites share their rates, as in `decode`.
    inside : ndarray of bool, shape (S,)
        Sites inside the specimen.
    settings : OccupancySettings
        For the seed.
    steps : callable, optional
        Decodes the counts: called with the indices of some sites (n,) and the row to take in place of each
        (T, n), it returns their steps (T, n).
    """
    rng = np.random.default_rng(settings.seed)
    n_frames, n_sites = state.shape
    changed = _changes(state)
    bulk_frames = int((state[:, inside] >= 0).sum())
    bulk = int(changed[:, inside].sum())
    number = min(n_sites, max(1, MOST_SITE_FRAMES // max(n_frames, 1)))
    chosen = np.sort(rng.choice(n_sites, number, replace=False)) if n_sites else np.zeros(0, np.intp)
    state, changed = state[:, chosen], changed[:, chosen]
    seen = state >= 0
    frames = int(seen.sum())
    false = 0
    if frames:
        order = shuffled(state, rng)
        mine = np.asarray(pool)[chosen]
        calm = np.nan_to_num(logit[:, chosen] - model.offset[:, None])
        mixed = np.take_along_axis(calm, order, axis=0)
        still = replace(model, offset=np.zeros_like(model.offset))
        found = decode(still, mixed, seen, mine, settings)
        path = np.where(seen, found.state, -1).astype(np.int8)
        if steps is not None:
            there = state > 0
            # only for comparing: numbers above 0 that move with the steps
            moved = np.where((path > 0) & there, 64 + steps(chosen, order), np.minimum(path, 63))
            path = np.where((path > 0) & ~there, 64, moved).astype(np.int8)
        false = int((_changes(path) & ~_near(changed)).sum())
    rate = 1000 / frames if frames else np.nan
    return Control(
        false,
        frames,
        false * rate,
        float(chi2.ppf(0.975, 2 * false + 2) / 2) * rate,
        bulk,
        bulk_frames,
        1000 * bulk / bulk_frames if bulk_frames else np.nan,
    )


def _changes(state: States) -> Bools:
    """Where the state differs from that of the last observed frame, (T, S)."""
    rows = np.where(state >= 0, np.arange(len(state))[:, None], -1)
    last = np.vstack([np.full((1, state.shape[1]), -1), np.maximum.accumulate(rows, axis=0)[:-1]])
    before = np.take_along_axis(state, np.maximum(last, 0), axis=0) if len(state) else state
    return np.asarray((state >= 0) & (last >= 0) & (before != state))


def _near(changed: Bools) -> Bools:
    """Frames within `TIMING` of a change, (T, S)."""
    out = changed.copy()
    for move in range(1, TIMING + 1):
        out[move:] |= changed[:-move]
        out[:-move] |= changed[move:]
    return out
