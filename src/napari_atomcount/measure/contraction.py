"""How much smaller than the bulk's the lattice of a small free crystal is: surface stress against stiffness.

The surface of a sphere of diameter d with the surface stress f presses on its inside with 4 f / d, by which
a crystal of bulk modulus K shrinks by 4 f / (3 K d) in length (Mays, Vermaak & Kuhlmann-Wilsdorf 1968,
Surf. Sci. 12, 134). Surface stresses are those measured by electron diffraction on small particles near
room temperature, as collected by Cammarata 1994, Prog. Surf. Sci. 46, 1; bulk moduli those of Kittel,
Introduction to Solid State Physics. Adsorbates change the surface stress: the error is part of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

#: f in N/m: value and error. Au: 1.18 (Mays 1968) and 3.15 (Solliard & Flueli 1985, Surf. Sci. 156, 487),
#: their mean and half their difference; as these two differ that much, no other metal is trusted better
#: than to 45 %.
SURFACE_STRESS = {
    "Ag": (1.42, 0.64),
    "Au": (2.16, 0.99),
    "Cu": (0.0, 0.45),
    "Pd": (6.0, 2.7),
    "Pt": (2.57, 1.16),
}
#: GPa.
BULK_MODULUS = {"Ag": 100.7, "Au": 173.2, "Cu": 137.0, "Pd": 180.8, "Pt": 278.3}
#: Of any other crystal nothing is known but that such effects are of this size, nm: fraction times diameter.
UNKNOWN_NM = 0.02
SOURCE = "surface stress, Cammarata 1994, Prog. Surf. Sci. 46, 1"


@dataclass(frozen=True)
class Contraction:
    """Of a small crystal's lattice against the bulk's.

    Parameters
    ----------
    fraction, error : float
        By which it is smaller, and the standard error of that.
    diameter_nm : float
        Of the crystal.
    source : str
        Where the number comes from; empty: nothing is known of this crystal, and the fraction is 0.
    """

    fraction: float
    error: float
    diameter_nm: float
    source: str


def contraction(lattice: str, diameter_nm: float) -> Contraction:
    """Contraction of a free crystal of this diameter.

    Parameters
    ----------
    lattice : str
        Name of the crystal (`crystal.lattice_names`).
    diameter_nm : float
        Of a sphere as large as the crystal.
    """
    if lattice not in SURFACE_STRESS:
        return Contraction(0.0, UNKNOWN_NM / diameter_nm, diameter_nm, "")
    stress, error = SURFACE_STRESS[lattice]
    per_stress = 4 / (3 * BULK_MODULUS[lattice] * diameter_nm)  # (N/m) / (GPa nm) is 1
    return Contraction(per_stress * stress, per_stress * error, diameter_nm, SOURCE)
