"""Which points in the plane lie on lattices: several lattices, twins, strain and free points are all allowed.

A lattice is grown from a seed, neighbour by neighbour, each predicted from the points already indexed
nearby; so strain adds up without harm, and a grain ends where its neighbours no longer follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_atomcount.measure.peaks import density_peaks, nearest, nearest_other

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 0.22  # of the shortest vector: how far a neighbour may be from where it is expected
MOST_VECTORS = 8
SEEDS = 6
FEWEST_POINTS = 6
JOINING_SHELLS = 2
NEIGHBOUR_DISTANCE = 1.25  # times the spacing: the sixth neighbour of fcc [110] is at 1.155, the next at 1.63


@dataclass(frozen=True, eq=False)
class Lattice:
    """One fitted lattice: position = origin + h a + k b.

    Parameters
    ----------
    origin, a, b : ndarray, shape (2,)
        (y, x) in the unit of the points; a is the shortest vector, b the shortest that is not along a.
    member : ndarray of int, shape (n,)
        Indices of its points.
    hk : ndarray of int, shape (n, 2)
        Their indices.
    """

    origin: Doubles
    a: Doubles
    b: Doubles
    member: Ints
    hk: Ints

    @property
    def spacing(self) -> float:
        """Length of the shortest vector."""
        return float(np.hypot(*self.a))


def fit_lattices(
    points: Doubles, eligible: npt.NDArray[np.bool_] | None = None, fewest: int = FEWEST_POINTS
) -> list[Lattice]:
    """Fit lattices to points, the largest first, until fewer than `fewest` points follow one.

    Parameters
    ----------
    points : ndarray, shape (S, 2)
        (y, x), any unit of length; better points first, for the seeds.
    eligible : ndarray of bool, shape (S,), optional
        Points that may make a lattice; the others may join one where it expects a point.
    fewest : int
        A lattice of fewer points is not believed.

    Returns
    -------
    list of Lattice
        Every point belongs to at most one.
    """
    found: list[Lattice] = []
    sure = np.ones(len(points), bool) if eligible is None else eligible
    free = np.flatnonzero(sure)
    while len(free) >= fewest:
        best = _largest_lattice(points[free])
        if best is None or len(best.member) < fewest:
            break
        member = free[best.member]
        found.append(Lattice(best.origin, best.a, best.b, member, best.hk))
        free = np.setdiff1d(free, member)
    for _ in range(JOINING_SHELLS):
        found = _adopt(points, found)
    return found


def _adopt(points: Doubles, lattices: list[Lattice]) -> list[Lattice]:
    """Let free points join the lattice that expects a point where they are; one shell around each."""
    members = np.concatenate([lattice.member for lattice in lattices]) if lattices else np.zeros(0, np.int64)
    free = np.setdiff1d(np.arange(len(points)), members)
    if not len(free) or not lattices:
        return lattices
    expected, owner, hk = empty_neighbours(points, lattices, np.ones(len(points), bool), members)
    if not len(expected):
        return lattices
    distance, at = nearest(points[free], expected)
    joined: list[tuple[int, int, int]] = []
    used: set[int] = set()
    for i in np.argsort(distance, kind="stable"):
        if distance[i] > TOLERANCE * lattices[owner[i]].spacing:
            continue
        point = int(free[at[i]])
        if point not in used:
            used.add(point)
            joined.append((int(owner[i]), int(i), point))
    out = []
    for n, lattice in enumerate(lattices):
        rows = [i for o, i, _ in joined if o == n]
        extra = np.array([p for o, _, p in joined if o == n], dtype=np.int64)
        out.append(
            Lattice(
                lattice.origin,
                lattice.a,
                lattice.b,
                np.concatenate([lattice.member, extra]),
                np.vstack([lattice.hk, hk[rows]]),
            )
        )
    return out


def _largest_lattice(points: Doubles) -> Lattice | None:
    vectors = _common_vectors(points, float(np.median(nearest_other(points))))
    best: Lattice | None = None
    tree = cKDTree(points)
    for i, a in enumerate(vectors):
        for b in vectors[i + 1 :]:
            area = abs(a[0] * b[1] - a[1] * b[0])
            if area < 0.4 * np.hypot(*a) * np.hypot(*b):
                continue
            grown = _grow_from_seeds(points, tree, a, b)
            if grown is None:
                continue
            # A cell twice as large explains half of the points: the count alone chooses the primitive one,
            # but of two equal ones the smaller cell is the one that is filled.
            if best is None or len(grown.member) > 1.03 * len(best.member):
                best = grown
    return best


def _common_vectors(points: Doubles, spacing: float) -> Doubles:
    """Most frequent differences of near points, one of each opposite pair, shortest first."""
    pairs = cKDTree(points).query_pairs(2.1 * spacing, output_type="ndarray")
    if not len(pairs):
        return np.zeros((0, 2))
    d = points[pairs[:, 1]] - points[pairs[:, 0]]
    both = np.vstack([d, -d])
    centres, votes = density_peaks(both, np.ones(len(both)), 0.3 * spacing)
    half = (centres[:, 1] > 1e-9) | ((np.abs(centres[:, 1]) <= 1e-9) & (centres[:, 0] > 0))
    centres, votes = centres[half], votes[half]
    strong = votes >= 0.15 * votes.max() if len(votes) else np.zeros(0, bool)
    centres = centres[strong][:MOST_VECTORS]
    return np.asarray(centres[np.argsort(np.hypot(*centres.T), kind="stable")])


def _grow_from_seeds(points: Doubles, tree: cKDTree, a: Doubles, b: Doubles) -> Lattice | None:
    """Grow from several points (spread over the list); the largest result, with a reduced basis."""
    tried = np.zeros(len(points), bool)
    best: tuple[Ints, Ints] | None = None
    for seed in np.unique(np.linspace(0, len(points) - 1, SEEDS).round().astype(int)):
        if tried[seed]:
            continue
        member, hk = _grow(points, tree, int(seed), a, b)
        tried[member] = True
        if best is None or len(member) > len(best[0]):
            best = member, hk
    if best is None or len(best[0]) < 4:
        return None
    return _fitted(points, *best)


_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)])


def _grow(points: Doubles, tree: cKDTree, seed: int, a: Doubles, b: Doubles) -> tuple[Ints, Ints]:
    """Index all points that can be reached from the seed by steps of the lattice."""
    basis = np.array([a, b])
    tolerance = TOLERANCE * min(np.hypot(*a), np.hypot(*b))
    index: dict[int, tuple[int, int]] = {seed: (0, 0)}
    taken: dict[tuple[int, int], int] = {(0, 0): seed}
    front = [seed]
    while front:
        here = np.repeat(front, len(_STEPS))
        steps = np.tile(_STEPS, (len(front), 1))
        expected = points[here] + steps @ basis
        distance, at = map(np.asarray, tree.query(expected, distance_upper_bound=tolerance))
        front = []
        for i in np.argsort(distance, kind="stable"):
            if not np.isfinite(distance[i]):
                break
            h, k = index[int(here[i])]
            hk = (h + int(steps[i, 0]), k + int(steps[i, 1]))
            point = int(at[i])
            if point in index or hk in taken:
                continue
            index[point] = hk
            taken[hk] = point
            front.append(point)
    member = np.array(sorted(index), dtype=np.int64)
    return member, np.array([index[int(m)] for m in member], dtype=np.int64)


def _fitted(points: Doubles, member: Ints, hk: Ints) -> Lattice | None:
    """Least-squares origin and vectors, a and b the shortest; None if all points lie on a line."""
    design = np.column_stack([np.ones(len(member)), hk])
    if np.linalg.matrix_rank(design) < 3:
        return None
    origin, a, b = np.linalg.lstsq(design, points[member], rcond=None)[0]
    change = np.eye(2, dtype=np.int64)  # rows: new vectors in terms of the old
    basis = np.array([a, b])
    while True:  # Lagrange's reduction
        if np.hypot(*basis[0]) > np.hypot(*basis[1]):
            basis, change = basis[::-1].copy(), change[::-1].copy()
        times = round(float(basis[1] @ basis[0] / (basis[0] @ basis[0])))
        if times == 0:
            break
        basis[1] -= times * basis[0]
        change[1] -= times * change[0]
    if basis[0] @ np.array([0.0, 1.0]) < 0 or (abs(basis[0][1]) < 1e-9 and basis[0][0] < 0):
        basis[0], change[0] = -basis[0], -change[0]
    if basis[0][1] * basis[1][0] - basis[0][0] * basis[1][1] < 0:
        basis[1], change[1] = -basis[1], -change[1]
    new = np.rint(hk @ np.linalg.inv(change)).astype(np.int64)
    return Lattice(origin, basis[0], basis[1], member, new)


def empty_neighbours(
    points: Doubles, lattices: list[Lattice], present: npt.NDArray[np.bool_], blocking: Ints | None = None
) -> tuple[Doubles, Ints, Ints]:
    """Find lattice positions beside the points at which there is none.

    Parameters
    ----------
    points : ndarray, shape (S, 2)
        All sites.
    lattices : list of Lattice
        Of `fit_lattices`.
    present : ndarray of bool, shape (S,)
        Sites that really hold something; only their neighbourhood is looked at.
    blocking : ndarray of int, optional
        Points near which no position is reported; by default all.

    Returns
    -------
    position : ndarray, shape (N, 2)
        Mean of what the neighbours expect; at least two of them must expect it.
    lattice_id : ndarray of int, shape (N,)
        Index into `lattices`.
    hk : ndarray of int, shape (N, 2)
        Indices.
    """
    positions: list[Doubles] = []
    owners: list[int] = []
    indices: list[tuple[int, int]] = []
    near_points = points if blocking is None else points[blocking]
    for n, lattice in enumerate(lattices):
        basis = np.array([lattice.a, lattice.b])
        steps = _STEPS[np.hypot(*(_STEPS @ basis).T) <= NEIGHBOUR_DISTANCE * lattice.spacing]
        expected: dict[tuple[int, int], list[Doubles]] = {}
        taken = {(int(h), int(k)) for h, k in lattice.hk}
        for point, (h, k) in zip(lattice.member, lattice.hk, strict=True):
            if not present[point]:
                continue
            for step in steps:
                hk = (int(h + step[0]), int(k + step[1]))
                if hk not in taken:
                    expected.setdefault(hk, []).append(points[point] + step @ basis)
        places = {hk: np.mean(by, axis=0) for hk, by in expected.items() if len(by) >= 2}
        free = nearest(near_points, np.array([*places.values()]).reshape(-1, 2))[0] > 0.6 * lattice.spacing
        for (hk, place), room in zip(places.items(), free, strict=True):
            if room:
                positions.append(place)
                owners.append(n)
                indices.append(hk)
    return (
        np.array(positions).reshape(-1, 2),
        np.array(owners, dtype=np.int64),
        np.array(indices, dtype=np.int64).reshape(-1, 2),
    )


def coordination(points: Doubles, occupied: npt.NDArray[np.bool_], spacing: float) -> Ints:
    """Count the occupied neighbours of each point in projection.

    Parameters
    ----------
    points : ndarray, shape (S, 2)
        (y, x).
    occupied : ndarray of bool, shape (S,)
        Whether a point counts as a neighbour; it gets its own count either way.
    spacing : float
        Nearest-neighbour distance of the lattice; neighbours are within 1.25 times this.

    Returns
    -------
    ndarray of int, shape (S,)
        0 … 6 on a projected fcc [110] lattice, whose bulk has four neighbours at 1 and two at 1.155.
    """
    count = np.zeros(len(points), np.int64)
    if len(points) > 1:
        pairs = cKDTree(points).query_pairs(NEIGHBOUR_DISTANCE * spacing, output_type="ndarray")
        np.add.at(count, pairs[:, 0], occupied[pairs[:, 1]].astype(np.int64))
        np.add.at(count, pairs[:, 1], occupied[pairs[:, 0]].astype(np.int64))
    return count
