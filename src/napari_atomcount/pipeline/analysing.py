"""The whole main job: frames to an analysis with a complete summary."""

from __future__ import annotations

import math
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import metadata
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.io.session import Session
from napari_atomcount.measure.fine_noise import noise_blur_px, repeated_share
from napari_atomcount.measure.imaging import column_contrast, dark_field, unevenness
from napari_atomcount.measure.lattice_spots import first_spacings, look_for_lattice
from napari_atomcount.measure.likeness import likeness
from napari_atomcount.measure.zero_level import common_zero, cut_share, zero_level
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.domain import check_domain
from napari_atomcount.networks.expectation import expect
from napari_atomcount.networks.normalise import NORMALISATION
from napari_atomcount.pipeline.camera import camera_mtf, dose_of, middle_of
from napari_atomcount.pipeline.detecting import Looks, detect_frames
from napari_atomcount.pipeline.focal import check_series, frame_numbers, left_over
from napari_atomcount.pipeline.following import follow
from napari_atomcount.pipeline.intensities import site_intensities
from napari_atomcount.pipeline.spool import TableSpool
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings

NAMED_PACKAGES = ("numpy", "scipy", "pandas", "torch", "abtem", "rosettasciio")
SAMPLE_FRAMES = 4


def analyze(
    movie: Movie,
    model: ModelCard | Looks,
    settings: AnalysisSettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    store: LogitStore | None = None,
    command: str = "",
    session: Session | None = None,
) -> Analysis:
    """Find the columns of a movie, count their atoms, and follow the sites through time.

    Parameters
    ----------
    movie : Movie
        Needs a pixel size; without a frame time, times and rates are NaN.
    model : ModelCard or Detector
        What looks at the frames; a card is loaded onto the settings' device.
    settings : AnalysisSettings, optional
        Of every stage.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.
    cancelled : callable, optional
        Asked before each frame; True ends the detection, and the finished frames are followed.
    store : LogitStore, optional
        Made by the caller who wants to look at the maps afterwards; by default it is closed at the end.
    command : str
        What the user typed, for the summary.
    session : Session, optional
        It keeps what the network says as a new run; its edits hold in what follows, and those that find no
        column in this run are warned of.

    Returns
    -------
    Analysis
        Ready to be written.

    Raises
    ------
    InputError
        If the pixel size is missing or absurd, if no frame is in the range, if region or mask do not fit, or
        if the model means focal series and the settings do not, or the reverse.
    """
    settings = settings or AnalysisSettings()
    say = progress or (lambda _stage, _done, _total: None)
    card = model if isinstance(model, ModelCard) else model.card
    check_series(card, settings.detect)
    images = card.images
    movie = with_estimates(movie, settings, images)
    frames = frame_numbers(movie, settings, images)
    if not frames:
        none = "none of them is" if images == 1 else f"no whole series of {images} is"
        raise InputError(
            f"{movie.name} has {movie.n_frames} frames, and {none} in the range asked for: change --frames."
        )
    begun = time.monotonic()
    detector = _loaded(model, settings)
    mtf = camera_mtf(movie, settings, images)
    loaded = time.monotonic()
    own_store = store is None
    store = LogitStore(movie, detector.card) if store is None else store
    spool = TableSpool(tables.COLUMNS)
    shifts: dict[int, list[list[float]]] = {}
    say("columns", 0, len(frames))
    try:
        results = detect_frames(movie, detector, settings, frames, cancelled, mtf)
        for done, result in enumerate(results, start=1):
            store.add(result)
            spool.add(result.columns)
            if result.shift is not None:
                shifts[result.frame] = np.round(result.shift, 3).tolist()
            say("columns", done, len(frames))
            del result  # its maps are as large as all that follows
        columns = spool.table()
        detected = time.monotonic()
        unplaced = [] if session is None else _kept(columns, store, detector.card, settings, session)
        edits = None if session is None else session.columns
        analysis = follow(movie, columns, store, settings, progress, edits)
        analysis.summary["warnings"] += unplaced
        complete = len(store.frames) >= len(frames)
    finally:
        spool.close()
        if own_store:
            store.close()
    if len(card.classes) > 1 and images == 1:
        seen = time.monotonic()
        analysis = replace(analysis, intensity=site_intensities(movie, analysis, progress))
        analysis.summary["seconds"]["intensity"] = time.monotonic() - seen
    timing = {"loading": loaded - begun, "columns": detected - loaded, **analysis.summary["seconds"]}
    analysis.summary["seconds"] = {name: round(value, 3) for name, value in timing.items()}
    if card.normalisation == NORMALISATION:
        analysis.summary["camera_mtf"] = asdict(mtf)
    if images > 1:
        series = [{"frame": t, "shift_px": shift} for t, shift in shifts.items()]
        analysis.summary["focal_series"] = {"images": images, "series": series}
    return describe(analysis, movie, detector.card, settings, command=command, complete=complete)


def _kept(
    columns: pd.DataFrame, store: LogitStore, card: ModelCard, settings: AnalysisSettings, session: Session
) -> list[str]:
    """Keep a run in the session; say which of its edits find no column in it."""
    model = {"name": card.name, "sha256": card.sha256}
    detect = settings.detect.model_dump(mode="json")
    change = session.add_run(columns, model, detect, store.frames.tolist(), store.warnings)
    if not change.unplaced:
        return []
    edits = "; ".join(
        f"{p.edit.edit} in frame {p.edit.frame}"
        + ("" if p.edit.y is None else f" at {p.edit.y:.1f}, {p.edit.x:.1f}")
        for p in change.unplaced[:5]
    )
    more = " …" if len(change.unplaced) > 5 else ""
    return [
        f"{len(change.unplaced)} corrections find no place in this run and wait for another: {edits}{more}"
    ]


