"""Analyses that lie on disk, in a folder of results or in a session; and movies beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.io.session import Session
from napari_atomcount.io.tables import SUMMARY, read_analysis
from napari_atomcount.measure.comparing import Watched, compare_movies
from napari_atomcount.pipeline.time_output import calibration_of, kinetics_of
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

RECORD = "session.json"


@dataclass(frozen=True, eq=False)
class Results:
    """One analysed movie: a name, what was found, and the calibration that it was found with."""

    name: str
    analysis: Analysis
    calibration: Calibration

    def watched(self, frame_time_s: float | None) -> Watched:
        """What is compared of it."""
        found = self.analysis
        return Watched(self.name, found.sites, found.events, found.state, frame_time_s)


def read_results(source: Path) -> Results:
    """Read what `analyze` wrote into a folder, or what a session keeps.

    Raises
    ------
    InputError
        If there is no whole analysis.
    """
    name = source.resolve().name
    if (source / RECORD).exists():
        with Session.open(source, read_only=True) as session:
            analysis, calibration = session.load_analysis(), session.calibration
        if analysis is None:
            raise InputError(f"The session {source} has changed since it was followed: analyse it again.")
        return Results(name, analysis, calibration)
    if not (source / SUMMARY).exists():
        raise InputError(f"{source} holds no analysis: give a session, or the folder that `analyze` wrote.")
    analysis = read_analysis(source)
    return Results(name, analysis, calibration_of(analysis))


def compared(first: Results, second: Results) -> tuple[pd.DataFrame, str, list[str]]:
    """Two movies beside each other (`measure.comparing`).

    Returns
    -------
    table : DataFrame
        Of `compare_movies`.
    unit : str
        "s", or "frame" where the frame time of either is not known.
    words : list of str
        What is said of all sites together, a sentence each.
    """
    times = [r.calibration.frame_time_s for r in (first, second)]
    if None in times:
        times = [None, None]
    table = compare_movies(first.watched(times[0]), second.watched(times[1]))
    unit = "s" if times[0] else "frame"
    all_ = table[table["group"] == "all"].to_dict("records")
    words = [sentence({str(k): v for k, v in row.items()}, (first.name, second.name), unit) for row in all_]
    return table, unit, words


def sentence(row: dict[str, Any], names: tuple[str, str], unit: str) -> str:
    """One line of a comparison in words."""
    per = f" per site and {unit}" if row["what"] == "event rate" else ""
    values = ", ".join(f"{row[k]:.4g}{per} in {n}" for k, n in zip(("first", "second"), names, strict=True))
    return (
        f"{row['what']}: {values}; {row['comparison']} {row['value']:.3g} "
        f"({row['low']:.3g} to {row['high']:.3g}), p = {row['p']:.2g}"
    )


def brief(table: pd.DataFrame) -> list[str]:
    """What a comparison says of all sites together, second against first, as short as it can be said."""
    rows = table[table["group"] == "all"]
    return [
        f"{what} {'×' if kind == 'ratio' else ''}{value:{'.3g' if kind == 'ratio' else '+.3g'}} "
        f"({low:.3g} to {high:.3g}), p = {p:.2g}"
        for what, kind, value, low, high, p in zip(
            *(rows[n] for n in ("what", "comparison", "value", "low", "high", "p")), strict=True
        )
    ]


def doses(movies: list[Results]) -> pd.DataFrame:
    """Dose and kinetics of several movies, a row each, by accumulated dose (`kinetics.movie_figures`)."""
    table = pd.DataFrame([kinetics_of(m.name, m.analysis, m.calibration) for m in movies])
    order = np.argsort(table["accumulated_e_per_A2"].to_numpy(float), kind="stable")
    return table.iloc[order].reset_index(drop=True)
