"""From the columns of all frames to drift, sites, occupancy and events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.drift import SpectrumMaker, drift_table, refine_drift, track
from napari_atomcount.measure.events import counts_of_sites, find_events
from napari_atomcount.measure.lattice import coordination
from napari_atomcount.measure.occupancy import Occupancy, hidden_markov
from napari_atomcount.measure.sites import SiteSet, build_sites, positions_in_frames
from napari_atomcount.pipeline.area import Area
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

UNSURE_DRIFT = 0.9
NOT_SAID = -1


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
    settings = settings or AnalysisSettings()
    say = progress or (lambda _stage, _done, _total: None)
    frames = store.frames
    seconds: dict[str, float] = {}
    warnings: list[str] = []
    columns = columns if corrected is None else corrected.table
    columns = columns[np.isin(columns["frame"].to_numpy(), frames)]
    say("drift", 0, 3)
    begun = time.monotonic()
    drift = measure_drift(movie, columns, store, settings, warnings)
    seconds["drift"] = time.monotonic() - begun
    say("sites", 1, 3)
    begun = time.monotonic()
    sites, columns = build_sites(columns, drift, movie.calibration, settings.sites, store.weak())
    y, x = positions_in_frames(sites.table, drift)
    log_odds = store.look_up(y, x)
    observed = np.isfinite(log_odds) & Area.of(movie, settings).holds(y, x) & store.observed[:, None]
    seconds["sites"] = time.monotonic() - begun
    say("occupancy", 2, 3)
    begun = time.monotonic()
    pool = sites.table["coordination"].to_numpy()
    known = None
    if corrected is not None and corrected.edited_frames:
        reach = tuple(settings.sites.radius_nm / p for p in movie.calibration.require_pixel_size())
        known = known_states(corrected, frames, y, x, (reach[0], reach[1]))
        known[~observed] = NOT_SAID
    found = hidden_markov(log_odds, observed, pool, settings.occupancy, known)
    if found.model.lost.any():
        lost = ", ".join(str(t) for t in frames[found.model.lost & store.observed])
        warnings.append(f"frames in which the columns are hardly seen count as not observed: {lost}")
    analysis = _assemble(movie, columns, sites, drift, found, frames)
    seconds["occupancy"] = time.monotonic() - begun
    say("occupancy", 3, 3)
    analysis.summary.update(
        warnings=[*movie.warnings, *store.warnings, *warnings, *_about_frames(store)],
        totals=totals(analysis, store),
        hop_rates_per_frame=found.rates.to_dict("records"),
        seconds=seconds,
    )
    return analysis.validate()


def known_states(
    corrected: CorrectedColumns, frames: Ints, y: Doubles, x: Doubles, reach: tuple[float, float]
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


def measure_drift(
    movie: Movie,
    columns: pd.DataFrame,
    store: LogitStore,
    settings: AnalysisSettings,
    warnings: list[str],
) -> pd.DataFrame:
    """DRIFT of the finished frames, from the images and then the columns; adds to `warnings`."""
    frames = store.frames
    if not settings.drift.enabled or len(frames) < 2:
        confidence = np.full(len(frames), np.nan)
        return drift_table(frames, np.zeros((len(frames), 2)), confidence)
    pixel_size = movie.calibration.require_pixel_size()
    maker = SpectrumMaker(movie.shape[1:], pixel_size)
    shift, confidence = track(maker, store.spectra(), store.observed, settings.drift)
    rough = drift_table(frames, shift, confidence)
    drift = refine_drift(rough, columns, pixel_size)
    unsure = frames[(confidence < UNSURE_DRIFT) & store.observed]
    if len(unsure):
        some = ", ".join(str(t) for t in unsure[:10]) + (" …" if len(unsure) > 10 else "")
        warnings.append(
            f"the drift is unsure, by a period of the lattice, in {len(unsure)} of {len(frames)} frames "
            f"({some}): look at the confidence in drift.csv"
        )
    return drift


def _assemble(
    movie: Movie,
    columns: pd.DataFrame,
    sites: SiteSet,
    drift: pd.DataFrame,
    found: Occupancy,
    frames: Ints,
) -> Analysis:
    """Tables and arrays of the sites worth keeping: where a column was found or is believed to have been."""
    occupied = found.state > 0
    keep = np.flatnonzero(sites.seen | occupied.any(axis=0))
    number = np.full(len(sites.table) + 1, -1, np.int64)  # the last entry serves columns without a site
    number[keep] = np.arange(len(keep))
    columns = columns.assign(site_id=number[columns["site_id"].to_numpy()])
    chain = found.chain.of_sites(keep)
    state = found.state[:, keep]
    site_id = np.arange(len(keep), dtype=np.int64)
    mean_count = np.full(len(keep), np.nan)
    counts = columns[columns["count"] >= 0] if "count_p" in columns else columns.iloc[:0]
    if len(counts):
        row = np.searchsorted(frames, counts["frame"].to_numpy())
        n_counts = max(np.size(p) for p in counts["count_p"])
        count, mean_count = counts_of_sites(counts, row, state > 0, n_counts)
        state = np.where(state > 0, count, state).astype(np.int8)
        theirs = (counts["origin"] != "network").to_numpy() & (counts["site_id"] >= 0).to_numpy()
        theirs &= (counts["count"] > 0).to_numpy()
        place = row[theirs], counts["site_id"].to_numpy()[theirs]
        state[place] = np.where(state[place] > 0, counts["count"].to_numpy()[theirs], state[place])
    events = find_events(chain, state, frames, site_id, movie.calibration)
    table = sites.table.iloc[keep].reset_index(drop=True)
    occupancy = found.occupancy[keep].astype(np.float64)
    n_events = (
        np.bincount(events["site_id"].to_numpy(), minlength=len(keep)) if len(keep) else np.zeros(0, int)
    )
    seen_frames = (state >= 0).sum(axis=0)
    seconds = movie.calibration.time_s(seen_frames.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seen_frames > 1, n_events / seconds, np.nan)
    nm = table[["y_nm", "x_nm"]].to_numpy()
    table = table.assign(
        site_id=site_id,
        coordination=coordination(nm, np.nan_to_num(occupancy) >= 0.5, sites.spacing_nm),
        occupancy=occupancy,
        occupancy_low=found.low[keep].astype(np.float64),
        occupancy_high=found.high[keep].astype(np.float64),
        n_events=n_events.astype(np.int64),
        event_rate_per_s=rate,
        mean_count=mean_count,
    )
    return Analysis(
        columns=tables.conform(columns.sort_values(["frame", "column_id"], kind="stable"), tables.COLUMNS),
        sites=tables.conform(table, tables.SITES),
        events=events,
        drift=drift,
        state=state,
        probability=found.probability[:, keep],
        site_id=site_id,
        frame=frames,
        summary={},
    )


def _about_frames(store: LogitStore) -> list[str]:
    """What the number of frames allows to say."""
    shown = int(store.observed.sum())
    if shown == 0:
        return ["no frame shows anything: there are no columns, sites or events"]
    if shown <= 2:
        return [f"{shown} observed frame{'s' * (shown > 1)}: occupancy is that of these frames, not a rate"]
    return []


def totals(analysis: Analysis, store: LogitStore) -> dict[str, Any]:
    """Numbers for the summary: frames, columns, sites, events and what was observed."""
    kinds = analysis.events["kind"].value_counts()
    found = analysis.columns["site_id"] >= 0
    return {
        "frames": len(analysis.frame),
        "frames_observed": int(store.observed.sum()),
        "columns": len(analysis.columns),
        "columns_at_sites": int(found.sum()),
        "sites": len(analysis.sites),
        "lattices": len(set(analysis.sites["lattice_id"]) - {-1}),
        "site_frames_observed": int((analysis.state >= 0).sum()),
        "events": len(analysis.events),
        **{f"events_{kind}": int(n) for kind, n in kinds.items()},
    }
