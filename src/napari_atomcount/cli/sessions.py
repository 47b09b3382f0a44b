"""What ``analyze`` adds for sessions and preparation: ``--session``, ``--bad-frames``, ``--mask``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_atomcount.cli.common import warn
from napari_atomcount.io.session import Session, SessionError
from napari_atomcount.io.session_files import SUFFIX
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings

PARTICLE = "particle"  # in place of a mask's file: what is not the crystal is left out
NONE = "none"  # in place of a mask's file: nothing is, whatever the session keeps


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
    movie: Movie,
    given: dict[str, Any],
    bad: tuple[int, ...] | Literal["auto"] | None,
    session: Session | None,
) -> Preparation:
    """The preparation that the session keeps, changed by the options; the session keeps the change as a step.

    Gain and dose that the session has from an estimate are forgotten with another dark level.

    Parameters
    ----------
    movie
        As read; ``auto`` reads it once.
    given
        Other fields of `Preparation` from the options; None where one was not given.
    bad
        Frames of the option, ``auto`` to find them, None where it was not given.
    session
        None: there is none.
    """
    from napari_atomcount.pipeline.preparing import bad_frames

    before = Preparation() if session is None else session.preparation
    values = {name: value for name, value in given.items() if value is not None}
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
        if wanted.dark_level != before.dark_level:
            anew = session.calibration.without_estimates()
            if anew != session.calibration:
                session.set_calibration(anew)
    return wanted


def masked(
    settings: AnalysisSettings, movie: Movie, folder: Path, session: Session | None, whole: bool = False
) -> AnalysisSettings:
    """The settings with this movie's own region (``whole``: none) and mask.

    What the options say holds from now on in the session, as a step; what they do not say is as it keeps it.
    ``--mask particle`` finds the crystal; what is left out is written beside the results, as ``mask.tif``.
    """
    if session is not None:
        kept = session.settings
        given = {name: getattr(kept, name) for name in ("roi", "mask") if getattr(settings, name) is None}
        settings = settings.model_copy(update=given | ({"roi": None} if whole else {}))
    if str(settings.mask) == NONE and not Path(NONE).exists():
        settings = settings.model_copy(update={"mask": None})
    if settings.mask is not None and str(settings.mask) == PARTICLE and not settings.mask.exists():
        settings = settings.model_copy(update={"mask": _outside(movie, folder)})
    if session is not None:
        own = {"roi": settings.roi, "mask": settings.mask}
        wanted = session.settings.model_copy(update=own)
        if wanted != session.settings:
            session.set_settings(wanted)
    return settings


def _outside(movie: Movie, folder: Path) -> Path:
    """Find the particle; the image of what is not the particle, written beside the results."""
    from napari_atomcount.io.tiff import write_tiff
    from napari_atomcount.pipeline.preparing import outside_particle

    outside = outside_particle(movie)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mask.tif"
    write_tiff(path, np.where(outside, 255, 0).astype(np.uint8)[None], movie.calibration)
    return path
