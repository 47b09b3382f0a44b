"""One table for many movies: a row of totals for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.records.analysis import Analysis

TOTALS = ("frames", "frames_observed", "columns", "sites", "events", "events_appear", "events_vanish")


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


def folder_names(paths: list[Path]) -> list[str]:
    """A folder's name for each movie: its stem, or its whole name where two share a stem."""
    stems: dict[str, int] = {}
    for path in paths:
        stems[path.stem] = stems.get(path.stem, 0) + 1
    return [path.stem if stems[path.stem] == 1 else path.name for path in paths]
