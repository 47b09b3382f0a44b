"""How the specimen moved from frame to frame, without jumping a period of its lattice.

The images decide (`registration`): each frame against those before it, doubtful steps again with the averages
on both sides of them, then every frame against its surroundings. The columns that were found afterwards give
the last digits (`column_drift`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.registration import Registration, noise_power
from napari_atomcount.measure.spectra import Image, Spectra, Spectrum, SpectrumList, SpectrumMaker
from napari_atomcount.records import tables
from napari_atomcount.records.settings import DriftSettings

Doubles = npt.NDArray[np.float64]

MEMORY_FRAMES = 60  # an older frame has faded from the average: the particle may have changed
FIRST_STEP_NM = 0.02  # typical step before any was seen
UNSURE = 0.99
SWEEPS = 2
WALL_FRAMES = 12  # averaged on each side of a step that is looked at again


def track(
    maker: SpectrumMaker,
    spectra: Spectra,
    observed: npt.NDArray[np.bool_],
    settings: DriftSettings | None = None,
) -> tuple[Doubles, Doubles]:
    """Shift of every frame against the first observed one.

    Parameters
    ----------
    maker : SpectrumMaker
        What made the spectra.
    spectra : SpectrumList
        One per frame.
    observed : ndarray of bool, shape (T,)
        False: blank; its shift is filled in between its neighbours.
    settings : DriftSettings, optional
        ``max_step_nm``: a larger step between frames is taken only when nothing else explains the image.

    Returns
    -------
    shift : ndarray, shape (T, 2)
        (dy, dx), px.
    confidence : ndarray, shape (T,)
        Probability that the peak is the right one; 0 where not observed.
    """
    settings = settings or DriftSettings()
    usable = [int(t) for t in np.flatnonzero(observed)]
    shift = np.zeros((len(spectra), 2))
    confidence = np.zeros(len(spectra))
    if not usable:
        return shift, confidence
    register = Registration(maker, noise_power(maker, spectra, usable))
    pixel = np.array(maker.pixel_size_nm)
    steps: list[float] = []
    # First sweep: forward, against the frames before.
    total = spectra[usable[0]].astype(np.complex128)
    weight = 1.0
    confidence[usable[0]] = 1.0
    for before, t in itertools.pairwise(usable):
        found = register.log_likelihood(spectra[t], total / weight, weight)
        scale = _step_scale(steps, settings) * np.sqrt(t - before)
        shift[t], confidence[t] = register.best(found, shift[before], scale)
        steps.append(float(np.hypot(*((shift[t] - shift[before]) * pixel))))
        total = total * (1 - 1 / MEMORY_FRAMES) + register.shifted(spectra[t], -shift[t])
        weight = weight * (1 - 1 / MEMORY_FRAMES) + 1
    _mend_walls(register, spectra, usable, shift, confidence, _step_scale(steps, settings))
    for _ in range(SWEEPS):
        _resharpen(register, spectra, usable, shift, confidence, _step_scale(steps, settings))
    for axis in (0, 1):
        shift[:, axis] = np.interp(np.arange(len(spectra)), usable, shift[usable, axis])
    return shift - shift[usable[0]], confidence


def _step_scale(steps: list[float], settings: DriftSettings) -> float:
    """Scale of the prior of a step, nm: the typical step so far, with a guess that weighs four frames."""
    if not steps:
        return min(FIRST_STEP_NM, settings.max_step_nm / 5)
    typical = float(np.median(steps[-100:]))
    mixed = (len(steps) * typical + 4 * FIRST_STEP_NM) / (len(steps) + 4)
    return float(np.clip(mixed, 0.004, settings.max_step_nm / 5))


def _mend_walls(
    register: Registration,
    spectra: Spectra,
    usable: list[int],
    shift: Doubles,
    confidence: Doubles,
    scale: float,
) -> None:
    """Look again at unsure steps, average against average, and move all later frames together (in place).

    A step of a wrong period, once made, is kept by all later frames, because they are compared with those
    after it; only the averages of many frames on both sides can tell.
    """
    unsure = [i for i in range(1, len(usable)) if confidence[usable[i]] < UNSURE]
    unsure = sorted(sorted(unsure, key=lambda i: confidence[usable[i]])[:64])
    for i in unsure:
        sides = []
        for part in (usable[max(0, i - WALL_FRAMES) : i], usable[i : i + WALL_FRAMES]):
            total = np.zeros(spectra[part[0]].shape, np.complex128)
            for t in part:
                total += register.shifted(spectra[t], -shift[t])
            sides.append((total / len(part), float(len(part))))
        (before, n_before), (after, n_after) = sides
        found = register.log_likelihood(after.astype(np.complex64), before, n_before, n_after)
        step = shift[usable[i]] - shift[usable[i - 1]]
        rest, sure = register.best(found, -step, scale)
        if np.hypot(*(rest * np.array(register.maker.pixel_size_nm))) > 0.06 and sure > 0.9:
            shift[usable[i:]] += rest
        confidence[usable[i]] = max(confidence[usable[i]], sure)


def _resharpen(
    register: Registration,
    spectra: Spectra,
    usable: list[int],
    shift: Doubles,
    confidence: Doubles,
    scale: float,
) -> None:
    """Second sweep: every frame against the frames on both sides of it, itself left out (in place)."""
    half = MEMORY_FRAMES // 2
    aligned: dict[int, Spectrum] = {}
    total = np.zeros(spectra[usable[0]].shape, np.complex128)
    for i, t in enumerate(usable):
        for j in range(len(aligned) if not i else i + half, min(i + half + 1, len(usable))):
            aligned[j] = register.shifted(spectra[usable[j]], -shift[usable[j]])
            total += aligned[j]
        if i - half - 1 in aligned:
            total -= aligned.pop(i - half - 1)
        others = len(aligned) - 1
        if others < 1:
            continue
        average = (total - aligned[i]) / others
        found = register.log_likelihood(spectra[t], average, others)
        near = [shift[usable[j]] for j in (i - 1, i + 1) if 0 <= j < len(usable)]
        expected = shift[t] if len(near) < 2 else np.median([near[0], shift[t], near[1]], axis=0)
        new, sure = register.best(found, expected, scale)
        shift[t], confidence[t] = new, sure
        total -= aligned[i]
        aligned[i] = register.shifted(spectra[t], -shift[t])
        total += aligned[i]


def estimate_drift(
    frames: Iterable[Image],
    pixel_size_nm: tuple[float, float],
    settings: DriftSettings | None = None,
    frame_numbers: npt.NDArray[np.integer] | None = None,
    observed: Callable[[Image], bool] | None = None,
) -> pd.DataFrame:
    """Estimate the drift of a movie from its images.

    Parameters
    ----------
    frames : iterable of ndarray, shape (Y, X)
        Images, in order; NaN where a pixel is bad.
    pixel_size_nm : (float, float)
        (y, x), nm.
    settings : DriftSettings, optional
        Off: all shifts are zero.
    frame_numbers : ndarray of int, shape (T,), optional
        Index of each frame in the source; by default 0, 1, 2, …
    observed : callable, optional
        Whether an image shows anything; by default whether its pixels differ.

    Returns
    -------
    DataFrame
        DRIFT.
    """
    maker: SpectrumMaker | None = None
    spectra = SpectrumList()
    shows: list[bool] = []
    for image in frames:
        maker = maker or SpectrumMaker((image.shape[0], image.shape[1]), pixel_size_nm)
        spectra.append(maker(image))
        shows.append(bool(np.nanstd(image) > 0) if observed is None else observed(image))
    numbers = np.arange(len(spectra)) if frame_numbers is None else np.asarray(frame_numbers)
    if maker is None or not (settings or DriftSettings()).enabled:
        return drift_table(numbers, np.zeros((len(numbers), 2)), np.full(len(numbers), np.nan))
    shift, confidence = track(maker, spectra, np.array(shows), settings)
    return drift_table(numbers, shift, confidence)


def drift_table(frame: npt.NDArray[np.integer], shift: Doubles, confidence: Doubles) -> pd.DataFrame:
    """Make the DRIFT table of frames (T,), shifts (T, 2) in px and confidences (T,)."""
    table = {"frame": frame, "dy": shift[:, 0], "dx": shift[:, 1], "confidence": confidence}
    return tables.conform(pd.DataFrame(table), tables.DRIFT)
