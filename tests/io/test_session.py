"""Tests of the session folder: kept, reopened, locked, cut short, without room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_sessions import MODEL, make_movie, run_of

from napari_atomcount.io.session import Session, SessionError, default_folder, find_folder
from napari_atomcount.records import corrections
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import CorrectionError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation


@pytest.fixture
def movie(tmp_path: Path) -> Movie:
    path = tmp_path / "Au in O2.dm4"
    path.write_bytes(b"stands for the movie")
    return make_movie(path)


@pytest.fixture
def session(movie: Movie) -> Iterator[Session]:
    made = Session.create(movie)
    made.add_run(run_of(), MODEL, frames=range(4))
    yield made
    made.close()


def reopened(session: Session) -> Session:
    session.close()
    return Session.open(session.folder)


def test_the_folder_is_as_the_contract_says(session: Session, movie: Movie):
    session.do([corrections.remove(0, 5.0, 5.0)])
    assert session.folder.name == "Au in O2.atomcount"
    assert {"session.json", "columns.parquet", "corrections.jsonl"} <= {
        p.name for p in session.folder.iterdir()
    }
    record = json.loads((session.folder / "session.json").read_text())
    assert record["source"]["sha256"] == movie.content_hash()
    assert record["model"] == MODEL
    assert record["calibration"]["pixel_size_nm"] == [0.02, 0.02]
    assert "settings" in record
    kept = pd.read_parquet(session.folder / "columns.parquet")
    assert len(kept) == 36  # what the network said, not what was corrected
    assert len((session.folder / "corrections.jsonl").read_text().splitlines()) == 1


def test_reopening_is_being_where_one_was(session: Session):
    session.do([corrections.remove(0, 5.0, 5.0), corrections.add(1, 9.5, 9.5, count=3)])
    session.do([corrections.set_count(2, 5.0, 5.0, 1)])
    session.undo()
    session.save_view(frame=2)
    before = session.columns.table
    with reopened(session) as again:
        pd.testing.assert_frame_equal(again.columns.table, before)
        assert again.can_redo
        assert again.record.view == {"frame": 2}
        assert again.redo().frames == (2,)
        assert again.undo().frames == (2,)
        assert again.undo().frames == (0, 1)
        assert again.undo().kind == "run"
        assert len(again.columns.table) == 0
        assert again.undo() is None


def test_a_rerun_keeps_the_edits_reports_the_lost_ones_and_is_undone_as_one_step(session: Session):
    session.do([corrections.set_count(0, 5.0, 5.0, 3), corrections.set_count(0, 15.0, 5.0, 3)])
    before = session.columns.table
    rerun = run_of(0.5)
    rerun = rerun[~((rerun["frame"] == 0) & (rerun["y"] == 5.5))].reset_index(drop=True)
    change = session.add_run(rerun, MODEL | {"name": "better"})
    assert [(p.edit.y, p.words) for p in change.unplaced] == [(5.0, "this run has no column there")]
    assert (session.columns.table["count"] == 3).sum() == 1
    assert session.record.model["name"] == "better"
    assert len(pd.read_parquet(session.folder / "columns.parquet")) == len(rerun)
    assert len(session.runs) == 2
    assert len(session.run_columns(session.runs[0].gesture)) == 36
    assert session.undo().kind == "run"
    pd.testing.assert_frame_equal(session.columns.table, before)
    assert session.record.model == MODEL
    assert len(pd.read_parquet(session.folder / "columns.parquet")) == 36
    session.redo()
    assert len(pd.read_parquet(session.folder / "columns.parquet")) == len(rerun)


def test_a_run_shown_again_is_the_same_run(session: Session):
    first = session.run
    session.do([corrections.review(0), corrections.add(1, 20.0, 20.0)])
    before = session.columns.table
    session.add_run(run_of(1.0), MODEL | {"name": "other"})
    assert session.columns.reviewed_frames == ()
    change = session.show_again(first)
    assert (change.kind, session.run, len(session.runs)) == ("run", first, 2)
    pd.testing.assert_frame_equal(session.columns.table, before)
    assert session.columns.reviewed_frames == (0,)  # it was accepted as this run shows it
    with reopened(session) as again:
        assert again.run == first
        assert again.undo().kind == "run"
        assert again.record.model["name"] == "other"
        with pytest.raises(SessionError, match="no run 99"):
            again.show_again(99)


def test_settings_are_steps_that_are_undone(session: Session):
    calibration = session.calibration.updated("estimated", pixel_size_nm=(0.021, 0.021))
    session.set_calibration(calibration)
    session.set_preparation(Preparation(hot_pixels=True))
    session.set_settings(session.settings.model_copy(update={"roi": (0, 10, 0, 10)}))
    with reopened(session) as again:
        assert again.calibration == calibration
        assert again.preparation.hot_pixels
        assert again.settings.roi == (0, 10, 0, 10)
        assert [again.undo().kind for _ in range(3)] == ["settings", "preparation", "calibration"]
        assert again.calibration.pixel_size_nm == (0.02, 0.02)
        assert again.settings.roi is None
        assert json.loads((again.folder / "session.json").read_text())["preparation"]["hot_pixels"] is False


def test_a_second_window_reads_only_and_sees_what_the_first_does(session: Session):
    with Session.open(session.folder) as second:
        assert "open in another window (process" in second.read_only
        with pytest.raises(SessionError, match="reading only"):
            second.do([corrections.review(0)])
        with pytest.raises(SessionError, match="reading only"):
            second.add_run(run_of(), MODEL)
        session.do([corrections.remove(0, 5.0, 5.0)])
        assert second.refresh()
        assert len(second.columns.table) == 35
        assert not second.refresh()
    with pytest.raises(SessionError, match="another window"):
        Session.create(make_movie(), session.folder)
    session.close()
    with Session.open(session.folder) as third:
        assert third.read_only == ""


def test_an_edit_is_on_disk_before_it_is_done_and_small(session: Session):
    sizes = [(session.folder / "corrections.jsonl").stat().st_size]
    for k in range(5):
        session.do([corrections.set_count(k % 4, 5.0, 5.0, k + 1)])
        sizes.append((session.folder / "corrections.jsonl").stat().st_size)
    assert all(0 < step <= 1000 for step in np.diff(sizes))


def test_a_torn_gesture_is_cut_and_said(session: Session):
    session.do([corrections.remove(0, 5.0, 5.0)])
    session.close()
    log = session.folder / "corrections.jsonl"
    sound = log.read_bytes()
    log.write_bytes(sound + b'{"gesture":3,"part":[1,2],"edit":"remove","frame":0,"y":15.0,"x":5.0}\n{"ges')
    with Session.open(session.folder, read_only=True) as looked:
        assert len(looked.columns.table) == 35
    assert log.read_bytes() != sound  # a reader leaves it alone: it may be a writer's unfinished line
    with Session.open(session.folder) as again:
        assert "in progress" in again.recovered
        assert log.read_bytes() == sound
        assert again.do([corrections.review(0)]).number == 3


def test_what_a_crash_left_is_tidied_and_mended(session: Session):
    session.add_run(run_of(0.5), MODEL)
    session.close()
    folder = session.folder
    (folder / ".session.json.123.part").write_text("{")
    (folder / "runs" / "000009.parquet").write_bytes(b"an unfinished run")
    shutil.copy(folder / "runs" / "000001.parquet", folder / "old.parquet")
    os.replace(folder / "old.parquet", folder / "columns.parquet")  # killed before it was exchanged
    with Session.open(folder) as again:
        assert not list(folder.glob(".*"))
        assert {p.name for p in (folder / "runs").iterdir()} == {"000001.parquet", "000002.parquet"}
        pd.testing.assert_frame_equal(
            pd.read_parquet(folder / "columns.parquet")[["y", "x"]], again.columns.network[["y", "x"]]
        )


def test_a_damaged_or_newer_session_is_refused_in_a_sentence(session: Session, tmp_path: Path):
    session.close()
    record = session.folder / "session.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(SessionError, match="newer version"):
        Session.open(session.folder)
    record.write_text("{")
    with pytest.raises(SessionError, match="damaged"):
        Session.open(session.folder)
    with pytest.raises(SessionError, match="is not a session"):
        Session.open(tmp_path)


def test_edits_survive_the_loss_of_session_json(session: Session, movie: Movie):
    session.do([corrections.add(0, 9.5, 9.5)])
    session.close()
    (session.folder / "session.json").unlink()
    with Session.open_or_create(movie) as again:
        assert len(again.columns.table) == 1  # the run is lost with the record, the person's work is not
        assert again.do([corrections.review(0)]).number == 3


# -- the movie ------------------------------------------------------------------
def test_the_movie_is_known_by_its_hash_wherever_it_lies(session: Session, movie: Movie, tmp_path: Path):
    assert movie.path is not None
    assert session.movie_path() == movie.path
    session.close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(session.folder, elsewhere)
    shutil.move(movie.path, elsewhere / movie.path.name)
    moved = replace(movie, path=elsewhere / movie.path.name)
    with Session.open_or_create(moved) as again:
        assert again.folder.parent == elsewhere
        assert again.movie_path() == (elsewhere / movie.path.name).resolve()
        again.movie_moved(moved)
        assert again.record.source.path == str(moved.path)
        with pytest.raises(SessionError, match="pixels are different"):
            again.movie_moved(make_movie(seed=1))


def test_a_renamed_movie_finds_its_session_and_another_one_does_not(session: Session, movie: Movie):
    session.close()
    renamed = replace(movie, name="renamed", path=movie.path.with_name("renamed.dm4"))
    assert find_folder(renamed) == session.folder
    other = replace(make_movie(seed=1), path=movie.path)
    assert default_folder(other) == session.folder
    assert find_folder(other).name == "Au in O2-2.atomcount"
    with pytest.raises(SessionError, match="belongs to another movie"):
        Session.open_or_create(other, session.folder)


def test_a_movie_that_is_gone_is_asked_for(session: Session, movie: Movie):
    movie.path.unlink()
    assert session.movie_path() is None


# -- no room, no rights -----------------------------------------------------------
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "small"
    place.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path, leave: int = 0) -> None:
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
        if leave:
            file.truncate(max(0, file.tell() - leave))


def test_a_full_disk_is_said_at_once_and_harms_nothing(small_disk: Path):
    session = Session.create(make_movie(), small_disk / "m.atomcount")
    session.add_run(run_of(), MODEL)
    session.do([corrections.remove(0, 5.0, 5.0)])
    fill(small_disk)
    done = 0

    def go_on() -> None:
        nonlocal done
        for _ in range(100):  # the page that the log has is filled first
            session.do([corrections.set_count(1, 5.0, 5.0, 1)])
            done += 1

    with pytest.raises(CorrectionError, match="the disk is full"):
        go_on()
    before = session.columns.table
    assert session.history.n_edits == done + 1
    with pytest.raises(SessionError, match="the disk is full"):
        session.add_run(run_of(0.5), MODEL)
    with pytest.raises(SessionError, match="the disk is full"):
        session.set_calibration(Calibration(pixel_size_nm=(0.03, 0.03)))
    pd.testing.assert_frame_equal(session.columns.table, before)
    with reopened(session) as again:
        pd.testing.assert_frame_equal(again.columns.table, before)
        assert again.calibration.pixel_size_nm == (0.02, 0.02)
        (small_disk / "filler").unlink()
        again.do([corrections.set_count(1, 5.0, 5.0, 1)])  # and it goes on where there is room again
        again.add_run(run_of(0.5), MODEL)


def test_no_session_is_made_on_a_full_disk(small_disk: Path):
    fill(small_disk)
    with pytest.raises(SessionError, match="the disk is full"):
        Session.create(make_movie(), small_disk / "m.atomcount")


def test_a_read_only_folder_opens_for_reading_and_says_why(small_disk: Path):
    session = Session.create(make_movie(), small_disk / "m.atomcount")
    session.add_run(run_of(), MODEL)
    session.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with Session.open(session.folder) as again:
        assert "cannot be written" in again.read_only
        assert len(again.columns.table) == 36
        with pytest.raises(SessionError, match="reading only"):
            again.do([corrections.review(0)])
    with pytest.raises(SessionError, match="cannot be written"):
        Session.create(make_movie(), small_disk / "other.atomcount")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_says_so(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SessionError, match="cannot be written"):
            Session.create(make_movie(), tmp_path / "m.atomcount")
    finally:
        tmp_path.chmod(0o700)


def test_a_failed_write_is_taken_back(session: Session, monkeypatch: pytest.MonkeyPatch):
    """Also where the disk takes a part of the line, and where it fails only at fsync."""
    log = session.folder / "corrections.jsonl"
    write, sound = os.write, log.read_bytes()

    def part(file: int, data: bytes) -> int:
        if len(data) < 30:
            raise OSError(28, "No space left on device")
        return write(file, data[: len(data) // 2])

    monkeypatch.setattr("napari_atomcount.io.edit_log.os.write", part)
    with pytest.raises(CorrectionError, match="the disk is full"):
        session.do([corrections.review(0)])
    assert log.read_bytes() == sound
    monkeypatch.undo()
    fsync = os.fsync
    failing = iter([True])

    def fail(file: int) -> None:
        if next(failing, False):
            raise OSError(5, "Input/output error")
        fsync(file)

    monkeypatch.setattr("napari_atomcount.io.edit_log.os.fsync", fail)
    with pytest.raises(CorrectionError, match="Input/output error"):
        session.do([corrections.review(0)])
    assert log.read_bytes() == sound
    monkeypatch.undo()
    assert session.do([corrections.review(0)]).number == 2
