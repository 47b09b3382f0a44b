"""From the columns of all frames to drift, sites, occupancy and events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.control import BULK_NEIGHBOURS, static_control
from napari_atomcount.measure.occupancy import hidden_markov
from napari_atomcount.measure.sites import CLASS_POOLS, build_sites, positions_in_frames
from napari_atomcount.pipeline.area import Area
from napari_atomcount.pipeline.assembling import Followed, assemble, totals
from napari_atomcount.pipeline.registering import measure_drift
from napari_atomcount.pipeline.statements import about_size
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

NOT_SAID = -1
HALF = 0.5


def follow(
    movie: Movie,
    columns: pd.DataFrame,
    store: LogitStore,
    settings: AnalysisSettings | None = None,
    progress: Progress | None = None,
    corrected: CorrectedColumns | None = None,
) -> Analysis:
    """Follow the columns of the finished frames through time.

    Parameters
    ----------
    movie : Movie
        For its calibration and the size of its frames; its pixels are not read again.
    columns : DataFrame
        COLUMNS of the frames in the store; sites they name are forgotten.
    store : LogitStore
        What the network said about each finished frame.
    settings : AnalysisSettings, optional
        Drift, sites, occupancy, region and mask.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.
    corrected : CorrectedColumns, optional
        A person's edits over these columns: its table is followed in their place, and what the person said
        about a place in a frame holds, whatever the network says.

    Returns
    -------
    Analysis
        Its summary holds what this step knows: warnings, totals, hop rates and seconds; `analyze` completes
        it.
    """
    return follow_sites(movie, columns, store, settings, progress, corrected).analysis


def follow_sites(
    movie: Movie,
    columns: pd.DataFrame,
    store: LogitStore,
    settings: AnalysisSettings | None = None,
    progress: Progress | None = None,
    corrected: CorrectedColumns | None = None,
) -> Followed:
    """Follow the columns, and keep what `redecode` needs to follow single sites again.

    Parameters are those of `follow`; the store must stay open as long as columns may be added.
    """
    settings = settings or AnalysisSettings()
    say = progress or (lambda _stage, _done, _total: None)
    frames = store.frames
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    columns = columns if corrected is None else corrected.table
    inside = np.isin(columns["frame"].to_numpy(), frames)
    columns = columns if inside.all() else columns[inside]  # of a long movie, each copy is large
    say("drift", 0, 3)
    begun = time.monotonic()
    drift = measure_drift(movie, columns, store, settings, warnings)
    seconds["drift"] = time.monotonic() - begun
    say("sites", 1, 3)
    begun = time.monotonic()
    sites, columns = build_sites(columns, drift, movie.calibration, settings.sites, store.weak())
    columns = by_frame(columns)
    place = columns["site_id"].to_numpy(np.int64)
    y, x = positions_in_frames(sites.table, drift)
    area = Area.of(movie, settings)
    log_odds = store.look_up(y, x)
    observed = np.isfinite(log_odds) & area.holds(y, x) & store.observed[:, None]
    seconds["sites"] = time.monotonic() - begun
    say("occupancy", 2, 3)
    begun = time.monotonic()
    pool = sites.pools()
    known = np.full(y.shape, NOT_SAID, np.int8)
    if corrected is not None and corrected.edited_frames:
        known = known_states(corrected, frames, y, x, site_reach(movie.calibration, settings))
        known[~observed] = NOT_SAID
    found = hidden_markov(log_odds, observed, pool, settings.occupancy, known if (known >= 0).any() else None)
    if found.model.lost.any():
        lost = ", ".join(str(t) for t in frames[found.model.lost & store.observed])
        warnings.append(f"frames in which the columns are hardly seen count as not observed: {lost}")
    allowed = settings.occupancy.false_events_per_1000
    analysis, keep, counting, steps = assemble(
        columns, sites, drift, found, frames, movie.calibration, allowed
    )
    seconds["occupancy"] = time.monotonic() - begun
    begun = time.monotonic()
    control = static_control(
        found.model,
        log_odds[:, keep],
        analysis.state,
        pool[keep],
        analysis.sites["coordination"].to_numpy() >= BULK_NEIGHBOURS,
        settings.occupancy,
        steps,
    )
    seconds["control"] = time.monotonic() - begun
    say("occupancy", 3, 3)
    analysis.summary.update(
        static_control=control.as_dict(),
        warnings=[
            *movie.warnings,
            *store.warnings,
            *warnings,
            *_about_frames(store),
            *_about_sites(analysis, store),
            *about_size(analysis),
        ],
        totals=totals(analysis, store),
        hop_rates_per_frame=by_class_and_neighbours(found.rates, list(sites.by_label)),
        seconds=seconds,
    )
    return Followed(
        analysis.validate(), settings, movie.calibration, area, store, sites, keep, place,
        log_odds, observed, known, found, counting,
    )  # fmt: skip


def by_frame(columns: pd.DataFrame) -> pd.DataFrame:
    """Columns by frame and ``column_id``; the same table where they are in this order already."""
    frame, number = columns["frame"].to_numpy(), columns["column_id"].to_numpy()
    later = frame[1:] > frame[:-1]
    if (later | ((frame[1:] == frame[:-1]) & (number[1:] >= number[:-1]))).all():
        # text that came frame by frame lies in as many pieces, and each choice of rows would join them anew
        text = [str(name) for name in columns if not isinstance(columns[name].dtype, np.dtype)]
        every = np.arange(len(columns))
        return columns.reset_index(drop=True).assign(**{n: columns[n].array.take(every) for n in text})
    return columns.sort_values(["frame", "column_id"], kind="stable", ignore_index=True)


def by_class_and_neighbours(rates: pd.DataFrame, classes: list[str]) -> list[dict[str, Any]]:
    """Rates of the pools, with the class in words where there are several."""
    rows = [{str(k): v for k, v in one.items()} for one in rates.to_dict("records")]
    if classes:
        for one in rows:
            one["label"] = classes[one["coordination"] // CLASS_POOLS]
            one["coordination"] %= CLASS_POOLS
    return rows


def site_reach(calibration: Calibration, settings: AnalysisSettings) -> tuple[float, float]:
    """How far (y, x), px, a column may be from its site."""
    size_y, size_x = calibration.require_pixel_size()
    return settings.sites.radius_nm / size_y, settings.sites.radius_nm / size_x


def known_states(
    corrected: CorrectedColumns,
    frames: Ints,
    y: Doubles,
    x: Doubles,
    reach: tuple[float, float],
) -> npt.NDArray[np.int8]:
    """What a person said about each site in each frame, shape (F, S): 1 a column, 0 none, -1 nothing.

    Parameters
    ----------
    corrected : CorrectedColumns
        The edits.
    frames : ndarray of int, shape (F,)
        Of the rows.
    y, x : ndarray, shape (F, S)
        Where the sites are in each frame, px of the file.
    reach : tuple of float
        How far (y, x), px, a site may be from the place that the person meant.
    """
    known = np.full(y.shape, NOT_SAID, np.int8)
    if not y.shape[1]:
        return known
    said, reviewed = corrected.said(), set(corrected.reviewed_frames)
    rows = {int(t): row for row, t in enumerate(frames)}
    for t in reviewed & set(rows):
        known[rows[t]] = 0  # only a frame that a person accepted says what is not there
    for present in (False, True):
        part = said[said["present"] == present]
        for t, py, px in zip(part["frame"], part["y"], part["x"], strict=True):
            if t in rows:
                row = rows[t]
                far = ((y[row] - py) / reach[0]) ** 2 + ((x[row] - px) / reach[1]) ** 2
                if far.min() <= 1:
                    known[row, far.argmin()] = int(present)
    return known


def _about_frames(store: LogitStore) -> list[str]:
    """What the number of frames allows to say."""
    shown = int(store.observed.sum())
    if shown == 0:
        return ["no frame shows anything: there are no columns, sites or events"]
    if shown <= 2:
        return [f"{shown} observed frame{'s' * (shown > 1)}: occupancy is that of what was seen, not a rate"]
    return []


def _about_sites(analysis: Analysis, store: LogitStore) -> list[str]:
    """What is said when sites leave the field of view."""
    shown = analysis.state[store.observed] >= 0
    if not shown.size:
        return []
    away = int((shown.mean(axis=0) < HALF).sum())
    if not away:
        return []
    return [
        f"{away} of {shown.shape[1]} sites are outside the view, or not observed, in more than half of the "
        "frames: their occupancies and rates are of the rest"
    ]
