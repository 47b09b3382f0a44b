"""A small particle of bright dots whose history is known, and a detector of a few lines that finds them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_laplace

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie

PIXEL_NM = 0.02
SIZE = 160
FRAMES = 24
K = 6


def card(counts=True):
    return ModelCard(
        name="laplacian", materials=["Au"], zone_axis="110", classes=["column"], counts=counts,
        max_count=K if counts else 0, network={"unshuffle": 2}, pixel_size_nm=PIXEL_NM, normalisation="none",
        default_threshold=0.5,
        calibration={"evidence": [-12, -3, 0, 3, 12], "score": [1e-5, 0.047, 0.5, 0.953, 1 - 1e-5]},
        domain={
            "materials": ["Au"], "count_materials": ["Au"], "zone_axis": "110", "kv": (295, 305),
            "pixel_size_nm": (0.01, 0.03), "dose_e_per_A2": (100, 1e5), "defocus_nm": (-20, 20),
            "cs_um": (-20, 20), "tilt_deg": (0, 3), "contrast": (0, 10), "words": "Bright dots.",
        },
        recipe={}, sha256="0" * 64, package_version="0",
    )  # fmt: skip


class Laplacian:
    """Bright dots of one column's width, as log-odds; three atoms each."""

    def __init__(self, counts=True):
        self.card = card(counts)
        self.looked_at: list[np.ndarray] = []

    def detect(self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
        self.looked_at.append(np.array(frame))
        h, w = frame.shape[0] // 2, frame.shape[1] // 2
        level = max(float(np.median(frame)), 1e-6)
        dots = -gaussian_laplace(frame / level, 2.6) * 2.6**2
        column = dots[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean((1, 3)) * 60 - 11
        good = np.full((h, w), bool(np.ptp(frame) > 0))
        if valid is not None:
            good &= valid[: 2 * h, : 2 * w].reshape(h, 2, w, 2).all((1, 3))
        count = np.full((K, h, w), -4, np.float32)
        count[2] = 1
        return ProbabilityMaps(
            column.astype(np.float32), np.zeros((2, h, w), np.float32), np.full((h, w), -1, np.float32),
            count if self.card.counts else None, None, ("column",), (2.0, 2.0), 2 * PIXEL_NM, good,
        )  # fmt: skip


def particle(radius=0.85):
    first, second = np.array([0, 0.2885]), np.array([0.204, 0.1442])
    i, j = np.mgrid[-12:13, -12:13].reshape(2, -1, 1)
    points = i * first + j * second
    return points[np.hypot(*points.T) < radius] / PIXEL_NM + SIZE / 2


def render(points, present, shift, rng, turn=None, scale=None):
    """Noisy frames (T, Y, X), electrons; turned by degrees (T,), counter-clockwise, and enlarged."""
    grid = np.arange(SIZE)[:, None]
    turn = np.zeros(len(shift)) if turn is None else np.deg2rad(turn)
    scale = np.ones(len(shift)) if scale is None else scale
    middle = (SIZE - 1) / 2
    for here, (dy, dx), angle, size in zip(present, shift, turn, scale, strict=True):
        from_y, from_x = (points[here] - middle).T
        y = size * (np.cos(angle) * from_y - np.sin(angle) * from_x) + middle + dy
        x = size * (np.sin(angle) * from_y + np.cos(angle) * from_x) + middle + dx
        wave_y = np.exp(-((grid - y) ** 2) / (2 * 2.4**2))
        wave_x = np.exp(-((grid - x) ** 2) / (2 * 2.4**2))
        yield rng.poisson(12.4 * (1 + 0.7 * wave_y @ wave_x.T)).astype(np.uint16)


class Scene:
    """A particle of which three columns at the rim come and go."""

    def __init__(self, seed=0, hops=True):
        rng = np.random.default_rng(seed)
        self.points = particle()
        self.present = np.ones((FRAMES, len(self.points)), bool)
        self.mobile = np.argsort(-np.hypot(*(self.points - SIZE / 2).T))[:3]
        if hops:
            self.present[6:14, self.mobile[0]] = False
            self.present[:10, self.mobile[1]] = False
            self.present[17:, self.mobile[2]] = False
        self.shift = rng.normal(0, 0.5, (FRAMES, 2)).cumsum(axis=0)
        self.shift -= self.shift[0]
        self.frames = np.stack(list(render(self.points, self.present, self.shift, rng)))

    def movie(self, frames=None, **calibration):
        values = {
            "pixel_size_nm": PIXEL_NM,
            "frame_time_s": 0.2,
            "dose_e_per_A2": 310,
            "kv": 300,
        } | calibration
        return Movie(self.frames if frames is None else frames, Calibration(**values), "scene")

    def site_of(self, analysis, column):
        place = analysis.sites[["y", "x"]].to_numpy() - self.points[column]
        return int(np.hypot(*place.T).argmin())
