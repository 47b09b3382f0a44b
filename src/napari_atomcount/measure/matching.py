"""Which neighbour of a column is which of its template: invariant to scale and rotation (thesis 3.2).

Two points of a plane are one complex number, and the best rotation and scale between two ordered sets is one
complex factor in closed form; what the quaternion method does for the thesis takes no iteration here.

Three searches, each for the columns that the one before left over: ordering by shell and azimuth (a perfect
or little strained neighbourhood), a search over poses (partial matches at surfaces, vacancies and
boundaries), and branch and bound over all correspondences (strong distortions).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_atomcount.measure.templates import Complex, Doubles, Ints, Structure, Template
from napari_atomcount.records.errors import InputError

Bools = npt.NDArray[np.bool_]

#: A neighbour belongs to a template's point within this, in units of the template's nearest distance.
TOLERANCE = 0.3
#: Ordered correspondences of a smaller RMSD are right; others go through the search over poses.
ORDERED_RMSD = 0.10
#: Scales of a pose, relative to the usual one of its template.
SCALES = (0.75, 1.33)
#: Columns looked at together: what lies in memory at once.
CHUNK = 1 << 22
#: Branch and bound is slow: at most this many columns.
MOST_SEARCHED = 300
#: Branches of one column; what is not found by then has no template.
MOST_BRANCHES = 20_000
TIE = 1e-9


@dataclass
class Match:
    """What template matching found for M columns.

    Parameters
    ----------
    structure, template : ndarray of int, shape (M,)
        Index of the structure and of its template; -1: none fits.
    neighbour : ndarray of int, shape (M, N)
        Index of the column at each of the template's points; -1: none. N is that of the largest template.
    pose : ndarray of complex, shape (M,)
        Factor (scale and rotation) from the template to the image; NaN: none fits.
    rmsd : ndarray, shape (M,)
        Misfit of the matched points, eq. 3.9, in units of the nearest distance; NaN: none fits.
    n_matched : ndarray of int, shape (M,)
        Matched neighbours.
    """

    structure: Ints
    template: Ints
    neighbour: Ints
    pose: Complex
    rmsd: Doubles
    n_matched: Ints


def match(
    z: Complex,
    structures: list[Structure],
    *,
    max_rmsd: float = 0.15,
    min_matched: int = 3,
) -> Match:
    """Match the neighbours of every column to the templates, and keep the best.

    Parameters
    ----------
    z : ndarray of complex, shape (M,)
        Columns x + iy in any unit in which pixels are square.
    structures : list of Structure
        The best of all their templates is taken for each column.
    max_rmsd : float
        Matches of a larger misfit are none, in units of the nearest distance.
    min_matched : int
        Matches of fewer neighbours are none.

    Raises
    ------
    InputError
        For too few, repeated or collinear columns.
    """
    check_points(z, min_matched)
    largest = max(len(t.points) for s in structures for t in s.templates)
    reach = min(len(z) - 1, max(largest + 2, int(1.5 * largest)))
    tree = cKDTree(np.column_stack([z.real, z.imag]))
    near = np.asarray(tree.query(np.column_stack([z.real, z.imag]), k=reach + 1)[1], dtype=np.int64)[:, 1:]
    n = len(z)
    best = Match(
        np.full(n, -1),
        np.full(n, -1),
        np.full((n, largest), -1),
        np.full(n, np.nan + 0j),
        np.full(n, np.nan),
        np.zeros(n, np.int64),
    )
    lowest = np.full(n, np.inf)
    for s, structure in enumerate(structures):
        for t, template in enumerate(structure.templates):
            index, pose = match_template(z, near, template, max_rmsd, min_matched)
            rmsd, cost = misfit(z, index, pose, template)
            found = (index >= 0).sum(1)
            good = (found >= min_matched) & (rmsd <= max_rmsd) & (cost < lowest - TIE)
            lowest[good] = cost[good]
            best.structure[good], best.template[good] = s, t
            best.neighbour[good] = -1
            best.neighbour[good, : index.shape[1]] = index[good]
            best.pose[good], best.rmsd[good], best.n_matched[good] = pose[good], rmsd[good], found[good]
    return best


def check_points(z: Complex, min_matched: int) -> None:
    """Raise an InputError for columns that no template can be laid over."""
    if not np.isfinite(z).all():
        raise InputError("A column has no position: leave rows without y and x out of the strain.")
    if len(z) < min_matched + 1:
        raise InputError(
            f"Strain needs at least {min_matched + 1} columns, and there are {len(z)}: "
            "lower the score threshold."
        )
    centred = z - z.mean()
    spread = np.linalg.svd(np.column_stack([centred.real, centred.imag]), compute_uv=False)
    if spread[1] < 1e-6 * max(spread[0], 1e-30):
        raise InputError("All columns lie on one line: strain in the plane cannot be measured.")
    extent = float(np.abs(centred).max())
    pairs = cKDTree(np.column_stack([z.real, z.imag])).query_pairs(1e-6 * extent)
    if pairs:
        first = min(pairs)
        raise InputError(
            f"Columns {first[0]} and {first[1]} are at the same place ({len(pairs)} such pairs): "
            "remove the copies."
        )


def match_template(
    z: Complex, near: Ints, template: Template, max_rmsd: float, min_matched: int
) -> tuple[Ints, Complex]:
    """The neighbours at one template's points, (M, N) with -1 where there is none, and the pose (M,)."""
    n = len(template.points)
    index = np.full((len(z), n), -1)
    pose = np.full(len(z), np.nan + 0j)
    done = np.zeros(len(z), bool)
    if near.shape[1] >= n:
        ordered, factor, rmsd = ordered_match(z, near[:, :n], template)
        done = rmsd <= min(ORDERED_RMSD, max_rmsd)
        index[done], pose[done] = ordered[done], factor[done]
    usual = float(np.median(np.abs(pose[done]))) if done.sum() >= 5 else None
    for part in _parts(np.flatnonzero(~done), 4 * n * n * near.shape[1]):
        index[part], pose[part] = pose_match(z, near, part, template, usual)
    few = np.flatnonzero((index >= 0).sum(1) < min_matched)
    if len(few) <= MOST_SEARCHED and near.shape[1] >= n:
        for site in few:  # what no rigid pose explains
            found = branch_and_bound(z[near[site, :n]] - z[site], template.points, max_rmsd)
            if found is not None:
                index[site] = near[site, found]
                pose[site] = _factor(z[index[site]] - z[site], template.points)
    return index, pose


