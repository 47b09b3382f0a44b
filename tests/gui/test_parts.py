"""Parts of the desk that need no window."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.gui.card_words import expectation, full_text
from napari_atomcount.gui.forms import parse_positive
from napari_atomcount.gui.geometry import Geometry, contrast_limits
from napari_atomcount.gui.lazy import LazyFrames, draw_labels
from napari_atomcount.gui.network_section import duration
from napari_atomcount.gui.site_finder import nearest
from napari_atomcount.records.calibration import Calibration


@pytest.mark.parametrize(("text", "numbers"), [("0.02", (0.02,)), ("0.02, 0.03", (0.02, 0.03)), (" ", None)])
def test_typed_numbers_are_read(text, numbers):
    assert parse_positive(text, most=2) == numbers


@pytest.mark.parametrize("text", ["zero", "-1", "0", "nan", "inf", "1,2,3"])
def test_typed_nonsense_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_positive(text, most=2)


def test_geometry_uses_what_is_known():
    known = Geometry.of(Calibration(pixel_size_nm=(0.02, 0.03), frame_time_s=0.5))
    assert known.scale == (0.5, 0.02, 0.03)
    assert known.units == ("s", "nm", "nm")
    assert Geometry.of(Calibration()).units == ("pixel", "pixel", "pixel")


def test_contrast_limits_ignore_one_hot_pixel(movie):
    assert 60 < contrast_limits(movie)[1] < 130


def test_lazy_frames_are_made_when_asked_for():
    made = []

    def make(t):
        made.append(t)
        return np.full((4, 5), t)

    lazy = LazyFrames((3, 4, 5), np.int32, make)
    assert made == []
    assert lazy[2].shape == (4, 5)
    assert lazy[2, 1:3, 0].tolist() == [2, 2]
    assert made == [2]
    lazy.forget()
    assert lazy[-1, 0, 0] == 2
    assert made == [2, 2]
    assert np.asarray(lazy)[:, 0, 0].tolist() == [0, 1, 2]
    assert lazy[:2, 1].shape == (2, 5)
    with pytest.raises(IndexError):
        lazy[3]


def test_labels_are_discs_with_the_id_of_their_row():
    columns = pd.DataFrame({"column_id": [4, 7], "y": [10.2, 0.0], "x": [20.0, 29.9]})
    labels = draw_labels(columns, (30, 30), (3.0, 3.0))
    assert labels[10, 20] == 5
    assert labels[0, 29] == 8  # cut by the border
    assert labels[20, 10] == 0
    assert (labels == 5).sum() == pytest.approx(np.pi * 9, rel=0.15)


def test_nearest_column_within_reach():
    table = pd.DataFrame({"y": [10.0, 20.0], "x": [10.0, 10.0]})
    assert nearest(table, 19.0, 10.0, (0.02, 0.02)) == 1
    assert nearest(table, 50.0, 10.0, (0.02, 0.02)) is None


def test_cards_say_what_to_expect_near_a_measured_dose(model_card):
    assert expectation(model_card, 300.0).startswith("expect here: precision 99.0 %, recall 98.5 %")
    assert "300 e/Å²" in expectation(model_card, 300.0)
    assert expectation(model_card, 1e6) == ""
    assert expectation(model_card, None) == ""
    text = full_text(model_card)
    assert "100 to 100,000 e/Å²" in text
    assert "<script" not in full_text(model_card.model_copy(update={"licence": "<script>"}))


def test_durations_in_words():
    assert [duration(s) for s in (0.2, 42, 150, 6000)] == ["1 s", "42 s", "2 min", "1 h 40 min"]


def test_dashed_rings_are_short_lines_with_a_shadow_below():
    from napari_atomcount.gui.uncertain_rings import DASHES, FILLED, LINES, dashed_rings

    centres = np.array([[10.0, 20.0], [30.0, 5.0]])
    lines, light = dashed_rings(centres, 4.0, 0.5)
    assert lines.shape == (2 * 2 * DASHES * LINES, 2, 2)
    assert light.sum() == len(light) / 2
    assert not light[: len(light) // 2].any()  # drawn first
    far = np.hypot(*(lines[light, 0] - np.repeat(centres, DASHES * LINES, axis=0)).T)
    np.testing.assert_allclose(far, 4.0)
    drawn = np.hypot(*lines[light, 1].T).sum() / 2
    assert drawn == pytest.approx(FILLED * 2 * np.pi * 4.0, rel=0.03)
    assert len(dashed_rings(np.zeros((0, 2)), 4.0, 0.5)[0]) == 0
    own, _ = dashed_rings(centres, np.array([4.0] + [2.0] * (len(centres) - 1)), 0.5)
    each = DASHES * LINES
    np.testing.assert_allclose(own[:each], lines[:each])
    far = np.hypot(*(own[-each:, 0] - centres[-1]).T)
    np.testing.assert_allclose(far, 2.0)


@pytest.mark.parametrize("closed", [True, False])
def test_nobody_waits_for_the_sites_of_a_run_that_was_thrown_away(monkeypatch, closed):
    from types import SimpleNamespace

    from napari_atomcount import pipeline
    from napari_atomcount.gui.jobs import Progress, following

    def broken(*_, **__):
        raise ValueError("the maps are gone")

    monkeypatch.setattr(pipeline, "follow_sites", broken)
    steps = following(None, None, None, SimpleNamespace(closed=closed), None)
    assert isinstance(next(steps), Progress)
    if closed:
        assert list(steps) == []
    else:
        with pytest.raises(ValueError, match="gone"):
            next(steps)
