"""Strain from the command line: what its options mean, the measurement, and what is written of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomcount.records.errors import InputError

if TYPE_CHECKING:
    from napari_atomcount.pipeline.straining import MovieStrain
    from napari_atomcount.records.analysis import Analysis
    from napari_atomcount.records.movie import Movie
    from napari_atomcount.records.settings import AnalysisSettings

Place = tuple[float, float]
#: What --strain-artefact takes, and the name of each in the simulation's conditions.
CONDITIONS = {
    "defocus": "defocus_nm",
    "cs": "cs_um",
    "tilt": "tilt_deg",
    "direction": "tilt_direction_deg",
    "focal-spread": "focal_spread_nm",
    "convergence": "convergence_mrad",
    "vibration": "vibration_nm",
    "kv": "kv",
    "dose": "dose_e_per_A2",
}


@dataclass(frozen=True)
class StrainWishes:
    """What is asked for beside the table: a line, and conditions by their names in the simulation."""

    line: tuple[Place, Place] | None = None
    artefact: dict[str, float] | None = None


def wishes(line: str | None, artefact: str | None) -> StrainWishes:
    """Read ``--strain-line Y0,X0:Y1,X1`` and ``--strain-artefact defocus=8.5,tilt=1``.

    Raises
    ------
    InputError
        For anything else.
    """
    return StrainWishes(
        None if line is None else parse_line(line), None if artefact is None else parse_conditions(artefact)
    )


def parse_line(text: str) -> tuple[Place, Place]:
    """Two places ``Y0,X0:Y1,X1``, px."""
    try:
        (y0, x0), (y1, x1) = ([float(n) for n in part.split(",")] for part in text.split(":"))
    except ValueError:
        raise InputError(f"--strain-line needs two places in px, Y0,X0:Y1,X1, not '{text}'") from None
    if (y0, x0) == (y1, x1):
        raise InputError("--strain-line: the line has no length; give two different places")
    return (y0, x0), (y1, x1)


def parse_conditions(text: str) -> dict[str, float]:
    """Numbers by the names of the simulation's conditions; ``default`` changes none."""
    result: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name in ("", "default") and not number:
            continue
        try:
            result[CONDITIONS[name]] = float(number)
        except (KeyError, ValueError):
            known = ", ".join(CONDITIONS)
            raise InputError(
                f"--strain-artefact: '{part.strip()}' is not NAME=NUMBER; the names are {known}"
            ) from None
    return result


def measured_strain(
    analysis: Analysis,
    movie: Movie,
    settings: AnalysisSettings,
    report: Callable[[str, int, int], None],
    cancelled: Callable[[], bool],
) -> MovieStrain | None:
    """Strain of an analysed movie, its warnings in the summary; None where no template is asked for."""
    from napari_atomcount.pipeline.analysing import with_estimates
    from napari_atomcount.pipeline.straining import measure_strain

    if not settings.strain.templates:
        return None
    strain = measure_strain(analysis, with_estimates(movie, settings), settings, report, cancelled)
    average = strain.table[strain.table["frame"] == -1]
    analysis.summary["warnings"] = [*analysis.summary["warnings"], *strain.warnings]
    analysis.summary["strain"] = {
        "templates": list(settings.strain.templates),
        "reference": str(average["reference"].iloc[0]) if len(average) else settings.strain.reference,
        "columns": len(average),
        "columns_matched": int(average["planar"].notna().sum()),
        "median_sigma_planar": float(average["sigma_planar"].median()) if len(average) else None,
        "median_rmsd": float(average["rmsd"].median()) if len(average) else None,
    }
    return strain


def write_strain(
    strain: MovieStrain,
    analysis: Analysis,
    movie: Movie,
    settings: AnalysisSettings,
    wanted: StrainWishes,
    out: Path,
    report: Callable[[str, int, int], None],
) -> None:
    """Write the derived tables and the figures; the artefact is simulated first where it is asked for."""
    from napari_atomcount.io.figures import aligned_mean
    from napari_atomcount.pipeline.strain_output import Line, write_strain_output

    artefact = None
    if wanted.artefact is not None:
        import platformdirs

        from napari_atomcount.pipeline.strain_artefact import artefact_of_average, conditions_of

        report("artefact", 0, 1)
        cache = platformdirs.user_cache_path("napari-atomcount", appauthor=False) / "exit_waves"
        conditions = conditions_of(movie.calibration, settings, wanted.artefact)
        artefact = artefact_of_average(strain.table, analysis.columns, movie, settings, conditions, cache)
        (out / "strain_artefact.json").write_text(json.dumps(asdict(conditions), indent=1), "utf-8")
        report("artefact", 1, 1)
    line = None if wanted.line is None else Line(*wanted.line)
    background = aligned_mean(movie, analysis.drift)
    write_strain_output(strain.table, background, movie.calibration, out, line=line, artefact=artefact)
