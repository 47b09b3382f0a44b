"""What noise spectra say of a camera: the noise at zero frequency, by the likelihood of forms of its MTF."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Doubles = npt.NDArray[np.float64]
#: MTF (M, N) of M sets of parameters (4, M) at N frequencies.
Form = Callable[[Doubles], Doubles]

#: Prior weights of the forms: eq. 2.21 of the thesis is what cameras are described by; a camera of another
#: kind has to show itself.
WEIGHTS = {"camera": 0.85, "none": 0.06, "gaussian": 0.06, "sampled": 0.03}
#: Prior of the logarithm of the reach (the frequency at which the MTF is one half, in units of Nyquist;
#: 2 c2 of eq. 2.21), of c3, of c1, and of the logarithm of the share of the specimen's power that moved: mean
#: and deviation. Cameras have c2 of 0.35 to 0.7, c3 of 1.8 to 3.2 and c1 up to 0.15.
MIDDLE = np.array([np.log(1.05), 2.5, 0.06, np.log(0.01)])
SPREAD = np.array([0.30, 0.45, 0.05, 2.0])
#: Binned frames reach farther: weight, mean and deviation of the logarithm of their reach.
FAR_WEIGHT, FAR_MIDDLE, FAR_SPREAD = 0.3, np.log(2.5), 1.0
LOWEST_C3, HIGHEST_C3, HIGHEST_C1 = 1.0, 6.0, 0.35
#: Reaches at which the search for the most probable parameters begins.
STARTS = (0.6, 1.1, 2.5, 8.0)
BOUNDS = [(-2.0, 4.0), (1.2, 5.0), (1e-3, 0.34), (-12.0, 2.0)]
STEPS = np.array([0.02, 0.05, 0.004, 0.1])  # of second derivatives
SAMPLES, TAILS, WIDER = 2048, 5.0, 1.5  # drawn from a t distribution somewhat wider than the posterior
#: Pixels from the middle at which a Gaussian spread is sampled; wider ones are no camera's.
REACHED = np.arange(12.0)


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Where spectra are known.

    Parameters
    ----------
    k, larger, smaller : ndarray, shape (N,)
        Length, and absolute values of the larger and the smaller component, cycles per px.
    """

    k: Doubles
    larger: Doubles
    smaller: Doubles


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """Mean noise power around some frequencies.

    Parameters
    ----------
    power : ndarray, shape (N,)
        Counts per electron times MTF², and what moved.
    number : ndarray, shape (N,)
        Independent complex amplitudes in each mean; 0: not known.
    specimen : ndarray, shape (N,)
        Power of the specimen there, on the same scale: what moved has a share of it.
    """

    power: Doubles
    number: Doubles
    specimen: Doubles


@dataclass(frozen=True)
class AtZero:
    """Noise power at zero frequency.

    Parameters
    ----------
    value, error : float
        The same unit as the spectra, and its standard error.
    misfit : float
        Mean squared deviation from the best form, over the expected: about 1 or less if there is but noise.
    far : float
        How far the best MTF is from those of cameras, in deviations of the prior (reach, c3, c1).
    """

    value: float
    error: float
    misfit: float
    far: float


@dataclass(frozen=True, eq=False)
class _Draws:
    """Samples of one form's posterior: log weight, log value, and the best parameters."""

    weight: Doubles
    value: Doubles
    best: Doubles
    form: Form


