"""A model of focal series in the dock: series in place of frames, and their defoci."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QComboBox, QLineEdit


class SeriesDetector:
    """Shows the last of three images to a detector of single ones."""

    def __init__(self, card, inner):
        self.card, self.inner = card, inner

    def detect(self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
        assert frame.shape[0] == 3
        self.shown = frame
        return self.inner.detect(frame[-1], pixel_size_nm, valid)


def test_a_series_model_runs_series(desk, movie, model_card, monkeypatch):
    one = model_card
    series = one.model_copy(
        update={
            "name": "sees-series",
            "focal_series": True,
            "network": {"frames": 3},
            "sha256": "c" * 64,
        }
    )
    seen = []
    model, dock = desk.dock.model, desk.dock
    monkeypatch.setattr(model, "list_cards", lambda: [one, series])
    plain = model.load_detector

    def load(chosen, settings):
        assert settings.detect.focal_series == (chosen.images == 3)
        inner = plain(chosen, settings)
        if chosen.images == 1:
            return inner
        seen.append(SeriesDetector(chosen, inner))
        return seen[-1]

    monkeypatch.setattr(model, "load_detector", load)
    dock.take_up_cards()
    desk.show(movie)
    desk.wait(lambda: model.movie is not None)
    choice = desk.widget("model_choice", QComboBox)
    row = desk.widget("series")

    def choose(name):
        choice.setCurrentIndex(choice.findText(name))
        choice.activated.emit(choice.currentIndex())
        desk.wait_idle()

    choose("sees-dots")
    assert not row.isVisible()
    assert desk.widget("run_frame").text() == "This frame"
    choose("sees-series")
    assert row.isVisible()
    assert "Every 3 successive images" in desk.widget("series_words").text()
    assert desk.widget("run_frame").text() == "This series"

    desk.click("run_all")
    desk.wait(lambda: model.analysis is not None)
    desk.wait_idle()
    assert sorted(model.run.frames) == [0, 3, 6, 9, 12]  # sixteen images: one is left over
    assert "5 of 5 series" in desk.widget("run_result").text()
    assert any("the last image makes no whole series" in text for text in model.run.analysis_warnings)
    in_order = seen[-1].shown

    line = desk.widget("defocus", QLineEdit)
    QTest.keyClicks(line, "9, -4")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert "give 3 different numbers" in desk.widget("defocus_problem").text()
    assert model.settings.detect.defocus_nm == ()
    line.clear()
    QTest.keyClicks(line, "9, -4, ")
    line.insert("−17")  # a typographic minus, as it is pasted from a paper
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert not desk.widget("defocus_problem").isVisible()
    assert model.settings.detect.defocus_nm == (9.0, -4.0, -17.0)
    assert "run again" in desk.widget("run_result").text()
    dock.layers.show_frame(13)
    desk.click("run_frame")
    desk.wait(lambda: model.run is not None and sorted(model.run.frames) == [12])
    desk.wait_idle()
    np.testing.assert_array_equal(seen[-1].shown, in_order[::-1])

    choose("sees-dots")
    assert not row.isVisible()
    assert not model.settings.detect.focal_series
    assert model.settings.detect.defocus_nm == ()


def test_averaging_over_symmetries_is_one_choice(desk, movie, monkeypatch):
    asked = []
    model = desk.dock.model
    plain = model.load_detector

    def load(chosen, settings):
        inner = plain(chosen, settings)
        look = inner.detect

        def detect(frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
            asked.append(symmetries)
            return look(frame, pixel_size_nm, valid, mtf)

        inner.detect = detect
        return inner

    monkeypatch.setattr(model, "load_detector", load)
    desk.show(movie)
    desk.wait(lambda: model.movie is not None)
    desk.click("run_frame")
    desk.wait_idle()
    assert asked == [None]
    averaging = desk.widget("careful", QComboBox)

    def choose(number):
        averaging.setCurrentIndex(averaging.findData(number))
        averaging.activated.emit(averaging.currentIndex())

    choose(8)
    assert model.settings.detect.symmetries == 8
    assert "run again" in desk.widget("run_result").text()
    desk.click("run_frame")
    desk.wait_idle()
    assert asked == [None, 8]
    choose(None)
    assert model.settings.detect.symmetries is None
    assert [averaging.itemData(i) for i in range(averaging.count())] == [None, 8]
    as_it_fits = model.card.model_copy(update={"name": "fits", "symmetries": None, "sha256": "f" * 64})
    desk.dock.network.show_card(as_it_fits)
    assert [averaging.itemData(i) for i in range(averaging.count())] == [None, 1, 8]
    desk.dock.network.show_settings(model.settings.detect.model_copy(update={"symmetries": 4}))
    assert averaging.currentText() == "mirror images: 4"
