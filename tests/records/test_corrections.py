"""Unit tests of edits, the log's lines and the history of what is done and undone."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from pydantic import ValidationError

from napari_atomcount.records import corrections
from napari_atomcount.records.corrections import CorrectionError, Edit, Gesture, History, read_lines
from napari_atomcount.records.motion import Motion


def gesture(number: int, *edits: Edit) -> Gesture:
    return Gesture(number, edits, run=1, time="2026-01-01T00:00:00Z")


def revoke(number: int, target: int) -> Gesture:
    return gesture(number, Edit(edit="revoke", revokes=target))


def log_of(*gestures: Gesture) -> bytes:
    return b"".join(g.lines() for g in gestures)


def test_a_line_holds_what_the_contract_names_in_less_than_1_kb():
    line = gesture(3, corrections.set_count(7, 10.125, 20.5, 12)).lines()
    assert json.loads(line) == {
        "gesture": 3, "part": [1, 1], "run": 1, "time": "2026-01-01T00:00:00Z",
        "edit": "set_count", "frame": 7, "y": 10.125, "x": 20.5, "count": 12,
    }  # fmt: skip
    assert len(line) < 250


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"edit": "move", "frame": 0, "y": 1.0, "x": 1.0}, "needs to_y, to_x"),
        ({"edit": "add", "frame": 0, "y": 1.0, "x": float("nan")}, "finite"),
        ({"edit": "remove", "frame": -1, "y": 1.0, "x": 1.0}, "greater"),
        ({"edit": "remove", "frame": 1, "y": 1.0, "x": 1.0, "count": 3}, "knows no count"),
        ({"edit": "review", "frame": 1, "y": 1.0}, "both y and x"),
        ({"edit": "paint", "frame": 1}, "Input should be"),
    ],
)
def test_an_impossible_edit_is_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        Edit(**values)


def test_a_log_is_read_back():
    all_kinds = gesture(
        1,
        corrections.add(0, 1.5, 2.5, count=3, label="Ce"),
        corrections.remove(1, 1 / 3, 2.0),
        corrections.move(2, 1.0, 2.0, 3.0, 4.0),
        corrections.set_label(2, 3.0, 4.0, "O"),
        corrections.review(4),
        corrections.review(4, 1.0, 2.0),
    )
    written = [all_kinds, revoke(2, 1), revoke(4, 2)]
    data = log_of(*written)
    assert read_lines(data) == (written, len(data))


def test_an_end_cut_anywhere_loses_only_the_last_gesture():
    first = gesture(1, corrections.add(0, 1.0, 2.0), corrections.add(1, 1.0, 2.0))
    last = gesture(2, corrections.remove(0, 1.0, 2.0), corrections.remove(1, 1.0, 2.0))
    whole, sound = log_of(first, last), len(log_of(first))
    for end in range(sound, len(whole)):
        assert read_lines(whole[:end]) == ([first], sound)
    assert read_lines(whole)[0] == [first, last]


@pytest.mark.parametrize("garbage", [b"\0\0\0\0\n", b'{"gesture": 2, "pa\n', b"\xff\xfe{}\n", b"\0" * 4096])
def test_garbage_at_the_end_is_a_torn_gesture(garbage):
    first = gesture(1, corrections.add(0, 1.0, 2.0))
    assert read_lines(first.lines() + garbage) == ([first], len(first.lines()))


def test_damage_before_sound_lines_is_said_with_its_line():
    with pytest.raises(CorrectionError, match=r"Line 2 of corrections\.jsonl is damaged"):
        read_lines(
            log_of(gesture(1, corrections.review(0))) + b"{\n" + log_of(gesture(2, corrections.review(0)))
        )


def test_an_unknown_kind_is_not_taken_for_a_torn_line():
    line = b'{"gesture": 1, "part": [1, 1], "edit": "paint", "frame": 0}\n'
    with pytest.raises(CorrectionError, match="not an edit that this version knows"):
        read_lines(line)


def test_a_repeated_or_missing_part_is_damage():
    first = gesture(1, corrections.review(0))
    with pytest.raises(CorrectionError, match="repeats gesture 1"):
        read_lines(log_of(first, first))
    two = gesture(2, corrections.review(0), corrections.review(1)).lines().splitlines(keepends=True)
    with pytest.raises(CorrectionError, match="does not follow"):
        read_lines(first.lines() + two[1])


def test_undo_and_redo_follow_from_the_lines_alone():
    first, second = gesture(1, corrections.review(0)), gesture(2, corrections.review(1))
    history = History([first, second])
    assert (history.done, history.undoes, history.redoes) == ((1, 2), 2, None)
    history.take(revoke(3, 2))
    history.take(revoke(4, 1))
    assert (history.done, history.undone, history.redoes) == ((), (2, 1), 4)
    history.take(revoke(5, 4))  # redo of 1
    assert (history.done, history.undone, history.redoes) == ((1,), (2,), 3)
    again = History([first, second, revoke(3, 2), revoke(4, 1), revoke(5, 4)])
    assert (again.done, again.undone, again.redoes) == (history.done, history.undone, history.redoes)
    assert again.active() == [first]


def test_a_new_gesture_ends_what_could_be_redone():
    history = History([gesture(1, corrections.review(0)), revoke(2, 1)])
    history.take(gesture(3, corrections.review(1)))
    assert history.redoes is None
    with pytest.raises(CorrectionError, match="revokes gesture 2"):
        history.take(revoke(4, 2))


def test_steps_are_undone_in_line_with_gestures():
    history = History([gesture(2, corrections.review(0)), revoke(4, 3)], steps=[1, 3])
    assert history.done == (1, 2)
    assert history.undone == (3,)
    assert history.n_edits == 1


def test_edits_are_copied_along_with_the_drift():
    drift = {2: (1.0, 0.0), 3: (2.0, 0.5)}
    edits = [corrections.move(2, 10.0, 20.0, 11.0, 21.0), corrections.review(2)]
    assert corrections.copied(edits, [3, 4], drift) == [
        corrections.move(3, 11.0, 20.5, 12.0, 21.5),
        corrections.move(4, 9.0, 20.0, 10.0, 21.0),
        corrections.review(3),
        corrections.review(4),
    ]
    with pytest.raises(CorrectionError, match="cannot be copied"):
        corrections.copied([Edit(edit="revoke", revokes=1)], [3], drift)


def test_edits_are_copied_along_with_a_turn():
    table = pd.DataFrame(
        {"frame": [2, 3], "dy": [0.0, 1.0], "dx": [0.0, 0.0], "rotation": [0.0, 90.0], "scale": 1.0,
         "pivot_y": 50.0, "pivot_x": 50.0, "aspect": 1.0}
    )  # fmt: skip
    drift = {2: (0.0, 0.0), 3: (1.0, 0.0)}
    copied = corrections.copied([corrections.remove(2, 50.0, 60.0)], [3], drift, Motion.of(table))
    # counter-clockwise on the screen: what was to the right of the pivot is above it
    assert (copied[0].y, copied[0].x) == pytest.approx((41.0, 50.0))
    away = corrections.copied([corrections.remove(2, 50.0, 60.0)], [9], drift, Motion.of(table))
    assert (away[0].y, away[0].x) == (50.0, 60.0)  # nothing is known of that frame
