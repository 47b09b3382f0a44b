"""How results in time are held against the truth: events and occupancies of sites."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_atomcount.benchmark.scoring import Doubles, match, ratio

#: A site or an event within this distance of the true one can be that one, nm.
SITE_NM = 0.12


@dataclass
class EventScore:
    """Matched events of one or many movies, to be added up."""

    hits: int = 0
    found: int = 0
    truth: int = 0
    site_frames: int = 0

    def __add__(self, other: EventScore) -> EventScore:
        """Both movies together."""
        return EventScore(
            self.hits + other.hits,
            self.found + other.found,
            self.truth + other.truth,
            self.site_frames + other.site_frames,
        )

    def figures(self) -> dict[str, float]:
        """Precision, recall, F1 and false events per 1,000 site-frames."""
        return {
            "precision": ratio(self.hits, self.found),
            "recall": ratio(self.hits, self.truth),
            "f1": ratio(2 * self.hits, self.found + self.truth),
            "false_per_1000": 1000 * ratio(self.found - self.hits, self.site_frames),
            "events_found": self.found,
            "events_true": self.truth,
            "site_frames": self.site_frames,
        }


def match_events(
    found: pd.DataFrame, truth: pd.DataFrame, pixel_nm: float, site_frames: int, frames: int = 1
) -> EventScore:
    """Pair events of the same kind one to one, within one frame and at the same site.

    Parameters
    ----------
    found, truth : pandas.DataFrame
        frame, kind, and y, x of the site in frame 0, px.
    pixel_nm : float
        Size of a pixel.
    site_frames : int
        Sites times observed frames, for the false rate.
    frames : int
        Largest difference in time.
    """
    hits = 0
    for kind in set(found["kind"]) & set(truth["kind"]):
        a, b = found[found.kind == kind], truth[truth.kind == kind]
        place_a, place_b = (t[["y", "x"]].to_numpy(float) * pixel_nm for t in (a, b))
        distance = np.linalg.norm(place_a[:, None] - place_b[None], axis=-1)
        late = np.abs(a.frame.to_numpy()[:, None] - b.frame.to_numpy()[None])
        cost = np.where((distance <= SITE_NM) & (late <= frames), late + distance, 1e3)
        rows, cols = linear_sum_assignment(cost)
        hits += int((cost[rows, cols] < 1e2).sum())
    return EventScore(hits, len(found), len(truth), site_frames)


def exact_coverage(
    share: NDArray[np.floating], true: Doubles, frames: int, probability: float = 0.95
) -> Doubles:
    """How far a central interval of exactly `probability` holds each truth, which is a number of frames.

    Where the posterior has more than `probability` on one number, no interval of numbers holds the truth as
    seldom as it should; one whose ends are drawn at random does (randomised quantiles: Dunn & Smyth 1996, J.
    Comput. Graph. Stat. 5, 236). The truth's own part of the posterior lies in that interval with the
    probability that is returned: its mean is `probability` for a calibrated posterior, whatever its steps.

    Parameters
    ----------
    share : ndarray, shape (n, S)
        Occupancies drawn from the posterior of each site.
    true : ndarray, shape (S,)
        True occupancies.
    frames : int
        Length of the movie.
    """
    half = 0.5 / max(frames, 1)
    below, at = (share < true - half).mean(axis=0), (np.abs(share - true) <= half).mean(axis=0)
    tail = (1 - probability) / 2
    overlap = np.clip(np.minimum(below + at, 1 - tail) - np.maximum(below, tail), 0, None)
    return np.asarray(np.divide(overlap, at, out=np.zeros(len(true)), where=at > 0))


@dataclass
class OccupancyScore:
    """Occupancies of the true sites: stated and true ones of many movies."""

    stated: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    mobile: list[bool] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)

    def add(
        self,
        sites: pd.DataFrame,
        place: Doubles,
        true: Doubles,
        mobile: NDArray[np.bool_],
        radius: float,
        share: NDArray[np.floating] | None = None,
        frames: int = 0,
    ) -> None:
        """Add the sites of one movie; a true site that was not found has the occupancy 0.

        Parameters
        ----------
        sites : pandas.DataFrame
            y, x, occupancy, occupancy_low, occupancy_high.
        place : numpy.ndarray, shape (S, 2)
            True sites in frame 0, px.
        true, mobile : numpy.ndarray, shape (S,)
            Share of occupied frames, and whether the column takes part in events.
        radius : float
            Largest distance of a pair, px.
        share : numpy.ndarray, shape (n, n_sites), optional
            Occupancies drawn from the posterior of each row of `sites`, of a movie of `frames`.
        """
        good = sites.occupancy.notna().to_numpy()
        known = sites[good]
        i, j = match(known[["y", "x"]].to_numpy(float), place, radius)
        if share is not None:
            exact = np.where(true == 0, exact_coverage(np.zeros((1, 1)), np.zeros(1), frames)[0], 0.0)
            exact[j] = exact_coverage(share[:, good][:, i], true[j], frames)
            self.exact += exact.tolist()
        values = np.zeros((3, len(place)))
        values[:, j] = known[["occupancy", "occupancy_low", "occupancy_high"]].to_numpy(float).T[:, i]
        self.stated += values[0].tolist()
        self.low += values[1].tolist()
        self.high += values[2].tolist()
        self.true += true.tolist()
        self.mobile += mobile.tolist()

    def figures(self) -> dict[str, float]:
        """Mean absolute error and coverage of the intervals, over all true sites and over the mobile ones.

        ``interval_coverage`` is how often the stated interval holds the truth, also where it is one number
        (``_open``: where it is not); ``interval_exact`` is `exact_coverage`.
        """
        stated, low, high, true = (np.array(v) for v in (self.stated, self.low, self.high, self.true))
        mobile = np.array(self.mobile, bool)
        inside = (low <= true + 1e-6) & (true <= high + 1e-6)
        open_ = high > low + 1e-6
        figures: dict[str, float] = {"sites": len(true), "mobile_sites": int(mobile.sum())}
        figures["open_sites"] = int(open_.sum())
        figures["interval_coverage_open"] = float(inside[open_].mean()) if open_.any() else np.nan
        for name, which in (("", np.ones(len(true), bool)), ("_mobile", mobile)):
            some = bool(which.any())
            figures[f"occupancy_mae{name}"] = float(np.abs(stated - true)[which].mean()) if some else np.nan
            figures[f"interval_coverage{name}"] = float(inside[which].mean()) if some else np.nan
            known = some and len(self.exact) == len(true)
            figures[f"interval_exact{name}"] = float(np.array(self.exact)[which].mean()) if known else np.nan
        return figures


@dataclass
class RateScore:
    """Whether the stated intervals of the sites' rates hold the rates that the movies were drawn with."""

    inside: list[bool] = field(default_factory=list)
    mobile: list[bool] = field(default_factory=list)

    def add(
        self, sites: pd.DataFrame, place: Doubles, rate: Doubles, mobile: NDArray[np.bool_], radius: float
    ) -> None:
        """Add the sites of one movie that have an interval.

        Parameters
        ----------
        sites : pandas.DataFrame
            y, x, event_rate_low_per_s, event_rate_high_per_s.
        place, mobile, radius
            As in `OccupancyScore.add`.
        rate : numpy.ndarray, shape (S,)
            True rate of change of each site, 1/s.
        """
        known = sites[sites.event_rate_high_per_s.notna()]
        i, j = match(known[["y", "x"]].to_numpy(float), place, radius)
        ends = known[["event_rate_low_per_s", "event_rate_high_per_s"]].to_numpy(float)[i]
        self.inside += ((ends[:, 0] <= rate[j] + 1e-9) & (rate[j] <= ends[:, 1])).tolist()
        self.mobile += mobile[j].tolist()

    def figures(self) -> dict[str, float]:
        """Coverage over all matched sites and over the mobile ones."""
        inside, mobile = np.array(self.inside, bool), np.array(self.mobile, bool)
        return {
            "rate_coverage": float(inside.mean()) if len(inside) else np.nan,
            "rate_coverage_mobile": float(inside[mobile].mean()) if mobile.any() else np.nan,
        }
