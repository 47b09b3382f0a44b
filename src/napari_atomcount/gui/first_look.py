"""What one frame tells before any run: the dose, and whether the movie is what a network was trained for."""

from __future__ import annotations

import numpy as np

from napari_atomcount.measure.imaging import column_contrast, estimate_dose, unevenness
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.domain import check_domain
from napari_atomcount.records.movie import Movie

LOOKED_AT_PX = 1024  # the middle of larger frames is enough, and quick
FRAMES_FOR_DOSE = 4


def middle(movie: Movie, frame: int) -> np.ndarray:
    """The middle of a frame, at most LOOKED_AT_PX on a side, as float32."""
    image = movie.frame(frame)
    top, left = (max(0, (side - LOOKED_AT_PX) // 2) for side in image.shape)
    return image[top : top + LOOKED_AT_PX, left : left + LOOKED_AT_PX].astype(np.float32)


def judge(card: ModelCard, movie: Movie) -> list[str]:
    """How a movie with a known pixel size differs from what a model was trained for, in sentences."""
    calibration = movie.calibration
    pixel_size = calibration.pixel_size_nm
    assert pixel_size is not None
    image = middle(movie, movie.n_frames // 2)
    blank = not np.ptp(image[np.isfinite(image)]) if np.isfinite(image).any() else True
    return check_domain(
        card,
        pixel_size_nm=pixel_size,
        dose_e_per_A2=calibration.dose_e_per_A2,
        kv=calibration.kv,
        contrast=None if blank else column_contrast(image, pixel_size),
        unevenness=None if blank else unevenness(image, pixel_size),
    )


def with_dose(movie: Movie) -> Movie:
    """The movie with its dose estimated from the shot noise, where the file does not know it."""
    calibration = movie.calibration
    if calibration.dose_e_per_A2 is not None or calibration.pixel_size_nm is None:
        return movie
    frames = [middle(movie, t) for t in range(min(FRAMES_FOR_DOSE, movie.n_frames))]
    dose = estimate_dose(frames, calibration.pixel_size_nm)
    if dose is None or not np.isfinite(dose):
        return movie
    return movie.with_calibration(calibration.updated("estimated", dose_e_per_A2=float(f"{dose:.3g}")))
