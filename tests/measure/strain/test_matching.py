"""Matching against exhaustive search, and what cannot be matched."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from napari_atomcount.measure.matching import branch_and_bound, match, ordered_match
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.errors import InputError


def rmsd_of(local, template):
    """Eq. 3.9 by the formula of Horn for the best rotation and scale, in units of the local distances."""
    cross = np.vdot(template, local)
    rest = (np.abs(local) ** 2).sum() - abs(cross) ** 2 / (np.abs(template) ** 2).sum()
    return np.sqrt(max(rest, 0) / len(local))


def test_branch_and_bound_finds_the_best_of_all_orders():
    rng = np.random.default_rng(0)
    template = load_structure("fcc110:Au").templates[0].points
    for _ in range(5):
        noise = rng.normal(size=6) + 1j * rng.normal(size=6)
        local = rng.permutation(template * 70 * np.exp(1j * rng.uniform(0, 6)) + 3.0 * noise)
        found = branch_and_bound(local, template, 0.6)
        best = min(rmsd_of(local[list(order)], template) for order in permutations(range(6)))
        assert found is not None
        assert rmsd_of(local[found], template) == pytest.approx(best)
    assert branch_and_bound(rng.normal(size=6) + 0j, template, 0.01) is None


@pytest.mark.parametrize("name", ["fcc110:Au", "fcc100", "fcc111", "graphene", "square", "hexagonal"])
def test_ordering_is_the_best_order_for_small_distortions(name):
    rng = np.random.default_rng(1)
    template = load_structure(name).templates[0]
    n = len(template.points)
    spread = 0.03 * template.nearest
    for _ in range(20):
        noise = rng.normal(size=n) + 1j * rng.normal(size=n)
        local = (template.points + spread * noise) * 50 * np.exp(1j * rng.uniform(-4, 4))
        local = local[np.argsort(np.abs(local))]
        z = np.concatenate([[0], local])
        index, pose, rmsd = ordered_match(z, np.arange(1, n + 1)[None].repeat(n + 1, 0), template)
        found = branch_and_bound(local, template.points, 0.3)
        wanted = rmsd_of(local[found], template.points) / (abs(pose[0]) * template.nearest)
        assert rmsd[0] == pytest.approx(wanted, rel=1e-6)
        assert sorted(index[0]) == list(range(1, n + 1))


def test_surfaces_and_vacancies_are_matched_in_part(scenes):
    points = scenes.fcc110(radius=1.5)
    middle = np.hypot(*points.T).argmin()
    points = np.delete(points, middle, axis=0)
    z = (points[:, 0] + 1j * points[:, 1]) * np.exp(0.4j) * 31
    found = match(z, [load_structure("fcc110:Au")])
    near = np.hypot(*points.T) < 0.3
    assert (found.n_matched[near] == 5).all()  # neighbours of the vacancy
    deep = (np.hypot(*points.T) < 1.1) & ~near
    assert (found.n_matched[deep] == 6).all()
    rim = found.n_matched[np.hypot(*points.T) > 1.4]
    assert rim.max() < 6
    good = found.structure >= 0
    assert good.mean() > 0.95
    assert np.nanmax(found.rmsd) < 1e-6
    for site in np.flatnonzero(good):  # each matched neighbour really is at its template's point
        own = found.neighbour[site]
        template = load_structure("fcc110:Au").templates[0].points
        there = own[: len(template)] >= 0
        expected = z[site] + found.pose[site] * template[there]
        assert np.abs(z[own[: len(template)][there]] - expected).max() < 1e-6


def test_the_better_template_wins_in_each_phase(scenes):
    gold = scenes.fcc110(radius=2.0, shape="box")
    gold = gold[gold[:, 0] < -0.1]
    h, k = (n.ravel() for n in np.meshgrid(np.arange(1, 9), np.arange(-8, 9)))
    square = np.column_stack([h * 0.25 - 0.05, k * 0.25])
    points = np.vstack([gold, square])
    z = points[:, 0] + 1j * points[:, 1]
    found = match(z, [load_structure("fcc110:Au"), load_structure("square:0.25")])
    inner = np.abs(points).max(1) < 1.6
    left, right = inner & (points[:, 0] < -0.6), inner & (points[:, 0] > 0.6)
    assert (found.structure[left] == 0).all()
    assert (found.structure[right] == 1).all()


@pytest.mark.parametrize(
    ("z", "word"),
    [
        (np.arange(3) + 1j * np.array([0, 1, 5]), "at least 4 columns"),
        (np.arange(20) * (1 + 2j), "on one line"),
        (np.append(np.arange(20) + 1j * np.arange(20) ** 2, 3 + 9j), "same place"),
        (np.append(np.arange(20) + 1j * np.arange(20) ** 2, np.nan), "no position"),
    ],
)
def test_points_that_cannot_be_matched_are_said_in_words(z, word):
    with pytest.raises(InputError, match=word):
        match(z.astype(complex), [load_structure("fcc110:Au")])
