"""The verb ``compare``: two analysed movies beside each other, with intervals and tests."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_atomcount.cli.common import Debug, say, warn


def compare(
    first: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `analyze` wrote of one movie, or its session.")
    ],
    second: Annotated[Path, typer.Argument(metavar="DIR", help="And of the other.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")],
    debug: Debug = False,
) -> None:
    """Compare two analysed movies: event rates, hopping sites, occupancy; intervals and tests; a figure."""
    from napari_atomcount.pipeline.results import compared, read_results
    from napari_atomcount.pipeline.time_output import kinetics_of, write_comparison, write_kinetics

    movies = [
        replace(read_results(folder), name=name)
        for folder, name in zip((first, second), _names(first, second), strict=True)
    ]
    times = [m.calibration.frame_time_s for m in movies]
    if None in times and times != [None, None]:
        warn("the frame time of one movie is not known: rates are compared per frame")
        times = [None, None]
    out.mkdir(parents=True, exist_ok=True)
    table, _, words = compared(movies[0], movies[1])
    write_comparison(table, movies[0].name, movies[1].name, out)
    write_kinetics(
        [
            kinetics_of(m.name, m.analysis, replace_time(m.calibration, t))
            for m, t in zip(movies, times, strict=True)
        ],
        out,
    )
    for line in words:
        say(line)
    say(f"comparison.csv, kinetics.csv and comparison.png lie in {out}")


def replace_time(calibration: Any, frame_time_s: float | None) -> Any:
    """The calibration with another frame time, or none."""
    return calibration.model_copy(update={"frame_time_s": frame_time_s})


def _names(first: Path, second: Path) -> list[str]:
    """Short names that tell the two apart: the folders', or their whole paths."""
    names = [first.resolve().name, second.resolve().name]
    return names if names[0] != names[1] else [str(first), str(second)]
