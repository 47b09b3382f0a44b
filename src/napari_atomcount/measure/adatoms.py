"""Free adatoms: columns that belong to no lattice, or sit alone on its outside, followed from frame to frame.

Their positions in frame 0's coordinates are linked with LapTrack (Fukai & Kawaguchi 2023, Bioinformatics 39,
btac799; after Jaqaman et al. 2008, Nat. Methods 5, 695): squared distances are least in all, frame by frame,
and gaps of a few frames are closed afterwards.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure.kinetics import HOP_NM
from napari_atomcount.measure.sites import to_specimen

Bools = npt.NDArray[np.bool_]

MOST_NEIGHBOURS = 3  # of six, occupied, of an adatom that sits on a lattice position
MOST_OCCUPIED = 0.5  # a site that is occupied for longer is a part of the particle
GAP_FRAMES = 2  # frames in which an adatom may have been missed
MOVED_NM = 0.15  # a longer step is a hop: about half of a neighbour's distance
TRACKS = ("track_id", "frame", "time_s", "y", "x", "y_nm", "x_nm", "site_id", "count", "score")
SUMMARY = ("track_id", "first", "last", "frames", "hops", "path_nm", "net_nm")


def free_adatoms(columns: pd.DataFrame, sites: pd.DataFrame) -> Bools:
    """Which columns are free adatoms.

    Parameters
    ----------
    columns : DataFrame
        COLUMNS with their sites.
    sites : DataFrame
        SITES with lattice, coordination and occupancy.

    Returns
    -------
    ndarray of bool, shape (N,)
        True: of no site, of a site off all lattices that is not always occupied, or of a site of a lattice
        with at most three occupied neighbours that is occupied in less than half of the frames.
    """
    occupancy = np.nan_to_num(sites["occupancy"].to_numpy(np.float64))
    off = (sites["lattice_id"] < 0).to_numpy()
    rim = (sites["coordination"] <= MOST_NEIGHBOURS).to_numpy() & (occupancy < MOST_OCCUPIED)
    free = sites["site_id"].to_numpy()[(off & (occupancy < 1)) | rim]
    site = columns["site_id"].to_numpy()
    return np.asarray((site < 0) | np.isin(site, free))


def follow_adatoms(
    columns: pd.DataFrame,
    sites: pd.DataFrame,
    drift: pd.DataFrame,
    pixel_size_nm: tuple[float, float],
    frame_time_s: float | None = None,
    distance_nm: float = HOP_NM,
    gap_frames: int = GAP_FRAMES,
) -> pd.DataFrame:
    """Trajectories of the free adatoms.

    Parameters
    ----------
    columns, sites, drift : DataFrame
        COLUMNS, SITES and DRIFT of one movie.
    pixel_size_nm : (float, float)
        (y, x), nm.
    frame_time_s : float, optional
        For the time in s.
    distance_nm : float
        Farthest step from one frame to the next.
    gap_frames : int
        Frames that a trajectory may miss.

    Returns
    -------
    DataFrame
        track_id, frame, time_s, y, x (px of the frame), y_nm, x_nm (where it is in frame 0's coordinates),
        site_id (-1: none), count, score; by track and frame. An adatom that was seen once is a track of one
        row.
    """
    mine = columns[free_adatoms(columns, sites)].reset_index(drop=True)
    home_y, home_x = to_specimen(mine, drift)
    table = pd.DataFrame(
        {
            "frame": mine["frame"].to_numpy(np.int64),
            "time_s": mine["frame"].to_numpy(np.float64) * (frame_time_s if frame_time_s else np.nan),
            "y": mine["y"].to_numpy(np.float64),
            "x": mine["x"].to_numpy(np.float64),
            "y_nm": home_y * pixel_size_nm[0],
            "x_nm": home_x * pixel_size_nm[1],
            "site_id": mine["site_id"].to_numpy(np.int64),
            "count": mine["count"].to_numpy(np.int64),
            "score": mine["score"].to_numpy(np.float64),
        }
    )
    table.insert(0, "track_id", _linked(table, distance_nm, gap_frames))
    return table.sort_values(["track_id", "frame"], kind="stable", ignore_index=True)


def _linked(table: pd.DataFrame, distance_nm: float, gap_frames: int) -> npt.NDArray[np.int64]:
    """Number of the track of each row (frame, y_nm, x_nm), from 0 on."""
    if table["frame"].nunique() < 2:  # nothing to link
        return np.arange(len(table), dtype=np.int64)
    from laptrack import LapTrack  # it takes seconds to import

    # What not linking costs is said, and not taken from the other links: hops are rare, and longer than most.
    farthest = distance_nm**2
    linker = LapTrack(
        metric="sqeuclidean",
        cutoff=farthest,
        track_start_cost=farthest / 2,
        track_end_cost=farthest / 2,
        gap_closing_metric="sqeuclidean",
        gap_closing_cutoff=farthest if gap_frames else False,
        gap_closing_max_frame_count=gap_frames + 1,  # it counts from the frame before
        segment_start_cost=farthest / 2,
        segment_end_cost=farthest / 2,
        splitting_cutoff=False,
        merging_cutoff=False,
    )
    asked = table[["frame", "y_nm", "x_nm"]].assign(row=np.arange(len(table)))
    found, _, _ = linker.predict_dataframe(asked, ["y_nm", "x_nm"], only_coordinate_cols=False)
    track = np.empty(len(table), np.int64)
    track[found["row"].to_numpy()] = found["track_id"].to_numpy()
    return np.asarray(pd.factorize(track, sort=True)[0], dtype=np.int64)


def track_figures(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row for each trajectory of `follow_adatoms`.

    Returns
    -------
    DataFrame
        track_id, first, last (frames), frames (in which it was seen), hops (steps of more than 0.15 nm),
        path_nm (sum of its steps), net_nm (from its first to its last place).
    """
    rows = []
    for track, own in tracks.groupby("track_id", sort=True):
        place = own[["y_nm", "x_nm"]].to_numpy(np.float64)
        step = np.hypot(*np.diff(place, axis=0).T) if len(place) > 1 else np.zeros(0)
        net = float(np.hypot(*(place[-1] - place[0])))
        frame = own["frame"].to_numpy()
        rows.append((track, frame[0], frame[-1], len(own), int((step > MOVED_NM).sum()), step.sum(), net))
    return pd.DataFrame(rows, columns=list(SUMMARY)).astype({"track_id": "int64"})
