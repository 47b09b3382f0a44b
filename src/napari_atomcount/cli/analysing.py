"""The verbs ``analyze`` and ``demo``: options into settings, then the main job for each movie."""

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_atomcount.cli import options, parsing
from napari_atomcount.cli.common import Debug, Device, say, warn
from napari_atomcount.records.errors import AtomcountError, InputError

if TYPE_CHECKING:
    from napari_atomcount.records.movie import Movie
    from napari_atomcount.records.settings import AnalysisSettings

DEMO_MODEL = "fcc-110-hrtem"
DEMO_SCALES = {"kv": 300.0, "dose_e_per_A2": 310.0, "gain": 100.0}  # sample_data/README.md


@dataclass(frozen=True)
class Calibrating:
    """What the user says about a movie's scales; None leaves what the file says."""

    pixel_size_nm: tuple[float, float] | None
    frame_time_s: float | None
    dose_e_per_A2: float | None
    gain: float | None
    kv: float | None

    def given(self) -> dict[str, Any]:
        """The values that were given."""
        return {name: value for name, value in vars(self).items() if value is not None}


def analyze(
    paths: options.Paths,
    model: options.Model,
    out: options.Out,
    dataset: options.Dataset = None,
    channel: options.Channel = None,
    threshold: options.Threshold = None,
    pixel_size_nm: options.PixelSize = None,
    frame_time_s: options.FrameTime = None,
    dose_e_per_a2: options.Dose = None,
    gain: options.Gain = None,
    material: options.Material = None,
    kv: options.Kv = None,
    frames: options.Frames = None,
    roi: options.Roi = None,
    mask: options.Mask = None,
    focal_series: options.FocalSeries = False,
    defocus_nm: options.Defocus = None,
    mtf: options.CameraMtf = None,
    beam_level: options.BeamLevel = None,
    symmetries: options.Symmetries = None,
    no_drift: options.NoDrift = False,
    rotation: options.Rotation = False,
    scale: options.Scale = False,
    false_events: options.FalseEvents = None,
    template: options.Template = None,
    strain_reference: options.StrainReference = None,
    strain_refine: options.StrainRefine = None,
    strain_filter: options.StrainFilter = None,
    strain_neighbours: options.StrainNeighbours = None,
    strain_line: options.StrainLine = None,
    strain_artefact: options.StrainArtefact = None,
    dark_level: options.DarkLevel = None,
    hot_pixels: options.HotPixels = None,
    hot_sigma: options.HotSigma = None,
    bad_frames: options.BadFrames = None,
    rolling_frames: options.RollingFrames = None,
    session: options.Session = None,
    device: Device = "auto",
    maps: options.Maps = False,
    log: options.Log = None,
    log_start: options.LogStart = None,
    kymograph: options.Kymograph = None,
    debug: Debug = False,
) -> None:
    """Find columns, count atoms, follow the sites: tables, figures and a summary for each movie."""
    from napari_atomcount.cli.job import run_movie
    from napari_atomcount.cli.sessions import keeping, masked, preparing
    from napari_atomcount.cli.straining import wishes
    from napari_atomcount.io.logs import read_log
    from napari_atomcount.io.readers import open_movie
    from napari_atomcount.io.readers_many import movies_in
    from napari_atomcount.io.totals import totals_row, write_totals
    from napari_atomcount.networks.card import load_card
    from napari_atomcount.pipeline.focal import check_series
    from napari_atomcount.pipeline.preparing import prepared, viewed
    from napari_atomcount.pipeline.time_output import calibration_of, kinetics_of, write_kinetics

    if no_drift and (rotation or scale):
        raise typer.BadParameter("--no-drift takes the specimen to stand still: not with --rotation, --scale")
    scales = Calibrating(parsing.pixel_size(pixel_size_nm), frame_time_s, dose_e_per_a2, gain, kv)
    whole = roi is not None and roi.strip().lower() == "whole"
    span, part = parsing.frame_range(frames), None if whole else parsing.region(roi)
    ready = {
        "dark_level": parsing.dark_level(dark_level),
        "hot_pixels": hot_pixels,
        "hot_sigma": hot_sigma,
        "rolling_frames": rolling_frames,
    }
    bad = parsing.frame_list(bad_frames)
    settings = _settings(
        detect={
            "threshold": threshold,
            "device": device,
            "focal_series": focal_series,
            "defocus_nm": parsing.defocus(defocus_nm),
            "mtf": parsing.mtf(mtf),
            "beam_level": parsing.beam_level(beam_level),
            "symmetries": parsing.symmetries(symmetries),
        },
        drift={"enabled": not no_drift, "rotation": rotation, "scale": scale},
        occupancy={"false_events_per_1000": false_events},
        strain={
            "templates": template or None,
            "reference": strain_reference,
            "refine": strain_refine,
            "prefilter": strain_filter,
            "neighbours": strain_neighbours,
        },
        material=material,
        kv=kv,
        roi=part,
        mask=mask,
    )
    strain_options = (strain_reference, strain_refine, strain_filter, strain_neighbours)
    _check_strain(settings, any(o is not None for o in (*strain_options, strain_line, strain_artefact)))
    wanted = wishes(strain_line, strain_artefact)
    line = parsing.polyline(kymograph)
    logged = None if log is None else read_log(log).aligned(log_start)
    if logged is not None and log_start is None:
        warn(f"{logged.name} is taken to begin with the movie: say when the movie began with --log-start")
    card = load_card(model)
    check_series(card, settings.detect)
    folders_of_movies = [movies_in(path) for path in paths]
    several = len(paths) > 1 or folders_of_movies[0] is not None
    paths = [
        movie
        for path, within in zip(paths, folders_of_movies, strict=True)
        for movie in ([path] if within is None else within)
    ]
    folders = [out / name for name in _folder_names(paths)] if several else [out]
    failed = 0
    rows: list[dict[str, Any]] = []
    kinetic_rows: list[dict[str, object]] = []
    for path, folder in zip(paths, folders, strict=True):
        try:
            movie = open_movie(path, dataset=dataset, channel=channel)
            movie = movie.with_calibration(movie.calibration.updated("user", **scales.given()))
            own = settings.model_copy(update={"frames": _clip(span, movie)})
            with keeping(movie, session, folder if several else None, scales.given()) as kept:
                how = preparing(movie, ready, bad, kept)
                movie = movie if kept is None else kept.calibrated(movie)
                own = masked(own, movie, folder, kept, whole)
                found = run_movie(
                    prepared(movie, how), card, own, folder, maps=maps, command=_command(), session=kept,
                    wishes=wanted, log=logged, line=line, view=viewed(movie, how),
                )  # fmt: skip
            rows.append(totals_row(path, found))
            kinetic_rows.append(kinetics_of(folder.name, found, calibration_of(found)))
            say(
                f"{path}: {len(found.columns)} columns in {len(found.frame)} frames, "
                f"{len(found.sites)} sites, {len(found.events)} events; {folder}"
            )
        except AtomcountError as error:
            if not several:
                raise
            failed += 1
            rows.append({"movie": str(path), "error": str(error)})
            warn(f"{path}: {error}")  # the other movies are still worth their time
    if several:
        write_totals(rows, out / "totals.csv")
        if kinetic_rows:
            write_kinetics(kinetic_rows, out)
    if failed:
        raise InputError(f"{failed} of {len(paths)} movies could not be analysed")


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")],
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Analyse the bundled movie, whose truth is known: tables, figures, and scores.json against the truth."""
    from napari_atomcount.cli.demo_scores import write_demo_scores
    from napari_atomcount.cli.job import run_movie
    from napari_atomcount.io.readers import open_movie
    from napari_atomcount.networks.card import load_card
    from napari_atomcount.resources import sample_movie

    path = sample_movie()
    movie = open_movie(path)
    settings = _settings(detect={"device": device}, material="Au", kv=300.0)
    movie = movie.with_calibration(movie.calibration.updated("user", **DEMO_SCALES))
    analysis = run_movie(movie, load_card(DEMO_MODEL), settings, out, maps=True, command=_command())
    scores = write_demo_scores(analysis, movie, path, out)
    columns, events = scores["columns"], scores["events"]
    say(
        f"against the truth: precision {columns['precision']:.3f}, recall {columns['recall']:.3f}, "
        f"count within one {columns['count_within_one']:.3f}, events F1 {events['f1']:.2f}"
    )
    say(f"tables, figures and scores.json lie in {out}")


def _settings(**values: Any) -> "AnalysisSettings":
    """Settings from options; an option that was not given leaves the default of the settings."""
    from pydantic import ValidationError

    from napari_atomcount.records.settings import AnalysisSettings

    def given(options: dict[str, Any]) -> dict[str, Any]:
        return {
            name: given(value) if isinstance(value, dict) else value
            for name, value in options.items()
            if value is not None
        }

    try:
        return AnalysisSettings.model_validate(given(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise typer.BadParameter(f"{name}: {first['msg']}, not {first['input']!r}") from error


def _check_strain(settings: "AnalysisSettings", asked: bool) -> None:
    """Find out before the long job whether template and reference of the strain exist."""
    if settings.strain.templates:
        from napari_atomcount.measure.strain_reference import parse_reference
        from napari_atomcount.pipeline.straining import load_structures

        load_structures(settings.strain, settings.material)
        parse_reference(settings.strain.reference)
    elif asked:
        raise InputError("options of strain need a --template, for instance --template fcc110:Au")


def _clip(span: tuple[int, int | None] | None, movie: "Movie") -> tuple[int, int] | None:
    """The range of frames that the movie has of those asked for."""
    if span is None:
        return None
    start, stop = span
    if start >= movie.n_frames:
        last = movie.n_frames - 1
        raise InputError(f"--frames begins at {start}, but the last frame of {movie.name} is {last}")
    return start, min(movie.n_frames, movie.n_frames if stop is None else stop)


def _folder_names(paths: list[Path]) -> list[str]:
    """A folder for each movie: its stem, or its whole name where two share a stem."""
    from napari_atomcount.io.totals import folder_names

    names = folder_names(paths)
    doubled = [name for name, number in Counter(names).items() if number > 1]
    if doubled:
        raise InputError(f"two movies are called {doubled[0]}: analyse them into different folders")
    return names


def _command() -> str:
    """The command as it was typed, for summary.json."""
    return shlex.join(["napari-atomcount", *sys.argv[1:]])
