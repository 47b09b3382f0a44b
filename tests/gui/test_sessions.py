"""Sessions as a person meets them: reopened, in two windows, moved, without room, compared, as tables."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLabel

from napari_atomcount.gui import session_places
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections
from napari_atomcount.resources import samples

BETWEEN = (50.5, 50.5)


def put(movie, folder: Path, name: str = "dots.tif"):
    """The movie as if it lay in a file."""
    path = folder / name
    path.write_bytes(b"stands for the movie")
    return replace(movie, path=path)


def show(desk, movie) -> None:
    """Open a movie, and wait until its session was looked for."""
    desk.dock.model.set_movie(movie)
    desk.wait(lambda: desk.dock.keeper.settled)


def run(desk) -> None:
    desk.click("run_all")
    desk.wait_idle()
    desk.wait(lambda: not desk.dock.refollower.busy)


def edits_of(desk) -> list[str]:
    return [e.edit for g in desk.dock.keeper.session.history.active() for e in g.edits]


def place_words(desk) -> str:
    return desk.widget("session_place", QLabel).text()


def test_reopening_is_being_where_one_was(desk, movie, tmp_path):
    mine = put(movie, tmp_path)
    show(desk, mine)
    assert "will be kept in dots.atomcount" in place_words(desk)
    assert not (tmp_path / "dots.atomcount").exists()  # looking at a movie leaves nothing behind
    run(desk)
    dock = desk.dock
    assert dock.keeper.session.folder == tmp_path / "dots.atomcount"
    assert "kept in dots.atomcount (1 run, 0 edits)" in place_words(desk)
    dock.keeper.do([corrections.add(3, *BETWEEN, count=2)])
    desk.wait(lambda: not dock.refollower.busy and not desk.run.analysis_is_stale)
    before, analysis = desk.run.table, dock.model.analysis
    dock.layers.show_frame(3)
    desk.viewer.scene.camera.zoom *= 2
    zoom = desk.viewer.scene.camera.zoom
    dock.session_view.keep()
    dock.refollower.keep()
    desk.wait(lambda: not dock.refollower.saver.busy)

    show(desk, replace(movie, data=np.array(movie.data) + 1))  # another one
    assert desk.run is None
    show(desk, mine)
    pd.testing.assert_frame_equal(desk.run.table, before)
    assert dock.layers.frame == 3
    assert desk.viewer.scene.camera.zoom == pytest.approx(zoom)
    assert dock.model.card.name == "sees-dots"
    assert desk.widget("model_choice", QComboBox).currentText() == "sees-dots"
    assert desk.widget("domain").isVisible()
    assert len(dock.model.analysis.sites) == len(analysis.sites)
    assert desk.run.can_follow  # its maps were kept: edits are followed without running again
    desk.click("undo")
    assert edits_of(desk) == []
    desk.wait(lambda: not dock.refollower.busy and not desk.run.analysis_is_stale)


def test_what_was_asked_for_and_what_was_wrong_at_first_are_found_again(desk, movie, tmp_path):
    """Reviewing is measured against what there was to review, also on another day."""
    mine = put(movie, tmp_path)
    show(desk, mine)
    run(desk)
    queue = desk.dock.reviewing.review.queue
    desk.wait(lambda: "counts" in queue.answers)
    combo = desk.widget("review_answer")
    combo.setCurrentIndex(combo.findData("counts"))
    combo.activated.emit(combo.currentIndex())
    at_first = queue.at_first
    assert at_first == pytest.approx(queue.review.wrong_left, abs=1e-3)
    desk.dock.keeper.do([corrections.review(t) for t in range(4)])
    desk.wait(lambda: queue.review.wrong_left < at_first - 1)
    words = desk.widget("review_words").text()
    assert "at first" in words
    desk.wait(lambda: not desk.dock.refollower.busy and not desk.run.analysis_is_stale)
    desk.dock.refollower.keep()
    desk.wait(lambda: not desk.dock.refollower.saver.busy)

    show(desk, replace(movie, data=np.array(movie.data) + 1))
    assert queue.at_first is None  # another movie's
    show(desk, mine)
    desk.wait(lambda: queue.at_first is not None)  # the words may still be those of before
    assert "at first" in desk.widget("review_words").text()
    assert (queue.answer, queue.at_first) == ("counts", pytest.approx(at_first, abs=1e-3))


def test_a_second_window_reads_only_and_sees_the_first(desk, movie, tmp_path):
    mine = put(movie, tmp_path)
    show(desk, mine)
    run(desk)
    folder = desk.dock.keeper.session.folder
    desk.dock.keeper.close()
    with Session.open(folder) as other:  # stands for the first window
        show(desk, mine)
        assert "for reading only" in place_words(desk)
        assert desk.widget("banner", QLabel).isVisible()
        assert "reading only" in desk.widget("banner", QLabel).text().lower()
        assert not desk.widget("correct").isEnabled()
        other.do([corrections.remove(0, *other.columns.frame_columns(0)[["y", "x"]].iloc[0])])
        desk.wait(lambda: len(desk.run.frame_columns(0)) == 15)
        desk.click("run_all")
        desk.wait_idle()
        assert len(other.runs) == 1


def test_a_moved_movie_is_known_again_and_a_changed_one_is_not_mixed_up(desk, movie, tmp_path):
    show(desk, put(movie, tmp_path))
    run(desk)
    session = desk.dock.keeper.session.folder
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    show(desk, put(movie, elsewhere, "renamed.tif"))
    assert desk.dock.keeper.session.folder == session
    assert desk.run is not None
    changed = put(movie, tmp_path)
    changed = replace(changed, data=np.array(movie.data) + 1)
    said = []
    desk.dock.keeper.noted.connect(said.append)
    show(desk, changed)
    assert desk.run is None
    assert any("with other pixels" in text for text in said)
    run(desk)
    assert desk.dock.keeper.session.folder == tmp_path / "dots-2.atomcount"


def test_a_session_is_opened_by_its_folder_and_asks_for_a_lost_movie(desk, movie, tmp_path, monkeypatch):
    from napari_atomcount.io.tiff import write_tiff

    path = tmp_path / "real.tif"
    write_tiff(path, np.asarray(movie.data), movie.calibration)
    desk.dock._open(path)
    desk.wait_idle()
    desk.wait(lambda: desk.dock.keeper.settled)
    run(desk)
    folder = desk.dock.keeper.session.folder
    desk.dock.model.set_movie(None)
    lost = tmp_path / "lost"
    lost.mkdir()
    moved = Path(shutil.move(path, lost / "other name.tif"))
    asked = []
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_session_folder", lambda _: folder)
    monkeypatch.setattr(
        "napari_atomcount.gui.dialogs.ask_lost_movie", lambda _, name: asked.append(name) or moved
    )
    desk.click("session_fold")
    desk.click("open_session")
    desk.wait(lambda: desk.run is not None)
    assert asked == ["real"]
    assert desk.dock.keeper.session.record.source.path == str(moved)


def test_what_is_typed_while_the_session_is_looked_for_stays(desk, movie, tmp_path, monkeypatch):
    mine = put(movie, tmp_path)
    show(desk, mine)
    run(desk)
    model = desk.dock.model
    model.prepare(model.preparation.model_copy(update={"dark_level": 0.5}), model.settings)
    desk.dock.keeper.note_preparation()
    model.set_calibration(model.movie.calibration.updated("estimated", dose_e_per_A2=123.0))
    desk.dock.keeper.note_calibration()
    show(desk, movie)  # another one, so that the session is closed

    read, hashed = Event(), type(mine).content_hash
    monkeypatch.setattr(type(mine), "content_hash", lambda self: read.wait(20) and hashed(self))
    model.set_movie(mine)
    dark = desk.widget("dark_level", QDoubleSpinBox)
    assert not dark.isEnabled()  # the preparation is not known yet
    desk.dock.commands.calibrate("pixel_size_nm", (0.021,))
    read.set()
    desk.wait(lambda: desk.dock.keeper.settled)
    session = desk.dock.keeper.session
    assert session.folder == tmp_path / "dots.atomcount"
    for kept in (model.movie.calibration, session.calibration):
        assert kept.pixel_size_nm == (0.021, 0.021)
        assert kept.sources["pixel_size_nm"] == "user"
        assert kept.dose_e_per_A2 == 123.0, "made with this dark level"
    assert dark.isEnabled()
    assert dark.value() == 0.5


class SmallDisk:
    """A file system of 3 MB that fills up or is locked, or calls that fail where nothing may be mounted."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.monkeypatch = place, monkeypatch
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
        self.mounted = (
            bool(shutil.which("mount")) and not subprocess.run(mount, capture_output=True).returncode
        )

    def fill(self) -> None:
        """From now on there is no room."""
        if not self.mounted:
            self.monkeypatch.setattr(os, "fsync", self._no_room)
            return
        try:
            with (self.place / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
        except OSError:
            pass

    def lock(self) -> None:
        """From now on it can be read only."""
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(self.place)], check=True)
            return
        access = os.access
        self.monkeypatch.setattr(
            os, "access", lambda path, mode: access(path, mode) and Path(path) != self.place
        )

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.place)], check=True)

    @staticmethod
    def _no_room(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A small file system."""
    disk = SmallDisk(tmp_path / "disk", monkeypatch)
    yield disk
    disk.remove()


def test_a_full_disk_is_said_at_once_and_corrupts_nothing(desk, movie, small_disk):
    show(desk, put(movie, small_disk.place))
    run(desk)
    dock, said = desk.dock, []
    dock.keeper.failed.connect(said.append)
    small_disk.fill()
    done = 0
    while not said and done < 200:
        done += dock.keeper.do([corrections.add(0, *BETWEEN)]) is not None
    assert "the disk is full" in said[0]
    assert edits_of(desk) == ["add"] * done
    assert len(desk.run.frame_columns(0)) == 16 + done  # what is shown is what is kept
    desk.click("run_all")  # a new run cannot be kept either
    desk.wait_idle()
    assert any("full" in text for text in said[1:])
    assert len(dock.keeper.session.runs) == 1


def test_a_read_only_folder_is_said_and_the_session_kept_elsewhere(desk, movie, small_disk):
    mine = put(movie, small_disk.place)
    small_disk.lock()
    show(desk, mine)
    assert "cannot be written" in place_words(desk)
    run(desk)
    folder = desk.dock.keeper.session.folder
    assert folder.parent.name == "sessions"
    assert not desk.dock.keeper.read_only
    show(desk, movie)
    show(desk, mine)
    assert desk.dock.keeper.session.folder == folder
    assert desk.run is not None


def test_two_runs_are_compared_on_a_frame(desk, movie, tmp_path):
    show(desk, put(movie, tmp_path))
    run(desk)
    desk.dock.network.choice.activated.emit(1)
    run(desk)
    assert len(desk.dock.keeper.session.runs) == 2
    desk.click("session_fold")
    desk.click("compare")
    words = desk.widget("compare_words", QLabel).text()
    assert "frame 0: 16 in both, 16 of them counted differently" in words
    assert len(desk.layer("comparison").data) == 16
    desk.dock.layers.show_frame(7)
    assert "frame 7: 15 in both" in desk.widget("compare_words", QLabel).text()
    desk.click("compare")
    assert "comparison" not in desk.viewer.layers
    desk.dock.network.choice.activated.emit(0)  # the first model's run is shown, and is the session's, again
    assert desk.dock.keeper.session.run == desk.run.number
    desk.click("undo")
    assert desk.dock.model.card.name == "counts-nothing"


def test_columns_and_corrections_go_out_and_come_in(desk, movie, tmp_path, monkeypatch):
    show(desk, put(movie, tmp_path))
    run(desk)
    dock = desk.dock
    dock.keeper.do([corrections.add(0, *BETWEEN, count=3)])
    monkeypatch.setattr(
        "napari_atomcount.gui.dialogs.ask_save_table", lambda _, name: tmp_path / f"exported {name}"
    )
    desk.click("session_fold")
    for what in ("columns", "corrections"):
        desk.click(f"export_{what}")
    table = pd.read_csv(tmp_path / "exported columns.csv")
    assert len(table) == len(desk.run.table)
    desk.click("undo")
    for what in ("corrections", "columns"):
        monkeypatch.setattr(
            "napari_atomcount.gui.dialogs.ask_open_table", lambda _, w=what: tmp_path / f"exported {w}.csv"
        )
        desk.click(f"import_{what}")
        assert edits_of(desk) == ["add"]
        desk.click("undo")


def test_a_session_is_copied_elsewhere_and_goes_on_there(desk, movie, tmp_path, monkeypatch):
    show(desk, put(movie, tmp_path))
    run(desk)
    desk.dock.keeper.do([corrections.add(0, *BETWEEN)])
    target = tmp_path / "away"
    target.mkdir()
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_session_parent", lambda _: target)
    desk.click("session_fold")
    desk.click("move_session")
    desk.wait(lambda: desk.dock.keeper.session is not None and desk.dock.keeper.settled)
    assert desk.dock.keeper.session.folder == target / "dots.atomcount"
    assert edits_of(desk) == ["add"]
    desk.dock.keeper.undo()
    with Session.open(tmp_path / "dots.atomcount") as old:
        assert old.history.n_edits == 1  # as it was


def test_sessions_of_samples_lie_in_the_users_own_folder(tmp_path, monkeypatch):
    """The program's own files may be anybody's, and are replaced with it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for sample in samples():
        assert session_places.new_place(open_movie(sample)).folder.parent == session_places.user_folder()
    own = tmp_path / samples()[0].name
    shutil.copy(samples()[0], own)
    assert session_places.new_place(open_movie(own)).folder.parent == tmp_path
