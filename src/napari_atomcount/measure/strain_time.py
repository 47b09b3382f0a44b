"""Strain through time: positions averaged over frames, with their errors, and time series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_atomcount.measure.strain_views import COMPONENTS
from napari_atomcount.measure.templates import Doubles
from napari_atomcount.records.motion import Motion

#: Degrees of freedom that the stated errors are worth against the spread over frames.
PRIOR = 8.0
ROUNDS = 3


def average_positions(
    positions: pd.DataFrame, drift: pd.DataFrame, min_occurrence: float = 0.2
) -> pd.DataFrame:
    """Average the place of each site over the frames.

    What all columns of a frame have in common, a rest of the drift, is taken out first: it is no strain. The
    standard error comes from the spread over the frames, tempered by the stated errors where frames are few.

    Parameters
    ----------
    positions : DataFrame
        frame, site_id, y, x, y_sigma, x_sigma in px of each frame; rows without a site are left out.
    drift : DataFrame
        DRIFT of those frames.
    min_occurrence : float
        Sites that are there in a smaller part of the frames are left out.

    Returns
    -------
    DataFrame
        site_id, y, x (in frame 0), y_sigma, x_sigma (px), n_frames.
    """
    own = positions[positions["site_id"] >= 0]
    names = ["site_id", "y", "x", "y_sigma", "x_sigma", "n_frames"]
    if not len(own):
        return pd.DataFrame({name: np.zeros(0) for name in names}).astype({"site_id": "int64"})
    site, code = np.unique(own["site_id"].to_numpy(), return_inverse=True)
    _, when = np.unique(own["frame"].to_numpy(), return_inverse=True)
    number = np.bincount(code).astype(float)
    frames = int(when.max()) + 1
    result = {"site_id": site, "n_frames": number.astype(np.int64)}
    home = own[["y", "x"]].to_numpy(float, copy=True)
    known = np.isin(own["frame"].to_numpy(), drift["frame"].to_numpy())
    motion = Motion.of(drift)
    home[known] = motion.back(home[known], motion.rows(own["frame"].to_numpy()[known]))
    for k, axis in enumerate(("y", "x")):
        place = home[:, k]
        for _ in range(ROUNDS):
            mean = np.bincount(code, place) / number
            rest = place - mean[code]
            common = pd.Series(rest).groupby(when).median().to_numpy()
            place = place - common[when]
        mean = np.bincount(code, place) / number
        square = np.bincount(code, (place - mean[code]) ** 2).astype(np.float64)
        sigma = own[f"{axis}_sigma"].to_numpy(float)
        stated = np.asarray(np.bincount(code, sigma**2) / number, dtype=np.float64)
        result[axis] = mean
        result[f"{axis}_sigma"] = np.sqrt(tempered(square, stated, number) / number)
    table = pd.DataFrame(result)[names]
    return table[table["n_frames"] >= max(1.0, min_occurrence * frames)].reset_index(drop=True)


def tempered(square: Doubles, stated: Doubles, number: Doubles) -> Doubles:
    """Variance of a single position of each site (S,), from its spread and its stated variance.

    A spread over few frames is itself uncertain: it counts as much as its degrees of freedom against
    :data:`PRIOR` of what the stated variance, times the factor that all sites share, would make it.

    Parameters
    ----------
    square : ndarray, shape (S,)
        Sum of squared deviations from the site's mean, px².
    stated : ndarray, shape (S,)
        Mean of the stated variances, px²; NaN where not known.
    number : ndarray, shape (S,)
        Frames of each site.
    """
    free = number - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = square / free / stated
    known = np.isfinite(ratio) & (free >= 1)
    shared = float(np.average(np.minimum(ratio[known], 9.0), weights=free[known])) if known.any() else 1.0
    prior = shared * stated
    if not np.isfinite(prior).any():  # no stated errors at all: the pooled spread takes their place
        prior = np.full(len(square), square.sum() / free.sum() if free.sum() else np.nan)
    prior = np.where(np.isfinite(prior), prior, np.nanmedian(prior))
    return np.asarray((PRIOR * prior + square) / (PRIOR + free))


def against_time(table: pd.DataFrame, site_ids: Sequence[int], component: str = "planar") -> pd.DataFrame:
    """Mean strain of some sites, of a region or of a facet, in each frame.

    Parameters
    ----------
    table : DataFrame
        STRAIN; the time average (frame -1) is left out.
    site_ids : sequence of int
        Which sites.
    component : str
        exx, eyy, exy, rotation or planar.

    Returns
    -------
    DataFrame
        frame, the component, ``sigma`` of the mean from the errors of the columns, ``columns``.
    """
    if component not in COMPONENTS:
        raise ValueError(f"'{component}' is no component of the strain; it is one of {', '.join(COMPONENTS)}")
    own = table[(table["frame"] >= 0) & table["site_id"].isin(site_ids) & table[component].notna()]
    own = own.assign(square=own[f"sigma_{component}"] ** 2)
    groups = own.groupby("frame")
    number = groups.size()
    return pd.DataFrame(
        {
            "frame": number.index.to_numpy(),
            component: groups[component].mean().to_numpy(),
            "sigma": np.sqrt(groups["square"].sum().to_numpy()) / number.to_numpy(),
            "columns": number.to_numpy(),
        }
    )


def spread_over_frames(table: pd.DataFrame, component: str = "planar") -> pd.DataFrame:
    """Standard deviation of a component over the frames beside its mean stated error, for each site.

    Returns
    -------
    DataFrame
        site_id, ``spread``, ``stated``, n_frames. Where the spread is the larger one the site moves, or its
        errors are stated too small.
    """
    own = table[(table["frame"] >= 0) & (table["site_id"] >= 0) & table[component].notna()]
    groups = own.groupby("site_id")
    return pd.DataFrame(
        {
            "site_id": np.array(list(groups.groups), dtype=np.int64),
            "spread": groups[component].std().to_numpy(),
            "stated": groups[f"sigma_{component}"].mean().to_numpy(),
            "n_frames": groups.size().to_numpy(),
        }
    )
