"""What a movie says of rates: events against time and coordination, with intervals; hops; several movies.

Exposure is what was observed: a site that is not observed in a frame is not at risk in it. Numbers of events
are taken as Poisson, their intervals are Garwood's (exact); shares of sites have Wilson's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import gammainc, gammaincinv
from scipy.stats import chi2, norm

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]

HOP_NM = 0.6  # farther apart, a vanish and an appear are two events
HOP_FRAMES = 1
SHUFFLES = 200


def poisson_interval(
    number: npt.ArrayLike, exposure: npt.ArrayLike, probability: float = 0.95
) -> tuple[Doubles, Doubles]:
    """Exact interval of a rate from a number of events in an exposure (Garwood 1936, Biometrika 28, 437).

    Parameters
    ----------
    number, exposure : array_like
        Events, and how long (in any unit) was watched; NaN where nothing was.
    probability : float
        Of the interval.

    Returns
    -------
    low, high : ndarray
        Events per unit of the exposure.
    """
    n, t = np.asarray(number, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    tail = (1 - probability) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(n > 0, chi2.ppf(tail, 2 * n) / 2, 0.0) / t
        high = chi2.ppf(1 - tail, 2 * n + 2) / 2 / t
    known = t > 0
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def hidden_rate_interval(
    changes: npt.NDArray[np.floating],
    exposure: npt.NDArray[np.floating],
    probability: float = 0.95,
) -> tuple[Doubles, Doubles]:
    """Interval of the rate at which each site changes, when its path is known with some probability only.

    For each path drawn from the posterior the rate has a Gamma distribution of shape changes + 1/2 (Jeffreys'
    prior for a Poisson rate); the interval is that of their mixture. Its lower end is 0 where no change at
    all is a possible answer.

    Parameters
    ----------
    changes : ndarray, shape (n, S)
        Of n paths of each site.
    exposure : ndarray, shape (S,)
        How long each was watched; NaN and 0 give NaN.
    probability : float
        Of the interval.
    """
    tail = (1 - probability) / 2
    first = changes[0] if len(changes) else np.zeros(changes.shape[1])
    low = np.asarray(gammaincinv(first + 0.5, tail), dtype=np.float64)
    high = np.asarray(gammaincinv(first + 0.5, 1 - tail), dtype=np.float64)
    most = changes.max(axis=0, initial=0)
    mixed = np.flatnonzero((changes != first).any(axis=0) & np.isfinite(first))
    for top in np.unique(most[mixed]):  # each on a grid of its own: no site's answer depends on the others
        sites = mixed[most[mixed] == top]
        n = np.arange(top + 1)
        grid = gammaincinv(top + 0.5, 1 - tail / 10) * np.linspace(0, 1, 800) ** 2
        each = gammainc(n + 0.5, grid[:, None])
        for s in sites:
            weight = np.bincount(changes[:, s].astype(np.int64), minlength=len(n)) / len(changes)
            low[s], high[s] = np.interp([tail, 1 - tail], each @ weight, grid)
    low = np.where((changes == 0).mean(axis=0) >= tail, 0.0, low) if len(changes) else low
    with np.errstate(divide="ignore", invalid="ignore"):
        known = exposure > 0
        return np.where(known, low / exposure, np.nan), np.where(known, high / exposure, np.nan)


def share_interval(
    number: npt.ArrayLike, total: npt.ArrayLike, probability: float = 0.95
) -> tuple[Doubles, Doubles]:
    """Interval of a share, number of total (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    k, n = np.asarray(number, dtype=np.float64), np.asarray(total, dtype=np.float64)
    z = norm.ppf((1 + probability) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def rate_in_time(
    events: pd.DataFrame,
    state: States,
    frame: Ints,
    frame_time_s: float | None,
    bins: int = 20,
    kinds: Sequence[str] = ("appear", "vanish", "gain", "lose"),
) -> pd.DataFrame:
    """Rate of events against time.

    Parameters
    ----------
    events : DataFrame
        EVENTS.
    state : ndarray of int8, shape (T, S)
        -1 not observed.
    frame : ndarray of int, shape (T,)
        Of the rows.
    frame_time_s : float, optional
        Without it rates are per frame and times are frames.
    bins : int
        At most so many stretches of (nearly) equal length.
    kinds : sequence of str
        Which events count.

    Returns
    -------
    DataFrame
        start, stop (frames, the second not included), time (middle, s or frames), n_events, exposure (site-
        seconds or site-frames), rate, low, high (per site and s or frame); NaN where nothing was observed.
    """
    step = frame_time_s or 1.0
    edges = np.unique(np.linspace(0, len(frame), min(bins, max(len(frame), 1)) + 1).round().astype(int))
    chosen = events[events["kind"].isin(list(kinds))]
    row = np.searchsorted(frame, chosen["frame"].to_numpy())
    # A change is seen between two frames: the first observed frame of a site cannot show any.
    seen = state >= 0
    at_risk = (seen & (np.cumsum(seen, axis=0) > 1)).sum(axis=1) if state.size else np.zeros(len(frame), int)
    number = np.histogram(row, edges)[0] if len(edges) > 1 else np.zeros(0, int)
    exposure = np.add.reduceat(at_risk, edges[:-1]) * step if len(edges) > 1 else np.zeros(0)
    low, high = poisson_interval(number, exposure)
    first, last = edges[:-1], edges[1:]
    return pd.DataFrame(
        {
            "start": frame[first],
            "stop": frame[last - 1] + 1 if len(edges) > 1 else frame[:0],
            "time": (frame[first] + frame[last - 1]) / 2 * step if len(edges) > 1 else np.zeros(0),
            "n_events": number,
            "exposure": exposure.astype(np.float64),
            "rate": np.where(exposure > 0, number / np.where(exposure > 0, exposure, 1), np.nan),
            "low": low,
            "high": high,
        }
    )


def rates_by(
    sites: pd.DataFrame,
    events: pd.DataFrame,
    state: States,
    frame_time_s: float | None,
    by: str = "coordination",
) -> pd.DataFrame:
    """Event rates and shares of hopping sites for groups of like sites.

    Parameters
    ----------
    sites : DataFrame
        SITES, in the order of the columns of `state`.
    events, state, frame_time_s
        As in `rate_in_time`.
    by : str
        Column of `sites`, for instance ``coordination`` or ``label``.

    Returns
    -------
    DataFrame
        `by`, n_sites, n_hopping (sites with an event), share, share_low, share_high, n_events, exposure,
        rate, low, high; one row a group.
    """
    step = frame_time_s or 1.0
    number = np.bincount(events["site_id"].to_numpy(np.int64), minlength=len(sites))[: len(sites)]
    exposure = np.maximum((state >= 0).sum(axis=0) - 1, 0) * step
    table = pd.DataFrame(
        {by: sites[by].to_numpy(), "n_events": number, "exposure": exposure, "n_hopping": number > 0}
    )
    out = table.groupby(by, sort=True).agg(
        n_sites=("n_events", "size"),
        n_hopping=("n_hopping", "sum"),
        n_events=("n_events", "sum"),
        exposure=("exposure", "sum"),
    )
    out = out.reset_index()
    share_low, share_high = share_interval(out["n_hopping"], out["n_sites"])
    low, high = poisson_interval(out["n_events"], out["exposure"])
    rate = (out["n_events"] / out["exposure"]).where(out["exposure"] > 0)
    out = out.assign(
        share=out["n_hopping"] / out["n_sites"],
        share_low=share_low,
        share_high=share_high,
        rate=rate,
        low=low,
        high=high,
    )
    order = ["n_sites", "n_hopping", "share", "share_low", "share_high"]
    return out[[by, *order, "n_events", "exposure", "rate", "low", "high"]]


def hops(
    events: pd.DataFrame,
    sites: pd.DataFrame,
    frame_time_s: float | None = None,
    distance_nm: float = HOP_NM,
    frames: int = HOP_FRAMES,
) -> pd.DataFrame:
    """Pair columns that vanish with columns that appear nearby at about the same time.

    Pairs are chosen together so that their distances in space and time are least in all (linear sum
    assignment). These are columns that have a site; free adatoms are followed by `measure.adatoms`.

    Parameters
    ----------
    events : DataFrame
        EVENTS.
    sites : DataFrame
        SITES, for their positions.
    frame_time_s : float, optional
        For the time in s.
    distance_nm, frames : float, int
        Farther apart in space or time, a vanish and an appear are no hop.

    Returns
    -------
    DataFrame
        frame, time_s, site_from, site_to, distance_nm, delay (frames), probability (that both events
        happened), by frame.
    """
    gone, come = events[events["kind"] == "vanish"], events[events["kind"] == "appear"]
    place = sites.set_index("site_id")[["y_nm", "x_nm"]]
    i, j = _paired(
        gone["frame"].to_numpy(np.int64),
        place.loc[gone["site_id"]].to_numpy(np.float64),
        come["frame"].to_numpy(np.int64),
        place.loc[come["site_id"]].to_numpy(np.float64),
        distance_nm,
        frames,
    )
    gone, come = gone.iloc[i], come.iloc[j]
    start = place.loc[gone["site_id"]].to_numpy(np.float64)
    end = place.loc[come["site_id"]].to_numpy(np.float64)
    frame = np.maximum(gone["frame"].to_numpy(np.int64), come["frame"].to_numpy(np.int64))
    return (
        pd.DataFrame(
            {
                "frame": frame,
                "time_s": frame * (frame_time_s if frame_time_s else np.nan),
                "site_from": gone["site_id"].to_numpy(np.int64),
                "site_to": come["site_id"].to_numpy(np.int64),
                "distance_nm": np.hypot(*(end - start).T) if len(i) else np.zeros(0),
                "delay": come["frame"].to_numpy(np.int64) - gone["frame"].to_numpy(np.int64),
                "probability": gone["probability"].to_numpy() * come["probability"].to_numpy(),
            }
        )
        .sort_values(["frame", "site_from"], kind="stable")
        .reset_index(drop=True)
    )


def hops_by_chance(
    events: pd.DataFrame,
    sites: pd.DataFrame,
    n_frames: int,
    distance_nm: float = HOP_NM,
    frames: int = HOP_FRAMES,
    seed: int = 0,
) -> float:
    """How many pairs `hops` would find if columns vanished and appeared independently of each other.

    The appearing columns are moved in time, all by the same random number of frames around the movie's end,
    200 times.
    """
    gone, come = events[events["kind"] == "vanish"], events[events["kind"] == "appear"]
    if not len(gone) or not len(come) or n_frames < 4 * (frames + 1):
        return 0.0
    place = sites.set_index("site_id")[["y_nm", "x_nm"]]
    rng = np.random.default_rng(seed)
    when, start = gone["frame"].to_numpy(np.int64), place.loc[gone["site_id"]].to_numpy(np.float64)
    then, end = come["frame"].to_numpy(np.int64), place.loc[come["site_id"]].to_numpy(np.float64)
    found = [
        len(_paired(when, start, (then + move) % n_frames, end, distance_nm, frames)[0])
        for move in rng.integers(2 * frames + 1, n_frames - 2 * frames, SHUFFLES)
    ]
    return float(np.mean(found))


def _paired(
    when: Ints, start: Doubles, then: Ints, end: Doubles, distance_nm: float, frames: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of vanishing and appearing columns that belong together."""
    if not len(when) or not len(then):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    far = np.hypot(*np.moveaxis(start[:, None] - end[None], -1, 0))
    late = np.abs(when[:, None] - then[None])
    possible = (far <= distance_nm) & (late <= frames) & (far > 0)
    cost = np.where(possible, far / distance_nm + late / (frames + 1.0), 1e3)
    i, j = linear_sum_assignment(cost)
    good = possible[i, j]
    return i[good], j[good]


def atoms_in_time(state: States) -> pd.DataFrame:
    """How many sites are occupied, and how many atoms they hold, in each frame.

    Returns
    -------
    DataFrame
        observed, occupied, atoms; one row a frame. `atoms` and `occupied` are scaled to all sites where some
        are not observed; NaN where none is.
    """
    seen = (state >= 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(seen > 0, state.shape[1] / seen, np.nan)
    return pd.DataFrame(
        {
            "observed": seen,
            "occupied": (state > 0).sum(axis=1) * scale,
            "atoms": np.where(state > 0, state, 0).sum(axis=1) * scale,
        }
    )


def movie_figures(
    name: str,
    sites: pd.DataFrame,
    events: pd.DataFrame,
    state: States,
    frame_time_s: float | None,
    dose_e_per_A2: float | None,
) -> dict[str, object]:
    """One movie's dose and kinetics, a row of the table over several movies.

    Returns
    -------
    dict
        movie, frames, duration_s, dose_rate_e_per_A2_s, accumulated_e_per_A2, sites, hopping, share (with
        share_low, share_high), events, rate (per site and s; low, high), mean_occupancy. NaN where the frame
        time or the dose is not known.
    """
    frames = len(state)
    step = np.nan if frame_time_s is None else frame_time_s
    dose = np.nan if dose_e_per_A2 is None else dose_e_per_A2
    number = np.bincount(events["site_id"].to_numpy(np.int64), minlength=len(sites))[: len(sites)]
    exposure = float(np.maximum((state >= 0).sum(axis=0) - 1, 0).sum()) * step
    low, high = poisson_interval(len(events), exposure)
    share_low, share_high = share_interval(int((number > 0).sum()), len(sites))
    return {
        "movie": name,
        "frames": frames,
        "duration_s": frames * step,
        "dose_rate_e_per_A2_s": dose / step,
        "accumulated_e_per_A2": dose * frames,
        "sites": len(sites),
        "hopping": int((number > 0).sum()),
        "share": float((number > 0).mean()) if len(sites) else np.nan,
        "share_low": float(share_low),
        "share_high": float(share_high),
        "events": len(events),
        "rate": len(events) / exposure if exposure > 0 else np.nan,
        "low": float(low),
        "high": float(high),
        "mean_occupancy": float(sites["occupancy"].mean()) if len(sites) else np.nan,
    }
