"""A CeO2 particle of bright and less bright dots with known vacancies; a detector that tells them apart."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_laplace, maximum_filter

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie

A_NM = 0.5411
PIXEL_NM = 0.015
SIZE = 176
FRAMES = 24
K = 6
CE, O = 0, 1  # noqa: E741  the element
WIDTH_PX = 2.6


def lattice(radius=0.95):
    """Columns of fluorite along [110]: places (S, 2) px and their class."""
    step = np.array([A_NM / np.sqrt(2), A_NM])
    points, kinds = [], []
    for i in range(-5, 6):
        for j in range(-5, 6):
            for shift in (0.0, 0.5):
                for along, kind in ((0.0, CE), (0.25, O), (-0.25, O)):
                    points.append((np.array([i, j]) + shift + np.array([0, along])) * step)
                    kinds.append(kind)
    points, kinds = np.array(points), np.array(kinds)
    inside = np.hypot(*points.T) < radius
    return points[inside] / PIXEL_NM + SIZE / 2, kinds[inside]


def card():
    trust = {"evidence": [-12, -3, 0, 3, 12], "score": [1e-5, 0.047, 0.5, 0.953, 1 - 1e-5]}
    return ModelCard(
        name="dots", materials=["CeO2"], zone_axis="110", classes=["Ce", "O"], counts=True, max_count=K,
        network={"unshuffle": 2}, pixel_size_nm=PIXEL_NM, normalisation="none", default_threshold=0.5,
        peak_nm=0.045, calibration=trust | {"by_label": {"Ce": trust, "O": trust}},
        domain={
            "materials": ["CeO2"], "count_materials": ["CeO2"], "zone_axis": "110", "kv": (295, 305),
            "pixel_size_nm": (0.005, 0.03), "dose_e_per_A2": (100, 1e6), "defocus_nm": (-20, 20),
            "cs_um": (-20, 20), "tilt_deg": (0, 3), "contrast": (0, 10), "words": "Dots.",
        },
        recipe={}, sha256="0" * 64, package_version="0",
    )  # fmt: skip


class TwoClasses:
    """Log-odds from the sharpness of a dot; a strong one is Ce of five atoms, a weak one O of three."""

    def __init__(self):
        self.card = card()

    def detect(self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
        h, w = frame.shape[0] // 2, frame.shape[1] // 2
        level = max(float(np.median(frame)), 1e-6)
        sharp = -gaussian_laplace(frame.astype(float) / level, WIDTH_PX) * WIDTH_PX**2
        sharp = sharp[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean((1, 3))
        column = np.clip(sharp * 80 - 8, -12, 12)
        cerium = np.clip((maximum_filter(sharp, 3) - 0.28) * 60, -6, 6)
        count = np.full((K, h, w), -4, np.float32)
        count[4] = np.where(cerium > 0, 2, -4)
        count[2] = np.where(cerium > 0, -4, 2)
        return ProbabilityMaps(
            column.astype(np.float32), np.zeros((2, h, w), np.float32), np.full((h, w), -1, np.float32),
            count, np.stack([cerium, -cerium]).astype(np.float32), ("Ce", "O"), (2.0, 2.0), 2 * PIXEL_NM,
            np.ones((h, w), bool), 0.045,
        )  # fmt: skip


class Vacancies:
    """Three oxygen columns of the particle come and go; everything else stays, and all of it drifts."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.points, self.kind = lattice()
        self.present = np.ones((FRAMES, len(self.points)), bool)
        far = np.hypot(*(self.points - SIZE / 2).T)
        inner = np.flatnonzero((self.kind == O) & (far < 30))
        self.mobile = rng.choice(inner, 3, replace=False)
        self.present[8:16, self.mobile[0]] = False
        self.present[:11, self.mobile[1]] = False
        self.present[14:, self.mobile[2]] = False
        self.shift = rng.normal(0, 0.5, (FRAMES, 2)).cumsum(axis=0)
        self.shift -= self.shift[0]
        self.frames = np.stack(list(self.render(rng)))

    def render(self, rng):
        """Noisy frames (Y, X), electrons."""
        grid = np.arange(SIZE)[:, None]
        height = np.where(self.kind == CE, 1.0, 0.5)
        for here, (dy, dx) in zip(self.present, self.shift, strict=True):
            y, x = (self.points[here] + [dy, dx]).T
            wave_y = np.exp(-((grid - y) ** 2) / (2 * WIDTH_PX**2)) * height[here]
            wave_x = np.exp(-((grid - x) ** 2) / (2 * WIDTH_PX**2))
            yield rng.poisson(300 * (1 + wave_y @ wave_x.T)).astype(np.uint16)

    def movie(self):
        calibration = Calibration(pixel_size_nm=PIXEL_NM, frame_time_s=0.5, dose_e_per_A2=1e4, kv=300)
        return Movie(self.frames, calibration, "vacancies")

    def site_of(self, analysis, column):
        place = analysis.sites[["y", "x"]].to_numpy() - self.points[column]
        distance = np.hypot(*place.T)
        assert distance.min() * PIXEL_NM < 0.05
        return int(distance.argmin())
