"""Small seeded truths for the tests of the measurements; made without the measured code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass
class Traces:
    """Logits (T, S) of sites with known states; `coordination` (S,)."""

    logit: np.ndarray
    occupied: np.ndarray
    coordination: np.ndarray


def make_traces(
    seed: int,
    *,
    frames: int = 40,
    still: int = 85,
    mobile: int = 15,
    empty: int = 20,
    rate: float = 0.06,
    noise: float = 1.5,
    occupied_level: float = 4.0,
    empty_level: float = -3.0,
    spread: float = 1.2,
) -> Traces:
    """Sites that keep still, hop, or stay empty; each with its own two levels, under heavy-tailed noise."""
    rng = np.random.default_rng(seed)
    n = still + mobile + empty
    occupied = np.ones((frames, n), bool)
    occupied[:, still + mobile :] = False
    for s in range(still, still + mobile):
        changes = rng.random(frames) < rate
        occupied[:, s] = (np.cumsum(changes) + rng.integers(2)) % 2 == 1
    up = rng.normal(occupied_level, spread, n)
    down = rng.normal(empty_level, spread, n)
    t5 = rng.standard_t(5, (frames, n)) * np.sqrt(3 / 5)
    coordination = np.where(np.arange(n) < still // 2, 6, rng.integers(2, 5, n))
    return Traces((np.where(occupied, up, down) + noise * t5).astype(np.float32), occupied, coordination)


@pytest.fixture
def traces():
    return make_traces


def fcc_110(radius: float, angle: float = 0.0, a: float = 0.408) -> np.ndarray:
    """(y, x) in nm of the columns of a round fcc particle in [110], centred on the origin."""
    first, second = np.array([0, a / np.sqrt(2)]), np.array([a / 2, a / np.sqrt(8)])
    n = int(2 * radius / a * 2) + 2
    i, j = np.mgrid[-n : n + 1, -n : n + 1].reshape(2, -1, 1)
    points = i * first + j * second
    points = points[np.hypot(*points.T) < radius]
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, -s], [s, c]])


@pytest.fixture
def particle():
    return fcc_110
