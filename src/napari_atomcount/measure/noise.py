"""The noise of an image and the filters that use it: power spectrum, Wiener and Gaussian pre-filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter

Doubles = npt.NDArray[np.float64]
#: Gain of a filter at spatial frequencies in cycles per pixel.
Response = Callable[[Doubles], Doubles]

#: Above this fraction of the largest frequency an image of columns holds noise only.
NOISE_BAND = 0.7
BINS = 48


@dataclass(frozen=True)
class Noise:
    """Noise of an image of stationary level.

    Parameters
    ----------
    variance : float
        Of a pixel if the spectrum were flat at its value for low frequencies, intensity².
    falloff : float
        Power at the highest frequency along an axis relative to that at zero: 1 for a camera without blur.
    """

    variance: float
    falloff: float = 1.0

    def spectrum(self, shape: tuple[int, int]) -> Doubles:
        """Variance per pixel at each frequency of an unshifted FFT, shape (Y, X); white noise is flat."""
        q2 = (frequency(shape) / 0.5) ** 2
        return np.asarray(self.variance * np.power(max(self.falloff, 1e-4), np.minimum(q2, 2.0)))


def frequency(shape: tuple[int, int]) -> Doubles:
    """Length of the spatial frequency at each place of an unshifted FFT, cycles per pixel, (Y, X)."""
    return np.asarray(np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]))


def power_spectrum(image: Doubles) -> Doubles:
    """Power per pixel of an image (Y, X) under a Hann window, so that white noise shows its variance."""
    window = np.outer(np.hanning(image.shape[0] + 2)[1:-1], np.hanning(image.shape[1] + 2)[1:-1])
    spectrum = np.abs(fft.fft2((image - image.mean()) * window)) ** 2
    return np.asarray(spectrum / (window**2).sum())


def estimate_noise(image: Doubles, electron_level: float | None = None) -> Noise:
    """Estimate the noise from the high frequencies, where columns have no signal.

    The spectrum there is extrapolated to low frequencies as an exponential of the squared frequency, which
    follows the modulation transfer of a camera where it matters; with a known number of electrons the level
    at low frequencies is theirs.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Finite intensities.
    electron_level : float, optional
        Variance of a pixel by the counting of electrons alone, intensity².
    """
    power, q = power_spectrum(image), frequency(image.shape)
    top = 0.5
    edges = np.linspace(NOISE_BAND * top, top, 9)
    middle, level = [], []
    for low, high in pairwise(edges):
        ring = power[(q >= low) & (q < high)]
        if ring.size >= 8:
            middle.append((low + high) / 2)
            level.append(float(ring.mean()))
    if not level or min(level) <= 1e-9 * float(power.max()) / power.size:
        return Noise(electron_level or 0.0)
    x, y = (np.array(middle) / 0.5) ** 2, np.log(level)
    slope, origin = (float(v) for v in np.polyfit(x, y, 1))
    slope = min(slope, 0.0)  # a camera passes no frequency better than zero
    if slope == 0.0:
        origin = float(y.mean())
    variance = float(np.exp(origin)) if electron_level is None else electron_level
    return Noise(variance, float(np.clip(np.exp(origin + slope) / variance, 1e-4, 1.0)))


def gaussian_response(sigma_px: float) -> Response:
    """Fourier response of a Gaussian blur."""
    return lambda q: np.asarray(np.exp(-2 * (np.pi * sigma_px * q) ** 2))


def wiener_response(image: Doubles, noise: Noise) -> Response:
    """Fourier response of the radial Wiener filter, signal over signal and noise.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Finite intensities.
    noise : Noise
        Of the image.
    """
    q = frequency(image.shape)
    bins = np.minimum((q / 0.5 * BINS).astype(int), BINS)
    number = np.bincount(bins.ravel(), minlength=BINS + 1)
    power = np.bincount(bins.ravel(), power_spectrum(image).ravel(), BINS + 1) / np.maximum(number, 1)
    floor = np.bincount(bins.ravel(), noise.spectrum(image.shape).ravel(), BINS + 1) / np.maximum(number, 1)
    gain = np.clip(1 - floor / np.maximum(power, 1e-300), 0.0, 1.0)
    top = int(gain.argmax())
    gain[:top] = gain[top]  # the level and slow changes pass
    middle = (np.arange(BINS + 1) + 0.5) * 0.5 / BINS
    return lambda at: np.asarray(np.interp(at, middle, gain))


def blurred(image: Doubles, sigma_px: float) -> Doubles:
    """Gaussian blur of an image (Y, X), its borders mirrored."""
    return np.asarray(gaussian_filter(image, sigma_px, mode="mirror", truncate=5.0))


def filtered(image: Doubles, response: Response) -> Doubles:
    """Apply a radial Fourier response to an image (Y, X), its borders mirrored so that they do not meet."""
    shape = image.shape
    padded = np.pad(image, [(0, n) for n in shape], mode="symmetric")
    qy, qx = np.fft.fftfreq(padded.shape[0]), np.fft.rfftfreq(padded.shape[1])
    gain = response(np.hypot(qy[:, None], qx[None, :]))
    result = fft.irfft2(fft.rfft2(padded) * gain, s=padded.shape)
    return np.asarray(result[: shape[0], : shape[1]])
