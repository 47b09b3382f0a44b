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
from napari_atomcount.measure.drift import SpectrumMaker
from napari_atomcount.pipeline.area import Area, repair
from napari_atomcount.records import tables
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings

if TYPE_CHECKING:
    from napari_atomcount.networks.card import ModelCard

# Columns down to this score help to place the sites; they are written only above the threshold.
WEAK_SCORE = 0.1


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
    ) -> ProbabilityMaps:
        """Probability maps of one frame."""
        ...


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What was found in one frame.

    Parameters
    ----------
    frame : int
        Index in the source.
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
    """

    frame: int
    columns: pd.DataFrame
    weak: pd.DataFrame
    maps: ProbabilityMaps
    observed: bool
    warnings: tuple[str, ...]
    spectrum: npt.NDArray[np.complex64]
    seconds: float


def frame_numbers(movie: Movie, settings: AnalysisSettings) -> list[int]:
    """Frames to analyse: those of the settings' range that the movie has."""
    start, stop = settings.frames or (0, movie.n_frames)
    return list(range(min(start, movie.n_frames), min(stop, movie.n_frames)))


def detect_frames(
    movie: Movie,
    detector: Looks,
    settings: AnalysisSettings | None = None,
    frames: Iterable[int] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[FrameResult]:
    """Find the columns of a movie, a frame at a time; memory does not grow with the number of frames.

    Parameters
    ----------
    movie : Movie
        Needs a pixel size.
    detector : Detector
        The network.
    settings : AnalysisSettings, optional
        Threshold, range of frames, region and mask.
    frames : iterable of int, optional
        Frames to look at; by default those of the settings.
    cancelled : callable, optional
        Asked before each frame; True ends the iteration. So does ceasing to iterate.

    Yields
    ------
    FrameResult
        In the order of `frames`.

    Raises
    ------
    InputError
        If the pixel size is missing or absurd, or region or mask do not fit.
    """
    settings = settings or AnalysisSettings()
    pixel_size = movie.calibration.require_pixel_size()
    area = Area.of(movie, settings)
    maker = SpectrumMaker(movie.shape[1:], pixel_size)
    card = detector.card
    threshold = card.default_threshold if settings.detect.threshold is None else settings.detect.threshold
    next_id = 0
    before: npt.NDArray[Any] | None = None
    for t in frame_numbers(movie, settings) if frames is None else frames:
        if cancelled is not None and cancelled():
            return
        begun = time.monotonic()
        raw = movie.frame(t)
        fixed = repair(raw)
        maps = detector.detect(fixed.image, pixel_size, fixed.valid)
        if fixed.broken is not None:
            maps = replace(maps, observed=maps.observed & ~_in_map(fixed.broken, maps))
        said = []
        if fixed.words:
            said.append(f"frame {t}: {fixed.words} were filled; columns in them are not observed")
        observed = bool(maps.observed.any())
        if not observed:
            said.append(f"frame {t} is blank: not observed")
        elif before is not None and np.array_equal(raw, before):
            observed = False
            said.append(f"frame {t} repeats the frame before it: it counts as not observed")
        before = raw
        found = find_columns(
            maps,
            card.calibration.evidence,
            card.calibration.score,
            min(WEAK_SCORE, threshold),
            card.calibration.count_temperature,
            card.calibration.sigma_factor,
            card.calibration.by_label,
        )
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
            spectrum=maker(fixed.image, fixed.valid),
            seconds=time.monotonic() - begun,
        )


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
