"""Images of Gaussians whose strain is known: steps with surface and vacancy, a smooth field, three grains.

The first two are the thesis' tests (Fig. 3.6, eq. 3.15), the third its Fig. 3.7 with grains of known strain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erf

from napari_atomcount.measure.deformation import polar, rotation

Doubles = NDArray[np.float64]

#: Distance of columns on the square lattice and width of the Gaussians, px.
SPACING, WIDTH = 16.0, 3.2
#: Variance of the noise on Gaussians of height one.
VARIANCE = 0.05
SIZE = 512
#: The bond of the honeycomb, px.
BOND = 14.0


@dataclass
class Case:
    """An image without noise and its truth.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Gaussians of height one.
    truth : DataFrame
        y, x in px; exx, eyy, exy, planar, rotation (degrees, counter-clockwise on the screen); ``kind``:
        bulk, edge (neighbours a step of the strain, a surface or a vacancy), border (of the image).
    """

    image: Doubles
    truth: pd.DataFrame

    def noisy(self, rng: np.random.Generator, variance: float = VARIANCE) -> Doubles:
        """The image with white noise."""
        return np.asarray(self.image + rng.normal(scale=np.sqrt(variance), size=self.image.shape))


def gaussians(y: Doubles, x: Doubles, width: float, size: int = SIZE) -> Doubles:
    """Sum of round Gaussians of height one, (size, size)."""
    image = np.zeros((size, size))
    reach = int(np.ceil(5 * width))
    for cy, cx in zip(y, x, strict=True):
        y0, x0 = max(0, int(cy) - reach), max(0, int(cx) - reach)
        y1, x1 = min(size, int(cy) + reach + 2), min(size, int(cx) + reach + 2)
        if y0 < y1 and x0 < x1:
            gy = np.exp(-((np.arange(y0, y1) - cy) ** 2) / (2 * width**2))
            gx = np.exp(-((np.arange(x0, x1) - cx) ** 2) / (2 * width**2))
            image[y0:y1, x0:x1] += gy[:, None] * gx[None, :]
    return image


def steps_case(rng: np.random.Generator) -> Case:
    """Fig. 3.6: a slab in vacuum, strain along y in steps (-5 % inside, -4 % below the surface), a vacancy.

    The truth of a column is the mean of the distances to its neighbours above and below, or the one it has.
    """
    rows, cols = 24, 32
    gap = np.full(rows - 1, SPACING)
    gap[10:15] *= 0.95
    gap[0], gap[-1] = 0.96 * SPACING, 0.96 * SPACING
    depth = np.concatenate([[0.0], np.cumsum(gap)])
    depth += SIZE / 2 - depth.mean() + rng.uniform(-0.5, 0.5)
    across = np.arange(-1, cols + 1) * SPACING + rng.uniform(0.0, 1.0)
    above = np.concatenate([[np.nan], gap]) / SPACING - 1
    below = np.concatenate([gap, [np.nan]]) / SPACING - 1
    eyy = np.nanmean([above, below], axis=0)
    j, i = (n.ravel() for n in np.meshgrid(np.arange(rows), np.arange(len(across)), indexing="ij"))
    gone = (j == 5) & (i == len(across) // 2)
    step = np.abs(np.nan_to_num(above, nan=9.0) - np.nan_to_num(below, nan=9.0)) > 1e-9
    y, x = depth[j], across[i]
    near_gap = np.hypot(y - y[gone], x - x[gone]) < 1.6 * SPACING
    edge = step[j] | near_gap
    border = (x < 2.2 * SPACING) | (x > SIZE - 2.2 * SPACING)
    kind = np.where(border, "border", np.where(edge, "edge", "bulk"))
    truth = pd.DataFrame(
        {"y": y, "x": x, "exx": 0.0, "eyy": eyy[j], "exy": 0.0, "rotation": 0.0, "kind": kind}
    )
    truth = truth.assign(planar=truth.eyy / 2)[~gone].reset_index(drop=True)
    return Case(gaussians(truth.y.to_numpy(), truth.x.to_numpy(), WIDTH), truth)


def smooth_case(rng: np.random.Generator, height: float = 0.10, narrowness: float = 4.0) -> Case:
    """Eq. 3.15 times ``height``: exx = (x + y) exp(-a r²), eyy = (x - y) exp(-a r²), x, y from -1.5 to 1.5.

    The truth is the polar decomposition of the whole deformation, shear and rotation included.
    """
    unit = SIZE / 3.0
    number = int(SIZE / SPACING) + 3
    line = (np.arange(number) - number // 2) * SPACING
    y, x = (n.ravel() + rng.uniform(-0.5, 0.5) for n in np.meshgrid(line, line, indexing="ij"))

    def displacement(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        a, x, y = narrowness, x / unit, y / unit
        bell = np.exp(-a * (x**2 + y**2)) / (2 * a)
        arc = np.sqrt(np.pi / a) / 2
        ux = -bell + y * np.exp(-a * y**2) * arc * erf(np.sqrt(a) * x)
        uy = bell + x * np.exp(-a * x**2) * arc * erf(np.sqrt(a) * y)
        return height * unit * ux, height * unit * uy

    tiny = 1e-3
    gradient = np.empty((len(x), 2, 2))
    for column, (dx, dy) in enumerate(((tiny, 0.0), (0.0, tiny))):
        for row, (plus, minus) in enumerate(
            zip(displacement(x + dx, y + dy), displacement(x - dx, y - dy), strict=True)
        ):
            gradient[:, row, column] = (plus - minus) / (2 * tiny)
    stretch, angle = polar(np.eye(2) + gradient)
    ux, uy = displacement(x, y)
    at_y, at_x = y + uy + SIZE / 2, x + ux + SIZE / 2
    inside = (np.minimum(at_y, at_x) > 2.2 * SPACING) & (np.maximum(at_y, at_x) < SIZE - 2.2 * SPACING)
    exx, eyy = stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1
    truth = pd.DataFrame(
        {
            "y": at_y,
            "x": at_x,
            "exx": exx,
            "eyy": eyy,
            "exy": stretch[:, 0, 1],
            "rotation": -np.degrees(angle),
            "planar": (exx + eyy) / 2,
            "kind": np.where(inside, "bulk", "border"),
        }
    )
    return Case(gaussians(at_y, at_x, WIDTH), truth)


def grains_case(rng: np.random.Generator) -> Case:
    """Fig. 3.7: three graphene grains at random rotations, each with its own uniform strain.

    Grains meet at Voronoi borders; columns closer than 0.7 bonds to one of another grain are left out.
    ``grain`` is in the truth; ``kind`` is edge within two bonds of another grain.
    """
    # one seed a third of a turn from the next, so that each grain has columns enough
    turn = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(3) / 3
    seeds = SIZE / 2 + 0.3 * SIZE * np.column_stack([np.sin(turn), np.cos(turn)])
    a = BOND * np.sqrt(3)
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-40, 41), np.arange(-40, 41)))
    lattice = np.column_stack([h * a + k * a / 2, k * a * np.sqrt(3) / 2])
    honeycomb = np.vstack([lattice, lattice + BOND * np.array([np.sqrt(3) / 2, 0.5])])  # (x, y)
    angles = 60.0 * (np.arange(3) / 3 + rng.uniform(0, 1)) + rng.uniform(-6, 6, 3)
    parts = []
    for grain, angle in enumerate(angles):
        exx, eyy, exy = rng.uniform(-0.02, 0.02, 3) * np.array([1.0, 1.0, 0.5])
        stretch = np.array([[1 + exx, exy], [exy, 1 + eyy]])
        points = honeycomb @ (stretch @ rotation(np.radians(np.array([-angle])))[0]).T + SIZE / 2
        owner = cKDTree(seeds).query(points[:, ::-1])[1]
        inside = (owner == grain) & (points > -BOND).all(1) & (points < SIZE + BOND).all(1)
        parts.append(
            pd.DataFrame(
                {
                    "y": points[inside, 1],
                    "x": points[inside, 0],
                    "exx": exx,
                    "eyy": eyy,
                    "exy": exy,
                    "rotation": angle,
                    "grain": grain,
                }
            )
        )
    truth = pd.concat(parts, ignore_index=True)
    truth["planar"] = (truth.exx + truth.eyy) / 2
    places = truth[["y", "x"]].to_numpy()
    drop = np.zeros(len(truth), bool)
    edge = np.zeros(len(truth), bool)
    for i, j in cKDTree(places).query_pairs(2.2 * BOND):
        if truth.grain[i] != truth.grain[j]:
            edge[[i, j]] = True
            drop[j] |= float(np.hypot(*(places[i] - places[j]))) < 0.7 * BOND
    border = (places < 2.5 * BOND).any(1) | (places > SIZE - 2.5 * BOND).any(1)
    truth["kind"] = np.where(border, "border", np.where(edge, "edge", "bulk"))
    truth = truth[~drop].reset_index(drop=True)
    return Case(gaussians(truth.y.to_numpy(), truth.x.to_numpy(), BOND * 0.2), truth)
