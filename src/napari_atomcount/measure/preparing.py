"""A movie made ready: hot pixels, dark level, running means, bad frames. Frames change when they are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomcount.measure.imaging import block_mean, robust_std

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

#: A frame whose level or noise is this many robust standard deviations from the movie's is bad.
BAD_SIGMA = 8.0
#: … if it also differs by this fraction.
BAD_FRACTION = 0.10


# -- hot pixels ------------------------------------------------------------------
def hot_pixels(frame: npt.NDArray[Any], sigma: float = 8.0) -> Bools:
    """Hot pixels and X-rays: pixels far above the median of their 3 × 3 neighbourhood.

    Far is measured by the noise of pixels of like brightness, which grows with it; a column, which is wider
    than one pixel, lifts its neighbours too and stays.

    Parameters
    ----------
    frame : ndarray, shape (Y, X)
        Any real type.
    sigma : float
        Standard deviations of that noise.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        Pixels that are not finite are not hot: they are something else.
    """
    image = np.asarray(frame, dtype=np.float64)
    good = np.isfinite(image)
    if not good.any():
        return np.zeros(image.shape, bool)
    image = np.where(good, image, np.median(image[good]))
    middle = ndimage.median_filter(image, 3, mode="nearest")
    above = image - middle
    spread = _spread_by_level(middle, above)
    hot = (above > sigma * spread) & good
    # the pixels beside a bright one are no reason to doubt it: a peak of the image has a shoulder
    around = ndimage.maximum_filter(np.where(hot, -np.inf, image), 3, mode="nearest")
    return np.asarray(hot & (above > 3 * np.maximum(around - middle, 0)))


def _spread_by_level(level: Doubles, difference: Doubles) -> Doubles:
    """Robust standard deviation of the differences among pixels of like level, at every pixel."""
    edges = np.unique(np.quantile(level, np.linspace(0, 1, 17)))
    if len(edges) < 3:
        single = robust_std(difference.ravel()) or float(difference.std())
        return np.full(level.shape, max(single, 1e-12))
    which = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, len(edges) - 2)
    whole = robust_std(difference.ravel())
    spread = np.array(
        [
            robust_std(difference[which == n]) if (which == n).sum() > 30 else whole
            for n in range(len(edges) - 1)
        ]
    )
    # whole numbers of rare electrons often have no spread in their middle half: then the ordinary one counts
    ordinary = np.array(
        [difference[which == n].std() if (which == n).any() else 0.0 for n in range(len(edges) - 1)]
    )
    spread = np.where(spread > 0, spread, np.maximum(ordinary, 1e-12))
    return np.asarray(spread[which])


def without_hot_pixels(frame: npt.NDArray[Any], sigma: float = 8.0) -> npt.NDArray[Any]:
    """The frame (Y, X), same type, hot pixels replaced by the median around them; nothing else changes."""
    hot = hot_pixels(frame, sigma)
    if not hot.any():
        return frame
    out = frame.copy()
    out[hot] = ndimage.median_filter(frame, 3, mode="nearest")[hot]
    return out


# -- lazy stacks -------------------------------------------------------------------
class Cleaned:
    """A stack (T, Y, X) whose frames are prepared when they are read.

    Parameters
    ----------
    data : array-like, shape (T, Y, X)
        Lazy or not.
    sigma : float, optional
        Limit of `hot_pixels`; None: they stay.
    bad : iterable of int
        Frames that read as blank, and so count as not observed.
    dark : float
        Taken off every pixel; the frames are float32 then, else of the type of `data`.
    """

    def __init__(self, data: Any, sigma: float | None, bad: Iterable[int] = (), dark: float = 0.0) -> None:
        self._data, self._sigma, self._bad, self._dark = data, sigma, frozenset(bad), dark
        self.shape: tuple[int, ...] = tuple(data.shape)
        self.dtype = np.dtype(np.float32) if dark else data.dtype
        self.ndim = 3

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return _by_frames(self.shape, key, self._frame)

    def _frame(self, t: int) -> npt.NDArray[Any]:
        if t in self._bad:
            return np.zeros(self.shape[1:], self.dtype)
        frame = read_frame(self._data, t)
        if self._sigma is not None:
            frame = without_hot_pixels(frame, self._sigma)
        return (frame - np.float64(self._dark)).astype(np.float32) if self._dark else frame


class RollingMean:
    """A stack (T, Y, X) of float32 whose frames are means over `frames` frames around each, to look at."""

    def __init__(self, data: Any, frames: int, bad: Iterable[int] = ()) -> None:
        self._data, self._frames, self._bad = data, frames, frozenset(bad)
        self.shape: tuple[int, ...] = tuple(data.shape)
        self.dtype = np.dtype(np.float32)
        self.ndim = 3

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return _by_frames(self.shape, key, self._frame)

    def _frame(self, t: int) -> npt.NDArray[np.float32]:
        start = max(0, t - (self._frames - 1) // 2)
        stop = min(self.shape[0], t + self._frames // 2 + 1)
        good = [n for n in range(start, stop) if n not in self._bad] or [t]
        total = np.zeros(self.shape[1:], np.float64)
        for n in good:
            total += read_frame(self._data, n)
        return (total / len(good)).astype(np.float32)


def read_frame(data: Any, t: int) -> npt.NDArray[Any]:
    """One frame (Y, X) of any lazy stack, as an array."""
    block = data[t]
    if hasattr(block, "compute"):
        block = block.compute(scheduler="synchronous")
    return np.asarray(block)


def _by_frames(shape: tuple[int, ...], key: Any, frame: Any) -> npt.NDArray[Any]:
    """Index a stack (T, Y, X) that is made frame by frame; the first index is a number, a slice or a list."""
    key = key if isinstance(key, tuple) else (key,)
    first, rest = key[0], key[1:]
    if first is Ellipsis:
        first, rest = slice(None), key
    if isinstance(first, (int, np.integer)):
        t = int(first) + (shape[0] if first < 0 else 0)
        if not 0 <= t < shape[0]:
            raise IndexError(f"frame {first} of {shape[0]}")
        return np.asarray(frame(t)[rest] if rest else frame(t))
    numbers = range(*first.indices(shape[0])) if isinstance(first, slice) else [int(t) for t in first]
    frames = [frame(t)[rest] if rest else frame(t) for t in numbers]
    return np.stack(frames) if frames else np.zeros((0, *shape[1:]))


# -- bad frames --------------------------------------------------------------------
@dataclass(frozen=True)
class BadFrame:
    """A frame that differs from the others.

    Parameters
    ----------
    frame : int
        Its index.
    words : str
        How.
    """

    frame: int
    words: str


def find_bad_frames(frames: Iterable[tuple[int, npt.NDArray[Any]]]) -> list[BadFrame]:
    """Frames that are blank, repeat the one before, or whose brightness or sharpness jumps.

    Parameters
    ----------
    frames : iterable of (int, ndarray of shape (Y, X))
        The movie, in order.
    """
    numbers: list[int] = []
    level: list[float] = []
    detail: list[float] = []
    words: dict[int, str] = {}
    before: npt.NDArray[Any] | None = None
    for t, frame in frames:
        numbers.append(t)
        image = np.asarray(frame, dtype=np.float64)
        good = np.isfinite(image)
        if not good.any() or float(np.ptp(image[good])) == 0.0:
            words[t] = "it is blank"
            level.append(np.nan)
            detail.append(np.nan)
            continue
        if before is not None and before.shape == frame.shape and np.array_equal(before, frame):
            words[t] = "it repeats the frame before it"
        before = frame
        image = np.where(good, image, np.median(image[good]))
        level.append(float(np.median(block_mean(image, 4)) if min(image.shape) >= 8 else image.mean()))
        detail.append(float(np.std(ndimage.gaussian_filter(image, 1.5) - ndimage.gaussian_filter(image, 6))))
    for values, what in ((np.array(level), "brightness"), (np.array(detail), "sharpness")):
        for i in np.flatnonzero(_stands_out(values)):
            more = "above" if values[i] > np.nanmedian(values) else "below"
            words.setdefault(numbers[i], f"its {what} is far {more} that of the other frames")
    return [BadFrame(t, words[t]) for t in sorted(words)]


def _stands_out(values: Doubles) -> Bools:
    """Values far from their running median: what changes slowly is not bad."""
    known = np.isfinite(values)
    if known.sum() < 5:
        return np.zeros(len(values), bool)
    filled = np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])
    smooth = ndimage.median_filter(filled, min(15, len(values) // 2 * 2 - 1), mode="nearest")
    off = filled - smooth
    spread = robust_std(off)
    far = np.abs(off) > np.maximum(BAD_SIGMA * spread, BAD_FRACTION * np.abs(smooth))
    return np.asarray(far & known)
