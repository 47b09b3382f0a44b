"""From a movie to columns, one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.measure.spectra import SpectrumMaker
from napari_atomcount.measure.vacuum import LITTLE_VACUUM, little_vacuum
from napari_atomcount.pipeline.area import Area
from napari_atomcount.pipeline.camera import camera_mtf
from napari_atomcount.pipeline.focal import Look, check_series, frame_numbers, look_at
from napari_atomcount.pipeline.preparing import stated_level
from napari_atomcount.records import tables
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.records.settings import AnalysisSettings

if TYPE_CHECKING:
    from napari_atomcount.networks.card import ModelCard

# Columns down to this score help to place the sites; they are written only above the threshold.
WEAK_SCORE = 0.1

#: Mean of a frame over the beam level: a specimen darkens it, but not all of it.
DARKEST, BRIGHTEST = 0.3, 1.05


class Looks(Protocol):
    """What the pipeline needs of a detector."""

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        ...

    def detect(
        self,
        frame: npt.NDArray[Any],
        pixel_size_nm: tuple[float, float],
        valid: npt.NDArray[np.bool_] | None = None,
        mtf: Mtf | None = None,
        symmetries: int | None = None,
        beam_level: float | None = None,
    ) -> ProbabilityMaps:
        """Probability maps of one frame (Y, X), or of one series (K, Y, X)."""
        ...


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What was found in one frame.

    Parameters
    ----------
    frame : int
        Index in the source; of a focal series that of its first image.
    columns : DataFrame
        COLUMNS, not yet with sites; ``column_id`` is unique among the results of one `detect_frames`.
    weak : DataFrame
        frame, y, x, score of what stayed below the threshold.
    maps : ProbabilityMaps
        What the network said.
    observed : bool
        False: the frame shows nothing, or it repeats the one before.
    warnings : tuple of str
        In words.
    spectrum : ndarray
        What the drift needs of the frame (`measure.drift.SpectrumMaker`).
    seconds : float
        What it took.
    shift : ndarray, shape (K, 2), or None
        How far each image of a focal series was displaced against the first, px.
    """

    frame: int
    columns: pd.DataFrame
    weak: pd.DataFrame
    maps: ProbabilityMaps
    observed: bool
    warnings: tuple[str, ...]
    spectrum: npt.NDArray[np.complex64]
    seconds: float
    shift: npt.NDArray[np.float64] | None = None


