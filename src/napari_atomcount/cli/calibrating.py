"""The verb ``calibrate``: a movie's pixel size, gain and dose, measured from itself, as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_atomcount.cli import options, parsing
from napari_atomcount.cli.common import Debug, warn


def calibrate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A movie; a folder of images is one movie.")],
    lattice: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_CIF", help="The crystal: Au, CeO2, MoS2, graphene, … or a CIF file."),
    ] = None,
    zone_axis: Annotated[
        str | None,
        typer.Option(
            metavar="HKL", help="Its zone axis, as 110 or 1,-1,0. [default: the one that fits best]"
        ),
    ] = None,
    dataset: options.Dataset = None,
    channel: options.Channel = None,
    pixel_size_nm: options.PixelSize = None,
    gain: options.Gain = None,
    dark_level: Annotated[
        str,
        typer.Option(
            metavar="COUNTS",
            help="Counts without electrons; 'auto' takes off what is measured where 0 does not fit.",
        ),
    ] = "0",
    as_bulk: Annotated[
        bool,
        typer.Option(
            "--as-bulk", help="Take the bulk's lattice constant also for a crystal of a few nanometres."
        ),
    ] = False,
    frames: options.Frames = None,
    roi: options.Roi = None,
    debug: Debug = False,
) -> None:
    """Measure pixel size (from the crystal's spots), gain and dose, each with its error; JSON on stdout."""
    from napari_atomcount.io.readers import open_movie
    from napari_atomcount.pipeline.calibrating import calibrate as measure

    size, span, part = parsing.pixel_size(pixel_size_nm), parsing.frame_range(frames), parsing.region(roi)
    dark = _dark_level(dark_level)
    axis = None if zone_axis is None else _axis(zone_axis)
    movie = open_movie(path, dataset=dataset, channel=channel)
    given = {name: value for name, value in (("pixel_size_nm", size), ("gain", gain)) if value is not None}
    movie = movie.with_calibration(movie.calibration.updated("user", **given))
    asked = None if span is None else (span[0], movie.n_frames if span[1] is None else span[1])
    found = measure(movie, lattice, axis, asked, part, dark, as_bulk=as_bulk)
    for text in [*movie.warnings, *found["warnings"]]:
        warn(text)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))


def _axis(text: str) -> tuple[int, int, int]:
    from napari_atomcount.measure.crystal import parse_axis
    from napari_atomcount.records.errors import InputError

    try:
        return parse_axis(text)
    except InputError as error:
        raise typer.BadParameter(f"--zone-axis: {error}") from error


def _dark_level(text: str) -> float | None:
    if text.strip().lower() == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"--dark-level takes a number of counts or 'auto', not {text!r}") from error
