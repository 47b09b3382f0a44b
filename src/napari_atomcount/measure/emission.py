"""What the network's logit looks like where a column is and where none is: levels, noise, odd frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

Single = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

LARGEST_LOGIT = 10.0  # beyond it the network is sure, and how sure is noise
LEVELS = np.linspace(-9.0, 9.0, 13)
SMALLEST_STEP = 3.0  # between the levels of an empty and an occupied site
CODES = 256
CODE_LOGITS = np.linspace(-LARGEST_LOGIT, LARGEST_LOGIT, CODES)
NOT_SEEN = CODES  # the code of a frame that was not observed
# Nats that one frame may say for or against a column; now and then a frame is wrong for reasons that no
# model of noise knows.
MOST_OF_ONE_FRAME = 10.0
DEFAULT_NOISE = 1.5
SMALLEST_NOISE = 0.7  # as fine as the levels are


@dataclass(frozen=True, eq=False)
class Emission:
    """Densities of the logit on a grid of levels.

    A site has one level of the logit while it is empty and one while it is occupied. The two hold the
    network's context prior, which is the same in every frame and therefore says nothing about a change;
    only the distance from the levels does.

    Parameters
    ----------
    noise : ndarray, shape (J,)
        Standard deviation of the logit at each of the `LEVELS`, from frame to frame.
    empty, occupied : ndarray of int, shape (P,)
        The pairs of levels that are considered, as indices into `LEVELS`.
    log_empty : ndarray, shape (CODES + 1, P)
        Log density of each code at an empty site: a hyperbolic secant, whose tails are exponential; the last
        row, of `NOT_SEEN`, says nothing, here and in `odds`.
    odds : ndarray, shape (CODES + 1, P)
        p(code | occupied) / p(code | empty), bounded, and never falling as the logit rises.
    """

    noise: Single
    empty: npt.NDArray[np.intp]
    occupied: npt.NDArray[np.intp]
    log_empty: Single
    odds: Single

    @classmethod
    def from_noise(cls, noise: npt.NDArray[np.floating]) -> Emission:
        """Make the tables for the given noise at each level, shape (J,)."""
        sigma = np.maximum(np.asarray(noise, dtype=np.float64), SMALLEST_NOISE)
        below, above = np.nonzero(LEVELS[None, :] - LEVELS[:, None] >= SMALLEST_STEP)
        z = (CODE_LOGITS[:, None] - LEVELS) * (np.pi / (2 * sigma))
        density = -np.logaddexp(z, -z) - np.log(sigma)  # log sech z, written so that it does not overflow
        # A frame's word is bounded from both sides alike: neither state can lose by more than the bound.
        log_empty = np.maximum(density[:, below], density[:, above] - MOST_OF_ONE_FRAME)
        log_odds = np.clip(_rising(density, below, above), -MOST_OF_ONE_FRAME, MOST_OF_ONE_FRAME)
        for_empty, for_odds = (np.pad(a, ((0, 1), (0, 0))) for a in (log_empty, log_odds))
        tables = for_empty.astype(np.float32), np.exp(for_odds).astype(np.float32)
        return cls(sigma.astype(np.float32), below, above, *tables)


def _rising(
    density: npt.NDArray[np.float64], below: npt.NDArray[np.intp], above: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Log odds of the upper against the lower level, (CODES, P), made never to fall as the logit rises.

    Levels of unequal noise would turn the ratio round far outside of both: a sure network is not doubted.
    """
    ratio = density[:, above] - density[:, below]
    middle = np.searchsorted(CODE_LOGITS, (LEVELS[above] + LEVELS[below]) / 2)
    rows = np.arange(CODES)[:, None]
    upper = np.maximum.accumulate(np.where(rows >= middle, ratio, -np.inf), axis=0)
    lower = np.minimum.accumulate(np.where(rows <= middle, ratio, np.inf)[::-1], axis=0)[::-1]
    return np.where(rows >= middle, upper, lower)


