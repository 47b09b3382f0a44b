"""Unit tests of lattices and peaks on points of known indices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomcount.measure.lattice import coordination, empty_neighbours, fit_lattices
from napari_atomcount.measure.peaks import density_peaks, nearest


def consistent(points, lattice, tolerance):
    """Whether origin + h a + k b is where the members are."""
    expected = lattice.origin + lattice.hk @ np.array([lattice.a, lattice.b])
    return np.hypot(*(expected - points[lattice.member]).T).max() < tolerance


@given(
    angle=st.floats(0, np.pi),
    strain=st.floats(-0.03, 0.03),
    shear=st.floats(-0.03, 0.03),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_a_rotated_strained_noisy_lattice_is_indexed(particle_of, angle, strain, shear, seed):
    rng = np.random.default_rng(seed)
    points = particle_of(1.3, angle) @ np.array([[1 + strain, shear], [0, 1]])
    points = rng.permutation(points + rng.normal(0, 0.008, points.shape))
    found = fit_lattices(points)
    assert len(found) == 1
    assert len(found[0].member) == len(points)
    assert len({tuple(hk) for hk in found[0].hk}) == len(points)
    assert consistent(points, found[0], 0.05)


@pytest.fixture(scope="module")
def particle_of():
    def make(radius, angle):
        first, second = np.array([0, 0.408 / np.sqrt(2)]), np.array([0.204, 0.408 / np.sqrt(8)])
        i, j = np.mgrid[-15:16, -15:16].reshape(2, -1, 1)
        points = i * first + j * second
        points = points[np.hypot(*points.T) < radius]
        c, s = np.cos(angle), np.sin(angle)
        return points @ np.array([[c, -s], [s, c]])

    return make


def test_vectors_are_the_shortest(particle):
    (lattice,) = fit_lattices(particle(1.3, 0.4))
    assert np.hypot(*lattice.a) == pytest.approx(0.2499, abs=1e-3)
    assert np.hypot(*lattice.b) == pytest.approx(0.2499, abs=1e-3)
    assert lattice.spacing == pytest.approx(0.2499, abs=1e-3)


def test_twins_are_two_lattices(particle):
    grain = particle(1.6, 0.0)
    # the mirror plane of a (111) twin in [110] holds the direction of the first neighbour
    along = np.array([0.204, 0.408 / np.sqrt(8)])
    along /= np.hypot(*along)
    normal = np.array([-along[1], along[0]])
    side = grain @ normal
    half = grain[side >= -1e-6]
    other = half[half @ normal > 1e-6]
    mirrored = other - 2 * (other @ normal)[:, None] * normal
    points = np.vstack([half, mirrored])
    found = fit_lattices(points)
    assert len(found) == 2
    assert sum(len(f.member) for f in found) >= len(points) - 2
    assert all(consistent(points, f, 0.02) for f in found)


def test_grains_keep_apart(particle):
    points = np.vstack([particle(1.0, 0.1), particle(1.0, 0.9) + np.array([2.6, 0])])
    assert sorted(len(f.member) for f in fit_lattices(points))[-2:] == [
        len(particle(1.0)),
        len(particle(1.0)),
    ]


def test_noise_makes_no_lattice():
    points = np.random.default_rng(0).uniform(0, 6, (12, 2))
    assert sum(len(f.member) for f in fit_lattices(points)) < 12
    assert fit_lattices(np.zeros((0, 2))) == []
    assert fit_lattices(np.array([[0, 0], [1, 1.0]])) == []


def test_points_on_a_line_make_no_lattice():
    assert fit_lattices(np.column_stack([np.arange(10) * 0.25, np.zeros(10)])) == []


def test_doubtful_points_join_where_they_are_expected(particle):
    bulk = particle(1.0)
    outer = particle(1.25)
    edge = outer[np.hypot(*outer.T) >= 1.0]
    stray = np.array([[0.12, 0.08]])
    points = np.vstack([bulk, edge, stray])
    sure = np.arange(len(points)) < len(bulk)
    (lattice,) = fit_lattices(points, sure)
    joined = set(lattice.member.tolist())
    assert len(points) - 1 not in joined
    assert len(joined - set(range(len(bulk)))) >= 0.8 * len(edge)


def test_bulk_columns_have_six_neighbours(particle):
    points = particle(1.2, 0.7)
    count = coordination(points, np.ones(len(points), bool), 0.25)
    inner = np.hypot(*points.T) < 0.8
    assert (count[inner] == 6).all()
    assert count.min() < 5


def test_empty_neighbours_are_not_counted(particle):
    points = particle(1.0)
    centre = int(np.argmin(np.hypot(*points.T)))
    occupied = np.ones(len(points), bool)
    occupied[centre] = False
    count = coordination(points, occupied, 0.25)
    assert count[centre] == 6
    around = (np.hypot(*(points - points[centre]).T) < 0.3) & occupied
    assert (count[around] == 5).all()


def test_places_beside_the_lattice(particle):
    points = particle(1.0)
    hole = int(np.argmin(np.hypot(*points.T)))
    rest = np.delete(points, hole, axis=0)
    places, owner, hk = empty_neighbours(rest, fit_lattices(rest), np.ones(len(rest), bool))
    assert nearest(places, points[hole][None])[0][0] < 0.02
    assert (owner == 0).all()
    assert len({tuple(i) for i in hk}) == len(places)
    assert nearest(rest, places)[0].min() > 0.15


def test_peaks_of_a_density():
    rng = np.random.default_rng(0)
    truth = np.array([[0, 0], [0.25, 0], [1.0, 1.0]])
    points = np.vstack([t + rng.normal(0, 0.01, (n, 2)) for t, n in zip(truth, (40, 20, 5), strict=True)])
    centres, total = density_peaks(points, np.ones(65), 0.1)
    np.testing.assert_allclose(centres, truth, atol=0.02)
    assert total.tolist() == [40, 20, 5]


def test_no_points_no_peaks():
    centres, total = density_peaks(np.zeros((0, 2)), np.zeros(0), 0.1)
    assert (len(centres), len(total)) == (0, 0)
    assert nearest(np.zeros((0, 2)), np.ones((2, 2)))[0].tolist() == [np.inf, np.inf]
