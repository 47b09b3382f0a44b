"""What ``analyze`` adds for sessions and for several movies: ``--session``, and one table of totals."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from napari_atomcount.cli.common import warn
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.session import Session, SessionError
from napari_atomcount.io.session_files import SUFFIX
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation

TOTALS = ("frames", "frames_observed", "columns", "sites", "events", "events_appear", "events_vanish")


@contextmanager
def keeping(
    movie: Movie, folder: Path | None, several: Path | None, given: dict[str, Any]
) -> Iterator[Session | None]:
    """Open or make the session of a movie for the length of a block; None where none was asked for.

    Parameters
    ----------
    movie
        As the file and the options describe it.
    folder
        What ``--session`` says.
    several
        The movie's folder of results where several movies are analysed: its name is the session's.
    given
        Scales from the options: they hold from now on, as a step that can be undone.

    Raises
    ------
    SessionError
        If it belongs to another movie, is open elsewhere, or cannot be written.
    """
    if folder is None:
        yield None
        return
    place = folder if several is None else folder / f"{several.name}{SUFFIX}"
    with Session.open_or_create(movie, place) as session:
        if session.read_only:
            raise SessionError(f"The session {place} cannot be used: {session.read_only}.")
        if session.recovered:
            warn(f"{place}: {session.recovered}")
        wanted = session.calibration.updated("user", **given)
        if wanted != session.calibration:
            session.set_calibration(wanted)
        yield session


def preparing(
    movie: Movie, hot_pixels: bool, bad: tuple[int, ...] | Literal["auto"] | None, session: Session | None
) -> Preparation:
    """The preparation that the session keeps, changed by the options; the session keeps the change as a step.

    Parameters
    ----------
    movie
        As read; ``auto`` reads it once.
    hot_pixels
        Whether the option was given.
    bad
        Frames of the option, ``auto`` to find them, None where it was not given.
    session
        None: there is none.
    """
    from napari_atomcount.pipeline.preparing import bad_frames

    before = Preparation() if session is None else session.preparation
    values: dict[str, Any] = {"hot_pixels": True} if hot_pixels else {}
    if bad == "auto":
        found = bad_frames(movie)
        for one in found:
            warn(f"frame {one.frame} counts as not observed: {one.words}")
        values["bad_frames"] = tuple(one.frame for one in found)
    elif bad is not None:
        values["bad_frames"] = bad
    wanted = before.model_copy(update=values)
    if session is not None and wanted != before:
        session.set_preparation(wanted)
    return wanted


def totals_row(path: Path, analysis: Analysis) -> dict[str, Any]:
    """One movie's row of the table of totals."""
    totals = analysis.summary["totals"]
    occupied = analysis.sites["occupancy"].mean() if len(analysis.sites) else float("nan")
    return {
        "movie": str(path),
        **{name: totals.get(name, 0) for name in TOTALS},
        "mean_occupancy": occupied,
        "mean_count": analysis.sites["mean_count"].mean() if len(analysis.sites) else float("nan"),
        "warnings": len(analysis.summary["warnings"]),
        "seconds": round(sum(analysis.summary["seconds"].values()), 3),
        "error": "",
    }


def write_totals(rows: list[dict[str, Any]], path: Path) -> None:
    """Write one row per movie as CSV; movies that failed have their error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        pd.DataFrame(rows).to_csv(partial, index=False, na_rep="NaN", lineterminator="\n")
