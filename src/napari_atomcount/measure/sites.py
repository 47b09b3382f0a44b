"""Places where a column can be: the columns of all frames, gathered in the specimen's frame; lattices.

Columns of different classes (Ce and O) lie on lattices of their own: each class's sites are indexed, and
their neighbours counted, among themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.lattice import Lattice, coordination, empty_neighbours, fit_lattices
from napari_atomcount.measure.peaks import density_peaks, nearest, nearest_other
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.motion import Motion
from napari_atomcount.records.settings import SiteSettings

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FREE_SITE_FRAMES = 2  # off all lattices, one sighting is noise
ROOM = 0.5  # of the spacing: a place nearer than this to a lattice site is a shoulder of its column
CLASS_POOLS = 100  # pools of rates: the coordination, and this much more for each further class


@dataclass(frozen=True, eq=False)
class SiteSet:
    """Sites, and which of them are only places where a column could be.

    Parameters
    ----------
    table : DataFrame
        SITES; what only time can tell (occupancy, events, counts) is NaN or 0.
    seen : ndarray of bool, shape (S,)
        False: no column was ever found there; it stands beside the occupied ones on their lattice. Such
        places show what the network says of an empty site.
    spacing_nm : float
        Median distance of nearest neighbours, nm, in the class with most sites; NaN for fewer than two.
    by_label : dict of str to float
        The same for each class of columns, where there are several.
    """

    table: pd.DataFrame
    seen: npt.NDArray[np.bool_]
    spacing_nm: float
    by_label: dict[str, float] = field(default_factory=dict)

    def spacing(self, label: str) -> float:
        """Distance of neighbours of one class, nm."""
        return self.by_label.get(label, self.spacing_nm)

    def pools(self) -> Ints:
        """Sites that share their rates have the same number: by coordination, and by class."""
        return class_pools(self.table, list(self.by_label))

    def neighbours(self, table: pd.DataFrame, occupied: npt.NDArray[np.bool_]) -> Ints:
        """Occupied neighbours of each site of a SITES table, those of its own class."""
        place = table[["y_nm", "x_nm"]].to_numpy()
        if not self.by_label:
            return coordination(place, occupied, self.spacing_nm)
        out = np.zeros(len(place), np.int64)
        label = table["label"].to_numpy()
        for name in pd.unique(table["label"]):
            own = label == name
            out[own] = coordination(place[own], occupied[own], self.spacing(str(name)))
        return out


def class_pools(table: pd.DataFrame, classes: list[str]) -> Ints:
    """Numbers of the pools of rates of a SITES table: its coordination where there is one class only.

    Parameters
    ----------
    table : DataFrame
        With label and coordination.
    classes : list of str
        In the order that fixes the numbers; labels that are not among them go with the first.
    """
    number = {name: i for i, name in enumerate(classes)}
    code = np.array([number.get(str(name), 0) for name in table["label"]], dtype=np.int64)
    return np.asarray(table["coordination"].to_numpy(np.int64) + CLASS_POOLS * code)


def to_specimen(columns: pd.DataFrame, drift: pd.DataFrame) -> tuple[Doubles, Doubles]:
    """Position (y, x) in px that each column (rows with frame, y, x) would have in frame 0."""
    motion = Motion.of(drift)
    place = columns[["y", "x"]].to_numpy(np.float64)
    home = motion.back(place, motion.rows(columns["frame"].to_numpy()))
    return home[:, 0], home[:, 1]


def positions_in_frames(sites: pd.DataFrame, drift: pd.DataFrame) -> tuple[Doubles, Doubles]:
    """Where every site is in every frame: y and x in px, each of shape (T, S)."""
    place = Motion.of(drift).everywhere(sites[["y", "x"]].to_numpy(np.float64))
    return place[..., 0], place[..., 1]


def build_sites(
    columns: pd.DataFrame,
    drift: pd.DataFrame,
    calibration: Calibration,
    settings: SiteSettings | None = None,
    weak: pd.DataFrame | None = None,
) -> tuple[SiteSet, pd.DataFrame]:
    """Gather columns into sites, fit their lattices, and give every column its site.

    Parameters
    ----------
    columns : DataFrame
        COLUMNS of all frames.
    drift : DataFrame
        DRIFT of all frames that were analysed, columns or not.
    calibration : Calibration
        Needs the pixel size.
    settings : SiteSettings, optional
        Radius and the least occurrence.
    weak : DataFrame, optional
        Further rows of frame, y, x, score below the threshold: they help to place sites and make none.

    Returns
    -------
    sites : SiteSet
        Sites by falling weight of evidence, ``site_id`` 0, 1, …
    columns : DataFrame
        The columns with ``site_id``; -1: none within the radius, or another column is nearer to it.
    """
    settings = settings or SiteSettings()
    pixel = np.array(calibration.require_pixel_size())
    home = np.column_stack(to_specimen(columns, drift)) * pixel
    score = columns["score"].to_numpy(dtype=np.float64)
    frame = columns["frame"].to_numpy()
    points, weight = home, score
    if weak is not None and len(weak):
        points = np.vstack([home, np.column_stack(to_specimen(weak, drift)) * pixel])
        weight = np.concatenate([score, weak["score"].to_numpy(dtype=np.float64)])
    centres, _ = density_peaks(points, np.maximum(weight, 1e-3), settings.radius_nm)
    site_id = assign(frame, home, centres, settings.radius_nm)
    frames_seen = np.bincount(site_id[site_id >= 0], minlength=len(centres))
    order = np.argsort(-frames_seen, kind="stable")[: int(np.sum(frames_seen > 0))]
    said = np.zeros(len(frames_seen), bool)  # where a person put a column is a site, however rarely seen
    if "origin" in columns:
        said[site_id[(columns["origin"] == "added").to_numpy() & (site_id >= 0)]] = True
    centres, frames_seen = centres[order], frames_seen[order]
    site_id = assign(frame, home, centres, settings.radius_nm)
    kind = np.array(site_labels(columns["label"], site_id, len(centres)), dtype=object)
    classes = [str(name) for name in pd.unique(columns["label"])] if len(columns) else ["column"]
    parts = [
        _of_one_class(centres[own], frames_seen[own], said[order][own], len(drift), settings)
        for own in (kind == name for name in classes)
    ]
    # the order of the sites is that of their evidence, whatever their class
    home_of = [np.flatnonzero(kind == name)[part.keep] for name, part in zip(classes, parts, strict=True)]
    chosen = np.sort(np.concatenate(home_of))
    centres = centres[chosen]
    lattice_id, neighbours = np.full(len(chosen), -1, np.int64), np.zeros(len(chosen), np.int64)
    hk = np.full((len(chosen), 2), -1, np.int64)
    beside: list[Doubles] = []
    beside_lattice, beside_hk, beside_neighbours = [], [], []
    beside_label: list[str] = []
    first = 0
    for name, part, where in zip(classes, parts, home_of, strict=True):
        row = np.searchsorted(chosen, where)
        lattice_id[row] = np.where(part.lattice_id >= 0, part.lattice_id + first, -1)
        hk[row], neighbours[row] = part.hk, part.neighbours
        # where a site of another class stands, none of this class is missing
        free = nearest(centres[kind[chosen] != name], part.beside)[0] > settings.radius_nm
        beside.append(part.beside[free])
        beside_lattice.append(part.beside_lattice[free] + first)
        beside_hk.append(part.beside_hk[free])
        beside_neighbours.append(part.beside_neighbours[free])
        beside_label += [name] * int(free.sum())
        first += part.n_lattices
    site_id = assign(frame, home, centres, settings.radius_nm)
    labels = site_labels(columns["label"], site_id, len(centres))
    everywhere = np.vstack([centres, *beside])
    table = _table(
        everywhere / pixel,
        calibration,
        np.concatenate([lattice_id, *beside_lattice]),
        np.vstack([hk, *beside_hk]),
        np.concatenate([neighbours, *beside_neighbours]),
        [*labels, *beside_label],
    )
    seen = np.arange(len(everywhere)) < len(centres)
    most = int(np.argmax([np.sum(kind == name) for name in classes]))
    by_label = {n: p.spacing for n, p in zip(classes, parts, strict=True)} if len(classes) > 1 else {}
    return SiteSet(table, seen, parts[most].spacing, by_label), columns.assign(site_id=site_id)


@dataclass(frozen=True, eq=False)
class _Part:
    """The sites of one class: which of the given places are kept, their lattices, what is beside them."""

    keep: npt.NDArray[np.bool_]  # of the places given
    lattice_id: Ints  # of the kept ones
    hk: Ints
    neighbours: Ints
    beside: Doubles
    beside_lattice: Ints
    beside_hk: Ints
    beside_neighbours: Ints
    spacing: float
    n_lattices: int


def _of_one_class(
    centres: Doubles,
    frames_seen: Ints,
    said: npt.NDArray[np.bool_],
    n_frames: int,
    settings: SiteSettings,
) -> _Part:
    """Fit lattices to the places (S, 2) of one class, nm, and choose those that are sites."""
    # A place that was seen now and then may join a lattice that expects it, but makes none.
    lattices = fit_lattices(centres, frames_seen >= max(2 if n_frames > 1 else 1, 0.1 * n_frames))
    spacing = _spacing(centres, lattices)
    keep = _kept(centres, frames_seen, lattices, n_frames, spacing, settings)
    keep |= said
    lattices = [_subset(lattice, keep) for lattice in lattices]
    centres, frames_seen = centres[keep], frames_seen[keep]
    usually = frames_seen >= 0.5 * n_frames
    beside, beside_lattice, beside_hk = empty_neighbours(centres, lattices, usually)
    lattice_id = np.full(len(centres), -1, np.int64)
    hk = np.full((len(centres), 2), -1, np.int64)
    for n, lattice in enumerate(lattices):
        lattice_id[lattice.member], hk[lattice.member] = n, lattice.hk
    neighbours = coordination(
        np.vstack([centres, beside]), np.concatenate([usually, np.zeros(len(beside), bool)]), spacing
    )
    n = len(centres)
    return _Part(
        keep, lattice_id, hk, neighbours[:n], beside, beside_lattice, beside_hk, neighbours[n:],
        spacing, len(lattices),
    )  # fmt: skip


def assign(frame: npt.NDArray[np.integer], home: Doubles, centres: Doubles, radius: float) -> Ints:
    """Index of the centre nearest to each point; of several points in one frame the nearest has it.

    Parameters
    ----------
    frame : ndarray of int, shape (N,)
        Frame of each point.
    home : ndarray, shape (N, 2)
        Points in the specimen's frame.
    centres : ndarray, shape (S, 2)
        Sites, in the same unit.
    radius : float
        Reach.

    Returns
    -------
    ndarray of int, shape (N,)
        -1: none.
    """
    out = np.full(len(home), -1, np.int64)
    if not len(home) or not len(centres):
        return out
    distance, at = nearest(centres, home, radius)
    order = np.argsort(distance, kind="stable")
    order = order[np.isfinite(distance[order])]
    key = np.asarray(frame)[order].astype(np.int64) * len(centres) + at[order]
    _, first = np.unique(key, return_index=True)
    mine = order[first]
    out[mine] = at[mine]
    return out


def _spacing(centres: Doubles, lattices: list[Lattice]) -> float:
    """Nearest-neighbour distance, nm: that of the largest lattice, else the median over the sites."""
    if lattices:
        return lattices[0].spacing
    if len(centres) < 2:
        return float("nan")
    return float(np.median(nearest_other(centres)))


def _kept(
    centres: Doubles,
    frames_seen: Ints,
    lattices: list[Lattice],
    n_frames: int,
    spacing: float,
    settings: SiteSettings,
) -> npt.NDArray[np.bool_]:
    """Which places are sites: on a lattice a few sightings do, elsewhere more are needed, and room."""
    needed = max(settings.min_frames, settings.min_occurrence * n_frames, min(FREE_SITE_FRAMES, n_frames))
    keep = frames_seen >= needed
    on_lattice = np.zeros(len(centres), bool)
    for lattice in lattices:
        on_lattice[lattice.member] = True
    if on_lattice.any() and not on_lattice.all():
        room = nearest(centres[on_lattice], centres)[0] > ROOM * spacing
        keep &= on_lattice | room
    keep |= on_lattice & (frames_seen >= settings.min_frames)
    return np.asarray(keep)


def _subset(lattice: Lattice, keep: npt.NDArray[np.bool_]) -> Lattice:
    """Return the lattice with its members renumbered after the points that are not kept have gone."""
    number = np.cumsum(keep) - 1
    mine = keep[lattice.member]
    return Lattice(lattice.origin, lattice.a, lattice.b, number[lattice.member[mine]], lattice.hk[mine])


def site_labels(label: pd.Series[str], site_id: Ints, n_sites: int) -> list[str]:
    """Most frequent label of each site's columns.

    Parameters
    ----------
    label, site_id
        Of N columns; -1 for one that is at no site. Each site has a column.
    n_sites
        S.

    Returns
    -------
    list of str
        S labels.
    """
    if not len(label):
        return ["column"] * n_sites
    codes, names = pd.factorize(label)
    words = [str(name) for name in names]
    cell = (site_id * len(words) + codes)[site_id >= 0]
    votes = np.bincount(cell, minlength=n_sites * len(words)).reshape(n_sites, len(words))
    return [words[i] for i in votes.argmax(axis=1).tolist()]


def _table(
    position: Doubles,
    calibration: Calibration,
    lattice_id: Ints,
    hk: Ints,
    neighbours: Ints,
    label: list[str],
) -> pd.DataFrame:
    """Make the SITES table of positions (S, 2) in px of frame 0."""
    y_nm, x_nm = calibration.to_nm(position[:, 0], position[:, 1])
    unknown = np.full(len(position), np.nan)
    return tables.conform(
        pd.DataFrame(
            {
                "site_id": np.arange(len(position)),
                "y": position[:, 0],
                "x": position[:, 1],
                "y_nm": y_nm,
                "x_nm": x_nm,
                "lattice_id": lattice_id,
                "h": hk[:, 0],
                "k": hk[:, 1],
                "coordination": neighbours,
                "label": pd.Series(label, dtype="str"),
                "occupancy": unknown,
                "occupancy_low": unknown,
                "occupancy_high": unknown,
                "n_events": np.zeros(len(position), np.int64),
                "event_rate_per_s": unknown,
                "mean_count": unknown,
            }
        ),
        tables.SITES,
    )
