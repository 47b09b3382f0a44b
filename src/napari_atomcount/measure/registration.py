"""How probable each shift between a frame and an average is, and the most probable one.

A lattice correlates with itself at every period; only the outline, the support and other things that occur
once tell the periods apart. Both are in the image, so the shift is taken from the likelihood of the whole
image given an average of the others, weighted mode by mode with its signal and noise, times a prior that
prefers small steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomcount.measure.spectra import Spectra, Spectrum, SpectrumMaker

Doubles = npt.NDArray[np.float64]

FINEST_STEP_NM = 0.03  # of the grid on which the likelihood is looked at
# The images differ in more than shift and noise, so the likelihood is too sure of itself by about this
# factor.
OVERCONFIDENCE = 2.0


class Registration:
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


def noise_power(maker: SpectrumMaker, spectra: Spectra, usable: list[int]) -> Doubles:
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
