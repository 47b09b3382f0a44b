"""How the specimen moved from frame to frame, without jumping a period of its lattice.

A lattice correlates with itself at every period; only the outline, the support and other things that occur
once tell the periods apart. Both are in the image, so the shift is taken from the likelihood of the whole
image given an average of the others, weighted mode by mode with its signal and noise, times a prior that
prefers small steps. The columns that were found afterwards give the last digits.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft, ndimage

from napari_atomcount.measure.peaks import density_peaks, nearest
from napari_atomcount.records import tables
from napari_atomcount.records.settings import DriftSettings

Image = npt.NDArray[np.floating]
Spectrum = npt.NDArray[np.complex64]
Doubles = npt.NDArray[np.float64]

SHORTEST_PERIOD_NM = 0.16  # finer detail carries more noise than shape
LONGEST_PERIOD_NM = 5.0  # longer waves are illumination
FINEST_STEP_NM = 0.03  # of the grid on which the likelihood is looked at
TAPER = 0.08  # of the field, at each edge, against the jump from one edge to the other
MEMORY_FRAMES = 60  # an older frame has faded from the average: the particle may have changed
# The images differ in more than shift and noise, so the likelihood is too sure of itself by about this
# factor.
OVERCONFIDENCE = 2.0
FIRST_STEP_NM = 0.02  # typical step before any was seen
UNSURE = 0.99
SWEEPS = 2
WALL_FRAMES = 12  # averaged on each side of a step that is looked at again
IN_MEMORY_BYTES = 64 << 20


class SpectrumMaker:
    """Turns frames into small spectra: all that the drift needs of a frame.

    Parameters
    ----------
    shape : (int, int)
        (Y, X) of the frames, px.
    pixel_size_nm : (float, float)
        (y, x), nm.
    """

    def __init__(self, shape: tuple[int, int], pixel_size_nm: tuple[float, float]) -> None:
        self.shape = shape
        self.pixel_size_nm = pixel_size_nm
        size_nm = [n * p for n, p in zip(shape, pixel_size_nm, strict=True)]
        # cycles per field kept along each axis, below both Nyquist and the finest wanted detail
        self.kept = tuple(
            max(1, min((n - 1) // 2, round(s / SHORTEST_PERIOD_NM)))
            for n, s in zip(shape, size_nm, strict=True)
        )
        rows = np.arange(-self.kept[0], self.kept[0] + 1)
        cols = np.arange(self.kept[1] + 1)
        self.frequency = np.hypot(rows[:, None] / size_nm[0], cols / size_nm[1])  # 1/nm
        longest = min(LONGEST_PERIOD_NM, max(size_nm) / 2)
        self.used = (self.frequency >= 1 / longest) & (self.frequency <= 1 / SHORTEST_PERIOD_NM)
        self._window = [_taper(n) for n in shape]
        self._rows = rows % shape[0]

    def __call__(self, image: Image, valid: npt.NDArray[np.bool_] | None = None) -> Spectrum:
        """Spectrum of an image (Y, X), shape (2 ky + 1, kx + 1); pixels outside `valid` count as its mean."""
        good = np.isfinite(image) if valid is None else valid & np.isfinite(image)
        if not good.any():
            return np.zeros(self.frequency.shape, np.complex64)
        mean = float(np.mean(image[good], dtype=np.float64))
        flat = np.where(good, np.asarray(image, dtype=np.float32) - np.float32(mean), np.float32(0))
        flat *= self._window[0][:, None]
        flat *= self._window[1]
        spectrum = fft.rfft2(flat)[self._rows, : self.kept[1] + 1]
        return np.where(self.used, spectrum, 0).astype(np.complex64)


def _taper(n: int) -> npt.NDArray[np.float32]:
    """Window of length n that falls to zero at both ends over `TAPER` of it."""
    edge = max(1, round(TAPER * n))
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(n, np.float32)
    window[:edge], window[n - edge :] = ramp, ramp[::-1]
    return window


class SpectrumList:
    """Spectra of many frames, in memory while they are few and in a temporary file beyond."""

    def __init__(self) -> None:
        self._kept: list[Spectrum] = []
        self._file: IO[bytes] | None = None
        self._shape: tuple[int, ...] = ()
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, spectrum: Spectrum) -> None:
        """Add the next frame's spectrum; all have one shape."""
        if not self._n:
            self._shape = spectrum.shape
        if spectrum.shape != self._shape:
            raise ValueError(f"a spectrum of shape {spectrum.shape} among those of {self._shape}")
        if self._file is None and (self._n + 1) * spectrum.nbytes > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile(prefix="atomcount-drift-")  # lives as long as the list
            for one in self._kept:
                self._file.write(one.tobytes())
            self._kept = []
        if self._file is None:
            self._kept.append(spectrum)
        else:
            self._file.seek(self._n * spectrum.nbytes)
            self._file.write(spectrum.tobytes())
        self._n += 1

    def __getitem__(self, index: int) -> Spectrum:
        if not 0 <= index < self._n:
            raise IndexError(index)
        if self._file is None:
            return self._kept[index]
        size = int(np.prod(self._shape)) * 8
        self._file.seek(index * size)
        return np.frombuffer(self._file.read(size), np.complex64).reshape(self._shape)