def at_zero(
    frequencies: Frequencies, spectra: Sequence[NoiseSpectrum], forms: Collection[str] = tuple(WEIGHTS)
) -> AtZero | None:
    """Carry noise spectra to zero frequency, where the MTF is one.

    Power of noise is distributed about its mean as a gamma variable (Whittle's likelihood), of which the
    scale is integrated analytically; reach, steepness and floor of the MTF and what of the specimen moved are
    integrated numerically, by importance sampling around the most probable values, for each form of the MTF.
    So the error knows of everything that fits as well.

    Parameters
    ----------
    frequencies : Frequencies
        N of them.
    spectra : sequence of NoiseSpectrum
        Independent of each other, of the same camera.
    forms : collection of str
        Which of the forms in WEIGHTS may be.

    Returns
    -------
    AtZero or None
        None if there is no noise.
    """
    total = sum(float(one.number.sum()) for one in spectra)
    level = sum(float((one.number * one.power).sum()) for one in spectra) / max(total, 1.0)
    if total < len(frequencies.k) or not level > 0:
        return None
    likelihood = _Likelihood(spectra, level)
    draws = [
        _sampled(likelihood, form, np.log(WEIGHTS[name]), name)
        for name, form in _forms(frequencies).items()
        if name in forms
    ]
    top = max(float(one.weight.max()) for one in draws)
    weight = np.concatenate([np.exp(one.weight - top) / len(one.weight) for one in draws])
    value = np.concatenate([one.value for one in draws])
    weight /= weight.sum()
    mean = float(weight @ value)
    spread = float(np.sqrt(weight @ (value - mean) ** 2 + 1 / total))
    best = max(draws, key=lambda one: float(one.weight.max()))
    misfit = likelihood.misfit(best.form, best.best)
    away = (best.best - MIDDLE)[:3] / SPREAD[:3]
    away[0] = min(away[0], 0.0)  # binned frames reach farther
    return AtZero(float(np.exp(mean)), float(np.exp(mean)) * spread, misfit, float(np.abs(away).max()))


class _Likelihood:
    """Of spectra, given the MTF and the share of the specimen that moved."""

    def __init__(self, spectra: Sequence[NoiseSpectrum], level: float) -> None:
        self.spectra, self.level = spectra, level
        self.total = sum(float(one.number.sum()) for one in spectra)

    def shapes(self, form: Form, parameters: Doubles) -> list[Doubles]:
        """Expected power over that at zero frequency, (M, N) for each spectrum."""
        squared = np.maximum(form(parameters), 1e-6) ** 2
        moved = np.exp(parameters[3])[:, None]
        return [squared + moved * one.specimen / self.level for one in self.spectra]

    def __call__(self, form: Form, parameters: Doubles) -> tuple[Doubles, Doubles]:
        """Logarithm of the likelihood, and of the power at zero frequency where it is highest, (M,)."""
        logarithms, sums = np.zeros(parameters.shape[1]), np.zeros(parameters.shape[1])
        for one, shape in zip(self.spectra, self.shapes(form, parameters), strict=True):
            logarithms += np.log(shape) @ one.number
            sums += (1 / shape) @ (one.number * one.power)
        value = np.log(sums / self.total)
        return -self.total * value - logarithms, value

    def misfit(self, form: Form, parameters: Doubles) -> float:
        """Mean of the squared relative deviations times their numbers, of the best fit."""
        _, value = self(form, parameters[:, None])
        squares, known = 0.0, 0
        for one, shape in zip(self.spectra, self.shapes(form, parameters[:, None]), strict=True):
            off = one.power / (shape[0] * np.exp(value[0])) - 1
            squares += float((one.number * off**2).sum())
            known += int((one.number > 0).sum())
        return squares / max(known, 1)


def _forms(frequencies: Frequencies) -> dict[str, Form]:
    """The forms of an MTF; the first three parameters are log reach, c3 and c1 of eq. 2.21 of the thesis."""
    x, larger, smaller = (k / 0.5 for k in (frequencies.k, frequencies.larger, frequencies.smaller))
    by_axis = [np.cos(np.pi * REACHED[:, None] * axis) for axis in (larger, smaller)]

    def camera(p: Doubles) -> Doubles:
        floor = p[2][:, None]
        return np.asarray((1 - floor) / (1 + (x / np.exp(p[0])[:, None]) ** p[1][:, None]) + floor)

    def none(p: Doubles) -> Doubles:
        return np.ones((p.shape[1], len(x)))

    def gaussian(p: Doubles) -> Doubles:
        floor = p[2][:, None]
        return np.asarray((1 - floor) * np.exp(-((x / np.exp(p[0])[:, None]) ** 2)) + floor)

    def sampled(p: Doubles) -> Doubles:
        """A Gaussian spread, sampled by the pixels: along each axis the cosine series of its samples."""
        spread = np.exp(-((np.pi / 2 * np.exp(p[0])[:, None] * REACHED) ** 2))
        spread[:, 1:] *= 2
        spread /= spread.sum(axis=1, keepdims=True)
        floor = p[2][:, None]
        return np.asarray((1 - floor) * (spread @ by_axis[0]) * (spread @ by_axis[1]) + floor)

    return {"camera": camera, "none": none, "gaussian": gaussian, "sampled": sampled}