def _parts(sites: Ints, each: int) -> list[Ints]:
    step = max(1, CHUNK // each)
    return [sites[i : i + step] for i in range(0, len(sites), step)]


def _factor(local: Complex, template: Complex) -> complex:
    return complex(np.vdot(template, local) / np.vdot(template, template).real)


def ordered_match(z: Complex, near: Ints, template: Template) -> tuple[Ints, Complex, Doubles]:
    """Correspondence by shell and azimuth; for each start that the template's symmetry does not make alike.

    Parameters
    ----------
    z : ndarray of complex, shape (M,)
        Columns.
    near : ndarray of int, shape (M, N)
        The N nearest neighbours, nearest first.
    template : Template
        Of N points.

    Returns
    -------
    index : ndarray of int, shape (M, N)
        Neighbour at each point of the template.
    pose : ndarray of complex, shape (M,)
        Factor from the template.
    rmsd : ndarray, shape (M,)
        Eq. 3.9, in units of the nearest distance.
    """
    local = z[near] - z[:, None]
    w = template.points
    power = float((np.abs(w) ** 2).sum())
    square = (local.real**2 + local.imag**2).sum(1)
    first = min(template.shells, key=lambda s: s.stop - s.start)
    azimuth = np.angle(local) - np.angle(local[:, first.start])[:, None]
    best = np.full(len(z), -1.0)
    index = np.zeros(near.shape, np.int64)
    pose = np.zeros(len(z), complex)
    rows = np.arange(len(z))[:, None]
    for start in range(first.start, first.stop, max(1, template.symmetry)):
        # start points that a rotation of the template maps onto each other lie evenly in the sorted shell
        order = np.empty(near.shape, np.int64)
        turn = np.angle(w) - np.angle(w[start])
        for shell in template.shells:
            cut = _gap(turn[shell])  # the circle is cut where the template has no point
            mine = shell.start + np.argsort(np.mod(turn[shell] - cut, 2 * np.pi), kind="stable")
            theirs = shell.start + np.argsort(np.mod(azimuth[:, shell] - cut, 2 * np.pi), axis=1)
            order[:, mine] = theirs
        sorted_local = local[rows, order]
        factor = (sorted_local @ w.conj()) / power
        gain = np.abs(factor) ** 2 * power
        better = gain > best
        best[better] = gain[better]
        pose[better] = factor[better]
        index[better] = near[rows[better], order[better]]
    rest = np.maximum(square - best, 0.0) / len(w)
    return index, pose, np.sqrt(rest) / (np.abs(pose) * template.nearest + 1e-300)


def _gap(azimuth: Doubles) -> float:
    """The middle of the widest gap between directions, rad."""
    a = np.sort(np.mod(azimuth, 2 * np.pi))
    widths = np.diff(np.append(a, a[0] + 2 * np.pi))
    i = int(widths.argmax())
    return float(a[i] + widths[i] / 2)


def pose_match(
    z: Complex, near: Ints, sites: Ints, template: Template, usual: float | None
) -> tuple[Ints, Complex]:
    """Partial matches: every near neighbour on every point of the template fixes a pose; the best is kept.

    Parameters
    ----------
    z, near
        As in :func:`ordered_match`, with more neighbours than the template has points.
    sites : ndarray of int, shape (P,)
        Which columns.
    template : Template
        Of N points.
    usual : float, optional
        Scale that most columns have; poses far from it are not tried.

    Returns
    -------
    index : ndarray of int, shape (P, N)
        -1 where a point has no neighbour.
    pose : ndarray of complex, shape (P,)
    """
    w, tolerance = template.points, TOLERANCE * template.nearest
    local = z[near[sites]] - z[sites, None]  # (P, K)
    anchors = local[:, : min(4, local.shape[1])]
    best = np.full(len(sites), np.inf)
    pose = np.full(len(sites), np.nan + 0j)
    for m in range(anchors.shape[1]):
        for point in w:
            factor = anchors[:, m] / point
            if usual is not None:
                size = np.abs(factor) / usual
                worth = (size > SCALES[0]) & (size < SCALES[1])
                if not worth.any():
                    continue
            else:
                worth = np.ones(len(sites), bool)
            distance, _ = _closest(local[worth], factor[worth], w)
            cost = np.minimum(distance**2, tolerance**2).sum(1)
            here = np.flatnonzero(worth)
            better = cost < best[here] - TIE
            best[here[better]] = cost[better]
            pose[here[better]] = factor[here[better]]
    index = np.full((len(sites), len(w)), -1)
    rows = np.arange(len(sites))[:, None]
    for _ in range(3):  # the anchor's own error leaves the pose
        distance, nearest = _closest(local, pose, w)
        good = (distance <= tolerance) & _once(nearest, distance)
        chosen = np.where(good, local[rows, nearest], 0)
        weight = np.where(good, w, 0)
        power = (np.abs(weight) ** 2).sum(1)
        pose = np.where(power > 0, (chosen * weight.conj()).sum(1) / np.maximum(power, 1e-300), np.nan)
        index = np.where(good, near[sites][rows, nearest], -1)
    return index, pose


def _closest(local: Complex, factor: Complex, w: Complex) -> tuple[Doubles, Ints]:
    """Distance, in the template's unit, and index of the neighbour closest to each of its points, (P, N)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        back = local / factor[:, None]
    distance = np.abs(back[:, None, :] - w[None, :, None])
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.argmin(2)
    return np.take_along_axis(distance, nearest[:, :, None], 2)[:, :, 0], nearest


def _once(nearest: Ints, distance: Doubles) -> Bools:
    """False where a neighbour is closer to another of the template's points."""
    same = nearest[:, :, None] == nearest[:, None, :]
    worse = distance[:, :, None] > distance[:, None, :]
    tied = (distance[:, :, None] == distance[:, None, :]) & np.tri(nearest.shape[1], k=-1, dtype=bool)
    return np.asarray(~(same & (worse | tied)).any(2))


def misfit(z: Complex, index: Ints, pose: Complex, template: Template) -> tuple[Doubles, Doubles]:
    """RMSD of the matched points (M,) and the cost in which a missing point counts as the tolerance (M,).

    Both are in units of the nearest distance; the cost is its mean square over all points of the template.
    """
    found = index >= 0
    local = np.where(found, z[index] - z[:, None], 0)
    w = np.where(found, template.points, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (np.abs(local - pose[:, None] * w) ** 2).sum(1) / (np.abs(pose) * template.nearest) ** 2
        rmsd = np.sqrt(rest / found.sum(1))
    missing = len(template.points) - found.sum(1)
    cost = np.where(np.isfinite(rest), rest, np.inf) + missing * TOLERANCE**2
    return rmsd, cost / len(template.points)


def branch_and_bound(local: Complex, template: Complex, max_rmsd: float) -> Ints | None:
    """The correspondence of the lowest RMSD among all, by best-first search (thesis 3.2.3).

    Parameters
    ----------
    local, template : ndarray of complex, shape (N,)
        Neighbours and the template's points relative to the centre.
    max_rmsd : float
        Branches that exceed it are cut, in units of the nearest distance.

    Returns
    -------
    ndarray of int, shape (N,), or None
        Neighbour at each of the template's points; None where every correspondence exceeds the limit.
    """
    n = len(template)
    # relative to the local scale, so that the deviation of a branch never falls when points are added
    unit = np.abs(local).mean() / np.abs(template).mean() * np.abs(template).min()
    limit = n * (max_rmsd * unit) ** 2
    queue: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    for _ in range(MOST_BRANCHES):
        if not queue:
            break
        bound, depth, chosen = heapq.heappop(queue)
        if -depth == n:
            return np.array(chosen, dtype=np.int64)
        w = template[: len(chosen) + 1]
        power = float((np.abs(w) ** 2).sum())
        for k in set(range(n)).difference(chosen):
            picked = local[[*chosen, k]]
            cross = np.vdot(w, picked)
            deviation = float((np.abs(picked) ** 2).sum() - abs(cross) ** 2 / power)
            if deviation <= limit:
                heapq.heappush(queue, (max(deviation, bound), -len(chosen) - 1, (*chosen, k)))
    return None