def with_estimates(movie: Movie, settings: AnalysisSettings, images: int = 1) -> Movie:
    """Return the movie with a voltage from the settings and a dose from its noise, where it knows neither.

    In focal series of several ``images`` only those of one defocus are compared with each other.

    Raises
    ------
    InputError
        If the pixel size is missing or absurd.
    """
    calibration = movie.calibration
    pixel_size = calibration.require_pixel_size()
    if settings.kv is not None:
        calibration = calibration.updated("user", kv=settings.kv)
    if calibration.dose_e_per_A2 is None:
        dose = dose_of(_samples(movie, settings, images), pixel_size)
        if dose is not None:
            calibration = calibration.updated("estimated", dose_e_per_A2=dose)
    return movie.with_calibration(calibration)


def _samples(movie: Movie, settings: AnalysisSettings, images: int) -> list[npt.NDArray[np.float32]]:
    """A few successive frames from the middle of the range, for what all frames have in common."""
    frames = frame_numbers(movie, settings, images)
    middle = max(0, (len(frames) - SAMPLE_FRAMES) // 2)
    return [movie.frame(t).astype(np.float32) for t in frames[middle : middle + SAMPLE_FRAMES]]


def domain_words(movie: Movie, card: ModelCard, settings: AnalysisSettings) -> list[str]:
    """What about the movie lies outside the model's domain, in sentences; empty if nothing does."""
    calibration = movie.calibration
    pixel_size = calibration.require_pixel_size()
    samples = [s for s in _samples(movie, settings, card.images) if np.isfinite(s).any() and np.nanstd(s) > 0]
    return check_domain(
        card,
        pixel_size_nm=pixel_size,
        dose_e_per_A2=calibration.dose_e_per_A2,
        kv=calibration.kv,
        material=settings.material,
        contrast=float(np.median([column_contrast(s, pixel_size) for s in samples])) if samples else None,
        unevenness=float(np.median([unevenness(s, pixel_size) for s in samples])) if samples else None,
        dark_field=bool(np.mean([dark_field(s, pixel_size) for s in samples]) > 0.5) if samples else None,
        zero=common_zero(zero_level(middle_of(s), pixel_size) for s in samples),
        noise_blur_px=_median([noise_blur_px(middle_of(s), pixel_size) for s in samples]),
        repeated=_median([repeated_share(middle_of(s)) for s in samples]),
        likeness=_median([likeness(one, two, pixel_size) for one, two in pairwise(map(middle_of, samples))]),
        cut=float(np.median([cut_share(s) for s in samples])) if samples else 0.0,
        lattice=look_for_lattice(samples, pixel_size, first_spacings(card.domain.materials, card.zone_axis)),
    )


def _median(values: list[float]) -> float | None:
    """The median of what is known; None where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else None


def _loaded(model: ModelCard | Looks, settings: AnalysisSettings) -> Looks:
    if not isinstance(model, ModelCard):
        return model
    from napari_atomcount.networks.detector import Detector

    return Detector(model, device=settings.detect.device, tile=settings.detect.tile)


def describe(
    analysis: Analysis,
    movie: Movie,
    card: ModelCard,
    settings: AnalysisSettings,
    *,
    command: str = "",
    complete: bool = True,
) -> Analysis:
    """Complete the summary of a followed movie: versions, settings, calibration, model, warnings.

    Parameters
    ----------
    analysis : Analysis
        Of `follow`; its summary is filled in place.
    movie, card, settings
        What it was made from.
    command : str
        What the user typed.
    complete : bool
        False: the job was stopped before the last frame.

    Returns
    -------
    Analysis
        The same one.
    """
    from napari_atomcount.networks.symmetries import as_many_as_fit  # brings torch

    said = list(analysis.summary.get("warnings", [])) + left_over(movie, settings, card.images)
    if not complete:
        said.insert(0, "the analysis was stopped: only the finished frames are in it")
    domain = domain_words(movie, card, settings)
    pixel_size = movie.calibration.require_pixel_size()
    expected = expect(card, movie.calibration.dose_e_per_A2, math.sqrt(pixel_size[0] * pixel_size[1]))
    seen = [round(n * p / card.pixel_size_nm) for n, p in zip(movie.shape[1:], pixel_size, strict=True)]
    analysis.summary.update(
        versions=versions(),
        command=command,
        movie={
            "name": movie.name,
            "path": None if movie.path is None else str(movie.path),
            "dataset": movie.dataset,
            "channel": movie.channel,
            "shape": list(movie.shape),
            "dtype": str(movie.dtype),
        },
        preparation=movie.preparation.model_dump(mode="json"),
        settings=settings.model_dump(mode="json"),
        calibration=movie.calibration.model_dump(mode="json"),
        model={
            "name": card.name,
            "sha256": card.sha256,
            "folder": str(card.folder),
            "classes": card.classes,
            "symmetries": settings.detect.symmetries or card.symmetries or as_many_as_fit(math.prod(seen)),
            "threshold": card.threshold_at(movie.calibration.pixel_size_nm)
            if settings.detect.threshold is None
            else settings.detect.threshold,
        },
        domain={
            "inside": not domain,
            "warnings": domain,
            "expected": None if expected is None else expected.record(),
        },
        warnings=[*domain, *said],
        complete=complete,
    )
    return analysis


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that numbers depend on."""
    found = {"napari-atomcount": _version("napari-atomcount"), "python": platform.python_version()}
    found["platform"] = f"{sys.platform} {platform.machine()}"
    return found | {name: _version(name) for name in NAMED_PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
