"""What strain is relative to: absolute, the mean, a region or a phase; the unstrained lattice of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.deformation import polar, rotation
from napari_atomcount.measure.matching import Match
from napari_atomcount.measure.templates import Doubles, Structure
from napari_atomcount.records.errors import InputError

Bools = npt.NDArray[np.bool_]


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
    stated : str
        How the table names a region; its numbers if empty.
    """

    kind: str
    region: tuple[float, float, float, float] | None = None
    phase: str = ""
    stated: str = ""

    def moved(self, dy: float, dx: float) -> Reference:
        """The reference in a frame whose specimen lies (dy, dx) px off: a region follows it."""
        if self.region is None:
            return self
        y0, y1, x0, x1 = self.region
        return replace(
            self, region=(y0 + dy, y1 + dy, x0 + dx, x1 + dx), stated=self.stated or self._numbers()
        )

    def _numbers(self) -> str:
        assert self.region is not None
        y0, y1, x0, x1 = self.region
        return f"region {y0:g}:{y1:g},{x0:g}:{x1:g}"


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
        words = reference.stated or reference._numbers()
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
