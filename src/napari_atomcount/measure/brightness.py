"""How bright the columns of each class are in time: of CeO2, what the oxygen columns do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

COLUMNS = ("frame", "time_s", "label", "n_sites", "mean", "low", "high")


def class_brightness(
    intensity: npt.NDArray[np.floating] | None,
    label: pd.Series[str],
    frame: npt.NDArray[np.integer],
    frame_time_s: float | None,
    probability: float = 0.95,
) -> pd.DataFrame:
    """Mean intensity of the sites of each class in each frame.

    Parameters
    ----------
    intensity : ndarray, shape (T, S), optional
        I / level - 1 at each site; NaN where not observed. None: it was not measured.
    label : Series, shape (S,)
        Class of each site.
    frame : ndarray of int, shape (T,)
        Of the rows.
    frame_time_s : float, optional
        For the time in s.
    probability : float
        Of the interval.

    Returns
    -------
    DataFrame
        frame, time_s, label, n_sites (observed in the frame), mean, low, high. The interval is that of the
        frame-to-frame change of the mean: sites differ by what stays, and that is taken off before their
        spread is. NaN where fewer than two sites were observed.
    """
    parts = []
    if intensity is not None and intensity.size:
        names = label.to_numpy()
        for name in pd.unique(label):
            own = intensity[:, names == name].astype(np.float64)
            seen = np.isfinite(own)
            n = seen.sum(axis=1)
            usual = np.divide(
                np.nansum(own, axis=0), seen.sum(axis=0), out=np.zeros(own.shape[1]), where=seen.any(axis=0)
            )
            level = float(usual[seen.any(axis=0)].mean()) if seen.any() else np.nan
            rest = np.where(seen, own - usual, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                change = np.where(n > 0, rest.sum(axis=1) / n, np.nan)
                square = np.where(seen, (rest - change[:, None]) ** 2, 0.0).sum(axis=1)
                error = np.where(n > 1, np.sqrt(square / (n - 1) / n), np.nan)
                half = student.ppf((1 + probability) / 2, np.maximum(n - 1, 1)) * error
            mean = level + change
            parts.append(
                pd.DataFrame(
                    {
                        "frame": frame,
                        "time_s": frame * (frame_time_s if frame_time_s else np.nan),
                        "label": str(name),
                        "n_sites": n,
                        "mean": mean,
                        "low": mean - half,
                        "high": mean + half,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
