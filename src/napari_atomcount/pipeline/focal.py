"""What the network looks at: one image, or the images of a focal series laid on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomcount.measure.alignment import align_series, displaced
from napari_atomcount.pipeline.area import Bools, repair
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

if TYPE_CHECKING:
    from napari_atomcount.networks.card import ModelCard


def frame_numbers(movie: Movie, settings: AnalysisSettings, images: int = 1) -> list[int]:
    """Frames to analyse: those of the settings' range that the movie has; of series the first images."""
    start, stop = settings.frames or (0, movie.n_frames)
    stop = min(stop, movie.n_frames)
    return list(range(min(start, stop), stop - images + 1, images))


def left_over(movie: Movie, settings: AnalysisSettings, images: int) -> list[str]:
    """What to say of the images at the end that make no whole series; empty if there are none."""
    number = len(frame_numbers(movie, settings)) % images
    if not number:
        return []
    these = f"the last {number} images make" if number > 1 else "the last image makes"
    return [f"{these} no whole series of {images} and {'were' if number > 1 else 'was'} not analysed"]


def check_series(card: ModelCard, settings: DetectSettings) -> None:
    """Whether model and settings agree on what is looked at.

    Raises
    ------
    InputError
        If one means focal series and the other single images, or the defoci do not fit the model.
    """
    images, given = card.images, settings.defocus_nm
    if images > 1 and not settings.focal_series:
        raise InputError(
            f"The model '{card.name}' looks at focal series of {images} images: add --focal-series if the "
            "movie consists of such series, or choose a model of single images."
        )
    if images == 1 and (settings.focal_series or given):
        raise InputError(
            f"The model '{card.name}' looks at single images: leave out --focal-series and --defocus-nm, or "
            "choose a model of focal series (`napari-atomcount models` names them)."
        )
    if given and (len(given) != images or len(set(given)) != images):
        raise InputError(
            f"The model '{card.name}' needs {images} different defoci, in the order of the images, not "
            f"{', '.join(f'{d:g}' for d in given)}: correct --defocus-nm."
        )


@dataclass(frozen=True, eq=False)
class Look:
    """What is shown to the network for one frame.

    Parameters
    ----------
    raw : ndarray, shape (Y, X) or (K, Y, X)
        As in the file.
    first : ndarray of float32, shape (Y, X)
        The (first) image, repaired: coordinates are in it.
    seen : ndarray of float32, shape (Y, X) or (K, Y, X)
        For the network: repaired; of a series all images, laid on the first, by rising defocus.
    valid, broken : ndarray of bool, shape (Y, X), or None
        As in `Repaired`, for all images together.
    words : tuple of str
        Sentences for the user.
    shift : ndarray, shape (K, 2), or None
        How far each image of a series was displaced against the first, px.
    """

    raw: npt.NDArray[Any]
    first: npt.NDArray[np.float32]
    seen: npt.NDArray[np.float32]
    valid: Bools | None
    broken: Bools | None
    words: tuple[str, ...]
    shift: npt.NDArray[np.float64] | None = None


def look_at(movie: Movie, t: int, card: ModelCard, settings: DetectSettings) -> Look:
    """Read frame `t`, or the series that begins there, and make it fit for the network."""
    images = card.images
    if images == 1:
        raw = movie.frame(t)
        fixed = repair(raw)
        return Look(raw, fixed.image, fixed.image, fixed.valid, fixed.broken, _about(t, fixed.words))
    raw = np.stack([movie.frame(t + k) for k in range(images)])
    parts = [repair(image) for image in raw]
    words = [text for k, part in enumerate(parts) for text in _about(t + k, part.words)]
    shape = raw.shape[1:]
    valid = np.stack([np.ones(shape, bool) if part.valid is None else part.valid for part in parts])
    stack = np.stack([part.image for part in parts])
    found = align_series(stack, movie.calibration.require_pixel_size(), valid)
    if valid.any((1, 2)).all() and np.ptp(stack, (1, 2)).all() and not found.sure:
        words.append(
            f"the images {t} to {t + images - 1} could not be aligned with certainty, by a period of the "
            "lattice: their counts are not to be trusted"
        )
    seen = np.stack([displaced(image, -d) for image, d in zip(stack, found.shift, strict=True)])
    moved = [_moved(one, -d, False) for one, d in zip(valid, found.shift, strict=True)]
    covered = np.asarray(np.stack(moved).all(axis=0))
    broken = np.zeros(shape, bool)
    for part, d in zip(parts, found.shift, strict=True):
        if part.broken is not None:
            broken |= _moved(part.broken, -d, False)
    order = np.argsort(settings.defocus_nm, kind="stable") if settings.defocus_nm else np.arange(images)
    return Look(
        raw,
        parts[0].image,
        seen[order],
        None if covered.all() else covered,
        broken if broken.any() else None,
        tuple(words),
        found.shift,
    )


def _about(frame: int, words: str) -> tuple[str, ...]:
    if not words:
        return ()
    return (f"frame {frame}: {words} were filled; columns in them are not observed",)


def _moved(mask: Bools, shift: npt.NDArray[np.float64], outside: bool) -> Bools:
    """A mask displaced by (dy, dx) px, to whole pixels."""
    return np.asarray(ndimage.shift(mask, np.rint(shift), order=0, mode="constant", cval=outside), bool)
