"""Kill a process that writes a session, again and again at random moments: only the open gesture may be lost.

Run it as ``python benchmarks/kill_session.py --kills 200``; it prints what it found as JSON and exits with 1
if anything that was done was lost, changed or could not be opened.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation

FRAMES, SIDE = 6, 12
LONGEST_LIFE_S = 0.25


def make_movie() -> Movie:
    """A movie of noise; the session needs only its hash."""
    data = np.random.default_rng(0).poisson(9, (FRAMES, 32, 32)).astype(np.uint16)
    return Movie(data, Calibration(pixel_size_nm=(0.02, 0.02)), "movie")


def make_run(shift: float) -> pd.DataFrame:
    """What a network could have said: a square lattice, shifted."""
    frame, i, j = np.mgrid[:FRAMES, :SIDE, :SIDE].reshape(3, -1)
    n = len(frame)
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(n), "site_id": -1, "y": 10.0 * i + shift, "x": 10.0 * j,
            "y_nm": 0.0, "x_nm": 0.0, "y_sigma": 0.2, "x_sigma": 0.2, "score": 0.9, "label": "column",
            "count": 2, "count_prob": 0.7, "count_low": 1, "count_high": 3, "origin": "network",
            "count_p": [np.array([0.1, 0.7, 0.2], np.float32)] * n,
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


def fingerprint(session: Session) -> str:
    """What a person sees: the columns and what can be undone and redone."""
    shown = session.columns.table[["frame", "y", "x", "count", "label", "origin"]].to_csv(index=False)
    state = f"{shown}{session.history.done}{session.history.undone}{session.preparation}{session.calibration}"
    return hashlib.sha256(state.encode()).hexdigest()


def write_until_killed(folder: str, seed: int, report: Connection) -> None:
    """Do one thing after the other; report each when it is done, which a person would see as done."""
    draw = random.Random(seed)
    with Session.open(Path(folder)) as session:
        report.send((session.history.last, fingerprint(session)))
        while True:
            one_thing(session, draw)
            report.send((session.history.last, fingerprint(session)))


def one_thing(session: Session, draw: random.Random) -> None:
    """A gesture of one or many edits, an undo, a redo, a run or a changed setting."""
    what = draw.random()
    if what < 0.60:
        edits = []
        for _ in range(draw.choice((1, 1, 1, 5, 60))):
            frame, y, x = draw.randrange(FRAMES), 10.0 * draw.randrange(SIDE), 10.0 * draw.randrange(SIDE)
            edits.append(
                draw.choice(
                    (
                        corrections.add(frame, y + 4, x + 4, count=3),
                        corrections.remove(frame, y, x),
                        corrections.move(frame, y, x, y + 1, x),
                        corrections.set_count(frame, y, x, draw.randrange(1, 9)),
                        corrections.review(frame),
                    )
                )
            )
        session.do(edits)
    elif what < 0.75:
        session.undo()
    elif what < 0.83:
        session.redo()
    elif what < 0.90:
        session.add_run(make_run(draw.random()), {"name": "dots", "sha256": "0"})
    elif what < 0.95:
        session.set_preparation(Preparation(rolling_frames=draw.randrange(1, 99)))
    else:
        session.save_view(frame=draw.randrange(FRAMES))


def kill_again_and_again(folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill `kills` writers of one session, opening it after each; return counts and what was wrong."""
    draw = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["napari_atomcount.io.session"])
    with Session.create(make_movie(), folder) as session:
        session.add_run(make_run(0.0), {"name": "dots", "sha256": "0"})
    wrong: list[str] = []
    acknowledged = torn = ahead = 0
    for number in range(kills):
        mine, theirs = context.Pipe(duplex=False)
        writer = context.Process(
            target=write_until_killed, args=(str(folder), draw.randrange(1 << 30), theirs), daemon=True
        )
        writer.start()
        theirs.close()
        last, seen = mine.recv()  # it has opened the session: now the clock runs
        time.sleep(draw.random() ** 2 * LONGEST_LIFE_S)
        writer.kill()
        writer.join()
        while True:
            try:
                if not mine.poll():
                    break
                last, seen = mine.recv()
                acknowledged += 1
            except (EOFError, OSError):  # killed while it reported
                break
        mine.close()
        before = (folder / "corrections.jsonl").read_bytes()
        try:
            with Session.open(folder) as session:
                torn += bool(session.recovered)
                ahead += session.history.last > last
                if session.read_only:
                    wrong.append(f"kill {number}: read-only, {session.read_only}")
                if not last <= session.history.last <= last + 1:
                    wrong.append(f"kill {number}: gesture {last} was done, {session.history.last} is kept")
                elif session.history.last == last and fingerprint(session) != seen:
                    wrong.append(f"kill {number}: gesture {last} is kept, but what is shown differs")
                if not before.startswith((folder / "corrections.jsonl").read_bytes()):
                    wrong.append(f"kill {number}: the log lost more than its end")
                shown = pd.read_parquet(folder / "columns.parquet") if session.run else None
                if shown is not None and not shown["y"].equals(session.columns.network["y"]):
                    wrong.append(f"kill {number}: columns.parquet is of another run")
        except Exception as err:  # whatever it is, it is what this script looks for
            wrong.append(f"kill {number}: {type(err).__name__}: {err}")
    with Session.open(folder) as session:
        gestures, runs = session.history.last, len(session.runs)
        while session.undo():
            pass
        if len(session.columns.table):
            wrong.append("undoing everything does not lead back to the beginning")
    return {
        "kills": kills, "seed": seed, "gestures": gestures, "runs": runs, "done_before_kills": acknowledged,
        "torn_gestures_cut": torn, "kept_though_not_yet_shown": ahead, "wrong": wrong,
    }  # fmt: skip


def main() -> int:
    """Parse the options, run, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="atomcount-kill-") as place:
        found = kill_again_and_again(Path(place) / "movie.atomcount", given.kills, given.seed)
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
