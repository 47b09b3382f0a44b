"""Ways in: napari's own menus, the dock's buttons, layers of other plugins; and what can't be opened."""

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox

from napari_atomcount.gui import dialogs, plugin
from napari_atomcount.io.session import Session
from napari_atomcount.records.errors import InputError


def test_sample_by_the_button_and_by_the_menu(desk):
    desk.click("open_sample")
    desk.wait(lambda: len(desk.viewer.layers) == 1)
    layer = desk.viewer.layers[0]
    assert layer.data.shape == (40, 256, 256)
    assert [str(unit) for unit in layer.units] == ["second", "nanometer", "nanometer"]
    assert layer.scale[0] == pytest.approx(0.2)
    assert "40 frames · 256 × 256 px" in desk.widget("movie_facts").text()
    desk.wait(lambda: desk.widget("dose_e_per_A2_source").text() != "not given")  # in the file, or estimated
    desk.viewer.open_sample("napari-atomcount", "hopping")
    choice = desk.widget("movie_choice", QComboBox)
    assert [choice.itemText(i) for i in range(choice.count())] == [layer.name for layer in desk.viewer.layers]
    assert desk.dock.layers.movie_layer() == layer  # the one that was taken up stays


def test_several_datasets_are_asked_for(desk, tmp_path, monkeypatch):
    path = tmp_path / "two.npz"
    np.savez(path, left=np.zeros((3, 32, 32)), right=np.ones((2, 40, 40)))
    monkeypatch.setattr(dialogs, "ask_movie_file", lambda _parent: path)
    monkeypatch.setattr(dialogs, "ask_which", lambda _parent, _file, _of, names: names[1])
    desk.click("open_file")
    desk.wait(lambda: desk.dock.model.movie is not None)
    assert desk.dock.model.movie.shape == (2, 40, 40)


def test_a_grey_picture_stored_in_colours_opens(desk, tmp_path, monkeypatch):
    path = tmp_path / "grey.npy"
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 40, 1)).astype(np.uint8)
    np.save(path, np.repeat(frames, 3, axis=-1))
    monkeypatch.setattr(dialogs, "ask_movie_file", lambda _parent: path)
    desk.click("open_file")
    desk.wait(lambda: desk.dock.model.movie is not None)
    assert desk.dock.model.movie.shape == (3, 32, 40)
    ((data, *_),) = plugin.read(str(path))
    assert data.shape == (3, 32, 40)


def test_the_channels_of_a_colour_movie_are_asked_for_once(desk, tmp_path, monkeypatch):
    path = tmp_path / "colour.npy"
    colours = np.random.default_rng(0).integers(0, 255, (3, 32, 40, 3)).astype(np.uint8)
    np.save(path, colours)
    asked = []

    def ask(_parent, file, of, names):
        asked.append((file, of, names))
        return names[1]

    monkeypatch.setattr(dialogs, "ask_movie_file", lambda _parent: path)
    monkeypatch.setattr(dialogs, "ask_which", ask)
    desk.click("open_file")
    desk.wait(lambda: desk.dock.model.movie is not None)
    np.testing.assert_array_equal(desk.dock.model.movie.frame(2), colours[2, ..., 1])
    assert asked == [("colour.npy", "channels", ["red", "green", "blue"])]
    with Session.create(desk.dock.model.movie, tmp_path / "kept.atomcount"):
        pass
    monkeypatch.setattr(dialogs, "ask_session_folder", lambda _parent: tmp_path / "kept.atomcount")
    before = desk.dock.model.movie
    desk.wait(lambda: desk.dock.keeper.settled)
    desk.click("session_fold")
    desk.click("open_session")
    desk.wait(lambda: desk.dock.model.movie is not before)
    np.testing.assert_array_equal(desk.dock.model.movie.frame(2), colours[2, ..., 1])
    assert len(asked) == 1  # the session knows it


def test_the_channel_of_what_napari_opens_is_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "phase.npy"
    np.save(path, np.full((32, 40), 1j, np.complex64))
    monkeypatch.setattr(dialogs, "ask_which", lambda _parent, _file, _of, names: names[-1])
    ((data, *_),) = plugin.read(str(path))
    assert np.asarray(data).max() == pytest.approx(np.pi / 2)
    monkeypatch.setattr(dialogs, "ask_which", lambda *_: None)
    assert plugin.read(str(path)) == plugin.NOTHING


def test_what_cannot_be_opened_is_said_in_a_sentence(desk, tmp_path, monkeypatch):
    path = tmp_path / "line.npy"
    np.save(path, np.arange(10))
    said = []
    desk.dock.runner.failed.connect(said.append)
    monkeypatch.setattr(dialogs, "ask_movie_file", lambda _parent: path)
    desk.click("open_file")
    desk.wait(lambda: bool(said))
    assert "one-dimensional" in said[0]
    assert desk.widget("movie_empty").isVisible()
    with pytest.raises(InputError):
        plugin.read(str(path))


def test_an_image_of_another_plugin_can_be_chosen(desk):
    data = np.random.default_rng(0).normal(size=(64, 64))
    desk.viewer.add_image(data, name="plain", scale=(0.2, 0.2), units=("angstrom", "angstrom"))
    choice = desk.widget("movie_choice", QComboBox)
    choice.textActivated.emit("plain")
    movie = desk.dock.model.movie
    assert movie.shape == (1, 64, 64)
    assert movie.calibration.pixel_size_nm == pytest.approx((0.02, 0.02))
    assert not desk.widget("run_frame").isVisible()
    desk.layer("plain").name = "renamed"
    assert choice.currentText() == "renamed"


def test_reader_leaves_other_files_alone():
    assert plugin.get_reader("notes.txt") is None
    assert plugin.get_reader("movie.dm4") is plugin.read
