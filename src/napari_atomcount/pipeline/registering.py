"""How the specimen moved in a movie: from the images, then from the columns that were found in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.column_drift import hidden_turn, refine_drift, refine_turning
from napari_atomcount.measure.drift import drift_table, track
from napari_atomcount.measure.spectra import Spectra, SpectrumMaker
from napari_atomcount.measure.turning import track_turning, turned_back
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DriftSettings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

UNSURE_DRIFT = 0.9
UNSEEN_TURN_DEG, UNSEEN_GROWTH = 0.5, 0.01  # where they were not asked for, larger ones are told


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
    maker = SpectrumMaker(movie.shape[1:], store.pixel_size_nm or pixel_size)  # that of the spectra
    drift, confidence = estimate(maker, store.spectra(), frames, store.observed, settings.drift)
    if settings.drift.rotation or settings.drift.scale:
        drift = refine_turning(drift, columns, pixel_size, settings.drift)
    else:
        drift = refine_drift(drift, columns, pixel_size)
        turn, grown = hidden_turn(drift, columns, pixel_size)
        if abs(turn) > UNSEEN_TURN_DEG:
            warnings.append(
                f"the specimen seems to turn by {abs(turn):.1f}° in the plane during the movie: follow it "
                "with --rotation (in section 4 of the dock: follow rotation)"
            )
        if abs(grown) > UNSEEN_GROWTH:
            warnings.append(
                f"the specimen seems to {'grow' if grown > 0 else 'shrink'} by {100 * abs(grown):.1f} % in "
                "the image during the movie: follow it with --scale (in section 4 of the dock: follow scale)"
            )
    unsure = frames[(confidence < UNSURE_DRIFT) & store.observed]
    if len(unsure):
        some = ", ".join(str(t) for t in unsure[:10]) + (" …" if len(unsure) > 10 else "")
        warnings.append(
            f"the drift is unsure, by a period of the lattice, in {len(unsure)} of {len(frames)} frames "
            f"({some}): look at the confidence in drift.csv"
        )
    return drift


def estimate(
    maker: SpectrumMaker, spectra: Spectra, frames: Ints, observed: Bools, settings: DriftSettings
) -> tuple[pd.DataFrame, Doubles]:
    """DRIFT from the images alone, and the confidence of each frame (T,).

    With rotation or scale, these are found first, in the power spectra; the shift is then that of the frames
    turned back, and the confidence that of both.
    """
    if not (settings.rotation or settings.scale):
        shift, confidence = track(maker, spectra, observed, settings)
        return drift_table(frames, shift, confidence), confidence
    turn, scale, sure = track_turning(maker, spectra, observed, settings)
    straight, matrices = turned_back(maker, spectra, turn, scale)
    rest, confidence = track(maker, straight, observed, settings)
    shift = np.einsum("tij,tj->ti", matrices, rest)  # of the frames as they are
    confidence = np.minimum(confidence, sure)
    middle = (np.array(maker.shape) - 1) / 2
    aspect = maker.pixel_size_nm[0] / maker.pixel_size_nm[1]
    turned = {"rotation": turn, "scale": scale, "pivot_y": middle[0], "pivot_x": middle[1], "aspect": aspect}
    return drift_table(frames, shift, confidence).assign(**turned), confidence
