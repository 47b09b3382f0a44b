"""How far a specimen has turned and grown in the image, from the power spectra of its frames.

A power spectrum does not know of shifts. In polar coordinates with logarithmic radius a turn shifts it along
the angle and an enlargement along the radius (Reddy & Chatterji 1996, IEEE Trans. Image Process. 5, 1266).
The power of a mode is exponentially distributed about its mean, which gives each turn a likelihood. The
columns give the last digits (`column_drift`).
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure.drift import MEMORY_FRAMES, SWEEPS
from napari_atomcount.measure.registration import OVERCONFIDENCE, noise_power
from napari_atomcount.measure.spectra import Spectra, Spectrum, SpectrumList, SpectrumMaker
from napari_atomcount.records.motion import turning
from napari_atomcount.records.settings import DriftSettings

Doubles = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

ANGLES = 720  # over half a turn: power spectra repeat
STEP_DEG = 180 / ANGLES
STEP_LOG = 0.005  # of the logarithm of the radius: half a per cent of scale
LOWEST = 1.2  # 1/nm; below, illumination and outline
LARGEST_SCALE = 0.04  # against the first frame
SMOOTH = 0.7  # modes
TYPICAL_DEG, TYPICAL_LOG = 0.15, 0.002  # step from frame to frame, scale of its Student distribution
NEAR_DEG = 1.0  # turns this near to the peak are the same answer


class Polar:
    """Looks at spectra in polar coordinates, and compares them.

    Parameters
    ----------
    maker : SpectrumMaker
        What made the spectra.
    noise : ndarray
        Noise power of each mode (`registration.noise_power`).
    settings : DriftSettings
        Whether scale is looked for, and how far turns may go.
    """

    def __init__(self, maker: SpectrumMaker, noise: Doubles, settings: DriftSettings) -> None:
        self.noise = noise
        self.used = maker.used
        self.settings = settings
        size_nm = [n * p for n, p in zip(maker.shape, maker.pixel_size_nm, strict=True)]
        highest = float(maker.frequency[maker.used].max(initial=2 * LOWEST))
        self.log_radius = np.arange(np.log(min(LOWEST, highest / 2)), np.log(highest), STEP_LOG)
        angle = np.deg2rad(np.arange(ANGLES) * STEP_DEG - 90.0)  # fx > 0: the half that is kept
        radius = np.exp(self.log_radius)[:, None]
        # one column more at the left: the spectrum of a real image goes on there, mirrored
        self._row = -radius * np.sin(angle) * size_nm[0] + maker.kept[0]
        self._col = radius * np.cos(angle) * size_nm[1] + 1
        # independent modes in each cell of the polar grid
        cell = STEP_LOG * np.deg2rad(STEP_DEG) * size_nm[0] * size_nm[1]
        self.modes = (radius**2 * cell).astype(np.float32)
        self.reach = round(np.log1p(LARGEST_SCALE) / STEP_LOG) if settings.scale else 0

    def __call__(self, spectrum: Spectrum) -> Single:
        """Power over noise, shape (radii, angles)."""
        power = np.where(self.used, np.abs(spectrum) ** 2 / self.noise, 1.0)
        mirrored = power[::-1, 1:2] if power.shape[1] > 1 else power
        wide = ndimage.gaussian_filter(np.hstack([mirrored, power]), SMOOTH, mode="nearest")
        found = ndimage.map_coordinates(wide, [self._row, self._col], order=1, mode="nearest")
        return np.asarray(found, dtype=np.float32)

    def moved(self, polar: Single, turn: float, log_scale: float) -> Single:
        """The polar map of the specimen turned by degrees, and enlarged."""
        steps = turn / STEP_DEG
        whole = int(np.floor(steps))
        part = np.float32(steps - whole)
        out = (1 - part) * np.roll(polar, whole, axis=1) + part * np.roll(polar, whole + 1, axis=1)
        if log_scale:
            out = ndimage.shift(out, (-log_scale / STEP_LOG, 0), order=1, mode="nearest")
        return np.asarray(out, dtype=np.float32)

    def log_likelihood(self, frame: Single, mean: Single, n: float) -> Doubles:
        """Log likelihood of each scale (2 reach + 1) and turn (ANGLES) of a frame, given a mean of `n`.

        Power a about a mean m has the density exp(-a / m) / m, against exp(-a) of noise alone.
        """
        # what noise does to a mean of n smoothed powers must not count as signal
        signal = np.maximum(mean - 2 / np.sqrt(6 * n), 1.0)
        gain, loss = 1 - 1 / signal, np.log(signal)
        seen = fft.rfft(frame * self.modes, axis=1)
        out = np.empty((2 * self.reach + 1, ANGLES))
        rows = len(self.log_radius)
        for k in range(-self.reach, self.reach + 1):  # enlarged by k: its features lie k rows lower
            there = slice(max(0, k), min(rows, rows + k))
            here = slice(max(0, -k), min(rows, rows - k))
            match = (seen[here] * np.conj(fft.rfft(gain[there], axis=1))).sum(axis=0)
            out[k + self.reach] = fft.irfft(match, n=ANGLES)
            out[k + self.reach] -= float((loss[there] * self.modes[here]).sum())
        return out / OVERCONFIDENCE

    def best(
        self, log_likelihood: Doubles, expected: tuple[float, float], spread: float = 1.0
    ) -> tuple[float, float, float]:
        """Most probable turn (degrees) and logarithm of the scale, and the probability of their peak.

        Parameters
        ----------
        log_likelihood : ndarray
            Of `log_likelihood`.
        expected : (float, float)
            Turn and logarithm of the scale of the frames around it.
        spread : float
            How many typical steps lie between.
        """
        turn = np.fft.fftfreq(ANGLES, 1 / ANGLES) * STEP_DEG
        log_scale = np.arange(-self.reach, self.reach + 1) * STEP_LOG
        away = ((turn - expected[0]) / (TYPICAL_DEG * spread)) ** 2
        away = away[None] + (((log_scale - expected[1]) / (TYPICAL_LOG * spread)) ** 2)[:, None]
        log_p = log_likelihood - 2.0 * np.log1p(away / 2)
        log_p[:, np.abs(turn) > self.settings.max_turn_deg] = -np.inf
        if not self.settings.rotation:
            log_p[:, turn != 0] = -np.inf
        i, j = (int(n) for n in np.unravel_index(int(np.argmax(log_p)), log_p.shape))
        p = np.exp(log_p - log_p[i, j])
        near = np.abs((turn - turn[j] + 90) % 180 - 90) <= NEAR_DEG
        found = turn[j] + STEP_DEG * (_vertex(log_likelihood[i].take([j - 1, j, j + 1], mode="wrap")))
        grown = log_scale[i]
        if 0 < i < len(log_scale) - 1:
            grown += STEP_LOG * _vertex(log_likelihood[i - 1 : i + 2, j])
        sure = min(1.0, float(p[:, near].sum() / p.sum()))
        return float(found) if self.settings.rotation else 0.0, float(grown), sure


def _vertex(three: npt.NDArray[np.floating]) -> float:
    """Where a parabola through three neighbouring values is highest, in steps from the middle one."""
    left, middle, right = (float(v) for v in three)
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def track_turning(
    maker: SpectrumMaker,
    spectra: Spectra,
    observed: npt.NDArray[np.bool_],
    settings: DriftSettings,
) -> tuple[Doubles, Doubles, Doubles]:
    """Turn and scale of every frame against the first observed one.

    Parameters
    ----------
    maker, spectra, observed, settings
        As in `drift.track`.

    Returns
    -------
    turn : ndarray, shape (T,)
        Degrees, counter-clockwise on the screen.
    scale : ndarray, shape (T,)
        Enlargement.
    confidence : ndarray, shape (T,)
        Probability that the peak is the right one; 0 where not observed.
    """
    usable = [int(t) for t in np.flatnonzero(observed)]
    turn, grown, confidence = (np.zeros(len(spectra)) for _ in range(3))
    if not usable:
        return turn, np.ones(len(spectra)), confidence
    polar = Polar(maker, noise_power(maker, spectra, usable), settings)
    total = polar(spectra[usable[0]]).astype(np.float32)
    weight = 1.0
    confidence[usable[0]] = 1.0
    for before, t in itertools.pairwise(usable):
        frame = polar(spectra[t])
        found = polar.log_likelihood(frame, total / np.float32(weight), weight)
        spread = float(np.sqrt(t - before))
        turn[t], grown[t], confidence[t] = polar.best(found, (turn[before], grown[before]), spread)
        total = np.float32(1 - 1 / MEMORY_FRAMES) * total + polar.moved(frame, -turn[t], -grown[t])
        weight = weight * (1 - 1 / MEMORY_FRAMES) + 1
    for _ in range(SWEEPS if len(usable) > 1 else 0):
        total = np.zeros_like(total)
        for t in usable:
            total += polar.moved(polar(spectra[t]), -turn[t], -grown[t])
        found_turn, found_grown = turn.copy(), grown.copy()
        others = len(usable) - 1
        for t in usable:
            frame = polar(spectra[t])
            mean = (total - polar.moved(frame, -turn[t], -grown[t])) / np.float32(others)
            found = polar.log_likelihood(frame, mean, others)
            found_turn[t], found_grown[t], confidence[t] = polar.best(found, (turn[t], grown[t]))
        turn, grown = found_turn, found_grown
    for values in (turn, grown):
        values[:] = np.interp(np.arange(len(spectra)), usable, values[usable])
    return turn - turn[usable[0]], np.exp(grown - grown[usable[0]]), confidence


def turned_back(
    maker: SpectrumMaker, spectra: Spectra, turn: Doubles, scale: Doubles
) -> tuple[SpectrumList, Doubles]:
    """Spectra of the frames with turn and scale undone about the middle, and the matrices (T, 2, 2), px.

    Only the registration looks at these images; columns are found in the frames as they are.
    """
    aspect = maker.pixel_size_nm[0] / maker.pixel_size_nm[1]
    matrices = turning(turn, scale, aspect)
    out = SpectrumList()
    shape = [fft.next_fast_len(4 * k + 4, real=True) for k in maker.kept]  # twice as fine as needed
    step = np.array([n / g for n, g in zip(maker.shape, shape, strict=True)])  # px of the file
    rows = np.arange(-maker.kept[0], maker.kept[0] + 1) % shape[0]
    middle = (np.array(maker.shape) - 1) / 2 / step
    for t in range(len(spectra)):
        if turn[t] == 0 and scale[t] == 1:
            out.append(spectra[t])
            continue
        full = np.zeros((shape[0], shape[1] // 2 + 1), np.complex64)
        full[rows, : maker.kept[1] + 1] = spectra[t]
        image = fft.irfft2(full, s=shape)
        matrix = matrices[t] * step[None, :] / step[:, None]
        straight = ndimage.affine_transform(image, matrix, middle - matrix @ middle, order=3, mode="constant")
        spectrum = fft.rfft2(straight)[rows, : maker.kept[1] + 1]
        out.append(np.where(maker.used, spectrum, 0).astype(np.complex64))
    return out, matrices
