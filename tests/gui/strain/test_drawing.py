"""Strain in the real window: what is drawn with the mouse is a line, a reference, a template or a region."""

from __future__ import annotations

import pytest
from strain_hands import ALL_BUTTON, SQUARE, drag, pick, run_all


def test_a_drawn_line_makes_a_profile_and_directions(measured):
    desk = measured
    run_all(desk)
    item = desk.widget("strain_component").model().item(5)
    assert not item.isEnabled()
    desk.click("strain_draw_line")
    drag(desk, (50.0, 25.0), (50.0, 77.0))
    line = desk.dock.strain.view.line
    assert line.start == pytest.approx((50.0, 25.0), abs=1.0)
    assert line.end == pytest.approx((50.0, 77.0), abs=1.0)
    assert desk.viewer.scene.camera.mouse_pan  # given back
    assert not desk.widget("strain_draw_line").isChecked()
    assert item.isEnabled()
    assert len(desk.layer("strain drawing").data) == 1
    panel = desk.dock.strain.panel
    assert panel.tabs.currentIndex() == 1
    assert "95 % errors" in panel.words["profile"].text()
    pick(desk, "strain_component", "normal")
    shown = desk.layer("strain").features
    assert shown["shown"].to_numpy() == pytest.approx(100 * shown["eyy"].to_numpy(), abs=0.02)


def test_a_drawn_reference_has_no_strain(measured):
    desk = measured
    pick(desk, "strain_reference", "region")
    desk.click("strain_draw_reference")
    drag(desk, (38.0, 38.0), (64.0, 64.0))
    run_all(desk)
    average = desk.dock.strain.found.of(-1)
    inside = desk.dock.strain.view.reference.holds(average)
    assert inside.sum() == 4
    assert abs(average.planar[inside].mean()) < 3e-4
    assert average.reference.iloc[0].startswith("region 38:")
    assert "region 38:" in desk.dock.strain.panel.legend.reference


def test_a_reference_that_was_not_drawn_is_asked_for(measured, monkeypatch):
    desk = measured
    said = []
    monkeypatch.setattr("napari_atomcount.gui.strain_desk.show_error", said.append)
    pick(desk, "strain_reference", "region")
    desk.click(ALL_BUTTON)
    assert "Draw the reference" in said[0]
    assert not desk.dock.runner.busy


def test_a_template_is_learned_from_a_drawn_region(measured):
    desk = measured
    desk.click("strain_draw_selection")
    drag(desk, (25.0, 25.0), (77.0, 77.0))
    desk.click("strain_learn")
    section = desk.dock.strain.section
    assert "learned" in section.names
    section._remove(SQUARE)
    run_all(desk)
    average = desk.dock.strain.found.of(-1)
    assert set(average.template) <= {"learned", "none"}
    assert average.planar.notna().sum() >= 4
    pick(desk, "strain_reference", "phase:learned")


def test_strain_against_time_of_a_site_a_facet_and_a_region(measured):
    desk = measured
    run_all(desk)
    panel = desk.dock.strain.panel
    panel.tabs.setCurrentIndex(2)
    assert "Click a column" in panel.words["time"].text()
    desk.click_image(44.0, 44.0)
    assert "16 frames" in panel.words["time"].text()
    desk.click("strain_draw_selection")
    drag(desk, (38.0, 38.0), (64.0, 64.0))
    assert "region, 4 sites: 16 frames" in panel.words["time"].text()
    panel.part.setCurrentIndex(panel.part.findData(0))
    panel.part.activated.emit(panel.part.currentIndex())
    assert "facet 0" in panel.words["time"].text()
    assert "±" in panel.words["facets"].text()
