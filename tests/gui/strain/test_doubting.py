"""Strain in the real window: other methods beside it, artefacts, and words for what cannot be measured."""

from __future__ import annotations

import numpy as np
import pytest
from strain_hands import SQUARE, choose, open_strain, pick, run_all, tick

PIXEL_NM = 0.02  # of the movie of dots


def test_phase_analysis_and_peak_pairs_with_their_warnings(measured):
    desk = measured
    run_all(desk)
    desk.click("strain_compare")
    desk.wait_idle()
    said = desk.widget("strain_compare_said").text()
    assert "GPA: valid on" in said
    assert "not valid there" in said  # the dots fill a part of the frame
    assert "peak pairs" in said
    assert desk.layer("GPA strain").visible
    assert len(desk.layer("peak pairs").data) == 16
    spectrum = desk.dock.strain.panel.spectrum
    first = spectrum.spots.copy()
    assert np.hypot(*first.T) == pytest.approx(1 / 13, rel=0.05)
    mask = desk.widget("strain_mask")
    mask.setValue(0.4)
    desk.click("strain_compare")
    desk.wait_idle()
    target = spectrum.targets[0]
    target.setPos(1.02 * target.pos().x(), 1.02 * target.pos().y())
    target.sigPositionChangeFinished.emit(target)
    desk.wait_idle()
    assert spectrum.spots[0] == pytest.approx(1.02 * first[0])
    desk.click("strain_spots_automatic")
    desk.wait_idle()
    assert spectrum.spots == pytest.approx(first)


def test_the_artefact_of_what_is_no_metal_is_refused_in_words(measured):
    desk = measured
    run_all(desk)
    said = []
    desk.dock.runner.failed.connect(said.append)
    desk.click("strain_simulate")
    desk.wait_idle()
    assert "not those of an fcc metal" in said[0]
    assert not desk.widget("strain_artefact").isEnabled()


def test_the_artefact_is_shown_on_the_scale_of_the_real_map(measured, monkeypatch):
    """What the simulation gives lies over the columns, and legend and words say that it is no strain."""
    from napari_atomcount.pipeline import strain_artefact

    def simulated(places, _calibration, _structures, settings, conditions, *, cache):
        assert settings.reference == "absolute"
        assert conditions.tilt_deg == 2.0
        assert conditions.dose_e_per_A2 == 310.0
        values = np.linspace(-0.004, 0.004, len(places))
        parts = {name: values for name in ("exx", "eyy", "exy", "rotation", "planar")}
        return places[["y", "x"]].assign(row=np.arange(len(places)), **parts)

    monkeypatch.setattr(strain_artefact, "zero_strain_artefact", simulated)
    desk = measured
    run_all(desk)
    desk.widget("strain_tilt_deg").setValue(2.0)
    desk.click("strain_simulate")
    desk.wait_idle()
    layer = desk.layer("strain artefact")
    assert layer.visible
    assert not desk.layer("strain").visible
    assert layer.metadata["atomcount_strain"]["limit"] == desk.dock.strain.display.limit
    assert "0.40 % at most" in desk.widget("strain_artefact_said").text()
    assert "tilt 2°" in desk.widget("strain_artefact_said").text()
    assert desk.dock.strain.panel.legend.words.startswith("could be an artefact")
    tick(desk, "strain_artefact")
    assert desk.layer("strain").visible
    assert not layer.visible


def test_a_wrong_crystal_is_said_in_words(measured):
    desk = measured
    desk.dock.strain.section._remove(SQUARE)
    choose(desk, "graphene")
    run_all(desk)
    assert "wrong zone axis" in desk.widget("strain_said").text()


@pytest.mark.parametrize(("template", "words"), [("fcc120", "is no template"), ("square:9", "absurd")])
def test_a_template_that_does_not_exist_is_refused(measured, template, words, monkeypatch):
    desk = measured
    desk.dock.strain.section._remove(SQUARE)
    choose(desk, template)
    said = []
    desk.dock.runner.failed.connect(said.append)
    run_all(desk)
    assert words in said[0]
    assert desk.dock.strain.found is None


def test_absolute_without_pixel_size_says_that_it_is_relative(desk, movie):
    """Columns stay when the pixel size is taken away; strain then is relative, and says so."""
    desk.show(movie)
    desk.click("run_frame")
    desk.wait_idle()
    open_strain(desk)
    choose(desk, SQUARE)
    pick(desk, "strain_reference", "absolute")
    desk.dock.model.calibrate(pixel_size_nm=None)
    desk.click("strain_frame")
    desk.wait_idle()
    said = desk.widget("strain_said").text()
    assert "absolute reference needs the pixel size" in said
    assert "section 1" in said
    assert "--" not in said


def test_pixels_that_are_not_square_are_said(desk, movie):
    desk.show(movie)
    desk.click("run_frame")
    desk.wait_idle()
    desk.dock.model.calibrate(pixel_size_nm=(PIXEL_NM, 1.02 * PIXEL_NM))
    open_strain(desk)
    choose(desk, SQUARE)
    desk.click("strain_frame")
    desk.wait_idle()
    assert "not square" in desk.widget("strain_said").text()
    average = desk.dock.strain.found.table
    inner = average[average.n_matched == 8]
    assert (inner.exx - inner.eyy).mean() == pytest.approx(0.02, abs=0.004)
