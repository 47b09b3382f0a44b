"""How far a trained network's numbers can be believed, from simulations that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, linear_sum_assignment
from scipy.spatial import cKDTree

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import Calibration
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics.exposing import WaveBank, expose
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.records.packed import lengths, rows_of
from napari_atomcount.targets import believed_camera
from napari_atomcount.training import VALIDATION_FIRST
from napari_atomcount.training_recipe import TrainingRecipe

#: A peak within this distance of a true column is that column, nm.
MATCH_NM = 0.08
#: Truth and peaks nearer to the frame's edge than this are not judged, nm.
BORDER_NM = 0.3
#: Thermal snapshots in an image for the calibration. A real exposure averages over far more than a training's
#: few, whose randomness would make the network look less sure than it may be.
HELD_OUT_SNAPSHOTS = 8
#: Held-out images of each particle.
IMAGES_EACH = 5
#: Temperatures of counts that are tried.
TEMPERATURES = np.exp(np.linspace(-1.2, 1.2, 121))
#: Parts of the held-out images, by dose, in each of which stated probabilities of counts have to come true.
DOSE_PARTS = 4
#: Sets of held-out images, drawn with replacement, that tell how well a temperature is known.
BOOTSTRAPS = 16
#: The identity, for weights whose probabilities are not calibrated yet.
RAW = Calibration(evidence=[-13.0, 13.0], score=[2.2603e-6, 1 - 2.2603e-6])
#: The same, the columns of a particle counted together: read from unseen particles, all counts of one are too
#: large or too small by 4 to 7 % rms.
TOGETHER = RAW.model_copy(update={"scale_spread": 0.05})


@dataclass
class Peaks:
    """All peaks of held-out images: evidence, whether they are columns, position errors, p of the counts."""

    evidence: NDArray[np.float64]
    true: NDArray[np.bool_]
    z: NDArray[np.float64]  # position error over stated sigma, true peaks
    log_p: NDArray[np.float64]  # (N, K), true peaks
    count: NDArray[np.int64]
    missed: int
    label: NDArray[np.str_]  # class of each peak
    dose: NDArray[np.float64]  # e/Å², of the image of each true peak
    together: NDArray[np.float64] | None = None  # like log_p, the columns of a particle counted together

    def of(self, label: str) -> Peaks:
        """The peaks of one class; what was missed stays that of all."""
        own = self.label == label
        hit = own[self.true]
        log_p = self.log_p[hit] if len(self.log_p) else self.log_p
        return Peaks(
            self.evidence[own],
            self.true[own],
            self.z[hit],
            log_p,
            self.count[hit],
            self.missed,
            self.label[own],
            self.dose[hit],
            None if self.together is None else self.together[hit],
        )

    def jointly(self) -> Peaks:
        """The same, with the columns of a particle counted together."""
        return self if self.together is None else replace(self, log_p=self.together)


def held_out_peaks(
    recipe: TrainingRecipe,
    detector: Detector,
    images: int,
    cache: Path | None,
    tell: Callable[[], None] | None = None,
) -> Peaks:
    """Detect in simulated images of particles that were not trained on, and compare with the truth.

    ``tell()`` is called after each image.
    """
    number = max(4, min(images // IMAGES_EACH, recipe.specimens // 8))
    finer = recipe.model_copy(update={"snapshots": max(recipe.snapshots, HELD_OUT_SNAPSHOTS)})
    bank = WaveBank(finer, list(range(VALIDATION_FIRST, VALIDATION_FIRST + number)), cache)
    rng = recipe.stream(12, 0)  # another stream than the validation images of the training
    found: list[pd.DataFrame] = []
    missed = 0
    for _ in range(images):
        batch = expose(finer, [bank.scene(rng)], rng)
        frame = batch.detected[0].numpy()
        camera = {name: float(v[0]) for name, v in believed_camera(recipe.training, batch, rng).items()}
        c2 = camera["mtf_c2"] * batch.pixel_A / camera["camera_pixel_A"]
        mtf = Mtf(camera["mtf_c1"], c2, camera["mtf_c3"])
        maps = detector.detect(frame, (recipe.pixel_A / 10, recipe.pixel_A / 10), mtf=mtf)
        peaks = find_columns(maps, RAW, 0.0)
        peaks = peaks.assign(together=find_columns(maps, TOGETHER, 0.0).count_p)
        truth = batch.truth.assign(label=np.array(recipe.classes)[batch.truth.label.to_numpy()])
        border = BORDER_NM * 10 / batch.pixel_A
        peaks, missing = compare(peaks, truth, MATCH_NM * 10 / batch.pixel_A, border, frame.shape[-2:])
        found.append(peaks.assign(dose=float(batch.detector["dose_e_per_A2"][0])))
        missed += missing
        if tell is not None:
            tell()
    table = pd.concat(found, ignore_index=True)
    hit = table[table.true]
    k = int(lengths(hit.count_p).max(initial=0))
    log_p, together = (
        np.log(rows_of(p, k)[1].astype(np.float64) + 1e-12) for p in (hit.count_p, hit.together)
    )
    score = table.score.to_numpy(float)
    raw = np.log(score / (1 - score))
    return Peaks(
        raw,
        table.true.to_numpy(bool),
        hit.z.to_numpy(),
        log_p,
        hit.true_count.to_numpy(int),
        missed,
        table.label.to_numpy(str),
        hit.dose.to_numpy(float),
        together,
    )


def compare(
    peaks: pd.DataFrame, truth: pd.DataFrame, radius: float, border: float, shape: tuple[int, ...]
) -> tuple[pd.DataFrame, int]:
    """Match peaks and true columns of the same class one to one.

    Returns
    -------
    pandas.DataFrame
        The judged peaks with ``true``, ``true_count`` and ``z``.
    int
        The number of missed columns.
    """
    peaks = peaks.assign(true=False, true_count=-1, z=np.nan)
    place = peaks[["y", "x"]].to_numpy(float)
    true = truth[["y", "x"]].to_numpy(float)
    inside, judged = (
        np.asarray(((p > border) & (p < np.array(shape[:2]) - 1 - border)).all(1)) for p in (true, place)
    )
    if len(place) and len(true):
        pairs = cKDTree(place).sparse_distance_matrix(cKDTree(true), radius, output_type="ndarray")
        cost = np.full((len(place), len(true)), 1e3)
        pairs = pairs[peaks.label.to_numpy()[pairs["i"]] == truth.label.to_numpy()[pairs["j"]]]
        cost[pairs["i"], pairs["j"]] = pairs["v"] - 1e-3 * peaks.score.to_numpy()[pairs["i"]]
        row, column = linear_sum_assignment(cost)
        good = cost[row, column] < 1e2
        row, column = row[good], column[good]
        error = place[row] - true[column]
        peaks.loc[peaks.index[row], "true"] = True
        peaks.loc[peaks.index[row], "true_count"] = truth["count"].to_numpy()[column]
        peaks.loc[peaks.index[row], "z"] = np.sqrt((error**2).mean(1)) / peaks.y_sigma.to_numpy()[row]
        found = np.zeros(len(true), bool)
        found[column] = True
        return peaks.loc[judged], int((~found & inside).sum())
    return peaks.loc[judged], int(inside.sum())


def fit_calibration(peaks: Peaks, counted: Peaks) -> tuple[Calibration, float]:
    """Fit the probabilities of a network to held-out truth, for each class where there are several.

    The columns of a particle are counted together where that makes the true counts more probable, of usual
    images and of all that the recipe draws: neither is served at the other's expense.

    Parameters
    ----------
    peaks : Peaks
        Of all that the recipe draws, for the score and the standard error.
    counted : Peaks
        Of usual images, for the temperature of the counts.

    Returns
    -------
    Calibration
        For the card.
    float
        The score threshold of the best F of β² = 1/2.
    """
    calibration, expected = fit_one(peaks, counted)
    names = np.unique(peaks.label)
    if len(names) > 1:
        for name in names:
            own, expected[peaks.label == name] = fit_one(peaks.of(name), counted.of(name))
            calibration.by_label[str(name)] = own
    # F of β² = 1/2: a made-up column costs a paper more than a missed one
    columns = peaks.true.sum() + peaks.missed
    steps = np.linspace(0.2, 0.9, 71)
    kept = [expected >= step for step in steps]
    f_beta = [1.5 * peaks.true[k].sum() / max(1, k.sum() + 0.5 * columns) for k in kept]
    return calibration, round(float(steps[int(np.argmax(f_beta))]), 3)


def fit_temperature(peaks: Peaks) -> float:
    """Temperature at which the most probable count's probability comes true, rather too modest than too sure.

    The one that `truest_temperature` finds is known only so well from a few hundred images. It is made larger
    by its standard error, from images drawn with replacement (Efron, Ann. Statist. 7, 1, 1979).

    Returns
    -------
    float
        1 where nothing was counted.
    """
    if not peaks.log_p.size:
        return 1.0
    rng = np.random.default_rng(0)
    image = np.unique(peaks.dose, return_inverse=True)[1]  # each image has drawn a dose of its own
    rows = np.split(np.argsort(image, kind="stable"), np.cumsum(np.bincount(image))[:-1])
    right = peaks.log_p.argmax(1) == np.clip(peaks.count, 1, peaks.log_p.shape[1]) - 1
    stated = np.stack([surest(peaks.log_p, step) for step in TEMPERATURES])
    found = []
    for _ in range(BOOTSTRAPS):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        found.append(truest_temperature(stated[:, drawn], right[drawn], peaks.dose[drawn]))
    best = truest_temperature(stated, right, peaks.dose)
    return float(best * np.exp(np.log(found).std()))


def surest(log_p: NDArray[np.float64], temperature: float) -> NDArray[np.float32]:
    """The probability of the most probable count at a temperature, of each row."""
    scaled = log_p / temperature
    return np.asarray(np.exp(scaled.max(1) - np.logaddexp.reduce(scaled, axis=1)), dtype=np.float32)


def truest_temperature(
    stated: NDArray[np.float32], right: NDArray[np.bool_], dose: NDArray[np.float64]
) -> float:
    """Temperature at which the probability of the most probable count comes true, bin by bin, at every dose.

    The likelihood of all counts would do as well for a network whose errors it knows; a few columns that are
    far off (Guo et al., ICML 2017, on temperatures) would make all the others look less sure than they are.

    Parameters
    ----------
    stated : numpy.ndarray, shape (temperatures, N)
        Probability of each column's most probable count at each of :data:`TEMPERATURES`.
    right : numpy.ndarray, shape (N,), bool
        Whether that count is the true one.
    dose : numpy.ndarray, shape (N,)
        Of the column's image, e/Å².
    """
    part = np.searchsorted(np.quantile(dose, np.arange(1, DOSE_PARTS) / DOSE_PARTS), dose)
    share = np.bincount(part, minlength=DOSE_PARTS)
    error = []
    for row in stated:
        bins = np.minimum((row * 10).astype(int), 9) + 10 * part
        excess = np.abs(np.bincount(bins, row - right, 10 * DOSE_PARTS)).reshape(DOSE_PARTS, 10).sum(1)
        error.append(((excess / np.maximum(share, 1)) ** 2).sum())  # no dose is served at another's expense
    return float(TEMPERATURES[int(np.argmin(error))])


def surprise(peaks: Peaks, temperature: float) -> float:
    """Mean negative log-likelihood of the true counts."""
    scaled = peaks.log_p / temperature
    true = np.clip(peaks.count, 1, scaled.shape[1]) - 1
    each = np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(true)), true]
    return float(each.mean())


def fit_one(peaks: Peaks, counted: Peaks) -> tuple[Calibration, NDArray[np.float64]]:
    """Monotone regression of truth on evidence, temperature of the counts, factor on sigma.

    Returns
    -------
    Calibration
        Of these peaks.
    numpy.ndarray
        Calibrated score of each peak.
    """
    order = np.argsort(peaks.evidence)
    evidence, true = peaks.evidence[order], peaks.true[order].astype(float)
    bins = np.array_split(np.arange(len(order)), max(1, min(60, len(order) // 40)))
    x = np.array([evidence[b].mean() for b in bins])
    # half a success and failure more in each bin: no certainty from a finite sample
    y = np.array([(true[b].sum() + 0.5) / (len(b) + 1) for b in bins])
    monotone = isotonic_regression(y, weights=[len(b) for b in bins]).x
    keep = np.append(True, np.diff(x) > 1e-6)
    score = np.clip(monotone, 1e-4, 1 - 1e-4)
    temperature, spread = fit_temperature(counted), 0.0
    if counted.log_p.size:
        wide, usual = peaks.jointly(), counted.jointly()
        other = fit_temperature(usual)
        pairs = ((peaks, wide), (counted, usual))
        if all(surprise(joint, other) < surprise(alone, temperature) for alone, joint in pairs):
            temperature, spread = other, TOGETHER.scale_spread
    z = peaks.z[np.isfinite(peaks.z)]
    factor = float(np.sqrt(np.median(z**2) / 0.6931)) if len(z) else 1.0  # mean of two squares: median 0.693
    calibration = Calibration(
        evidence=[round(float(v), 4) for v in x[keep]],
        score=[round(float(v), 5) for v in score[keep]],
        count_temperature=round(temperature, 4),
        scale_spread=spread,
        sigma_factor=round(factor, 4),
    )
    return calibration, np.interp(peaks.evidence, x[keep], score[keep])
