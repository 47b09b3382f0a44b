"""How the specimen moved in a movie: from the images, then from the columns that were found in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_atomcount.measure.column_drift import refine_drift
from napari_atomcount.measure.drift import drift_table, track
from napari_atomcount.measure.spectra import SpectrumMaker
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings

UNSURE_DRIFT = 0.9


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