def detect_frames(
    movie: Movie,
    detector: Looks,
    settings: AnalysisSettings | None = None,
    frames: Iterable[int] | None = None,
    cancelled: Callable[[], bool] | None = None,
    mtf: Mtf | None = None,
) -> Iterator[FrameResult]:
    """Find the columns of a movie, a frame at a time; memory does not grow with the number of frames.

    A model of focal series takes successive images together, a series at a time.

    Parameters
    ----------
    movie : Movie
        Needs a pixel size.
    detector : Detector
        The network.
    settings : AnalysisSettings, optional
        Threshold, range of frames, region and mask.
    frames : iterable of int, optional
        Frames to look at, or first images of series; by default those of the settings.
    cancelled : callable, optional
        Asked before each frame; True ends the iteration. So does ceasing to iterate.
    mtf : Mtf, optional
        Of the camera, from :func:`napari_atomcount.pipeline.camera.camera_mtf` if not given.

    Yields
    ------
    FrameResult
        In the order of `frames`.

    Raises
    ------
    InputError
        If the pixel size is missing or absurd, region or mask do not fit, or the model means focal series and
        the settings do not, or the reverse.
    """
    settings = settings or AnalysisSettings()
    check_series(detector.card, settings.detect)
    pixel_size = movie.calibration.require_pixel_size()
    area = Area.of(movie, settings)
    mtf = mtf or camera_mtf(movie, settings, detector.card.images)
    # What is masked (the support) may move on its own; a region of interest still needs its surroundings.
    maker = SpectrumMaker(movie.shape[1:], pixel_size, area.unmasked)
    card = detector.card
    chosen = settings.detect.threshold
    threshold = card.threshold_at(pixel_size) if chosen is None else chosen
    next_id = 0
    before: npt.NDArray[Any] | None = None
    for t in frame_numbers(movie, settings, card.images) if frames is None else frames:
        if cancelled is not None and cancelled():
            return
        begun = time.monotonic()
        look = look_at(movie, t, card, settings.detect)
        level = stated_level(movie, settings)
        maps = detector.detect(look.seen, pixel_size, look.valid, mtf, settings.detect.symmetries, level)
        if look.broken is not None:
            maps = replace(maps, observed=maps.observed & ~_in_map(look.broken, maps))
        said = list(look.words)
        observed = bool(maps.observed.any())
        if not observed:
            said.append(f"frame {t} is blank: not observed")
        elif before is not None and np.array_equal(look.raw, before):
            observed = False
            said.append(f"frame {t} repeats the frame before it: it counts as not observed")
        before = look.raw
        found = find_columns(maps, card.calibration, min(WEAK_SCORE, threshold))
        if card.counts and observed:
            said += about_level(level, found[found["score"] >= threshold], look, pixel_size)
        found = found[area.holds(found["y"].to_numpy(), found["x"].to_numpy())]
        strong = (found["score"] >= threshold).to_numpy()
        columns = _columns_table(found[strong], t, next_id, movie)
        next_id += len(columns)
        yield FrameResult(
            frame=t,
            columns=columns if observed else tables.empty(tables.COLUMNS),
            weak=found.loc[~strong, ["y", "x", "score"]].assign(frame=t).iloc[: None if observed else 0],
            maps=maps,
            observed=observed,
            warnings=tuple(said),
            spectrum=maker(look.first, look.valid),
            seconds=time.monotonic() - begun,
            shift=look.shift,
        )
        del maps, look, found, columns  # large, and not needed while the next frame is looked at


def about_level(
    level: float | None, columns: pd.DataFrame, look: Look, pixel_nm: tuple[float, float]
) -> list[str]:
    """What is wrong with how a frame's beam level is known, in one sentence or none."""
    if level is None:
        y, x = columns["y"], columns["x"]
        return [LITTLE_VACUUM] * little_vacuum(y, x, look.first.shape, pixel_nm, look.valid)
    mean = float(look.seen.mean() if look.valid is None else look.seen[..., look.valid].mean())
    if DARKEST * level < mean < BRIGHTEST * level:
        return []
    return [
        f"the stated beam level of {level:g} counts per pixel is not that of all frames, and counts are not "
        "to be trusted: state the mean of an image of vacuum at the same exposure, or leave it out"
    ]


def _columns_table(found: pd.DataFrame, frame: int, first_id: int, movie: Movie) -> pd.DataFrame:
    """COLUMNS of what was found in a frame."""
    y_nm, x_nm = movie.calibration.to_nm(found["y"].to_numpy(), found["x"].to_numpy())
    table = found.assign(
        frame=frame,
        column_id=np.arange(first_id, first_id + len(found)),
        site_id=-1,
        y_nm=y_nm,
        x_nm=x_nm,
        origin="network",
    )
    if "count_p" in table and (table["count"] < 0).all():
        table = table.drop(columns="count_p")
    return tables.conform(table, tables.COLUMNS)


def _in_map(broken: npt.NDArray[np.bool_], maps: ProbabilityMaps) -> npt.NDArray[np.bool_]:
    """Map pixels that hold a broken pixel of the file."""
    rows, cols = np.nonzero(broken)
    my, mx = maps.to_map(rows.astype(np.float64), cols.astype(np.float64))
    out = np.zeros(maps.column.shape, bool)
    h, w = maps.column.shape[0], maps.column.shape[1]
    out[np.clip(np.rint(my).astype(int), 0, h - 1), np.clip(np.rint(mx).astype(int), 0, w - 1)] = True
    return out
