"""Tables and figures of an analysed movie in time: rates, hops, dwell times, atoms; movies compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.io import motion_figures, several_figures, time_figures
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.figures import aligned_mean, save_figure
from napari_atomcount.io.logs import Log
from napari_atomcount.measure import kinetics
from napari_atomcount.measure.adatoms import track_figures
from napari_atomcount.pipeline.time_tables import InTime, adatoms_of, facet, in_time
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

FEWEST_FRAMES = 3  # of fewer there are no rates


def figures_in_time(found: InTime, log: Log | None = None, *, counts: bool = True) -> dict[str, Any]:
    """The figures of `in_time` by name, drawn for the page; `log` is aligned with the movie."""
    time = found.atoms["frame"].to_numpy(float) * found.step
    chance = f", {found.hops_by_chance:.1f} expected by chance"
    title = f"{len(found.hops)} hops to a neighbouring site{chance}"
    made = {
        "event_rate": time_figures.rate_figure(found.rates, found.unit, log, title=title),
        "dwell": time_figures.dwell_figure(found.survival, found.step, found.unit),
        "atoms": time_figures.atoms_figure(time, found.atoms, found.unit, log, counts=counts),
    }
    for by, table in found.groups.items():
        made[f"events_by_{by}"] = time_figures.groups_figure(table, by, found.unit)
    made["drift"] = motion_figures.motion_figure(found.motion, found.unit)
    if len(found.intensity):
        made["intensity_by_label"] = motion_figures.intensity_figure(found.intensity, found.unit)
    return made


def write_in_time(analysis: Analysis, movie: Movie, out: Path, log: Log | None = None) -> list[Path]:
    """Write the tables and figures in time of an analysed movie.

    Parameters
    ----------
    analysis : Analysis
        Its summary gains what the hops and the dwell times say.
    movie : Movie
        For the mean frame behind the occurrence map.
    out : Path
        The folder: event_rate.csv, events_by_coordination.csv (and _label), hops.csv, dwell.csv,
        survival.csv, atoms.csv, adatoms.csv, adatom_tracks.csv, of several classes intensity_by_label.csv;
        occurrence, event_rate, dwell, atoms, adatoms, drift, intensity_by_label, events_by_… as PNG and SVG.
    log : Log, optional
        Aligned with the movie.

    Returns
    -------
    list of Path
        What was written; nothing for a movie of fewer than three frames or without sites.
    """
    if len(analysis.frame) < FEWEST_FRAMES or not len(analysis.sites):
        return []
    found = in_time(analysis, movie.calibration)
    tracks = adatoms_of(analysis, movie.calibration)
    survival = pd.concat([table.assign(kind=kind) for kind, table in found.survival.items()])
    survival["time"] *= found.step
    tables = {
        "event_rate": found.rates,
        "hops": found.hops,
        "dwell": found.stays.assign(length=found.stays["frames"] * found.step),
        "survival": survival,
        "atoms": found.atoms,
        "adatoms": tracks,
        "adatom_tracks": track_figures(tracks),
        **({"intensity_by_label": found.intensity} if len(found.intensity) else {}),
        **{f"events_by_{by}": table for by, table in found.groups.items()},
    }
    if log is not None:
        time = found.atoms["time_s"].to_numpy(float)
        quantities = {log.label(q): log.at(time, q) for q in log.values}
        tables["atoms"] = found.atoms.assign(**quantities)
    written = [_write_csv(table, out / f"{name}.csv") for name, table in tables.items()]
    observed = analysis.frame[(analysis.state >= 0).any(axis=1)]
    background = aligned_mean(movie, analysis.drift[analysis.drift["frame"].isin(observed)])
    made = figures_in_time(found, log, counts=bool((analysis.columns["count"] > 0).any()))
    length = f"{len(analysis.frame)} frames"
    made["occurrence"] = time_figures.occurrence_figure(
        background, analysis.sites, movie.calibration, title=f"occurrence in {length}"
    )
    if tracks["frame"].nunique() > 1:
        made["adatoms"] = motion_figures.adatoms_figure(
            background, tracks, analysis.sites, movie.calibration, title=tracks_title(tracks)
        )
    for name, figure in made.items():
        written += save_figure(figure, out / name)
    return written


def tracks_title(tracks: pd.DataFrame) -> str:
    """How many adatoms were followed and how often they hopped, in words."""
    figures = track_figures(tracks)
    longer = figures[figures["frames"] > 1]
    n, hops = len(longer), int(longer["hops"].sum())
    return f"{n} adatom{'s' * (n != 1)} followed, {hops} hop{'s' * (hops != 1)}"


def write_kymograph(
    analysis: Analysis, calibration: Calibration, line: list[tuple[float, float]], out: Path
) -> list[Path]:
    """Write kymograph.csv (distance_nm, site_id, then a column a frame) and its figure.

    Parameters
    ----------
    analysis : Analysis
        Of one movie.
    calibration : Calibration
        Its pixel size makes the line's nm.
    line : list of (y, x)
        Corners, px of frame 0; sites within three quarters of the spacing beside it count.
    out : Path
        The folder.
    """
    found = facet(analysis, calibration, line)
    table = pd.DataFrame(found.value.T.astype(float), columns=[str(t) for t in analysis.frame])
    table.insert(0, "distance_nm", found.distance_nm)
    table.insert(0, "site_id", found.site_id)
    written = [_write_csv(table, out / "kymograph.csv")]
    if len(found.site_id):
        step = calibration.frame_time_s
        time = analysis.frame.astype(np.float64) * (step or 1.0)
        figure = time_figures.kymograph_figure(found.value, found.distance_nm, time, "s" if step else "frame")
        written += save_figure(figure, out / "kymograph")
    return written


def calibration_of(analysis: Analysis) -> Calibration:
    """The calibration that an analysis was made with, from its summary."""
    return Calibration.model_validate(analysis.summary["calibration"])


def kinetics_of(name: str, analysis: Analysis, calibration: Calibration) -> dict[str, object]:
    """One movie's row of the table over several movies."""
    return kinetics.movie_figures(
        name,
        analysis.sites,
        analysis.events,
        analysis.state,
        calibration.frame_time_s,
        calibration.dose_e_per_A2,
    )


def write_kinetics(rows: list[dict[str, object]], out: Path) -> list[Path]:
    """Write kinetics.csv over several movies, and their share of hopping sites against the dose."""
    table = pd.DataFrame(rows)
    written = [_write_csv(table, out / "kinetics.csv")]
    if len(table) > 1 and table["dose_rate_e_per_A2_s"].notna().any():
        written += save_figure(several_figures.doses_figure(table), out / "doses")
    return written


def write_comparison(table: pd.DataFrame, first: str, second: str, out: Path) -> None:
    """Write a comparison of two movies (`measure.comparing`): comparison.csv and a figure of the ratios."""
    _write_csv(table, out / "comparison.csv")
    save_figure(several_figures.comparison_figure(table, first, second), out / "comparison")


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    with whole_file(path) as partial:
        table.to_csv(partial, index=False)
    return path
