"""Outlines of CeO2 seen along [110], with {111}, {100} and {110} facets edge-on, and its thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

#: Edge-on facets: family, and outward normals in (x along [001], y along [1-10]).
FACETS: dict[str, tuple[tuple[float, float], ...]] = {
    "100": ((1.0, 0.0), (-1.0, 0.0)),
    "110": ((0.0, 1.0), (0.0, -1.0)),
    "111": tuple((p * 3**-0.5, q * (2 / 3) ** 0.5) for p in (1.0, -1.0) for q in (1.0, -1.0)),
}
#: Distance of the layers below a facet, in lattice constants: one step of the surface.
LAYER = {"100": 0.5, "110": 8**-0.5, "111": 3**-0.5}
#: How steeply {111} nano-facets rise above the mean surface, and the period of the lattice along it.
SAWTOOTH = {"100": (2**0.5, 2**-0.5), "110": (2**-0.5, 1.0)}


@dataclass
class Edge:
    """One side of an outline: inside lies below ``distance`` minus the relief along the normal."""

    normal: Doubles  # (2,)
    distance: float  # Å
    breaks: Doubles  # (k,) places of steps along the edge, Å
    heights: Doubles  # (k + 1,) how far the terraces lie below the edge, Å
    slope: float = 0.0  # of a saw-tooth
    period: float = 1.0  # Å
    phase: float = 0.0

    def depth(self, points: Doubles) -> Doubles:
        """Distance below this side, Å, positive inside; points (n, 2)."""
        along = points @ np.array([-self.normal[1], self.normal[0]])
        relief = self.heights[np.searchsorted(self.breaks, along)]
        if self.slope:
            part = (along / self.period + self.phase) % 1.0
            relief = relief + self.slope * self.period * np.abs(part - 0.5)
        return np.asarray(self.distance - relief - points @ self.normal)


@dataclass
class Outline:
    """A region of the image plane bounded by edges, and by a frame that is no surface of the crystal.

    Attributes
    ----------
    edges : list of Edge
        The facets.
    half : float
        Half the side of the square (radius of the disc) that the specimen must not leave, Å.
    spin : float or None
        Angle by which the specimen is turned into the image: the frame is a square then; None: a disc.
    surface : str
        What the free surface is, for the notes.
    """

    edges: list[Edge]
    half: float
    spin: float | None
    surface: str

    def depth(self, points: Doubles) -> Doubles:
        """Distance below the nearest facet, Å; not positive outside. Points (n, 2)."""
        depth = np.min([edge.depth(points) for edge in self.edges], axis=0)
        if self.spin is None:
            inside = np.linalg.norm(points, axis=1) < self.half
        else:
            cos, sin = np.cos(self.spin), np.sin(self.spin)
            inside = np.abs(points @ np.array([[cos, sin], [-sin, cos]])).max(1) < self.half
        return np.asarray(np.where(inside, depth, np.minimum(depth, -99.0)))


def random_edge(
    rng: np.random.Generator,
    family: str,
    normal: tuple[float, float],
    a: float,
    distance: float,
    longest: int = 6,
) -> tuple[Edge, str]:
    """One facet: flat, stepped, or broken up into {111} nano-facets where its orientation allows it.

    Parameters
    ----------
    family, normal
        Of :data:`FACETS`.
    a, distance : float
        Lattice constant, and where the facet lies, Å.
    longest : int
        Longest period of a saw-tooth, in the lattice's own along the facet.

    Returns
    -------
    Edge
        The facet.
    str
        What it is.
    """
    edge = Edge(np.array(normal), distance, np.empty(0), np.zeros(1))
    kind = rng.choice(["flat", "stepped", "saw-tooth"], p=[0.4, 0.3, 0.3])
    if kind == "saw-tooth" and family in SAWTOOTH:
        slope, repeat = SAWTOOTH[family]
        edge.slope, edge.period = slope, a * repeat * int(rng.integers(2, longest + 1))
        edge.phase = rng.random()
        return edge, f"{family} saw-tooth"
    if kind == "flat":
        return edge, f"{family} flat"
    number = int(rng.integers(1, 5))
    edge.breaks = np.sort(rng.uniform(-25, 25, number))
    layers = rng.choice([-1, 1, 1, 2], number).cumsum() if rng.random() < 0.5 else rng.integers(0, 3, number)
    edge.heights = np.append(0.0, layers) * LAYER[family] * a
    return edge, f"{family} stepped"


def particle_outline(rng: np.random.Generator, a: float, radius: float, limit: float) -> Outline:
    """A particle: all eight edge-on facets, each at a distance of its own."""
    mean = {"100": rng.uniform(0.85, 1.25), "110": rng.uniform(0.9, 1.3), "111": rng.uniform(0.85, 1.15)}
    edges = []
    for family, normals in FACETS.items():
        for normal in normals:
            distance = radius * mean[family] * rng.uniform(0.85, 1.15)
            edges.append(random_edge(rng, family, normal, a, distance, longest=3)[0])
    return Outline(edges, limit, None, "particle")


def slab_outline(rng: np.random.Generator, a: float, distance: float, half: float, spin: float) -> Outline:
    """A slab: one free surface, now and then a second one that cuts its corner; the rest is the frame's."""
    families = list(FACETS)
    family = str(rng.choice(families, p=[0.3, 0.3, 0.4]))
    normal = FACETS[family][rng.integers(len(FACETS[family]))]
    edge, surface = random_edge(rng, family, normal, a, distance)
    edges = [edge]
    if rng.random() < 0.3:
        other = str(rng.choice(families))
        turned = FACETS[other][rng.integers(len(FACETS[other]))]
        if np.dot(turned, normal) > -0.1 and turned != normal:
            edges.append(random_edge(rng, other, turned, a, distance + rng.uniform(-3, 12))[0])
    return Outline(edges, half, spin, surface)


