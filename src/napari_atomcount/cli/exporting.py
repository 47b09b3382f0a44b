"""The verb ``export``: one picture of what was analysed, or its table; the same as from the dock."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_atomcount.cli import options, parsing
from napari_atomcount.cli.common import Debug, say, warn
from napari_atomcount.records.errors import AtomcountError, InputError

if TYPE_CHECKING:
    from napari_atomcount.records.analysis import Analysis
    from napari_atomcount.records.calibration import Calibration
    from napari_atomcount.records.movie import Movie

WHAT = (
    "frame (counts on one frame), map (occurrence with intervals), events, rate, neighbours, classes, dwell, "
    "atoms, adatoms, drift, intensity, trace or kymograph"
)


def export(
    source: Annotated[
        Path, typer.Argument(metavar="SESSION_OR_OUT", help="What `analyze` wrote, or a session.")
    ],
    what: Annotated[str, typer.Option("--what", metavar="NAME", help=f"Which picture: {WHAT}.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=".png, .svg or .pdf; .csv writes its table.")
    ],
    movie: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The movie, where it is no longer where it was analysed."),
    ] = None,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Of --what frame. [default: the one with most columns]")
    ] = None,
    site: Annotated[int | None, typer.Option(min=0, help="Of --what trace. [default: the liveliest]")] = None,
    line: Annotated[
        str | None,
        typer.Option(metavar="Y0,X0:Y1,X1[:…]", help="Of --what kymograph: along a facet, px of frame 0."),
    ] = None,
    log: options.Log = None,
    log_start: options.LogStart = None,
    debug: Debug = False,
) -> None:
    """Draw one picture of an analysed movie: a map, a plot against time, or the table behind it."""
    from napari_atomcount.io.logs import read_log
    from napari_atomcount.pipeline.pictures import Asked, write_picture
    from napari_atomcount.pipeline.results import read_results

    found = read_results(source)
    analysis, calibration = found.analysis, found.calibration
    logged = None if log is None else read_log(log).aligned(log_start)
    asked = Asked(
        analysis,
        calibration,
        _movie(analysis, calibration, movie),
        site=site,
        frame=frame,
        line=parsing.polyline(line),
        log=logged,
    )
    say(f"wrote {write_picture(what, asked, out)}")


def _movie(analysis: "Analysis", calibration: "Calibration", given: Path | None) -> "Movie | None":
    """The movie of an analysis: the file given, or the one it was made from; None where that is gone."""
    from napari_atomcount.io.readers import open_movie

    about = analysis.summary.get("movie", {})
    path = given or (Path(about["path"]) if about.get("path") else None)
    try:
        if path is None or not path.exists():
            raise InputError(f"{path or 'the movie'} is not there")
        dataset = None if given else about.get("dataset")
        movie = open_movie(path, dataset=dataset, channel=about.get("channel"))
    except AtomcountError as error:
        if given is not None:
            raise
        warn(f"no image behind the maps ({error}): say where the movie is with --movie")
        return None
    shape = about.get("shape")
    if shape is not None and list(movie.shape[-2:]) != list(shape[-2:]):
        raise InputError(f"{path} has frames of {movie.shape[-2:]}, but {shape[-2:]} were analysed.")
    return movie.with_calibration(calibration)
