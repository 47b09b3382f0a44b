"""Strain of every column by structural template matching, with a standard error for each component.

Fractions in the image's axes (xx along +x, yy along +y, downwards); rotation in degrees, counter-clockwise on
the screen. Surfaces, vacancies, grains and phases need no input: partial matches and the best template do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.measure.deformation import Deformation, affine, polar, strain_errors
from napari_atomcount.measure.matching import Match, check_points, match
from napari_atomcount.measure.position_errors import Correlation
from napari_atomcount.measure.strain_reference import (
    Reference,
    parse_reference,
    reference_lattice,
    single_branch,
)
from napari_atomcount.measure.templates import Complex, Doubles, Structure
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

#: With a smaller share of complete matches, or a larger median misfit of them, the template is doubted.
FEW_COMPLETE, HIGH_RMSD = 0.2, 0.08


@dataclass
class StrainTable:
    """Strain of the columns of one image.

    Parameters
    ----------
    table : DataFrame
        Of the schema STRAIN, a row for each column in their order; NaN where no template fits.
    warnings : list of str
        What to know before the numbers are used.
    match : Match
        Which neighbour is which; indices into the table's rows.
    structures : list of Structure
        The templates.
    """

    table: pd.DataFrame
    warnings: list[str] = field(default_factory=list)
    match: Match | None = None
    structures: list[Structure] = field(default_factory=list)


def strain_table(
    columns: pd.DataFrame,
    structures: Sequence[Structure],
    calibration: Calibration,
    *,
    reference: Reference | str = "mean",
    frame: int = 0,
    max_rmsd: float = 0.15,
    min_matched: int = 3,
    correlation: Correlation | None = None,
) -> StrainTable:
    """Measure the strain of the columns of one image.

    Parameters
    ----------
    columns : DataFrame
        y, x in px; y_sigma, x_sigma in px (NaN or missing: taken from how well the templates fit); site_id.
    structures : sequence of Structure
        The best of their templates is taken for each column.
    calibration : Calibration
        Its pixel size makes an absolute reference possible, and corrects pixels that are not square.
    reference : Reference or str
        As in :func:`parse_reference`.
    frame : int
        Written into the table; -1: a time average.
    max_rmsd : float
        Matches of a larger misfit are none, in units of the nearest distance.
    min_matched : int
        Matches of fewer neighbours are none.
    correlation : Correlation, optional
        Of the errors of two positions, as a Wiener filter leaves them; independent if not given.

    Raises
    ------
    InputError
        For too few, repeated or collinear columns, or a reference that is not there.
    """
    structures = list(structures)
    if not structures:
        raise InputError("Strain needs a template: give one with --template, for instance fcc110:Au.")
    if isinstance(reference, str):
        reference = parse_reference(reference)
    y, x = columns["y"].to_numpy(float), columns["x"].to_numpy(float)
    warnings: list[str] = []
    per_y, per_x = _unit(calibration, warnings)
    z: Complex = x * per_x + 1j * y * per_y
    check_points(z, min_matched)
    found = match(z, structures, max_rmsd=max_rmsd, min_matched=min_matched)
    fit = affine(z, found, structures)
    warnings += doubts(found, structures)
    matrix, angle = single_branch(fit.matrix, found.structure, structures)
    lattice, zero, words = reference_lattice(
        matrix, angle, found, structures, reference, y, x, calibration.pixel_size_nm is not None, warnings
    )
    stretch, turn = polar(matrix @ np.linalg.inv(lattice))
    sigma_y, sigma_x = _position_errors(columns, fit, per_y, per_x)
    errors = strain_errors(_aligned(fit, matrix), lattice, turn, sigma_x, sigma_y, correlation, (y, x))
    exx, eyy, exy = stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1, stretch[:, 0, 1]
    good = np.isfinite(exx)
    site = columns["site_id"].to_numpy() if "site_id" in columns else np.full(len(y), -1)
    names = np.array([*(s.name for s in structures), "none"], dtype=object)
    values: dict[str, Any] = {
        "frame": frame, "site_id": site, "y": y, "x": x,
        "exx": exx, "eyy": eyy, "exy": exy, "rotation": -np.degrees(turn - zero), "planar": (exx + eyy) / 2,
        **{name: np.where(good, value, np.nan) for name, value in errors.items()},
        "rmsd": found.rmsd, "n_matched": found.n_matched, "template": names[found.structure],
        "reference": words,
    }  # fmt: skip
    table = tables.conform(pd.DataFrame(values), tables.STRAIN)
    return StrainTable(table, warnings, found, structures)


def _unit(calibration: Calibration, warnings: list[str]) -> tuple[float, float]:
    """(y, x) nm per px, or 1."""
    if calibration.pixel_size_nm is None:
        warnings.append(
            "the pixel size is not known: strain is relative, and pixels are taken to be square"
            " (give --pixel-size-nm)"
        )
        return 1.0, 1.0
    per_y, per_x = calibration.pixel_size_nm
    if abs(per_y / per_x - 1) > 1e-3:
        warnings.append(
            f"the pixels are not square ({per_y:.5g} × {per_x:.5g} nm): strain uses both sizes, and their "
            "ratio goes into exx - eyy"
        )
    return per_y, per_x


def doubts(found: Match, structures: Sequence[Structure]) -> list[str]:
    """Sentences on templates that do not fit: the wrong zone axis, a wrong structure."""
    points = np.array([[len(t.points) for t in s.templates] + [0] * 20 for s in structures], dtype=object)
    most = np.array(
        [points[s][t] if s >= 0 else -1 for s, t in zip(found.structure, found.template, strict=True)]
    )
    complete = (found.structure >= 0) & (found.n_matched >= most)
    names = ", ".join(s.name for s in structures)
    share = float(complete.mean())
    rmsd = float(np.median(found.rmsd[found.structure >= 0])) if (found.structure >= 0).any() else np.inf
    if share < FEW_COMPLETE or rmsd > HIGH_RMSD:
        misfit = (
            f"a median misfit of {100 * rmsd:.0f} % of the nearest distance"
            if np.isfinite(rmsd)
            else "no match"
        )
        return [
            f"the template {names} fits badly: {100 * share:.0f} % of the columns match it completely, "
            f"with {misfit}; it may be of the wrong zone axis or structure, and the strain is not "
            "to be trusted"
        ]
    return []


def _aligned(fit: Deformation, matrix: Doubles) -> Deformation:
    """The fit with the weights of templates that were turned to the matrices' branch."""
    with np.errstate(invalid="ignore"):
        turn = np.linalg.solve(np.where(np.isfinite(fit.matrix), fit.matrix, np.eye(2)), matrix)
    weight = np.einsum("mni,mij->mnj", fit.weight, turn)
    return Deformation(matrix, weight, fit.point, fit.residual, fit.freedom)


def _position_errors(
    columns: pd.DataFrame, fit: Deformation, per_y: float, per_x: float
) -> tuple[Doubles, Doubles]:
    """Standard errors of y and x in the unit of the positions; what is missing comes from residuals."""
    free = fit.freedom > 0
    pooled = np.nan
    if free.any():
        each = fit.residual[free] / fit.freedom[free]
        low = each <= np.quantile(each, 0.95)  # defects are no errors
        pooled = float(np.sqrt(fit.residual[free][low].sum() / fit.freedom[free][low].sum()))
    result = []
    for name, per in (("y_sigma", per_y), ("x_sigma", per_x)):
        own = columns[name].to_numpy(float) * per if name in columns else np.full(len(columns), np.nan)
        result.append(np.where(np.isfinite(own), own, pooled))
    return result[0], result[1]
