"""The verb ``compare``: two analysed movies beside each other, with intervals and tests."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_atomcount.cli.common import Debug, say, warn
from napari_atomcount.records.errors import InputError


def compare(
    first: Annotated[Path, typer.Argument(metavar="DIR", help="What `analyze` wrote of one movie.")],
    second: Annotated[Path, typer.Argument(metavar="DIR", help="And of the other.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")],
    debug: Debug = False,
) -> None:
    """Compare two analysed movies: event rates, hopping sites, occupancy; intervals and tests; a figure."""
    from napari_atomcount.measure.comparing import Watched
    from napari_atomcount.pipeline.time_output import (
        calibration_of,
        kinetics_of,
        write_comparison,
        write_kinetics,
    )

    analyses = [_read(folder) for folder in (first, second)]
    names = _names(first, second)
    calibrations = [calibration_of(a) for a in analyses]
    times = [c.frame_time_s for c in calibrations]
    if None in times and times != [None, None]:
        warn("the frame time of one movie is not known: rates are compared per frame")
        times = [None, None]
    movies = [
        Watched(name, a.sites, a.events, a.state, t)
        for name, a, t in zip(names, analyses, times, strict=True)
    ]
    out.mkdir(parents=True, exist_ok=True)
    table = write_comparison(movies[0], movies[1], out)
    rows = [
        kinetics_of(name, a, replace_time(c, t))
        for name, a, c, t in zip(names, analyses, calibrations, times, strict=True)
    ]
    write_kinetics(rows, out)
    unit = "s" if times[0] else "frame"
    for row in table[table["group"] == "all"].to_dict("records"):
        say(_sentence({str(k): v for k, v in row.items()}, names, unit))
    say(f"comparison.csv, kinetics.csv and comparison.png lie in {out}")


def replace_time(calibration: Any, frame_time_s: float | None) -> Any:
    """The calibration with another frame time, or none."""
    return calibration.model_copy(update={"frame_time_s": frame_time_s})


def _read(folder: Path) -> Any:
    from napari_atomcount.io.tables import read_analysis

    if not (folder / "summary.json").exists():
        raise InputError(f"{folder} holds no analysis: give the folder that `analyze --out` wrote.")
    return read_analysis(folder)


def _names(first: Path, second: Path) -> list[str]:
    """Short names that tell the two apart: the folders', or their whole paths."""
    names = [first.resolve().name, second.resolve().name]
    return names if names[0] != names[1] else [str(first), str(second)]


def _sentence(row: dict[str, Any], names: list[str], unit: str) -> str:
    """One line of the comparison in words."""
    per = f" per site and {unit}" if row["what"] == "event rate" else ""
    values = ", ".join(f"{row[k]:.4g}{per} in {n}" for k, n in zip(("first", "second"), names, strict=True))
    return (
        f"{row['what']}: {values}; {row['comparison']} {row['value']:.3g} "
        f"({row['low']:.3g} to {row['high']:.3g}), p = {row['p']:.2g}"
    )
