"""What an analysed movie says of time, as tables: rates, hops, dwell times, atoms, motion, adatoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_atomcount.measure import dwelling, kinetics
from napari_atomcount.measure.adatoms import follow_adatoms
from napari_atomcount.measure.along import Kymograph, kymograph
from napari_atomcount.measure.brightness import class_brightness
from napari_atomcount.measure.peaks import nearest_other
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration


@dataclass(frozen=True, eq=False)
class InTime:
    """What an analysis says of time, as tables.

    Parameters
    ----------
    rates : DataFrame
        Event rate against time.
    groups : dict of str to DataFrame
        Rates by coordination, and by label where there are several.
    hops : DataFrame
        Vanish and appear in pairs.
    hops_by_chance : float
        How many of them independent events would give.
    stays : DataFrame
        Dwell times.
    survival : dict of str to DataFrame
        Of occupied and empty stays, in frames.
    atoms : DataFrame
        Occupied sites and atoms in each frame, with frame and time_s.
    motion : DataFrame
        Where the specimen is in each frame: frame, time_s, dy_nm, dx_nm, confidence, and rotation (degrees)
        and scale with their errors where they were followed.
    intensity : DataFrame
        Of models of several classes: the mean over the sites of each (`measure.brightness`); else empty.
    step, unit : float, str
        Length of a frame, in "s" or "frame".
    """

    rates: pd.DataFrame
    groups: dict[str, pd.DataFrame]
    hops: pd.DataFrame
    hops_by_chance: float
    stays: pd.DataFrame
    survival: dict[str, pd.DataFrame]
    atoms: pd.DataFrame
    motion: pd.DataFrame
    intensity: pd.DataFrame
    step: float
    unit: str


def in_time(analysis: Analysis, calibration: Calibration) -> InTime:
    """Measure everything in time that an analysis tells.

    Parameters
    ----------
    analysis : Analysis
        Of one movie.
    calibration : Calibration
        Without its frame time the unit of time is the frame.
    """
    frame_time_s = calibration.frame_time_s
    events, sites, state, frame = analysis.events, analysis.sites, analysis.state, analysis.frame
    groups = {"coordination": kinetics.rates_by(sites, events, state, frame_time_s)}
    if sites["label"].nunique() > 1:
        groups["label"] = kinetics.rates_by(sites, events, state, frame_time_s, "label")
    stays = dwelling.stays(state, frame, analysis.site_id)
    begun = stays[stays["begun"].astype(bool)]
    survival = {}
    for kind in ("occupied", "empty"):
        mine = begun[begun["kind"] == kind]
        survival[kind] = dwelling.survival(mine["frames"].to_numpy(float), mine["ended"].to_numpy(bool))
    atoms = kinetics.atoms_in_time(state)
    atoms.insert(0, "frame", frame)
    atoms.insert(1, "time_s", frame * (frame_time_s if frame_time_s else np.nan))
    return InTime(
        rates=kinetics.rate_in_time(events, state, frame, frame_time_s),
        groups=groups,
        hops=kinetics.hops(events, sites, frame_time_s),
        hops_by_chance=kinetics.hops_by_chance(events, sites, len(frame)),
        stays=stays,
        survival=survival,
        atoms=atoms,
        motion=motion_of(analysis, calibration),
        intensity=class_brightness(analysis.intensity, sites["label"], frame, frame_time_s),
        step=frame_time_s or 1.0,
        unit="s" if frame_time_s else "frame",
    )


def motion_of(analysis: Analysis, calibration: Calibration) -> pd.DataFrame:
    """Where the specimen is in each frame: its shift in nm, its turn and scale, and how sure that is."""
    drift = analysis.drift
    dy, dx = calibration.to_nm(drift["dy"].to_numpy(float), drift["dx"].to_numpy(float))
    table = pd.DataFrame(
        {"frame": drift["frame"], "time_s": calibration.time_s(drift["frame"].to_numpy(float))}
    )
    table = table.assign(dy_nm=dy, dx_nm=dx, confidence=drift["confidence"])
    more = [n for n in ("rotation", "rotation_sigma", "scale", "scale_sigma") if n in drift]
    return pd.concat([table, drift[more]], axis=1)


def adatoms_of(analysis: Analysis, calibration: Calibration) -> pd.DataFrame:
    """Trajectories of the free adatoms (`measure.adatoms`)."""
    pixel = calibration.require_pixel_size()
    return follow_adatoms(analysis.columns, analysis.sites, analysis.drift, pixel, calibration.frame_time_s)


def facet(analysis: Analysis, calibration: Calibration, line: list[tuple[float, float]]) -> Kymograph:
    """The sites beside a line (corners (y, x) in px of frame 0) through time."""
    place = analysis.sites[["y_nm", "x_nm"]].to_numpy(float)
    spacing = float(np.median(nearest_other(place))) if len(place) > 1 else 0.3
    corners = np.array(line, float) * np.array(calibration.require_pixel_size())
    return kymograph(analysis.sites, analysis.state, corners, 1.5 * spacing)
