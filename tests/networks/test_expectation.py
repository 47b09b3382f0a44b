"""What to expect of a model is interpolated in its card's scores, and not said where nothing was measured."""

import numpy as np
import pytest

from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.card_text import card_lines, expectation
from napari_atomcount.networks.expectation import along, expect


def score(dose, pixel, recall, **more):
    return {
        "dose_low_e_per_A2": dose,
        "dose_high_e_per_A2": dose,
        "pixel_low_A": pixel,
        "pixel_high_A": pixel,
        "precision": 0.9,
        "recall": recall,
    } | more


SCORES = [
    score(100, 0.1, 0.6),
    score(10000, 0.1, 0.8),
    score(100, 0.2, 0.8),
    score(10000, 0.2, 1.0, count_exact=0.7),
    score(100, 0.2, 0.1),  # a second row of the same place does not count
    {"dose_low_e_per_A2": 100, "dose_high_e_per_A2": 1e4, "recall": 0.0},  # a range: not at one dose
    score(1000, 0.2, "many", precision=None),
    score(0, 0.2, 0.5),
]


@pytest.fixture
def card(tmp_path, write_model):
    return load_card(write_model(tmp_path / "m", scores=SCORES))


def test_figures_are_linear_in_the_logarithms(card):
    assert expect(card, 100, 0.02).recall == pytest.approx(0.8)
    assert expect(card, 1000, 0.02).recall == pytest.approx(0.9)
    assert expect(card, 1000, 0.01 * np.sqrt(2)).recall == pytest.approx(0.8)
    assert expect(card, 1000, 0.02).precision == pytest.approx(0.9)
    # the network's own pixel where none is known
    assert expect(card, 1000) == expect(card, 1000, card.pixel_size_nm)


def test_nothing_is_said_far_from_what_was_measured(card):
    assert expect(card, 80, 0.02).recall == pytest.approx(0.8)  # near the lowest dose
    for dose, pixel in ((10, 0.02), (1e6, 0.02), (1000, 0.05), (1000, 0.005)):
        assert expect(card, dose, pixel) is None
    for dose in (None, float("nan"), 0.0, -3.0, float("inf")):
        assert expect(card, dose, 0.02) is None
    assert expect(card.model_copy(update={"scores": []}), 1000, 0.02) is None
    # counts were measured at one dose and one pixel size only
    assert expect(card, 10000, 0.02).count_exact == pytest.approx(0.7)
    assert np.isnan(expect(card, 1000, 0.02).count_exact)
    assert expect(card, 1000, 0.02).record()["count_exact"] is None


def test_one_point_stands_for_its_neighbourhood():
    assert along({100.0: 0.5}, 150, 1.6) == 0.5
    assert np.isnan(along({100.0: 0.5}, 170, 1.6))
    assert np.isnan(along({}, 1, 2))


def test_words_for_the_dock_and_the_terminal(card):
    text = expectation(card, 1000.0, (0.02, 0.02))
    assert text.startswith("expect here: precision 90.0 %, recall 90.0 %")
    assert "1,000 e/Å²" in text
    assert expectation(card, None) == ""
    assert expectation(card, 1e9) == ""
    lines = card_lines(card, 1000.0, 0.02)
    assert text in lines
    assert any(line.startswith("domain: voltage 295 to 305 kV") for line in lines)
    assert any("nothing near" in line for line in card_lines(card, 1e9))
    assert not any("partial coherence" in line for line in lines)  # its recipe is not known
    training = {"envelopes_until": 5000}
    for share, seen, before, words in (
        (0.0, 9000, 0, "counted too low"),
        (0.5, 4000, 0, "counted too low"),  # not yet shown any
        (0.5, 9000, 4000, "counted too low"),  # nor here: its parent saw most of these images
        (0.5, 9000, 0, "a microscope"),
    ):
        recipe = {"focal_mean": share, "training": training}
        update = {"recipe": recipe, "images_seen": seen, "images_before": before}
        known = card.model_copy(update=update)
        lines = card_lines(known, 1000.0, 0.02)
        assert sum(words in line for line in lines) == 2  # in the domain, and in what to expect
        assert any("counted too low" in line for line in lines) == (words == "counted too low")
    # without a dose, doses inside the domain stand for it
    assert sum(line.startswith("expect here") for line in card_lines(card)) == 3