def encode(logit: npt.NDArray[np.floating], seen: Bools) -> npt.NDArray[np.uint16]:
    """Round logits (any shape, finite) to codes, indices into `CODE_LOGITS`, or `NOT_SEEN`."""
    scaled = (np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT) + LARGEST_LOGIT) * (
        (CODES - 1) / (2 * LARGEST_LOGIT)
    )
    return np.where(seen, np.rint(scaled), NOT_SEEN).astype(np.uint16)


def frame_offsets(logit: Single, observed: Bools) -> Single:
    """How much lower or higher the network's answer is in a frame than usual, over all sites.

    A blurred or dimmer frame lowers every logit at once; no site has changed.

    Parameters
    ----------
    logit : ndarray, shape (T, S)
        Logits.
    observed : ndarray of bool, shape (T, S)
        What counts.

    Returns
    -------
    ndarray, shape (T,)
        Median over the sites of the difference from the site's own median; 0 where fewer than 8 sites or 8
        frames say nothing sure.
    """
    n_frames, n_sites = logit.shape
    if n_frames < 8 or n_sites < 8:
        return np.zeros(n_frames, np.float32)
    seen = np.where(observed, np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT), np.nan)
    enough_frames = observed.sum(axis=0) >= 8
    # Only sites that are usually occupied: the others sit at the network's floor, which no blur lowers.
    usual = np.full(n_sites, np.nan)
    usual[enough_frames] = np.nanmedian(seen[:, enough_frames], axis=0)
    usual[usual < 0] = np.nan
    rest = seen - usual
    out = np.zeros(n_frames, np.float32)
    enough_sites = np.isfinite(rest).sum(axis=1) >= 8
    if enough_sites.any():
        out[enough_sites] = np.nanmedian(rest[enough_sites], axis=1)
    return out


def estimate_noise(logit: Single, observed: Bools) -> Single:
    """Standard deviation of the logit from frame to frame at each of the `LEVELS`.

    Differences of successive frames are used, so that a site's level and its few changes do not count as
    noise.

    Parameters
    ----------
    logit : ndarray, shape (T, S)
        Logits, with the frames' offsets removed.
    observed : ndarray of bool, shape (T, S)
        What counts.

    Returns
    -------
    ndarray, shape (J,)
        In bins of the mean of a pair of frames, drawn towards each other where pairs are few;
        1.5 where there are fewer than 30 pairs in all.
    """
    x = np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT)
    both = observed[1:] & observed[:-1]
    step = np.abs(x[1:] - x[:-1])[both]
    mean = (0.5 * (x[1:] + x[:-1]))[both]
    if len(step) < 30:
        return np.full(len(LEVELS), DEFAULT_NOISE, np.float32)
    pooled = _spread_of_steps(step)
    bins = np.clip(np.rint(np.interp(mean, LEVELS, np.arange(len(LEVELS)))).astype(int), 0, len(LEVELS) - 1)
    prior = 50.0
    log_sigma = np.full(len(LEVELS), np.log(pooled))
    weight = np.full(len(LEVELS), prior)
    for j in range(len(LEVELS)):
        steps = step[bins == j]
        if len(steps):
            own = np.log(_spread_of_steps(steps))
            log_sigma[j] = (prior * log_sigma[j] + len(steps) * own) / (prior + len(steps))
            weight[j] += len(steps)
    smooth = gaussian_filter1d(log_sigma * weight, 1.0) / gaussian_filter1d(weight, 1.0)
    return np.exp(smooth).astype(np.float32)


def _spread_of_steps(step: Single) -> float:
    """Standard deviation of the noise from |differences| of successive values, all of one site's frames.

    Root mean square over the square root of two, with steps beyond five times the median cut back to that:
    the rest are changes of the site. A median alone would miss the noise's tails.
    """
    cut = np.minimum(step, 5 * max(float(np.median(step)), SMALLEST_NOISE / 2))
    return max(float(np.sqrt(np.mean(cut**2) / 2)), SMALLEST_NOISE)
