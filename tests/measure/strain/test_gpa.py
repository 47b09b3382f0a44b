"""Phase analysis and peak pairs against known strain, template matching, and another implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.gpa import choose_spots, find_spots, phase_strain
from napari_atomcount.measure.peak_pairs import peak_pairs
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

SPACING, SIDE = 12.0, 192
STRETCH = np.array([[1.02, 0.004], [0.004, 0.985]])


def lattice(deformation, degrees=0.0):
    """Square lattice (y, x) in px around the image's middle."""
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-20, 21), np.arange(-20, 21)))
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    points = np.column_stack([h, k]) * SPACING @ np.array([[c, s], [-s, c]]).T @ deformation.T + SIDE / 2
    points = points[(points > -8).all(1) & (points < SIDE + 8).all(1)]
    return points[:, 1], points[:, 0]


@pytest.fixture(scope="module")
def halves(scenes):
    """Left unstrained, right strained: the image, and the columns of the right half."""
    y0, x0 = lattice(np.eye(2))
    y1, x1 = lattice(STRETCH)
    shape = (SIDE, SIDE)
    left, right = scenes.spots(y0, x0, 2.4, shape), scenes.spots(y1, x1, 2.4, shape)
    image = np.where(np.arange(SIDE) < SIDE / 2, left, right)
    own = x1 > SIDE / 2 + SPACING / 2
    inner = x0 < SIDE / 2 - SPACING / 2
    columns = pd.DataFrame({"y": np.append(y0[inner], y1[own]), "x": np.append(x0[inner], x1[own])})
    return image, columns


REGION = (30, 162, 20, 70)
RIGHT = (slice(50, 142), slice(126, 160))


def test_known_strain_and_agreement_with_template_matching(halves):
    image, columns = halves
    found = phase_strain(image, region=REGION, averaging_px=8)
    for name, value in {"exx": 0.02, "eyy": -0.015, "exy": 0.004}.items():
        assert getattr(found, name)[RIGHT].mean() == pytest.approx(value, abs=6e-4)
    assert found.rotation[RIGHT].mean() == pytest.approx(0.0, abs=0.05)
    assert found.valid[RIGHT].all()
    table = strain_table(
        columns, [load_structure("square")], Calibration(), reference="region:30:162,20:70"
    ).table
    inside = table.y.between(50, 142) & table.x.between(126, 160)
    for name in ("exx", "eyy", "exy"):
        assert table[name][inside].mean() == pytest.approx(getattr(found, name)[RIGHT].mean(), abs=1e-3)


def test_peak_pairs_agree_too(halves):
    _, columns = halves
    table, _ = peak_pairs(columns, Calibration(), region=(30, 162, 20, 70))
    inside = table.y.between(50, 142) & table.x.between(126, 160)
    for name, value in {"exx": 0.02, "eyy": -0.015, "exy": 0.004}.items():
        assert table[name][inside].mean() == pytest.approx(value, abs=1e-6)


def test_rotation_is_counter_clockwise_on_the_screen(scenes):
    y0, x0 = lattice(np.eye(2))
    y1, x1 = lattice(np.eye(2), degrees=3.0)
    shape = (SIDE, SIDE)
    image = np.where(
        np.arange(SIDE) < SIDE / 2, scenes.spots(y0, x0, 2.4, shape), scenes.spots(y1, x1, 2.4, shape)
    )
    found = phase_strain(image, region=REGION, averaging_px=7)
    assert found.rotation[RIGHT].mean() == pytest.approx(3.0, abs=0.1)
    own = x1 > SIDE / 2 + 6
    columns = pd.DataFrame({"y": y1[own], "x": x1[own]})
    table = strain_table(columns, [load_structure("square")], Calibration()).table
    assert table.rotation.median() == pytest.approx(3.0, abs=1e-6)


