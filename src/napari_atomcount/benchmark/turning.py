"""Particles that turn in the plane or grow in the image: whether columns keep their sites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.scoring import match
from napari_atomcount.benchmark.scoring_time import SITE_NM, match_events
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics.hopping import HoppingRecipe, simulate_movie
from napari_atomcount.pipeline import analyze
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DriftSettings

#: Turn of each movie from its first frame to its last, degrees, and how much larger it becomes.
MOTIONS = ((5.0, 0.0), (-3.0, 0.0), (1.5, 0.0), (0.0, 0.03), (0.0, -0.02))


def run_turning(
    recipes: Callable[[int], HoppingRecipe],
    detector: Detector,
    dose: float,
    first_seed: int,
    cache: Path,
    frame_s: float,
) -> pd.DataFrame:
    """Follow movies in which the particle turns or grows, with and without `--rotation` or `--scale`.

    Parameters
    ----------
    recipes : callable
        The recipe of a movie by its number; its turn and growth are set here.
    detector : Detector
        The network.
    dose : float
        Electrons per Å² and frame.
    first_seed : int
        Of the first movie.
    cache : Path
        Of exit waves.
    frame_s : float
        Time of a frame.

    Returns
    -------
    DataFrame
        turn_deg, growth, followed, columns_true, sites (found), kept (share of true columns that are at one
        site throughout), turn_rms_deg, scale_rms, events_true, f1, false_per_1000.
    """
    rows: list[dict[str, Any]] = []
    for number, (turn, growth) in enumerate(MOTIONS):
        made = recipes(number)
        motion = {"turn_deg": turn, "growth": growth}
        made = made.model_copy(update={"kinetics": made.kinetics.model_copy(update=motion)})
        true = simulate_movie(made, first_seed + number, cache)
        pixel_nm = true.pixel_A / 10
        calibration = Calibration(
            pixel_size_nm=(pixel_nm, pixel_nm), frame_time_s=frame_s, dose_e_per_A2=dose, kv=300.0, gain=1.0
        )
        movie = Movie(true.frames, calibration, "turning")
        for drift in (DriftSettings(), DriftSettings(rotation=turn != 0, scale=growth != 0)):
            settings = AnalysisSettings(material="Au", drift=drift)
            found = analyze(movie, detector, settings)
            place = found.sites.set_index("site_id")[["y", "x"]]
            events = found.events[found.events["kind"].isin(["appear", "vanish"])].join(place, on="site_id")
            whole = true.events[true.events["kind"].isin(["appear", "vanish"])]
            site_frames = int((found.state >= 0).sum())
            score = match_events(events, whole, pixel_nm, site_frames).figures()
            followed = drift.rotation or drift.scale
            frame = found.drift["frame"]
            turned = found.drift["rotation"] if followed else 0.0 * frame
            grown = found.drift["scale"] if followed else 1.0 + 0.0 * frame
            rows.append(
                {
                    "turn_deg": turn,
                    "growth": growth,
                    "followed": followed,
                    "columns_true": len(true.sites),
                    "sites": len(found.sites),
                    "kept": _kept(found.columns, true.truth, SITE_NM / pixel_nm),
                    "turn_rms_deg": _rms(turned - true.turn[frame]),
                    "scale_rms": _rms(grown - true.scale[frame]),
                    **{name: score[name] for name in ("events_true", "f1", "false_per_1000")},
                }
            )
    return pd.DataFrame(rows)


def _rms(error: pd.Series[float]) -> float:
    """About the median: where the sites lie in frame 0 has its own error."""
    return float(np.sqrt(((error - error.median()) ** 2).mean()))


def _kept(columns: pd.DataFrame, truth: pd.DataFrame, radius: float) -> float:
    """Share of true columns of which 95 % of the found ones are at one site."""
    parts = []
    for frame, own in columns.groupby("frame"):
        true = truth[truth["frame"] == frame]
        places = own[["y", "x"]].to_numpy(float), true[["y", "x"]].to_numpy(float)
        i, j = match(*places, radius)
        parts.append(pd.DataFrame({"true": true["site"].to_numpy()[j], "site": own["site_id"].to_numpy()[i]}))
    if not parts:  # nothing was found
        return 0.0
    both = pd.concat(parts)
    good = []
    for _, own in both.groupby("true"):
        share = own["site"].value_counts(normalize=True)
        good.append(share.index[0] >= 0 and share.iloc[0] >= 0.95)
    return float(np.mean(good)) if good else float("nan")
