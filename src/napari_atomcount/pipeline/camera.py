"""What is known of the camera's blur, so that the network sees images without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from napari_atomcount.measure.gain import measure_gain
from napari_atomcount.measure.imaging import estimate_dose
from napari_atomcount.measure.mtf import measure_mtf
from napari_atomcount.networks.normalise import beam_level
from napari_atomcount.pipeline.preparing import stated_level
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.records.settings import AnalysisSettings

#: Frames and the side of the window in their middle that are looked at, px.
FRAMES = 8
WINDOW = 512
#: Relative error of a dose or a gain that the user stated or the file brings.
STATED_ERROR = 0.03


def camera_mtf(movie: Movie, settings: AnalysisSettings, images: int = 1) -> Mtf:
    """MTF of a movie's camera: stated, or from its noise where its gain is known, or an ordinary one's.

    The gain is the movie's own if it has one, or follows from a stated dose, or is measured from the frames.

    Parameters
    ----------
    movie : Movie
        Needs a pixel size.
    settings : AnalysisSettings
        With ``detect.mtf``, or without.
    images : int
        Images of a focal series: their defocus differs, so that one alone says something of the gain.
    """
    if settings.detect.mtf is not None:
        return Mtf(*settings.detect.mtf, "user")
    calibration = movie.calibration
    pixel_A = 10 * float(np.sqrt(np.prod(calibration.require_pixel_size())))
    middle = max(0, (movie.n_frames - FRAMES) // 2)
    frames = [middle_of(movie.frame(t)) for t in range(middle, min(middle + FRAMES, movie.n_frames))]
    frames = [frame for frame in frames if np.isfinite(frame).any() and np.nanstd(frame) > 0]
    if not frames:
        return Mtf()
    dose, given = calibration.dose_e_per_A2, ("user", "file")
    if calibration.gain is not None:
        gain, error = calibration.gain, STATED_ERROR
    elif dose is not None and calibration.sources.get("dose_e_per_A2") in given:
        vacuum = stated_level(movie, settings) or float(np.median([brightest(f, pixel_A) for f in frames]))
        gain, error = vacuum / (dose * pixel_A**2), STATED_ERROR
    else:
        found = measure_gain(frames[:1] if images > 1 else frames, single=True)
        if found is None:
            return Mtf()
        gain, error = found.counts_per_electron, found.error / found.counts_per_electron
    return measure_mtf(frames, pixel_A, gain, error)


def dose_of(frames: Sequence[npt.NDArray[np.float32]], pixel_size_nm: tuple[float, float]) -> float | None:
    """Electrons per Å² and image: what the beam brings where it meets no specimen, over the gain.

    Parameters
    ----------
    frames : sequence of ndarray, shape (Y, X)
        Successive frames, or one.
    pixel_size_nm : tuple of float

    Returns
    -------
    float or None
        Where the gain cannot be told from the noise: the dose of blocks of pixels, if these can say it.
    """
    parts = [middle_of(frame) for frame in frames]
    gain = measure_gain(parts, single=True)
    if gain is None:
        return estimate_dose(frames, pixel_size_nm)
    area_A2 = 100 * pixel_size_nm[0] * pixel_size_nm[1]
    level = float(np.median([brightest(part, float(np.sqrt(area_A2))) for part in parts]))
    return level / (gain.counts_per_electron * area_A2)


def middle_of(frame: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """The middle of a frame (Y, X), no larger than :data:`WINDOW`."""
    cut = tuple(slice(max(0, (n - WINDOW) // 2), max(0, (n - WINDOW) // 2) + WINDOW) for n in frame.shape)
    return np.asarray(frame[cut], dtype=np.float64)


def brightest(frame: npt.NDArray[np.float64], pixel_A: float) -> float:
    """Counts of the beam where the specimen takes least of it."""
    image = torch.from_numpy(np.nan_to_num(frame, nan=float(np.nanmean(frame))).astype(np.float32))
    return float(beam_level(image[None], None, pixel_A).quantile(0.9))
