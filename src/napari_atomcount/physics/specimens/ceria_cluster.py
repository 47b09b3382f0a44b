"""A second generator of CeO2 specimens in [110], for tests only: polyhedra on integer sites with springs.

It shares nothing with the generator of the training specimens (:mod:`.ceria`), down to the geometry: here a
crystal is cut out of cubic integer sites by planes in three dimensions, so that inclined facets make its
thickness, oxygen is pruned by coordination and charge, and a network of springs with bond-valence lengths
relaxes it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from napari_atomcount.physics.specimens.specimen import Specimen
from napari_atomcount.physics.specimens.wulff import WulffParticle

Sites = NDArray[np.int64]
Doubles = NDArray[np.float64]

#: Cubic lattice constant of CeO2, Å.
LATTICE_A = 5.411
#: The image's x, y and the beam in cubic axes: x along [1-10], y along [001], beam along [110].
SETTING = np.array([[1, -1, 0], [0, 0, np.sqrt(2)], [1, 1, 0]]) / np.sqrt(2)
#: Change of a bond's length with the logarithm of its valence, Å (Brown and Altermatt 1985).
SOFTNESS_A = 0.37


class ClusterSettings(BaseModel):
    """Ranges of the test specimens. Lengths in Å, angles in degrees, thickness in Ce atoms."""

    form: Literal["particle", "slab"] = "particle"
    surface: Literal["flat", "stepped", "saw-tooth"] = "flat"
    diameter_A: tuple[float, float] = (26.0, 44.0)
    thickness: tuple[int, int] = (3, 10)
    tilt_deg: tuple[float, float] = (0.0, 2.0)
    cell_A: float = Field(default=57.6, description="side of the square field of view")
    margin_A: float = Field(default=1.5, description="least distance of a slab from the border of the cell")
    disorder: float = Field(default=0.5, description="chance of adatoms, vacancies and ragged surfaces")
    missing: int = Field(default=0, description="Ce columns of the outline to take out")
    relax: float = Field(default=0.7, description="chance of relaxation")
    oxygen_motion: float = Field(default=1.35, description="thermal displacement of O over that of Ce")


def ceria_cluster(rng: np.random.Generator, settings: ClusterSettings | None = None) -> WulffParticle:
    """Draw one test specimen.

    Parameters
    ----------
    rng : numpy.random.Generator
        All random choices come from here.
    settings : ClusterSettings, optional
        Ranges.

    Returns
    -------
    WulffParticle
        Atoms with columns labelled 0 (Ce) and 1 (O), and the places of Ce columns that were taken out.
    """
    s = settings or ClusterSettings()
    cerium, anions = crystal_sites(0.5 * s.cell_A * 1.5, 0.6 * s.thickness[1] * LATTICE_A)
    centre = rng.uniform(-2, 2, 3)
    cerium = cerium[cut(rng, s, cerium - centre)]
    if rng.random() < s.disorder:
        cerium = disturbed(rng, cerium)
    cerium, oxygen = pruned(rng, cerium, anions)
    cerium, gone = without_columns(rng, cerium, s.missing)
    oxygen = oxygen[bonds(oxygen, cerium) >= 2]
    if rng.random() < s.disorder:
        oxygen = oxygen[rng.random(len(oxygen)) > np.where(bonds(oxygen, cerium) < 4, 0.12, 0.03)]
    sites = np.concatenate([cerium, oxygen])
    label = np.repeat([0, 1], [len(cerium), len(oxygen)])
    _, column = np.unique(column_key(sites), axis=0, return_inverse=True)
    a = LATTICE_A * rng.uniform(0.998, 1.008)
    cubic = (sites - centre) * a / 4
    relaxed = bool(rng.random() < s.relax)
    if relaxed:
        cubic = sprung(cubic, sites, label, a, rng.uniform(0.6, 1.1))
    place = cubic @ SETTING.T
    holes = (gone[:, :3] - centre) @ SETTING.T * a / 4
    tilt, direction, angle = rng.uniform(*s.tilt_deg), rng.uniform(0, 2 * np.pi), rng.uniform(0, 360)
    atoms = Atoms(np.where(label == 0, "Ce", "O"), positions=place - [0, 0, place[:, 2].mean()])
    atoms.rotate(angle, "z")
    atoms.rotate(tilt, (np.cos(direction), np.sin(direction), 0.0))
    holder = Atoms("H" * len(holes), positions=holes * [1, 1, 0])
    holder.rotate(angle, "z")  # a tilt moves the middle of a column by less than 1e-3 of its distance
    middle = np.full(2, s.cell_A / 2)
    own = np.ones(len(atoms), bool)
    if s.form == "slab":  # columns that would leave the cell go as a whole, so that the truth stays whole
        flat = atoms.positions[:, :2]
        out = (np.abs(flat) > s.cell_A / 2 - s.margin_A).any(1)
        own = ~np.isin(column, column[out])
        atoms = atoms[own]
    else:
        box = atoms.positions[:, :2]
        middle = middle - (box.max(0) + box.min(0)) / 2
    atoms.set_cell([s.cell_A, s.cell_A, float(np.ptp(atoms.positions[:, 2])) + 6.0])
    atoms.pbc = True
    atoms.positions[:, :2] += middle
    atoms.center(axis=2)
    spots = holder.positions[:, :2] + middle
    inside = ((spots > 2) & (spots < s.cell_A - 2)).all(1)
    missing = pd.DataFrame({"y_A": spots[:, 1], "x_A": spots[:, 0], "count": gone[:, 3]})[inside]
    notes: dict[str, float | int | str | bool] = {
        "form": s.form,
        "surface": s.surface,
        "tilt_deg": tilt,
        "relaxed": relaxed,
    }
    motion = np.where(label == 1, s.oxygen_motion, 1.0)[own]
    specimen = Specimen(atoms, column.reshape(-1)[own], notes, label=label[own], motion=motion)
    return WulffParticle(specimen, missing.reset_index(drop=True), [])


def crystal_sites(half_A: float, half_beam_A: float) -> tuple[Sites, Sites]:
    """Sites of fluorite in units of a/4: Ce all even with half sums even, O all odd.

    Parameters
    ----------
    half_A, half_beam_A : float
        Half the extent in the plane of the image and along the beam, Å.
    """
    n = int(np.ceil(4 * np.hypot(half_A, half_beam_A) / LATTICE_A)) + 2
    line = np.arange(-n, n + 1)
    i, j, k = np.meshgrid(line, line, line, indexing="ij", sparse=True)
    even = (i % 2 == 0) & (j % 2 == 0) & (k % 2 == 0) & ((i + j + k) % 4 == 0)
    odd = (i % 2 == 1) & (j % 2 == 1) & (k % 2 == 1)
    found = []
    for mask in (even, odd):
        sites = np.argwhere(mask) - n
        plane = sites @ SETTING.T * LATTICE_A / 4
        near = (np.abs(plane[:, :2]).max(1) < half_A) & (np.abs(plane[:, 2]) < half_beam_A)
        found.append(sites[near].astype(np.int64))
    return found[0], found[1]


def cut(rng: np.random.Generator, s: ClusterSettings, sites: Doubles) -> NDArray[np.bool_]:
    """Which cerium sites (units of a/4) belong to the crystal: facets in space, two faces for the beam."""
    place = sites * LATTICE_A / 4
    beam = place @ SETTING[2]
    inside = np.ones(len(sites), bool)
    surfaces = {"111": (1, -1, 1), "100": (0, 0, 1), "110": (1, -1, 0)}
    if s.form == "particle":
        radius = rng.uniform(*s.diameter_A) / 2
        energy = {1: rng.uniform(1.0, 1.2), 2: rng.uniform(1.05, 1.25), 3: rng.uniform(0.95, 1.05)}
        for index in np.ndindex(3, 3, 3):
            normal = np.array(index) - 1
            kind = int(np.abs(normal).sum())
            if kind:
                inside &= place @ normal / np.sqrt(kind) < radius * energy[kind] * rng.uniform(0.9, 1.1)
        if s.surface != "flat":
            normal = np.array(surfaces[str(rng.choice(["100", "110"]))], float)
            inside &= under(rng, s, place, normal / np.linalg.norm(normal), radius * 0.75)
    else:
        choice = ["111", "100", "110"] if s.surface != "saw-tooth" else ["100", "110"]
        normal = np.array(surfaces[str(rng.choice(choice))], float)
        inside &= under(rng, s, place, normal / np.linalg.norm(normal), rng.uniform(-8, 12))
    # a step of the upper face, and a lower face that may be vicinal
    number = int(rng.integers(s.thickness[0], s.thickness[1] + 1))
    spacing = LATTICE_A / np.sqrt(2)
    turn = rng.uniform(0, 2 * np.pi)
    along = place @ (np.cos(turn) * SETTING[0] + np.sin(turn) * SETTING[1])
    fewer = int(rng.integers(0, max(1, number - s.thickness[0]) + 1))
    top = np.where(along > rng.uniform(-10, 10), number - fewer, number) * spacing
    bottom = -number * spacing / 2
    return np.asarray(inside & (beam > bottom) & (beam <= bottom + top + 1e-6))


def under(
    rng: np.random.Generator, s: ClusterSettings, place: Doubles, normal: Doubles, height: float
) -> NDArray[np.bool_]:
    """Below a surface that contains the beam: a plane, terraces one layer apart, or a row of prisms."""
    above = place @ normal - height
    along = place @ np.cross(SETTING[2], normal)
    if s.surface == "flat":
        return np.asarray(above < 0)
    if s.surface == "stepped":
        layer = LATTICE_A * {1: 0.5, 2: 8**-0.5, 3: 3**-0.5}[int(np.count_nonzero(np.abs(normal) > 0.1))]
        level = np.zeros(len(place))
        for edge in np.cumsum(rng.uniform(6, 16, 4)) - 22:
            level += np.where(along > edge, layer * rng.choice([-1, 1]), 0)
        return np.asarray(above < level)
    # each tooth is a prism between two {111} planes that meet above the surface
    period = LATTICE_A * rng.integers(2, 6) / np.sqrt(2) * (1 if abs(normal[2]) > 0.5 else np.sqrt(2))
    steep = np.sqrt(2) if abs(normal[2]) > 0.5 else np.sqrt(0.5)
    solid = above < -steep * period / 2
    for tip in np.arange(-60, 60, period) + rng.uniform(0, period):
        solid |= (above + steep * (along - tip) < 0) & (above - steep * (along - tip) < 0)
    return np.asarray(solid)


#: The twelve next cations of a cation, in units of a/4.
NEXT = 2 * np.array(
    [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i * i + j * j + k * k == 2]
)


def bonds(sites: Sites, others: Sites) -> NDArray[np.int64]:
    """How many of the others are Ce-O neighbours of each site."""
    if not len(sites) or not len(others):
        return np.zeros(len(sites), np.int64)
    return np.asarray(cKDTree(others).query_ball_point(sites, 1.8, return_length=True), dtype=np.int64)


def column_key(sites: Sites) -> Sites:
    """The two integers that the sites of a column along [110] share, shape (n, 2)."""
    return np.column_stack([sites[:, 0] - sites[:, 1], sites[:, 2]])


def pruned(rng: np.random.Generator, cerium: Sites, anions: Sites) -> tuple[Sites, Sites]:
    """Oxygen around the cations, the loosest removed down to CeO1.8 to CeO2, and no cation left hanging."""
    near = anions[bonds(anions, cerium) >= 1]
    while True:
        held = bonds(near, cerium)
        near = near[held >= 2]
        firm = bonds(cerium, near) >= 4
        if firm.all() and (held >= 2).all():
            break
        cerium = cerium[firm]
    surplus = len(near) - int(rng.uniform(1.8, 2.0) * len(cerium))
    loose = np.argsort(bonds(near, cerium) + rng.random(len(near)), kind="stable")
    loose = loose[bonds(near, cerium)[loose] < 4][: max(0, surplus)]
    return cerium, np.delete(near, loose, axis=0)


def disturbed(rng: np.random.Generator, cerium: Sites) -> Sites:
    """Cations added in hollows of the surface, and taken from it and from the inside."""
    free = np.unique((cerium[:, None] + NEXT).reshape(-1, 3), axis=0)
    free = free[cKDTree(cerium).query(free)[0] > 0.5]
    held = cKDTree(cerium).query_ball_point(free, 3.0, return_length=True)
    sticky = rng.permutation(free[held >= 3])
    around = cKDTree(cerium).query_ball_point(cerium, 3.0, return_length=True) - 1
    lost = rng.random(len(cerium)) < np.where(around < 10, rng.uniform(0, 0.1), rng.uniform(0, 0.02))
    return np.concatenate([cerium[~lost], sticky[: int(rng.uniform(0, 0.1) * len(sticky))]])


def without_columns(rng: np.random.Generator, cerium: Sites, number: int) -> tuple[Sites, Sites]:
    """Take whole Ce columns out of the outline; also their places with the number of atoms, shape (k, 4)."""
    keys, first, count = np.unique(column_key(cerium), axis=0, return_index=True, return_counts=True)
    flat = keys * [1 / np.sqrt(2), 1.0]
    around = cKDTree(flat).query_ball_point(flat, 3.0, return_length=True) - 1
    edge = np.flatnonzero((around >= 2) & (around <= 4) & (count >= 2))
    chosen: list[int] = []
    for k in rng.permutation(edge):
        if len(chosen) < number and all(np.linalg.norm(flat[k] - flat[c]) > 6 for c in chosen):
            chosen.append(int(k))
    gone = np.column_stack([cerium[first[chosen]], count[chosen]]).reshape(-1, 4)
    left = ~(column_key(cerium)[:, None] == keys[chosen][None]).all(2).any(1)
    return cerium[left], gone


def sprung(place: Doubles, sites: Sites, label: Sites, a: float, strength: float) -> Doubles:
    """Relax with springs: Ce-O bonds of bond-valence length, shorter where coordination is low.

    A bond between a cation of n and an anion of m neighbours carries a valence between 4 / n and 2 / m; its
    length changes by -0.37 Å times the mean logarithm of these over the bulk's (Brown and Altermatt 1985).
    Weaker springs keep the next neighbours of the same kind at the bulk's distance.
    """
    pairs = cKDTree(sites).query_pairs(2.9, output_type="ndarray")
    i, j = pairs.T
    bond = label[i] != label[j]
    number = np.bincount(pairs[bond].ravel(), minlength=len(sites))
    lack = np.log(np.where(label == 0, 8, 4) / np.maximum(number, 1))
    rest = np.linalg.norm(sites[i] - sites[j], axis=1) * a / 4
    rest = rest - np.where(bond, strength * SOFTNESS_A * (lack[i] + lack[j]) / 2, 0)
    stiff = np.where(bond, 1.0, 0.15)

    def energy(flat: Doubles) -> tuple[float, Doubles]:
        x = flat.reshape(-1, 3)
        way = x[i] - x[j]
        length = np.linalg.norm(way, axis=1)
        stretch = length - rest
        pull = (2 * stiff * stretch / length)[:, None] * way
        force = np.stack([np.bincount(i, pull[:, k], len(x)) - np.bincount(j, pull[:, k], len(x)) for k in
                          range(3)], 1)  # fmt: skip
        return float((stiff * stretch**2).sum()), force.ravel()

    result = minimize(energy, place.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(result.x).reshape(-1, 3)
