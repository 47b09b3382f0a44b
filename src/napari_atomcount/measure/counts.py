"""What the network says of the number of atoms at each site: expected counts, their noise and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.spatial import cKDTree

from napari_atomcount.records.packed import lengths, rows_of

Single = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

NEIGHBOURS = 1.3  # times the spacing
FEWEST_NEIGHBOURS = 3
CONTEXT_FRAMES = 5
CONTEXT_SHARE = 0.8  # of the neighbours' common shift that a site shares
MOST_AT_ONCE = 1 << 21  # numbers
SMALLEST_NOISE = 0.15
FEW_STEPS = 10.0  # differences that the usual noise of a count weighs beside those of a site
DEFAULT_NOISE = 0.5


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network says of the counts at sites, in the frames where it found a column there.

    Parameters
    ----------
    p : ndarray, shape (N, K)
        p(count = 1…K | a column is there).
    row, site : ndarray of int, shape (N,)
        Indices of frame and site.
    expected : ndarray, shape (T, S)
        Sum of n p(n); NaN where no column was found.
    """

    p: Single
    row: Ints
    site: Ints
    expected: Single


def read_counts(columns: pd.DataFrame, row: Ints, n_frames: int, n_sites: int, n_counts: int) -> Seen:
    """Read the network's counts at sites out of the columns found there.

    Parameters
    ----------
    columns : DataFrame
        With site_id (index of the site, -1: none) and ``count_p``.
    row : ndarray of int, shape (N,)
        Index of each column's frame.
    n_frames, n_sites, n_counts : int
        T, S, K.
    """
    expected = np.full((n_frames, n_sites), np.nan, np.float32)
    site = columns["site_id"].to_numpy(np.int64)
    use, p = rows_of(columns["count_p"], n_counts)
    at_site = site[use] >= 0
    if not at_site.all():
        use, p = use[at_site], p[at_site]
    expected[row[use], site[use]] = p @ np.arange(1, n_counts + 1, dtype=np.float32)
    return Seen(p, np.asarray(row[use], dtype=np.int64), site[use], expected)


def longest(lists: pd.Series[Any]) -> int:
    """K, the largest count of a column of p(count); 0: there are none."""
    return int(lengths(lists).max(initial=0))


