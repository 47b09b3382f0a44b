"""The last digits of a drift: each frame's columns against the sites, shifted, and turned and scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.drift import drift_table
from napari_atomcount.measure.peaks import density_peaks, nearest
from napari_atomcount.records.settings import DriftSettings

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

FEWEST_TO_TURN = 8  # matched columns of a frame whose turn is taken from them


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


@dataclass(frozen=True)
class Turned:
    """How single frames follow from frame 0: turned and enlarged by `a`, then shifted by `b`; complex, nm.

    A place is x - i y against the pivot, so that a turn of `a` is counter-clockwise on the screen.
    """

    a: Complexes
    b: Complexes
    sigma: Doubles  # standard error of a, per axis

    def against_first(self) -> Turned:
        """The same with the identity for the first frame: sites are where that frame shows them."""
        a = self.a / self.a[0]
        return Turned(a, self.b - a * self.b[0], self.sigma)


def refine_turning(
    drift: pd.DataFrame,
    columns: pd.DataFrame,
    pixel_size_nm: tuple[float, float],
    settings: DriftSettings,
    radius_nm: float = 0.08,
    rounds: int = 4,
) -> pd.DataFrame:
    """Sharpen shift, turn and scale with the columns: each frame's columns fitted to the sites.

    Parameters
    ----------
    drift : DataFrame
        DRIFT with rotation, scale and pivot, right within half of `radius_nm` at the particle's edge.
    columns, pixel_size_nm, radius_nm, rounds
        As in `refine_drift`.
    settings : DriftSettings
        Whether rotation and scale are free.

    Returns
    -------
    DataFrame
        DRIFT with ``rotation_sigma`` and ``scale_sigma``, the standard errors of the fit; NaN in frames with
        fewer than eight matched columns, which move with their neighbours.
    """
    pixel = np.array(pixel_size_nm)
    pivot = drift[["pivot_y", "pivot_x"]].to_numpy(np.float64)[0]
    frames = drift["frame"].to_numpy()
    row = np.searchsorted(frames, columns["frame"].to_numpy())
    order = np.argsort(row, kind="stable")
    row = row[order]
    bounds = np.searchsorted(row, np.arange(len(frames) + 1))
    there = _complex(columns[["y", "x"]].to_numpy(np.float64)[order] - pivot, pixel)
    score = columns["score"].to_numpy(np.float64)[order]
    angle = np.deg2rad(drift["rotation"].to_numpy(np.float64))
    a = drift["scale"].to_numpy(np.float64) * np.exp(1j * angle)
    now = Turned(a, _complex(drift[["dy", "dx"]].to_numpy(np.float64), pixel), np.full(len(frames), np.nan))
    for _ in range(rounds if len(row) >= FEWEST_TO_TURN else 0):
        home = (there - now.b[row]) / now.a[row]
        points = np.column_stack([-home.imag, home.real])
        sites, _ = density_peaks(points, score, radius_nm)
        if not len(sites):
            break
        distance, at = nearest(sites, points, radius_nm)
        matched = np.isfinite(distance)
        place = np.zeros(len(home), np.complex128)
        place[matched] = sites[at[matched], 1] - 1j * sites[at[matched], 0]
        change = np.full((len(frames), 5), np.nan)  # of log a and b (real, imaginary); error of a
        for t in range(len(frames)):
            own = np.arange(bounds[t], bounds[t + 1])[matched[bounds[t] : bounds[t + 1]]]
            if len(own) >= FEWEST_TO_TURN:
                a_t, b_t, sigma = _similarity(place[own], there[own], now.a[t], settings)
                ratio, move = np.log(a_t / now.a[t]), b_t - now.b[t]
                change[t] = ratio.real, ratio.imag, move.real, move.imag, sigma
        known = np.flatnonzero(np.isfinite(change[:, 0]))
        if not len(known):
            break
        log_size, angle, right, up = (
            np.interp(np.arange(len(frames)), known, change[known, k]) for k in range(4)
        )
        grown = now.a * np.exp(log_size + 1j * angle)
        now = Turned(grown, now.b + right + 1j * up, change[:, 4]).against_first()
    return drift.assign(
        dy=-now.b.imag / pixel[0],
        dx=now.b.real / pixel[1],
        rotation=np.rad2deg(np.angle(now.a)),
        scale=np.abs(now.a),
        rotation_sigma=np.rad2deg(now.sigma) if settings.rotation else np.nan,
        scale_sigma=now.sigma if settings.scale else np.nan,
    )


def _complex(place: Doubles, pixel: Doubles) -> Complexes:
    """Vectors (N, 2) of (y, x), px, as x - i y, nm."""
    return np.asarray(place[:, 1] * pixel[1] - 1j * place[:, 0] * pixel[0])


def _similarity(
    start: Complexes, end: Complexes, before: complex, settings: DriftSettings
) -> tuple[complex, complex, float]:
    """Robust fit of end = a start + b, and the error of a; what is not free stays as `before` has it."""
    weight = np.ones(len(start))
    a, b, spread, away = before, 0j, 1.0, np.zeros(len(start))
    for _ in range(4):
        middle, to = np.average(start, weights=weight), np.average(end, weights=weight)
        z = start - middle
        product = complex((weight * np.conj(z) * (end - to)).sum())
        spread = float((weight * np.abs(z) ** 2).sum())
        if settings.rotation and settings.scale:
            a = product / spread
        elif settings.rotation:
            a = product / abs(product) * abs(before)
        else:
            a = (product * np.conj(before)).real / (spread * abs(before) ** 2) * before
        b = complex(to - a * middle)
        away = np.abs(end - a * start - b)
        limit = 1.5 * max(float(np.median(away)), 1e-6)
        weight = np.minimum(1, limit / np.maximum(away, 1e-12))
    sigma = float(np.sqrt((weight * away**2).sum() / max(2 * weight.sum() - 4, 1) / spread))
    return complex(a), b, sigma


def hidden_turn(
    drift: pd.DataFrame, columns: pd.DataFrame, pixel_size_nm: tuple[float, float], radius_nm: float = 0.08
) -> tuple[float, float]:
    """How far a specimen of which only the shift was followed seems to turn (degrees) and to grow (fraction).

    The difference between the medians of the first and the last fifth of the frames, from the distances of
    the columns to the sites; too small where columns come out of their sites' reach. NaN where fewer than ten
    frames have columns.
    """
    pixel = np.array(pixel_size_nm)
    frames = drift["frame"].to_numpy()
    row = np.searchsorted(frames, columns["frame"].to_numpy())
    home = (columns[["y", "x"]].to_numpy(np.float64) - drift[["dy", "dx"]].to_numpy()[row]) * pixel
    sites, _ = density_peaks(home, columns["score"].to_numpy(np.float64), radius_nm)
    if not len(sites):
        return float("nan"), float("nan")
    distance, at = nearest(sites, home, radius_nm)
    good = np.isfinite(distance)
    place, rest, row = sites[at[good]], home[good] - sites[at[good]], row[good]
    place = place - np.median(place, axis=0)
    # y points down: a turn by w, counter-clockwise on the screen, moves (y, x) by w (-x, y)
    torque = -place[:, 1] * rest[:, 0] + place[:, 0] * rest[:, 1]
    outwards = (place * rest).sum(axis=1)
    lever = np.bincount(row, (place**2).sum(axis=1), minlength=len(frames))
    seen = lever > 0
    if seen.sum() < 10:
        return float("nan"), float("nan")
    part = int(seen.sum()) // 5
    turn, grown = (
        np.bincount(row, moment, minlength=len(frames))[seen] / lever[seen] for moment in (torque, outwards)
    )
    turned = float(np.rad2deg(np.median(turn[-part:]) - np.median(turn[:part])))
    return turned, float(np.median(grown[-part:]) - np.median(grown[:part]))


def _robust_mean(rows: Doubles) -> Doubles:
    """Huber's mean of (n, 2) vectors, two steps from the median."""
    centre = np.median(rows, axis=0)
    for _ in range(2):
        away = np.hypot(*(rows - centre).T)
        limit = 1.5 * max(float(np.median(away)), 1e-6)
        weight = np.minimum(1, limit / np.maximum(away, 1e-12))
        centre = (rows * weight[:, None]).sum(axis=0) / weight.sum()
    return np.asarray(centre)