def thickness(
    rng: np.random.Generator, points: Doubles, depth: Doubles, most: float, regular: bool = False
) -> tuple[Doubles, Doubles]:
    """Number of Ce atoms above each point of the plane, and the height of their middle in the same unit.

    Level, a wedge, terraces or a dome, and thinner towards the outline in half of the cases. A regular
    specimen is level or in two or three terraces, up to the outline.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Places, Å.
    depth : numpy.ndarray, shape (n,)
        Distance from the outline, Å.
    most : float
        Number of atoms where it is thickest.
    regular : bool
        Whether the specimen is simple.

    Returns
    -------
    number, middle : numpy.ndarray, shape (n,)
    """
    angle = rng.uniform(0, 2 * np.pi)
    along = points @ np.array([np.cos(angle), np.sin(angle)])
    inside = depth > 0
    low, high = (along[inside].min(), along[inside].max()) if inside.any() else (-1.0, 1.0)
    share = np.clip((along - low) / max(high - low, 1.0), 0, 1)
    least = rng.uniform(0.15, 0.8)
    kind = rng.choice(["level", "terraces"] if regular else ["level", "wedge", "terraces", "dome"])
    if kind == "level":
        factor = np.ones(len(points))
    elif kind == "wedge":
        factor = least + (1 - least) * share
    elif kind == "terraces":
        breaks = np.sort(rng.random(int(rng.integers(1, 3 if regular else 5))))
        factor = rng.uniform(least, 1.0, len(breaks) + 1)[np.searchsorted(breaks, share)]
    else:
        deepest = max(float(depth.max()), 1.0)
        factor = least + (1 - least) * np.sqrt(np.clip(1 - (1 - depth / deepest) ** 2, 0, 1))
    if not regular and rng.random() < 0.5:
        reach, start = rng.uniform(4, 15), rng.uniform(0.2, 0.9)
        factor = factor * np.clip(start + (1 - start) * depth / reach, 0.05, 1)
    number = most * factor
    side = rng.uniform(-0.5, 0.5)  # which face of the specimen carries the terraces
    return number, side * (number - most)
