"""A recipe's images on disk: images.tif, truth.csv, recipe.json; truth_events.csv or truth_series.csv."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount import __version__
from napari_atomcount.cli.making import STILLS
from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.tables import write_json
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.physics.exposing import simulate
from napari_atomcount.physics.focal import Exposure
from napari_atomcount.physics.hopping import HoppingRecipe, simulate_movie
from napari_atomcount.physics.recipe import Recipe
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

TRUTH = ["frame", "y", "x", "count", "label"]
EVENTS = ["frame", "y", "x", "kind"]
SERIES = ["frame", "series", "defocus_nm", "dy", "dx"]


def write_simulation(
    path: Path, out: Path, number: int | None, seed: int, report: Callable[[str, int, int], None]
) -> list[Path]:
    """Simulate a recipe and write it.

    Parameters
    ----------
    path
        The recipe.
    out
        Made where it is missing.
    number
        Images, focal series, or frames of a movie; the recipe's frames, or STILLS, when None.
    seed
        Of everything random, together with the recipe's own.
    report
        Told ``(stage, done, total)``.

    Returns
    -------
    list of Path
        What was written. Positions of the truth are in px of their frame, also those of the events; of a
        focal series in px of its first image, and how far the others are displaced is in truth_series.csv.

    Raises
    ------
    InputError
        When the recipe can't be used.
    """
    recipe = read_recipe(path)
    if isinstance(recipe, HoppingRecipe):
        if number is not None:
            kinetics = recipe.kinetics.model_copy(update={"frames": number})
            recipe = recipe.model_copy(update={"kinetics": kinetics})
        images, truth, events, pixel_A = movie(recipe, seed, report)
        series = None
    else:
        images, truth, series, pixel_A = stills(recipe, number or STILLS, seed, report)
        events = None
    frame_time = recipe.kinetics.frame_time_s if isinstance(recipe, HoppingRecipe) else None
    calibration = Calibration(pixel_size_nm=(pixel_A / 10, pixel_A / 10), frame_time_s=frame_time)
    out.mkdir(parents=True, exist_ok=True)
    written = [out / name for name in ("images.tif", "truth.csv", "recipe.json")]
    write_tiff(written[0], images, calibration)
    names = np.array(recipe.classes)[truth["label"].to_numpy(int)]
    _write_csv(truth.assign(label=names)[TRUTH], written[1])
    record = json.loads(recipe.model_dump_json())
    record["simulated"] = {"images": len(images), "seed": seed, "napari-atomcount": __version__}
    write_json(record, written[2])
    if events is not None:
        written.append(out / "truth_events.csv")
        _write_csv(events[EVENTS], written[-1])
    if series is not None:
        written.append(out / "truth_series.csv")
        _write_csv(series[SERIES], written[-1])
    return written


def read_recipe(path: Path) -> Recipe:
    """Read a recipe of images or of a movie.

    Raises
    ------
    InputError
        When it is no recipe; says what is wrong.
    """
    try:
        text = path.read_text("utf-8")
        kind = json.loads(text).get("kind", "fcc")
        return (HoppingRecipe if kind == "hopping" else Recipe).model_validate_json(text)
    except (OSError, ValueError, AttributeError) as error:
        first = " ".join(str(error).split())
        raise InputError(f"{path} is not a recipe that can be used: {first}") from error


def stills(
    recipe: Recipe, number: int, seed: int, report: Callable[[str, int, int], None]
) -> tuple[NDArray[np.float32], pd.DataFrame, pd.DataFrame | None, float]:
    """Images (N, Y, X) in electrons per pixel, their truth, that of focal series, and the pixel size in Å."""
    frames: list[NDArray[np.float32]] = []
    truth, series = [], []
    pixel_A = recipe.pixel_A
    report("simulating", 0, number)
    for index, made in enumerate(simulate(recipe, number, seed)):
        first = len(frames)
        frames.extend(made.detected[:1].flatten(0, -3).numpy())
        truth.append(made.truth.assign(frame=first))
        if made.series is not None:
            series.append(series_truth(made.series, first, made.pixel_A))
        pixel_A = made.pixel_A
        report("simulating", index + 1, number)
    taken = pd.concat(series, ignore_index=True) if series else None
    return np.stack(frames), pd.concat(truth, ignore_index=True), taken, pixel_A


def series_truth(made: Exposure, first: int, pixel_A: float) -> pd.DataFrame:
    """The images of one focal series: their defocus, and how far they are displaced against the first, px."""
    shift = made.shift_A[0] / pixel_A
    return pd.DataFrame(
        {
            "frame": first + np.arange(len(shift)),
            "series": first,
            "defocus_nm": made.defocus_nm[0],
            "dy": shift[:, 0],
            "dx": shift[:, 1],
        }
    )


def movie(
    recipe: HoppingRecipe, seed: int, report: Callable[[str, int, int], None]
) -> tuple[NDArray[np.float32], pd.DataFrame, pd.DataFrame, float]:
    """Frames (T, Y, X) in electrons per pixel, the truth, the events where they happened, and Å per pixel."""
    report("simulating", 0, 0)
    made = simulate_movie(recipe, seed)
    shift = made.drift[made.events["frame"].to_numpy(int)].reshape(-1, 2)
    here: dict[str, Any] = {"y": made.events["y"] + shift[:, 0], "x": made.events["x"] + shift[:, 1]}
    return made.frames, made.truth, made.events.assign(**here), made.pixel_A


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, na_rep="NaN", lineterminator="\n")
