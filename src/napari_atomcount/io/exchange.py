"""Columns and corrections to and from CSV: to look at elsewhere, to bring along, to start from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from scipy.optimize import linear_sum_assignment

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.edit_log import why
from napari_atomcount.records import corrections
from napari_atomcount.records.corrections import CorrectionError, Edit, Gesture
from napari_atomcount.records.errors import InputError

FIELDS = ("gesture", "edit", "frame", "y", "x", "to_y", "to_x", "count", "label")
WHOLE = ("frame", "count")


def write_columns(columns: pd.DataFrame, path: Path) -> None:
    """Write COLUMNS as CSV, lists left out, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    _write(columns.drop(columns="count_p", errors="ignore"), path)


def write_corrections(gestures: Iterable[Gesture], path: Path) -> None:
    """Write the edits that hold as CSV, one row each: `session.history.active()`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    rows = [{"gesture": g.number, **edit.values()} for g in gestures for edit in g.edits]
    table = pd.DataFrame(rows, columns=list(FIELDS))
    for name in WHOLE:
        table[name] = table[name].astype("Int64")
    _write(table, path)


def read_corrections(path: Path) -> list[Edit]:
    """Read edits from CSV, in their order; its columns are those of `write_corrections`, without gestures.

    Raises
    ------
    InputError
        If the file cannot be read.
    CorrectionError
        If a row is no edit; the text names the row.
    """
    table = _read(path, ("edit", "frame"))
    edits = []
    for number, row in enumerate(table.to_dict("records"), start=2):
        given = [name for name in FIELDS[1:] if name in row and not pd.isna(row[name])]
        values = {name: _plain(name, row[name]) for name in given}
        try:
            edit = Edit(**values)
            if edit.edit == "revoke":
                raise ValueError("a revoke belongs to the session that made it")
        except (ValidationError, ValueError) as err:
            words = err.errors()[0]["msg"] if isinstance(err, ValidationError) else str(err)
            raise CorrectionError(f"Line {number} of {path} is no edit: {words}.") from err
        edits.append(edit)
    return edits


def read_positions(path: Path) -> pd.DataFrame:
    """Read columns found by a person or another program: y, x (px); frame (else 0), count, label if given.

    Raises
    ------
    InputError
        If the file cannot be read, lacks y or x, or holds what is no number.
    """
    table = _read(path, ("y", "x"))
    try:
        out = pd.DataFrame({"y": table["y"].astype(float), "x": table["x"].astype(float)})
        out["frame"] = table["frame"].astype("int64") if "frame" in table else 0
        out["count"] = table["count"].fillna(-1).astype("int64") if "count" in table else -1
        out["label"] = table["label"].astype("str") if "label" in table else ""
    except (ValueError, TypeError) as err:
        raise InputError(f"{path} holds a value that is no number: {err}.") from err
    if not np.isfinite(out[["y", "x"]].to_numpy()).all() or (out["frame"] < 0).any():
        raise InputError(f"{path} has a row without a position or with a frame below 0.")
    return out


def edits_between(
    columns: pd.DataFrame, wanted: pd.DataFrame, distance_px: tuple[float, float]
) -> list[Edit]:
    """Edits that turn columns into those of `read_positions`, in the frames that it names: one gesture.

    Parameters
    ----------
    columns : DataFrame
        COLUMNS as shown.
    wanted : DataFrame
        frame, y, x, count (-1: as it is), label (empty: as it is).
    distance_px : tuple of float
        (y, x): a column this near is the same one, and is moved; one to one.
    """
    edits: list[Edit] = []
    for t, want in wanted.groupby("frame"):
        frame = int(str(t))
        have = columns[columns["frame"] == frame]
        here, there = have[["y", "x"]].to_numpy(float), want[["y", "x"]].to_numpy(float)
        far = np.hypot(*((here[:, None] - there[None]) / np.array(distance_px)).transpose(2, 0, 1))
        i, j = linear_sum_assignment(np.where(far <= 1, far, 1e3))
        same = far[i, j] <= 1
        i, j = i[same], j[same]
        for m in np.setdiff1d(np.arange(len(here)), i):
            edits.append(corrections.remove(frame, *map(float, here[m])))
        for n in np.setdiff1d(np.arange(len(there)), j):
            row = want.iloc[n]
            count, label = int(row["count"]), str(row["label"])
            edits.append(
                corrections.add(
                    frame, *map(float, there[n]), count=count if count >= 0 else None, label=label or None
                )
            )
        for m, n in zip(i, j, strict=True):
            edits += _changes(frame, have.iloc[m], want.iloc[n])
    return edits


def _changes(frame: int, have: Any, want: Any) -> list[Edit]:
    y, x = float(want["y"]), float(want["x"])
    out = []
    if (float(have["y"]), float(have["x"])) != (y, x):
        out.append(corrections.move(frame, float(have["y"]), float(have["x"]), y, x))
    if want["count"] >= 0 and want["count"] != have["count"]:
        out.append(corrections.set_count(frame, y, x, int(want["count"])))
    if want["label"] and want["label"] != have["label"]:
        out.append(corrections.set_label(frame, y, x, str(want["label"])))
    return out


def _plain(name: str, value: Any) -> Any:
    """A cell as an edit takes it; whole numbers come as floats where a column has gaps."""
    if name in WHOLE and float(value) == int(float(value)):
        return int(float(value))
    return str(value) if name in ("edit", "label") else float(value)


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as err:
        raise InputError(f"{path} cannot be read as a table: {err}") from err
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise InputError(f"{path} lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}.")
    return table


def _write(table: pd.DataFrame, path: Path) -> None:
    try:
        with whole_file(Path(path)) as partial:
            table.to_csv(partial, index=False, na_rep="", lineterminator="\n")
    except OSError as err:
        raise InputError(f"{path} cannot be written: {why(err)}.") from err