def _log_prior(p: Doubles) -> Doubles:
    """Logarithm of the prior density of parameters (4, M)."""
    z = (p - MIDDLE[:, None]) / SPREAD[:, None]
    near = (1 - FAR_WEIGHT) * np.exp(-(z[0] ** 2) / 2) / SPREAD[0]
    far = FAR_WEIGHT * np.exp(-(((p[0] - FAR_MIDDLE) / FAR_SPREAD) ** 2) / 2) / FAR_SPREAD
    value = np.log(near + far + 1e-300) - (z[1:] ** 2).sum(axis=0) / 2 - np.log(SPREAD[1:]).sum()
    inside = (p[2] >= 0) & (p[2] < HIGHEST_C1) & (p[1] > LOWEST_C3) & (p[1] < HIGHEST_C3)
    return np.asarray(np.where(inside, value - 2 * np.log(2 * np.pi), -np.inf))


def _sampled(likelihood: _Likelihood, form: Form, log_weight: float, name: str) -> _Draws:
    """Samples of the posterior of one form, with their weights in that of all forms."""

    def loss(p: Doubles) -> float:
        prior = float(_log_prior(p[:, None])[0])
        return -float(likelihood(form, p[:, None])[0][0]) - prior if np.isfinite(prior) else 1e12

    starts = STARTS if name != "none" else STARTS[1:2]
    fits = [
        optimize.minimize(
            loss,
            [np.log(reach), 2.5, 0.05, MIDDLE[3]],
            method="L-BFGS-B",
            bounds=BOUNDS,
            options={"maxiter": 60},
        )
        for reach in starts
    ]
    best = np.asarray(min(fits, key=lambda fit: float(fit.fun)).x, dtype=np.float64)
    lower = np.linalg.cholesky(WIDER * _covariance(loss, best))
    normal = _t_samples()
    drawn = best[:, None] + lower @ normal.T
    prior = _log_prior(drawn)
    known = np.isfinite(prior)
    drawn = np.where(known, drawn, best[:, None])  # of weight 0
    log_likelihood, value = likelihood(form, drawn)
    # density of the t distribution, but for a factor that all forms share
    proposal = -(TAILS + 4) / 2 * np.log1p((normal**2).sum(axis=1) / TAILS) - np.log(np.diag(lower)).sum()
    weight = np.where(known, log_likelihood + prior - proposal + log_weight, -np.inf)
    return _Draws(weight, value, np.asarray(drawn[:, int(weight.argmax())]), form)


@lru_cache(maxsize=1)
def _t_samples() -> Doubles:
    """Evenly spread samples of the t distribution of unit scale, (SAMPLES, 4)."""
    uniform = np.clip(stats.qmc.Sobol(5, seed=0).random(SAMPLES), 1e-9, 1 - 1e-9)
    return np.asarray(stats.norm.ppf(uniform[:, :4]) * np.sqrt(TAILS / stats.chi2.ppf(uniform[:, 4:], TAILS)))


def _covariance(loss: Callable[[Doubles], float], best: Doubles) -> Doubles:
    """Covariance of the parameters by the curvature of their loss, not wider than their prior."""
    middle = best.copy()
    middle[2] = max(middle[2], 2.5 * STEPS[2])
    unit = np.diag(STEPS)
    curvature = np.zeros((4, 4))
    for i in range(4):
        for j in range(i, 4):
            corners = [loss(middle + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            curvature[i, j] = curvature[j, i] = sum(corners) / (4 * STEPS[i] * STEPS[j])
    values, vectors = np.linalg.eigh(curvature * np.outer(SPREAD, SPREAD))
    scaled = vectors @ np.diag(1 / np.maximum(values, 0.8)) @ vectors.T
    return np.asarray(scaled * np.outer(SPREAD, SPREAD))
