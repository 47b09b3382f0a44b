"""Which part of the image is analysed, and which of its pixels are broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomcount.records.errors import ChannelError, InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings

Bools = npt.NDArray[np.bool_]

FEWEST_SATURATED = 9  # touching pixels at the highest value: chance does not make so many
FEWEST_LEVELS = 8  # an image of fewer grey levels has plateaus everywhere
HOT_SIGMA = 12.0
MEDIAN_OF = 1 << 16  # pixels: the median of more is no better for a threshold of many sigma
LONE_PIXELS = 9  # smaller defects are filled from around them; larger ones hide columns from the network


@dataclass(frozen=True, eq=False)
class Area:
    """The part of the image that counts.

    Parameters
    ----------
    inside : ndarray of bool, shape (Y, X), optional
        None: all of it.
    shape : (int, int)
        (Y, X).
    unmasked : ndarray of bool, shape (Y, X), optional
        What the mask leaves, whatever the region; None: there is no mask.
    """

    inside: Bools | None
    shape: tuple[int, int]
    unmasked: Bools | None = None

    @classmethod
    def of(cls, movie: Movie, settings: AnalysisSettings) -> Area:
        """Make the area of the settings' region of interest and mask.

        Raises
        ------
        InputError
            If they do not fit the movie.
        """
        shape = movie.shape[1:]
        if settings.roi is None and settings.mask is None:
            return cls(None, shape)
        inside = np.ones(shape, bool)
        if settings.roi is not None:
            y0, y1, x0, x1 = settings.roi
            if y0 >= shape[0] or x0 >= shape[1]:
                raise InputError(
                    f"The region {y0}:{y1},{x0}:{x1} lies outside the frames of {shape[0]} × {shape[1]} px."
                )
            inside[:] = False
            inside[y0:y1, x0:x1] = True
        if settings.mask is not None:
            unmasked = ~read_mask(settings.mask, shape)
            return cls(inside & unmasked, shape, unmasked)
        return cls(inside, shape)

    def holds(self, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> Bools:
        """Whether positions (px, any shape) lie in the image and in the area."""
        iy, ix = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
        good = (iy >= 0) & (ix >= 0) & (iy < self.shape[0]) & (ix < self.shape[1])
        if self.inside is not None:
            good &= self.inside[np.clip(iy, 0, self.shape[0] - 1), np.clip(ix, 0, self.shape[1] - 1)]
        return np.asarray(good)


def read_mask(path: Path, shape: tuple[int, int]) -> Bools:
    """Read an image of the frames' shape; True where it is not zero, in any of its colours.

    Raises
    ------
    InputError
        If it cannot be read or has another shape.
    """
    from napari_atomcount.io.readers import open_movie

    try:
        colours = [open_movie(path, grey=True)]
    except ChannelError as error:
        colours = [open_movie(path, channel=name) for name in error.choices]
    height, width = colours[0].shape[1:]
    if (height, width) != shape:
        raise InputError(
            f"The mask {path} has {height} × {width} px, "
            f"the frames have {shape[0]} × {shape[1]}: give one of the same size."
        )
    return np.asarray(np.any([colour.frame(0) != 0 for colour in colours], axis=0))


@dataclass(frozen=True, eq=False)
class Repaired:
    """A frame fit for the network.

    Parameters
    ----------
    image : ndarray of float32, shape (Y, X)
        Broken pixels filled with the median around them.
    valid : ndarray of bool, shape (Y, X), or None
        False in larger broken areas, which the network must not look at; None: all good.
    broken : ndarray of bool, shape (Y, X), or None
        All broken pixels.
    words : str
        What was found, for the warnings; empty if nothing.
    """

    image: npt.NDArray[np.float32]
    valid: Bools | None
    broken: Bools | None
    words: str


def repair(frame: npt.NDArray[Any]) -> Repaired:
    """Find and fill pixels that are not finite, saturated or hot, in a frame (Y, X) of any real type."""
    image = np.array(frame, dtype=np.float32)
    broken = ~np.isfinite(image)
    found = [("not finite", int(broken.sum()))]
    if not broken.all():
        saturated = _saturated(image, broken)
        hot = _hot(image, broken | saturated)
        found += [("saturated", int(saturated.sum())), ("hot", int(hot.sum()))]
        broken |= saturated | hot
    if not broken.any():
        return Repaired(image, None, None, "")
    words = ", ".join(f"{n} {kind}" for kind, n in found if n) + " pixels"
    if broken.all():
        return Repaired(np.zeros_like(image), ~broken, broken, words)
    groups, n = ndimage.label(broken)
    large = np.concatenate([[False], np.bincount(groups.ravel(), minlength=n + 1)[1:] > LONE_PIXELS])[groups]
    return Repaired(_filled(image, broken), None if not large.any() else ~large, broken, words)


def _saturated(image: npt.NDArray[np.float32], broken: Bools) -> Bools:
    """Groups of touching pixels that all have the highest value."""
    none = np.zeros(image.shape, bool)
    highest = image[~broken].max()
    top = (image == highest) & ~broken
    if top.sum() < FEWEST_SATURATED:
        return none
    sample = image[~broken][:: max(1, image.size // 10_000)]
    if len(np.unique(sample)) < FEWEST_LEVELS:
        return none
    groups, n = ndimage.label(top)
    size = np.bincount(groups.ravel(), minlength=n + 1)
    size[0] = 0
    return np.asarray(size[groups] >= FEWEST_SATURATED)


def _hot(image: npt.NDArray[np.float32], broken: Bools) -> Bools:
    """Single pixels far above all around them: more than a column, a few pixels wide, can be."""
    good = image[~broken]
    out = np.zeros(image.shape, bool)
    if not len(good):
        return out
    some = good[:: max(1, len(good) // MEDIAN_OF)]
    level = float(np.median(some))
    # from below the median, which hot pixels do not reach; shot noise of rare electrons is one-sided, hence
    # the mean
    spread = max(1.4826 * float(np.median(np.abs(some - level))), float(np.sqrt(max(good.mean(), 0.0))) * 0.1)
    rows, cols = np.nonzero((image > level + HOT_SIGMA * spread) & ~broken)
    if not 0 < len(rows) <= image.size // 100:
        return out
    dy, dx = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]).T[:, :, None]
    around = image[np.clip(rows + dy, 0, image.shape[0] - 1), np.clip(cols + dx, 0, image.shape[1] - 1)]
    lone = image[rows, cols] > np.sort(around, axis=0)[-2] + HOT_SIGMA * spread
    out[rows[lone], cols[lone]] = True
    return out


def _filled(image: npt.NDArray[np.float32], broken: Bools) -> npt.NDArray[np.float32]:
    """Give broken pixels the median of the good ones within two pixels; far from any, the frame's median."""
    out = image.copy()
    out[broken] = np.median(image[~broken])
    rows, cols = np.nonzero(broken)
    if len(rows) > 10_000:  # large areas are left out anyway
        return out
    dy, dx = np.mgrid[-2:3, -2:3].reshape(2, -1, 1)
    ys, xs = np.clip(rows + dy, 0, image.shape[0] - 1), np.clip(cols + dx, 0, image.shape[1] - 1)
    around = np.where(broken[ys, xs], np.nan, np.where(np.isfinite(image[ys, xs]), image[ys, xs], np.nan))
    some = np.isfinite(around).any(axis=0)
    out[rows[some], cols[some]] = np.nanmedian(around[:, some], axis=0)
    return out
