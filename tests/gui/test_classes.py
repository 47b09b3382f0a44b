"""Two classes of columns in the window: told apart at a glance, and corrected by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox
from two_classes import O, TwoClasses, Vacancies

from napari_atomcount.io import palette


class OneClass(TwoClasses):
    """Sees the same dots, and does not ask what they are."""

    def __init__(self):
        super().__init__()
        self.card = self.card.model_copy(update={"name": "plain", "classes": ["column"], "sha256": "1" * 64})

    def detect(self, *args, **keywords):
        return replace(super().detect(*args, **keywords), label_logits=None, classes=("column",))


@pytest.fixture
def scene():
    return Vacancies()


@pytest.fixture
def two(desk, scene, monkeypatch):
    """The desk after a run of a model that knows Ce and O."""
    model, detectors = desk.dock.model, {d.card.name: d for d in (TwoClasses(), OneClass())}
    monkeypatch.setattr(model, "list_cards", lambda: [d.card for d in detectors.values()])
    monkeypatch.setattr(model, "load_detector", lambda card, _settings: detectors[card.name])
    desk.dock.take_up_cards()
    desk.show(scene.movie())
    choose_model(desk, "dots")
    desk.click("run_all")
    desk.wait_idle()
    desk.wait(lambda: desk.dock.model.analysis is not None)
    return desk


def choose_model(desk, name):
    choice = desk.dock.network.choice
    choice.setCurrentIndex(choice.findText(name))
    choice.activated.emit(choice.currentIndex())


def correct(desk):
    # There is no window manager on a test's screen that would make the window the active one.
    QApplication.setActiveWindow(desk.viewer.window._qt_window)
    desk.click("correct")
    desk.wait(lambda: desk.dock.reviewing.review.on)
    return desk.dock.reviewing.review


def place(scene, kind):
    """(y, x) px in frame 0 of a column of a class that stays."""
    still = np.setdiff1d(np.flatnonzero(scene.kind == kind), scene.mobile)
    return scene.points[still[0]]


def label_at(review, y, x):
    columns = review.columns
    near = np.hypot(columns["y"] - y, columns["x"] - x)
    assert near.min() < 3
    return columns["label"].iloc[int(near.argmin())]


def newest_sites(desk):
    """Labels of the last two sites, once what was edited has been followed."""
    return desk.dock.model.analysis.sites["label"].tail(2).tolist()


def test_classes_differ_in_shape_and_size(two):
    columns, layer = two.run.columns, two.layer("columns")
    cerium = (columns["label"] == "Ce").to_numpy()
    assert set(map(str, layer.symbol[cerium])) == {"disc"}
    assert set(map(str, layer.symbol[~cerium])) == {"diamond"}
    np.testing.assert_allclose(layer.size[~cerium] / layer.size[cerium][0], palette.OTHER_CLASS_SIZE)
    sites, occupancy = two.dock.model.analysis.sites, two.layer("occupancy")
    assert [str(s) == "disc" for s in occupancy.symbol] == (sites["label"] == "Ce").tolist()
    legend = two.dock.trace.legend
    assert legend.classes == ("Ce", "O")
    assert not legend.grab().toImage().isNull()


def test_a_model_of_one_class_gets_its_discs_back(two):
    choose_model(two, "plain")
    two.click("run_all")
    two.wait_idle()
    layer = two.layer("columns")
    assert len(layer.data)
    assert set(map(str, layer.symbol)) == {"disc"}
    assert np.ptp(layer.size) == 0
    assert two.dock.trace.legend.classes == ("column",)
    assert not two.widget("review_class_row").isVisibleTo(two.dock)


def test_a_column_is_made_of_another_class(two, scene):
    review, spot = correct(two), place(scene, O)
    assert label_at(review, *spot) == "O"
    review.select([review.column_at(*spot)])
    combo = two.widget("review_class", QComboBox)
    assert combo.isVisibleTo(two.dock)
    assert combo.currentText() == "O"
    QTest.keyClick(two.dock.reviewing.canvas, Qt.Key.Key_T)
    assert label_at(review, *spot) == "Ce"
    assert combo.currentText() == "Ce"
    row = review.chosen.iloc[0]
    assert row["origin"] == "corrected"
    # a frame is one vote among many: the site stays what it is in all the others
    two.wait(lambda: (two.dock.model.analysis.columns["origin"] == "corrected").any())
    analysis = two.dock.model.analysis
    site = analysis.columns.set_index("column_id")["site_id"][row["column_id"]]
    assert analysis.sites["label"][site] == "O"
    review.undo()
    assert label_at(review, *spot) == "O"


def test_what_is_added_is_of_the_chosen_class(two):
    review = correct(two)
    banner = two.widget("banner")
    assert "click: add Ce" in banner.text()
    review.add(12.0, 12.0)
    assert review.chosen["label"].tolist() == ["Ce"]
    review.select(())
    combo = two.widget("review_class", QComboBox)
    combo.setCurrentIndex(combo.findText("O"))
    combo.activated.emit(combo.currentIndex())
    assert "click: add O" in banner.text()
    review.add(12.0, 30.0)
    assert review.chosen["label"].tolist() == ["O"]
    two.wait(lambda: newest_sites(two) == ["Ce", "O"])
    review.classes.next()  # the selected one
    two.wait(lambda: newest_sites(two) == ["Ce", "Ce"])
