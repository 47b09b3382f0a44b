"""Perfect and deformed lattices for the tests of strain, made without the measured code."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

A_AU = 0.4078  # nm; ase's own is 0.408
PIXEL_NM = 0.02


def turn(degrees: float) -> np.ndarray:
    """The matrix on (x, y downwards) that turns counter-clockwise on the screen."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, s], [-s, c]])


def fcc110(a: float = A_AU, radius: float = 2.0, shape: str = "disc") -> np.ndarray:
    """Columns (x, y) of gold in [110], nm; x along [1-10], y along [001]."""
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-30, 31), np.arange(-30, 31)))
    points = np.column_stack([(h + k / 2) * a / np.sqrt(2), k * a / 2])
    size = np.hypot(*points.T) if shape == "disc" else np.abs(points).max(1)
    return points[size < radius]


def honeycomb(bond: float = 0.142, radius: float = 1.2) -> np.ndarray:
    """Graphene's columns (x, y), nm."""
    a = bond * np.sqrt(3)
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-20, 21), np.arange(-20, 21)))
    lattice = np.column_stack([h * a + k * a / 2, k * a * np.sqrt(3) / 2])
    points = np.vstack([lattice, lattice + np.array([a / 2, bond / 2])])
    return points[np.hypot(*points.T) < radius]


def table_of(points: np.ndarray, deformation: np.ndarray | None = None, noise_px: float = 0.0, seed: int = 0):
    """Columns in px of points (x, y) in nm, deformed, around (200, 200) px."""
    points = points if deformation is None else points @ deformation.T
    xy = points / PIXEL_NM + 200 + noise_px * np.random.default_rng(seed).normal(size=points.shape)
    return pd.DataFrame({"y": xy[:, 1], "x": xy[:, 0]})


def spots(
    y: np.ndarray, x: np.ndarray, width: float, shape: tuple[int, int], height: float = 1.0
) -> np.ndarray:
    """An image of round Gaussians."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return height * sum(
        np.exp(-((yy - cy) ** 2 + (xx - cx) ** 2) / (2 * width**2)) for cy, cx in zip(y, x, strict=True)
    )


@pytest.fixture(scope="session")
def scenes() -> SimpleNamespace:
    """The lattices and images of this file."""
    return SimpleNamespace(
        turn=turn,
        fcc110=fcc110,
        honeycomb=honeycomb,
        table_of=table_of,
        spots=spots,
        a=A_AU,
        pixel_nm=PIXEL_NM,
    )