def context_offsets(
    expected: Single, occupied: Bools, position: npt.NDArray[np.floating], spacing: float
) -> Single:
    """What the surroundings add to the expected count of a site in each frame, (T, S).

    The network sees the neighbours too: when one of them changes, the counts around it shift together. Most
    of the median of the neighbours' shifts, averaged over five frames, is taken for that.

    Parameters
    ----------
    expected, occupied : ndarray, shape (T, S)
        Of `read_counts`; the occupancy's paths.
    position : ndarray, shape (S, 2)
        Of the sites, nm.
    spacing : float
        Usual distance of neighbours, nm.
    """
    out = np.zeros(expected.shape, np.float32)
    if not len(position) or not np.isfinite(spacing) or not len(expected):
        return out
    x = np.where(occupied, expected, np.nan)
    x = x - count_offsets(x)[:, None]
    some = np.isfinite(x).any(axis=0)
    x[:, some] -= np.nanmedian(x[:, some], axis=0)
    pairs = cKDTree(position).query_pairs(NEIGHBOURS * spacing, output_type="ndarray")
    both = np.vstack([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    number = np.bincount(both[:, 0], minlength=len(position))
    first = np.cumsum(number) - number
    # sites with as many neighbours together, few enough at once that their copies stay small
    for n in range(FEWEST_NEIGHBOURS, int(number.max(initial=0)) + 1):
        alike = np.flatnonzero(number == n)
        for some_of in np.array_split(alike, max(1, len(alike) * n * len(x) // MOST_AT_ONCE)):
            if len(some_of):
                others = x[:, both[first[some_of][:, None] + np.arange(n), 1]]  # (T, sites, n)
                out[:, some_of] = _common_shift(others)
    return out


def _common_shift(others: Single) -> npt.NDArray[np.float64]:
    """Most of the median over the last axis (T, n, neighbours), averaged over frames; 0: few are known."""
    known = np.isfinite(others).sum(axis=-1)
    ordered = np.sort(others, axis=-1)  # what is not known comes last
    middle = [np.maximum(known - 1, 0) // 2, np.minimum(known // 2, others.shape[-1] - 1)]
    low, high = (np.take_along_axis(ordered, m[..., None], axis=-1)[..., 0] for m in middle)
    rows = known >= FEWEST_NEIGHBOURS
    shift = np.where(rows, 0.5 * (low + high), 0.0)
    total = uniform_filter1d(shift, CONTEXT_FRAMES, axis=0, mode="nearest")
    weight = uniform_filter1d(rows.astype(np.float64), CONTEXT_FRAMES, axis=0, mode="nearest")
    return np.asarray(CONTEXT_SHARE * total / np.maximum(weight, 1e-6) * (weight > 1e-6))


def count_offsets(x: Single) -> Single:
    """What each frame adds to all expected counts: the median over sites of x (T, S) minus the site's median.

    0 for frames with fewer than 8 sites that were counted in 8 frames.
    """
    out = np.zeros(len(x), np.float32)
    enough = np.isfinite(x).sum(axis=0) >= 8
    if enough.sum() < 8:
        return out
    rest = x[:, enough] - np.nanmedian(x[:, enough], axis=0)
    rows = np.isfinite(rest).sum(axis=1) >= 8
    out[rows] = np.nanmedian(rest[rows], axis=1)
    return out


def count_noise(x: Single, n_counts: int) -> Single:
    """Standard deviation of the expected count from frame to frame, at 0…K; x (T, S), NaN where unknown.

    From differences of successive frames, so that levels and changes do not count; those beyond five times
    the median are cut back to that. Counts with few differences are drawn to the mean of all.
    """
    step = np.abs(x[1:] - x[:-1])
    both = np.isfinite(step)
    mean = (0.5 * (x[1:] + x[:-1]))[both]
    step = step[both]
    if len(step) < 30:
        return np.full(n_counts + 1, DEFAULT_NOISE, np.float32)
    prior = 50.0
    pooled = np.log(_spread(step))
    place = np.clip(np.rint(mean).astype(int), 0, n_counts)
    total = np.full(n_counts + 1, prior * pooled)
    weight = np.full(n_counts + 1, prior)
    for n in range(n_counts + 1):
        mine = step[place == n]
        if len(mine):
            total[n] += len(mine) * np.log(_spread(mine))
            weight[n] += len(mine)
    return np.asarray(np.maximum(np.exp(total / weight), SMALLEST_NOISE), dtype=np.float32)


def louder_sites(x: Single, noise: Single) -> Doubles:
    """How many times as noisy as others of its count each site is, (S,), at least 1; x (T, S), NaN: unknown.

    A site whose expected count lies between two whole numbers has more noise than one that lies on one: the
    network says one count or the other. From differences of successive frames, as in `count_noise`; those of
    few frames are drawn to 1.
    """
    found = np.ones(x.shape[1])
    step = np.abs(x[1:] - x[:-1])
    for site in np.flatnonzero(np.isfinite(step).any(axis=0)):
        mine = step[np.isfinite(step[:, site]), site]
        usual = float(np.interp(np.nanmedian(x[:, site]), np.arange(len(noise)), noise))
        found[site] = (_spread(mine) / usual) ** (len(mine) / (len(mine) + FEW_STEPS))
    return np.maximum(found, 1.0)


def _spread(step: Single) -> float:
    cut = np.minimum(step, 5 * max(float(np.median(step)), SMALLEST_NOISE / 2))
    return max(float(np.sqrt(np.mean(cut**2) / 2)), SMALLEST_NOISE / 2)


def usual_counts(seen: Seen, step: npt.NDArray[np.int8], occupied: Bools) -> tuple[Ints, Doubles]:
    """The count of every site at step 0, and its mean expected count.

    Parameters
    ----------
    seen : Seen
        Of `read_counts`.
    step, occupied : ndarray, shape (T, S)
        Paths.

    Returns
    -------
    usual : ndarray of int, shape (S,)
        p(count), moved back by the steps, is averaged and not multiplied: the network's errors at one column
        are the same in successive frames. 1 where no column was found.
    mean : ndarray, shape (S,)
        Mean of the expected count over the columns found while occupied; NaN where there is none.
    """
    n_sites, n_counts = step.shape[1], seen.p.shape[1]
    reach = int(np.abs(step).max(initial=0))
    here = occupied[seen.row, seen.site]
    p, row, site = seen.p[here], seen.row[here], seen.site[here]
    width = n_counts + 2 * reach
    first = site * width + reach - step[row, site]
    cell = (first[:, None] + np.arange(n_counts)).ravel()
    total = np.bincount(cell, p.ravel(), minlength=n_sites * width).reshape(n_sites, width)
    inner = total[:, reach : reach + n_counts]
    number = np.bincount(site, minlength=n_sites)
    weight = np.bincount(site, p @ np.arange(1.0, n_counts + 1), minlength=n_sites)
    mean = np.where(number > 0, weight / np.maximum(number, 1), np.nan)
    return np.where(inner.sum(axis=1) > 0, 1 + inner.argmax(axis=1), 1), mean