def test_spots_are_chosen_and_can_be_moved(scenes):
    y, x = lattice(np.eye(2), degrees=17.0)
    image = scenes.spots(y, x, 2.4, (SIDE, SIDE))
    image += np.random.default_rng(0).normal(scale=0.3, size=image.shape)
    spots = choose_spots(image)
    assert np.hypot(*spots.T) == pytest.approx(1 / SPACING, rel=5e-3)
    assert abs(spots[0] @ spots[1]) < 1e-4
    moved = phase_strain(image, spots=spots * 1.004)
    same = phase_strain(image, spots=spots)
    inside = same.valid
    assert moved.exx[inside].mean() == pytest.approx(same.exx[inside].mean(), abs=5e-4)


def test_where_it_is_not_valid_it_says_so(scenes):
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-4, 5), np.arange(-4, 5)))
    points = np.column_stack([h, k]) * SPACING + SIDE / 2
    island = scenes.spots(points[:, 1], points[:, 0], 2.4, (SIDE, SIDE))
    found = phase_strain(island)
    assert any("not valid there" in text for text in found.warnings)
    assert not found.valid[:40].any()
    y, x = lattice(np.eye(2))
    assert not phase_strain(scenes.spots(y, x, 2.4, (SIDE, SIDE))).warnings


def test_no_spots_or_one_line_is_said_in_words():
    noise = np.random.default_rng(0).normal(size=(96, 96))
    with pytest.raises(InputError, match="no two Bragg spots"):
        choose_spots(np.sin(2 * np.pi * np.arange(96) / 8)[None, :] + 0 * noise)
    assert len(find_spots(noise)) < 6
    with pytest.raises(InputError, match="on one line"):
        phase_strain(noise, spots=np.array([[0.1, 0.0], [0.2, 0.0]]))
    with pytest.raises(InputError, match="lattice"):
        peak_pairs(pd.DataFrame({"y": [0.0, 1.0], "x": [0.0, 3.0]}), Calibration())


def test_against_an_independent_implementation(halves):
    gpa = pytest.importorskip("pyGPA.geometric_phase_analysis")
    image, _ = halves
    ours = phase_strain(image, spots=np.array([[0.0, 1 / SPACING], [1 / SPACING, 0.0]]), averaging_px=8)
    # its wave turns against the fringe's phase: the local frequency is k - grad(phase) / 2π
    wave = gpa.optGPA(image.T, (1 / SPACING, 0.0), sigma=8).T
    slope = np.gradient(np.unwrap(np.angle(wave), axis=1), axis=1) / (2 * np.pi)
    theirs = (1 / SPACING) / (1 / SPACING - slope) - 1
    left = (slice(80, 110), slice(40, 60))
    difference = ours.exx[RIGHT].mean() - ours.exx[left].mean()
    assert theirs[RIGHT].mean() - theirs[left].mean() == pytest.approx(difference, abs=2e-3)


def test_against_the_phases_of_stemtool(halves):
    """Its phase images, made by its own masks and windows, have the slopes that our strain says."""
    try:
        from stemtool.gpa import phase_matrix
    except (ImportError, AttributeError) as error:  # it does not know every numpy
        pytest.skip(f"stemtool cannot be used here: {error}")
    image, _ = halves
    spots = np.array([[0.0, 1 / SPACING], [1 / SPACING, 0.0]])
    ours = phase_strain(image, spots=spots, averaging_px=8)
    left = (slice(50, 142), slice(40, 66))
    board = (-1.0) ** np.add.outer(np.arange(SIDE), np.arange(SIDE))  # it leaves the spectrum shifted
    for spot, axis, name in ((spots[0], 1, "exx"), (spots[1], 0, "eyy")):
        wave = board * np.exp(1j * phase_matrix(spot, image, circ_size=10, g_blur=False))
        step = wave * np.conj(np.roll(wave, 1, axis))
        frequency = np.abs(np.angle(step)) / (2 * np.pi)
        theirs = frequency[left].mean() / frequency[RIGHT].mean() - 1
        difference = float(getattr(ours, name)[RIGHT].mean() - getattr(ours, name)[left].mean())
        assert theirs == pytest.approx(difference, abs=2e-3)
