"""One movie through the main job, headless: progress, Ctrl-C, tables, figures, maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_atomcount import pipeline
from napari_atomcount.cli.common import Stopped, ctrl_c, reporting, warn
from napari_atomcount.cli.straining import StrainWishes, measured_strain, write_strain
from napari_atomcount.io import figures, tables
from napari_atomcount.io.logs import Log
from napari_atomcount.io.session import Session
from napari_atomcount.io.tiff import stream_tiff
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.pipeline.time_output import write_in_time, write_kymograph
from napari_atomcount.records import tables as schemas
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings


def run_movie(
    movie: Movie,
    card: ModelCard,
    settings: AnalysisSettings,
    out: Path,
    *,
    maps: bool,
    command: str,
    session: Session | None = None,
    wishes: StrainWishes | None = None,
    log: Log | None = None,
    line: list[tuple[float, float]] | None = None,
    view: Movie | None = None,
) -> Analysis:
    """Analyse a movie and write everything into a folder.

    Parameters
    ----------
    movie
        With the calibration that counts.
    card
        The model.
    settings
        Of every stage.
    out
        Made where it is missing; files of the same names are replaced.
    maps
        Whether to write ``confidence.tif``.
    command
        As it was typed, for ``summary.json``.
    session
        Its edits hold; it keeps the run and the analysis.
    wishes
        What of strain is written beside its table.
    log
        Drawn under the rates; aligned with the movie.
    line
        Corners (y, x) in px of frame 0 of a line for the kymograph.
    view
        What lies under the figures, for instance averaged over frames; the movie itself where there is none.

    Returns
    -------
    Analysis
        What was written.

    Raises
    ------
    Stopped
        After Ctrl-C, when the finished frames have been written.
    """
    store = pipeline.LogitStore(movie, card)
    try:
        with ctrl_c() as cancelled, reporting() as report:
            analysis = pipeline.analyze(
                movie, card, settings, report, cancelled, store, command=command, session=session
            )
            stopped = not analysis.summary["complete"]
            if stopped and not len(analysis.frame):
                raise Stopped("stopped by Ctrl-C before the first frame was finished; nothing was written")
            strain = measured_strain(analysis, movie, settings, report, cancelled)
            report("writing", 0, 2 + maps)
            tables.write_analysis(analysis, out)
            if session is not None:
                session.save_analysis(analysis)
                keep_maps(store, session)
            if strain is not None:
                tables.write_table(strain.table, schemas.STRAIN, out)
            report("writing", 1, 2 + maps)
            figures.write_figures(analysis, movie if view is None else view, out)
            write_in_time(analysis, movie, out, log)
            if line is not None:
                write_kymograph(analysis, movie.calibration, line, out)
            if strain is not None:
                write_strain(strain, analysis, movie, settings, wishes or StrainWishes(), out, report)
            report("writing", 2, 2 + maps)
            if maps:
                write_confidence(store, movie, out / "confidence.tif")
                report("writing", 3, 3)
    finally:
        store.close()
    for text in dict.fromkeys([*movie.warnings, *analysis.summary["warnings"]]):
        warn(text)
    if stopped:
        raise Stopped(f"stopped by Ctrl-C after {len(analysis.frame)} frames; their results lie in {out}")
    return analysis


def keep_maps(store: pipeline.LogitStore, session: Session) -> None:
    """Keep the maps in the session; without room for them it only takes a new run to follow new edits."""
    try:
        store.save(session.maps_folder())
    except OSError as error:
        warn(f"the network's maps were not kept in {session.folder}: {error.strerror or error}")


def write_confidence(store: pipeline.LogitStore, movie: Movie, path: Path) -> None:
    """Write the probability of a column at every pixel of every analysed frame, float32 (T, Y, X)."""
    shape = (movie.shape[1], movie.shape[2])
    images = (to_file_pixels(store.confidence(int(t)), store.scale, shape) for t in store.frames)
    stream_tiff(path, images, (len(store.frames), *shape), np.float32, movie.calibration)


def to_file_pixels(
    values: NDArray[np.float32], scale: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Bilinear values at the file's pixels: pixel i lies at ``(i + 0.5) / scale - 0.5`` of the map."""
    step = (1.0 / scale[0], 1.0 / scale[1])
    start = tuple(0.5 * s - 0.5 for s in step)
    moved = ndimage.affine_transform(values, step, start, shape, order=1, mode="nearest")
    return np.asarray(moved, np.float32)