class Spectra(Protocol):
    """Spectra of the frames, in order."""

    def __len__(self) -> int:
        """Count the frames."""
        ...

    def __getitem__(self, index: int, /) -> Spectrum:
        """Spectrum of a frame."""
        ...


class _Registration:
    """Likelihood of the shift between a spectrum and an average of others."""

    def __init__(self, maker: SpectrumMaker, noise: Doubles) -> None:
        self.maker = maker
        self.noise = noise
        size_nm = [n * p for n, p in zip(maker.shape, maker.pixel_size_nm, strict=True)]
        self.grid = tuple(
            fft.next_fast_len(max(2 * k + 2, round(s / FINEST_STEP_NM)), real=True)
            for k, s in zip(maker.kept, size_nm, strict=True)
        )
        self.step_px = np.array([n / g for n, g in zip(maker.shape, self.grid, strict=True)])
        self.step_nm = self.step_px * np.array(maker.pixel_size_nm)
        rows = np.arange(-maker.kept[0], maker.kept[0] + 1)
        self._rows = rows % self.grid[0]
        self._phase_y = -2j * np.pi * rows[:, None] / maker.shape[0]
        self._phase_x = -2j * np.pi * np.arange(maker.kept[1] + 1) / maker.shape[1]
        self._offsets = [
            (np.fft.fftfreq(g, 1 / g) * s).astype(np.float32)
            for g, s in zip(self.grid, self.step_px, strict=True)
        ]

    def shifted(self, spectrum: npt.NDArray[np.complexfloating], shift: Doubles) -> Spectrum:
        """Move the image of a spectrum by (dy, dx) px."""
        phase = np.exp(self._phase_y * shift[0]) * np.exp(self._phase_x * shift[1])
        return np.asarray(spectrum * phase, dtype=np.complex64)

    def log_likelihood(
        self, frame: Spectrum, average: npt.NDArray[np.complexfloating], n: float, n_frame: float = 1.0
    ) -> npt.NDArray[np.float32]:
        """Log likelihood of each shift of `frame` (mean of `n_frame`) against `average` (mean of `n` frames).

        Frame = signal + noise and average = signal + noise / sqrt(n), both Gaussian per mode; the shift's
        part of the log likelihood is Re(F conj(A) exp(2 pi i f d)) 2 P / det of their covariance. The
        signal's power P is read off the average itself, smoothed over a few modes.
        """
        noise, noise_frame = self.noise / n, self.noise / n_frame
        power = ndimage.gaussian_filter(np.abs(average) ** 2, 1.5, mode="nearest") - noise
        power = np.maximum(power, 0)
        weight = 2 * power / (power * (noise + noise_frame) + noise * noise_frame)
        cross = np.where(self.maker.used, frame * np.conj(average) * weight, 0) / OVERCONFIDENCE
        full = np.zeros((self.grid[0], self.grid[1] // 2 + 1), np.complex64)
        full[self._rows, : self.maker.kept[1] + 1] = cross
        out: npt.NDArray[np.float32] = fft.irfft2(full, s=self.grid)
        # irfft2 divides by the number of points and counts each mode twice: with its conjugate
        return out * np.float32(self.grid[0] * self.grid[1] / 2)

    def best(
        self, log_likelihood: npt.NDArray[np.float32], expected: Doubles, step_nm: float
    ) -> tuple[Doubles, float]:
        """Most probable shift (dy, dx), px, and the probability of its peak, for a step of scale `step_nm`.

        Steps follow a Student distribution of 2 degrees of freedom: mostly small, now and then large.
        """
        field = np.array(self.maker.shape)
        away = []
        for axis in (0, 1):
            d = self._offsets[axis] - np.float32(expected[axis])
            d -= np.round(d / field[axis]) * field[axis]  # the field repeats
            away.append((d * self.maker.pixel_size_nm[axis] / step_nm).astype(np.float32))
        prior = np.float32(-2.0) * np.log1p((away[0][:, None] ** 2 + away[1] ** 2) / 2)
        log_p = log_likelihood + prior
        i, j = np.unravel_index(int(np.argmax(log_p)), log_p.shape)
        p = np.exp(log_p - log_p[i, j])
        reach = [max(1, round(0.05 / s)) for s in self.step_nm]
        near = np.ix_(
            np.arange(i - reach[0], i + reach[0] + 1) % self.grid[0],
            np.arange(j - reach[1], j + reach[1] + 1) % self.grid[1],
        )
        confidence = min(1.0, float(p[near].sum() / p.sum()))  # rounding must not make it more than sure
        found = np.array(
            [
                self._offsets[0][i] + _parabola(log_likelihood[:, j], int(i)) * self.step_px[0],
                self._offsets[1][j] + _parabola(log_likelihood[i], int(j)) * self.step_px[1],
            ]
        )
        return found - np.round((found - expected) / field) * field, confidence


def _parabola(values: npt.NDArray[np.float32], i: int) -> float:
    """Offset of the vertex through three points around i, in steps, at most one half."""
    left, middle, right = (float(values[(i + d) % len(values)]) for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def _noise_power(maker: SpectrumMaker, spectra: Spectra, usable: list[int]) -> Doubles:
    """Mean noise power of each mode: the radial median over the modes of up to 20 frames.

    |noise|² is exponentially distributed, median ln 2 times the mean; the few strong modes of a lattice do
    not move a median.
    """
    chosen = [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, 20).round().astype(int))]
    bins = np.minimum((maker.frequency * 2).astype(int), 400)  # rings of 0.5 / nm
    total = np.zeros(maker.frequency.shape)
    for t in chosen:
        power = np.abs(spectra[t]) ** 2
        for ring in np.unique(bins[maker.used]):
            members = maker.used & (bins == ring)
            total[members] += np.median(power[members]) / np.log(2)
    total[~maker.used] = 1.0
    return np.maximum(total / len(chosen), 1e-12 * max(float(total.max()), 1e-30))


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
    register = _Registration(maker, _noise_power(maker, spectra, usable))
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
    register: _Registration,
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
    register: _Registration,
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


def refine_drift(
    drift: pd.DataFrame,
    columns: pd.DataFrame,
    pixel_size_nm: tuple[float, float],
    radius_nm: float = 0.08,
    rounds: int = 3,
) -> pd.DataFrame:
    """Sharpen a drift with the columns that were found: each frame's median distance to the sites.

    Parameters
    ----------
    drift : DataFrame
        DRIFT, right within half of `radius_nm` or so.
    columns : DataFrame
        With frame, y, x (px) and score.
    pixel_size_nm : (float, float)
        (y, x), nm.
    radius_nm : float
        A column belongs to the nearest site within this distance.
    rounds : int
        Sites and shifts are found in turns.

    Returns
    -------
    DataFrame
        DRIFT; frames with fewer than five matched columns keep the shift they had, moved with their
        neighbours.
    """
    frames = drift["frame"].to_numpy()
    shift = np.array(drift[["dy", "dx"]], dtype=np.float64)
    pixel = np.array(pixel_size_nm)
    row = np.searchsorted(frames, columns["frame"].to_numpy())
    position = columns[["y", "x"]].to_numpy(dtype=np.float64)
    score = columns["score"].to_numpy(dtype=np.float64)
    order = np.argsort(row, kind="stable")
    row, position, score = row[order], position[order], score[order]
    bounds = np.searchsorted(row, np.arange(len(frames) + 1))
    if len(row) < 5:
        return drift.copy()
    for _ in range(rounds):
        home = (position - shift[row]) * pixel
        sites, _ = density_peaks(home, score, radius_nm)
        if not len(sites):
            return drift.copy()
        distance, at = nearest(sites, home, radius_nm)
        matched = np.isfinite(distance)
        rest = np.full_like(home, np.nan)
        rest[matched] = home[matched] - sites[at[matched]]
        correction = np.full((len(frames), 2), np.nan)
        for t in range(len(frames)):
            mine = rest[bounds[t] : bounds[t + 1]]
            mine = mine[np.isfinite(mine[:, 0])]
            if len(mine) >= 5:
                correction[t] = _robust_mean(mine)
        known = np.flatnonzero(np.isfinite(correction[:, 0]))
        if not len(known):
            return drift.copy()
        for axis in (0, 1):
            shift[:, axis] += np.interp(np.arange(len(frames)), known, correction[known, axis]) / pixel[axis]
    return drift_table(frames, shift - shift[0], drift["confidence"].to_numpy(dtype=np.float64))


def _robust_mean(rows: Doubles) -> Doubles:
    """Huber's mean of (n, 2) vectors, two steps from the median."""
    centre = np.median(rows, axis=0)
    for _ in range(2):
        away = np.hypot(*(rows - centre).T)
        limit = 1.5 * max(float(np.median(away)), 1e-6)
        weight = np.minimum(1, limit / np.maximum(away, 1e-12))
        centre = (rows * weight[:, None]).sum(axis=0) / weight.sum()
    return np.asarray(centre)
