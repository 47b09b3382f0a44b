"""From a session folder to what the desk shows: the run with its maps, the analysis. Runs in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_atomcount.gui import session_places
from napari_atomcount.gui.jobs import Progress, Result
from napari_atomcount.gui.run import Basis, Run
from napari_atomcount.gui.session_places import Place
from napari_atomcount.io.session import Session
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings


@dataclass(frozen=True, eq=False)
class Opened:
    """What was found for a movie.

    Parameters
    ----------
    movie
        The movie as it was asked for.
    digest
        Its `content_hash`.
    place
        Where its session is, or would be.
    session
        The session; None where there is none yet.
    run
        The session's run; None where it has none, or its model is not here.
    """

    movie: Movie
    digest: str
    place: Place
    session: Session | None = None
    run: Run | None = None


def opening(
    movie: Movie, movie_key: int, cards: list[ModelCard], folder: Path | None, holder: list[Session]
) -> Iterator[Progress | Result]:
    """Find and open a movie's session.

    Parameters
    ----------
    movie
        As it was read.
    movie_key
        As the session model numbers it.
    cards
        Models that are there.
    folder
        The session, where it is known already.
    holder
        Takes the session as soon as it is open, so that it can be closed whatever happens to this job.
    """
    yield Progress("looking for the session")
    digest = movie.content_hash()
    place = session_places.find(movie, digest) if folder is None else Place(folder, True)
    if not place.exists:
        yield Result(Opened(movie, digest, place))
        return
    session = Session.open(place.folder)
    holder.append(session)
    yield Progress("opening the session")
    run = run_of_session(session, movie, movie_key, cards)
    yield Result(Opened(movie, digest, place, session, run))


def run_of_session(
    session: Session, movie: Movie, movie_key: int, cards: list[ModelCard], number: int | None = None
) -> Run | None:
    """The desk's run of a run that the session keeps (by default the shown one), with its analysis if kept.

    None where the session has none, or its model is not installed.
    """
    from napari_atomcount.pipeline import LogitStore

    number = session.run if number is None else number
    step = next((step for step in session.runs if step.gesture == number), None)
    if step is None:
        return None
    card = next((card for card in cards if card.sha256 == step.value["model"].get("sha256")), None)
    if card is None:
        return None
    movie = session.calibrated(movie)
    shown = number == session.run
    store = LogitStore.load(session.maps_of(number), movie, card) if shown else None
    store = store or LogitStore(movie, card)
    by_frame = dict(tuple(session.run_columns(number).groupby("frame")))
    basis = Basis.from_json(step.value.get("detect", {}))
    pixel_size = movie.calibration.require_pixel_size()
    run = Run(movie_key, card, basis, pixel_size, movie.n_frames, store, number=number)
    seen = dict(zip(store.frames.tolist(), store.observed.tolist(), strict=True))
    for t in step.value.get("frames") or sorted(by_frame):
        table = by_frame.get(t)
        run.add_kept_frame(t, table, bool(seen.get(t, True)))
    run.warnings = list(step.value.get("warnings", []))
    if shown:
        run.take_corrected(session.columns)
        analysis = session.load_analysis()
        run.analysis = analysis
    return run


def settings_of(session: Session, before: AnalysisSettings) -> AnalysisSettings:
    """The session's settings, on this machine's device; a mask that moved with the session is found again."""
    settings = session.settings
    detect = settings.detect.model_copy(update={"device": before.detect.device})
    mask = settings.mask
    if mask is not None and not mask.exists():
        beside = session.folder / "masks" / mask.name
        mask = beside if beside.exists() else mask
    return settings.model_copy(update={"detect": detect, "mask": mask})


def basis_here(run: Run, settings: AnalysisSettings) -> Run:
    """The run with this machine's device: where a network ran does not change what it said."""
    detect = {**run.basis.detect, "device": settings.detect.device}
    run.basis = replace(run.basis, detect=detect)
    return run
