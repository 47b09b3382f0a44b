"""Strain of every column by structural template matching, with a standard error for each component.

Fractions in the image's axes (xx along +x, yy along +y, downwards); rotation in degrees, counter-clockwise on
the screen. Surfaces, vacancies, grains and phases need no input: partial matches and the best template do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.deformation import Deformation, affine, polar, rotation, strain_errors
from napari_atomcount.measure.matching import Match, check_points, match
from napari_atomcount.measure.templates import Complex, Doubles, Structure
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

Bools = npt.NDArray[np.bool_]

COMPONENTS = ("exx", "eyy", "exy", "rotation", "planar")
#: With a smaller share of complete matches, or a larger median misfit of them, the template is doubted.
FEW_COMPLETE, HIGH_RMSD = 0.2, 0.08
#: Two-sided 95 % of a normal distribution.
Z95 = 1.96


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


@dataclass(frozen=True)
class Reference:
    """What strain is relative to: ``absolute``, ``mean``, ``region`` or ``phase``.

    Parameters
    ----------
    kind : str
        ``absolute``: the template's size and the pixel size. ``mean``: the mean planar strain of the
        completely matched columns of each phase is zero. ``region``: the mean lattice of the columns in a
        region has no strain and no rotation. ``phase``: one phase has its own lattice constant, which scales
        the pixels.
    region : tuple of int, optional
        y0, y1, x0, x1 in px.
    phase : str
        Name of a template.
    """

    kind: str
    region: tuple[float, float, float, float] | None = None
    phase: str = ""


def parse_reference(words: str) -> Reference:
    """Read ``absolute``, ``mean``, ``region:Y0:Y1,X0:X1`` or ``phase:TEMPLATE``.

    Raises
    ------
    InputError
        For anything else.
    """
    kind, _, rest = words.strip().partition(":")
    if kind in ("absolute", "mean") and not rest:
        return Reference(kind)
    if kind == "phase" and rest:
        return Reference(kind, phase=rest)
    if kind == "region" and rest:
        try:
            y0, y1, x0, x1 = (float(n) for part in rest.split(",") for n in part.split(":"))
        except ValueError:
            pass
        else:
            if y0 < y1 and x0 < x1:
                return Reference(kind, region=(y0, y1, x0, x1))
    raise InputError(
        f"'{words}' is no strain reference: use absolute, mean, region:Y0:Y1,X0:X1 or phase:TEMPLATE."
    )


def strain_table(
    columns: pd.DataFrame,
    structures: Sequence[Structure],
    calibration: Calibration,
    *,
    reference: Reference | str = "mean",
    frame: int = 0,
    max_rmsd: float = 0.15,
    min_matched: int = 3,
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
    errors = strain_errors(_aligned(fit, matrix), lattice, turn, sigma_x, sigma_y)
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


def single_branch(
    matrix: Doubles, structure: npt.NDArray[np.int64], structures: Sequence[Structure]
) -> tuple[Doubles, Doubles]:
    """Turn each template by its lattice's own rotations so that all columns of a phase have like angles.

    Returns
    -------
    matrix : ndarray, shape (M, 2, 2)
        The same maps of the turned templates.
    angle : ndarray, shape (M,)
        Their rotation from +x towards +y, rad, within half a period of the phase's usual one.
    """
    _, angle = polar(matrix)
    result = angle.copy()
    for s, one in enumerate(structures):
        own = (structure == s) & np.isfinite(angle)
        if own.any():
            period = np.radians(one.period_deg)
            usual = np.angle(np.exp(2j * np.pi * angle[own] / period).mean()) * period / (2 * np.pi)
            result[own] = usual + np.mod(angle[own] - usual + period / 2, period) - period / 2
    return matrix @ rotation(result - angle), result


def reference_lattice(
    matrix: Doubles,
    angle: Doubles,
    found: Match,
    structures: Sequence[Structure],
    reference: Reference,
    y: Doubles,
    x: Doubles,
    calibrated: bool,
    warnings: list[str],
) -> tuple[Doubles, Doubles, str]:
    """The unstrained lattice V of each column, (M, 2, 2), the angle of no rotation (M,), and words for it."""
    kind = reference.kind
    sized = all(s.unit_nm is not None for s in structures)
    if kind == "absolute" and not (calibrated and sized):
        lacking = "the pixel size" if not calibrated else "the template's size (write for instance fcc110:Au)"
        warnings.append(f"an absolute reference needs {lacking}: strain is relative to the mean instead")
        kind = "mean"
    planar = np.full(len(y), np.nan)  # mean of the normal strains before any reference, plus one
    stretch, _ = polar(matrix)
    planar = (stretch[:, 0, 0] + stretch[:, 1, 1]) / 2
    unit = np.array([s.unit_nm or 1.0 for s in structures] + [1.0])[found.structure]
    identity = np.broadcast_to(np.eye(2), (len(y), 2, 2))
    zero = np.zeros(len(y))
    if kind == "absolute":
        return identity * unit[:, None, None], zero, "absolute"
    if kind == "phase":
        names = [s.name for s in structures]
        if reference.phase not in names or not sized:
            raise InputError(
                f"The phase '{reference.phase}' is no reference: it must be one of the templates "
                f"({', '.join(names)}), and all of them need a size, like fcc110:Au."
            )
        own = (found.structure == names.index(reference.phase)) & np.isfinite(planar)
        if not own.any():
            raise InputError(f"No column is of the phase {reference.phase}: choose another strain reference.")
        scale = float(_complete_mean(planar / unit, own, found))
        return identity * (scale * unit)[:, None, None], zero, f"phase {reference.phase}"
    if kind == "region":
        assert reference.region is not None
        y0, y1, x0, x1 = reference.region
        inside = (y >= y0) & (y < y1) & (x >= x0) & (x < x1) & np.isfinite(planar)
        words = f"region {y0:g}:{y1:g},{x0:g}:{x1:g}"
        lattice = np.array(identity)
        for s in np.unique(found.structure[found.structure >= 0]):
            own = inside & (found.structure == s)
            if own.sum() < 3:
                warnings.append(
                    f"the reference {words} holds fewer than three columns of {structures[s].name}: "
                    "their strain is not known"
                )
                lattice[found.structure == s] = np.nan
                continue
            mean = matrix[own].mean(0)
            _, at = polar(mean[None])
            mine = found.structure == s
            lattice[mine] = rotation(-at)[0] @ mean
            zero[mine] = at[0]
        if not inside.any():
            raise InputError(
                f"The strain reference {words} holds no column with a template: choose another one."
            )
        return lattice, zero, words
    lattice = np.array(identity)
    for s in np.unique(found.structure[found.structure >= 0]):
        own = (found.structure == s) & np.isfinite(planar)
        if own.any():
            lattice[found.structure == s] *= _complete_mean(planar, own, found)
    return lattice, zero, "mean of each phase"


def _complete_mean(planar: Doubles, own: Bools, found: Match) -> float:
    """Mean over the columns with the most neighbours, which surfaces do not disturb."""
    complete = own & (found.n_matched == found.n_matched[own].max())
    return float(planar[complete if complete.sum() >= 3 else own].mean())


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


def resolved(table: pd.DataFrame, direction_deg: float) -> pd.DataFrame:
    """Strain along and across a drawn direction, for interfaces and facets.

    Parameters
    ----------
    table : DataFrame
        exx, eyy, exy and their errors.
    direction_deg : float
        Of the line, counter-clockwise from +x as seen on the screen.

    Returns
    -------
    DataFrame
        ``parallel``, ``normal`` (eq. 4.2 with the line's normal), ``shear`` and ``sigma_`` of the first two,
        with the table's index. Correlations of the components are neglected in the errors.
    """
    angle = np.radians(direction_deg)
    tx, ty = np.cos(angle), -np.sin(angle)  # y points downwards
    nx, ny = -ty, tx
    exx, eyy, exy = (table[name].to_numpy(float) for name in ("exx", "eyy", "exy"))
    sxx, syy, sxy = (table[f"sigma_{name}"].to_numpy(float) for name in ("exx", "eyy", "exy"))
    parts = {}
    for name, (a, b) in {"parallel": (tx, ty), "normal": (nx, ny)}.items():
        parts[name] = a * a * exx + b * b * eyy + 2 * a * b * exy
        parts[f"sigma_{name}"] = np.sqrt((a * a * sxx) ** 2 + (b * b * syy) ** 2 + (2 * a * b * sxy) ** 2)
    parts["shear"] = tx * nx * exx + ty * ny * eyy + (tx * ny + ty * nx) * exy
    return pd.DataFrame(parts, index=table.index)


def principal(table: pd.DataFrame) -> pd.DataFrame:
    """Principal strains and the direction of the larger one: ``first``, ``second``, ``axis_deg`` (screen)."""
    exx, eyy, exy = (table[name].to_numpy(float) for name in ("exx", "eyy", "exy"))
    middle, radius = (exx + eyy) / 2, np.hypot((exx - eyy) / 2, exy)
    axis = -np.degrees(np.arctan2(2 * exy, exx - eyy) / 2)
    return pd.DataFrame(
        {"first": middle + radius, "second": middle - radius, "axis_deg": axis}, index=table.index
    )


def significant(table: pd.DataFrame, component: str = "planar") -> Bools:
    """Whether a component differs from zero by more than its 95 % error; what does not is shown as such."""
    value, sigma = table[component].to_numpy(float), table[f"sigma_{component}"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(value) > Z95 * sigma)


def line_profile(
    table: pd.DataFrame, start: tuple[float, float], end: tuple[float, float], width_px: float, bins: int = 24
) -> pd.DataFrame:
    """Mean strain along a drawn line.

    Parameters
    ----------
    table : DataFrame
        One frame of a strain table.
    start, end : tuple of float
        (y, x) in px.
    width_px : float
        Columns within half of it on either side count.
    bins : int
        Steps along the line.

    Returns
    -------
    DataFrame
        ``distance_px`` and, for each component, its mean and ``sigma_`` of the mean; ``columns`` in each.
        Steps without a column are left out.
    """
    way = np.array(end, float) - np.array(start, float)
    length = float(np.hypot(*way))
    if length == 0:
        raise InputError("The line has no length: draw it from one place to another.")
    rel = table[["y", "x"]].to_numpy(float) - np.array(start, float)
    along = rel @ way / length
    across = (rel[:, 0] * way[1] - rel[:, 1] * way[0]) / length
    good = (
        (np.abs(across) <= width_px / 2) & (along >= 0) & (along <= length) & table["exx"].notna().to_numpy()
    )
    step = np.minimum((along / length * bins).astype(int), bins - 1)
    rows = []
    for b in np.unique(step[good]):
        own = table[good & (step == b)]
        row: dict[str, float] = {"distance_px": float((b + 0.5) * length / bins), "columns": len(own)}
        for name in COMPONENTS:
            row[name] = float(own[name].mean())
            row[f"sigma_{name}"] = float(np.sqrt((own[f"sigma_{name}"] ** 2).sum()) / len(own))
        rows.append(row)
    return pd.DataFrame(rows)
