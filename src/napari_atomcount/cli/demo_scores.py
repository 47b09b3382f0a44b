"""The demo's analysis held against the sample's truth: scores.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_atomcount.benchmark.scoring import column_figures, pooled, score_image
from napari_atomcount.benchmark.scoring_time import SITE_NM, match_events
from napari_atomcount.io.tables import write_json
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.movie import Movie

COLUMN_FIGURES = (
    "precision",
    "recall",
    "f1",
    "position_pm",
    "count_exact",
    "count_within_one",
    "ece_score_written",
    "ece_count",
)


def write_demo_scores(analysis: Analysis, movie: Movie, sample: Path, out: Path) -> dict[str, Any]:
    """Score an analysis of the sample movie and write ``scores.json``.

    Parameters
    ----------
    analysis
        Of ``movie``.
    movie
        The sample.
    sample
        Its file; ``<stem>_truth.csv`` and ``<stem>_truth_events.csv`` lie beside it.
    out
        The folder to write to.

    Returns
    -------
    dict
        ``columns``, ``events``, ``occupancy``, ``conditions``.
    """
    truth = pd.read_csv(sample.with_name(f"{sample.stem}_truth.csv"))
    happened = pd.read_csv(sample.with_name(f"{sample.stem}_truth_events.csv"))
    pixel_nm = movie.calibration.require_pixel_size()[0]
    threshold = float(analysis.summary["model"]["threshold"])
    shape = (movie.shape[1], movie.shape[2])
    no_gaps = pd.DataFrame({"y": [], "x": []})
    images = []
    for frame in analysis.frame:
        found = analysis.columns[analysis.columns["frame"] == frame].reset_index(drop=True)
        true = truth[truth["frame"] == frame].reset_index(drop=True)
        images.append(score_image(int(frame), found, true, no_gaps, pixel_nm, shape, threshold))
    columns = column_figures(pooled(images), threshold)
    site_frames = int((analysis.state >= 0).sum())
    events = match_events(moved(analysis), happened, pixel_nm, site_frames).figures()
    scores = {
        "columns": {name: columns[name] for name in COLUMN_FIGURES},
        "events": events,
        "occupancy": {"mean_absolute_error": occupancy_error(analysis, truth, pixel_nm)},
        "conditions": {
            "movie": sample.name,
            "frames": len(analysis.frame),
            "dose_e_per_A2": movie.calibration.dose_e_per_A2,
            "model": analysis.summary["model"]["name"],
            "sha256": analysis.summary["model"]["sha256"],
            "threshold": threshold,
            "false_events_per_1000": analysis.summary["settings"]["occupancy"]["false_events_per_1000"],
        },
    }
    write_json(scores, out / "scores.json")
    return scores


def moved(analysis: Analysis) -> pd.DataFrame:
    """The events with the place (y, x, px of their own frame) of their sites."""
    events = analysis.events.merge(analysis.sites[["site_id", "y", "x"]], on="site_id")
    events = events.merge(analysis.drift[["frame", "dy", "dx"]], on="frame")
    return events.assign(y=events["y"] + events["dy"], x=events["x"] + events["dx"])


def occupancy_error(analysis: Analysis, truth: pd.DataFrame, pixel_nm: float) -> float:
    """Mean distance between a site's occupancy and the share of frames in which a true column was there."""
    there = np.zeros(len(analysis.sites))
    observed = np.maximum((analysis.state >= 0).sum(axis=0), 1)
    place = analysis.sites[["y", "x"]].to_numpy(float)
    drift = analysis.drift.set_index("frame")[["dy", "dx"]]
    order = {int(site): number for number, site in enumerate(analysis.site_id)}
    which = np.array([order[int(site)] for site in analysis.sites["site_id"]], int)
    for row, frame in enumerate(analysis.frame):
        true = truth.loc[truth["frame"] == frame, ["y", "x"]].to_numpy(float)
        if not len(true) or not len(place):
            continue
        here = place + drift.loc[int(frame)].to_numpy(float)
        distance = np.asarray(cKDTree(true).query(here)[0])
        there += (distance * pixel_nm <= SITE_NM) & (analysis.state[row, which] >= 0)
    error = np.abs(analysis.sites["occupancy"].to_numpy(float) - there / observed[which])
    return float(np.nanmean(error)) if len(error) else float("nan")
