"""Two movies beside each other: do columns move more often in one of them? Ratios, differences, tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta, binomtest, fisher_exact

from napari_atomcount.measure.kinetics import share_interval

States = npt.NDArray[np.int8]

BOOTSTRAPS = 2000


@dataclass(frozen=True, eq=False)
class Watched:
    """What is compared of one movie: SITES, EVENTS, states (T, S), and the frame time (None: per frame)."""

    name: str
    sites: pd.DataFrame
    events: pd.DataFrame
    state: States
    frame_time_s: float | None

    def exposure(self, site: npt.NDArray[np.bool_] | None = None) -> float:
        """Site-seconds (site-frames without a frame time) in which changes could be seen."""
        frames = np.maximum((self.state >= 0).sum(axis=0) - 1, 0)
        total = frames.sum() if site is None else frames[site].sum()
        return float(total) * (self.frame_time_s or 1.0)


def rate_ratio(
    n_first: int, t_first: float, n_second: int, t_second: float, probability: float = 0.95
) -> tuple[float, float, float, float]:
    """Ratio of two rates (second over first) with an exact interval, and the p-value of their being equal.

    Given the sum of both numbers, the second is binomial (Przyborowski & Wilenski 1940, Biometrika 31, 313);
    the interval is Clopper and Pearson's.

    Returns
    -------
    tuple of float
        ratio, low, high, p; NaN where a movie was not watched or nothing happened in both.
    """
    total = n_first + n_second
    if not (t_first > 0 and t_second > 0) or total == 0:
        return np.nan, np.nan, np.nan, np.nan
    tail = (1 - probability) / 2
    low = beta.ppf(tail, n_second, n_first + 1) if n_second else 0.0
    high = beta.ppf(1 - tail, n_second + 1, n_first) if n_first else 1.0
    p = float(binomtest(n_second, total, t_second / (t_first + t_second)).pvalue)
    scale = t_first / t_second

    def odds(share: float) -> float:
        return float(share / (1 - share) * scale) if share < 1 else np.inf

    ratio = n_second / n_first * scale if n_first else np.inf
    return ratio, odds(float(low)), odds(float(high)), p


def mean_difference(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    probability: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float, float]:
    """Difference of two means (second - first) over sites, by the bootstrap over sites.

    Returns
    -------
    tuple of float
        difference, low, high, p (two-sided, by permuting which movie a site belongs to); NaN where either is
        empty.
    """
    a, b = (np.asarray(v, dtype=np.float64)[np.isfinite(v)] for v in (first, second))
    if not len(a) or not len(b):
        return np.nan, np.nan, np.nan, np.nan
    rng = np.random.default_rng(seed)
    of_a = rng.choice(a, (BOOTSTRAPS, len(a))).mean(axis=1)
    drawn = rng.choice(b, (BOOTSTRAPS, len(b))).mean(axis=1) - of_a
    low, high = np.quantile(drawn, [(1 - probability) / 2, (1 + probability) / 2])
    difference = float(b.mean() - a.mean())
    both = np.concatenate([a, b])
    mixed = rng.permuted(np.tile(both, (BOOTSTRAPS, 1)), axis=1)
    moved = mixed[:, len(a) :].mean(axis=1) - mixed[:, : len(a)].mean(axis=1)
    p = (1 + np.sum(np.abs(moved) >= abs(difference) - 1e-12)) / (BOOTSTRAPS + 1)
    return difference, float(low), float(high), float(p)


def compare_movies(first: Watched, second: Watched) -> pd.DataFrame:
    """Compare two movies: event rates by kind and by coordination, share of hopping sites, occupancy.

    Returns
    -------
    DataFrame
        what, group, first, second (the values), n_first, n_second (events or sites behind them), comparison
        ("ratio" or "difference", second against first), value, low, high, p. The p-values are not corrected
        for their number.
    """
    rows: list[dict[str, object]] = []

    def rate(group: str, mine: list[pd.DataFrame], times: list[float]) -> None:
        n = [len(events) for events in mine]
        ratio, low, high, p = rate_ratio(n[0], times[0], n[1], times[1])
        values = [k / t if t > 0 else np.nan for k, t in zip(n, times, strict=True)]
        rows.append(_row("event rate", group, values, n, "ratio", ratio, low, high, p))

    movies = (first, second)
    rate("all", [m.events for m in movies], [m.exposure() for m in movies])
    for kind in ("appear", "vanish", "gain", "lose"):
        mine = [m.events[m.events["kind"] == kind] for m in movies]
        if any(len(events) for events in mine):
            rate(kind, mine, [m.exposure() for m in movies])
    for n in sorted(set(first.sites["coordination"]) & set(second.sites["coordination"]) - {-1}):
        inside = [(m.sites["coordination"] == n).to_numpy() for m in movies]
        ids = [m.sites["site_id"].to_numpy()[i] for m, i in zip(movies, inside, strict=True)]
        mine = [m.events[m.events["site_id"].isin(i)] for m, i in zip(movies, ids, strict=True)]
        if any(len(events) for events in mine):
            rate(f"{n} neighbours", mine, [m.exposure(i) for m, i in zip(movies, inside, strict=True)])
    hopping = [int((m.sites["n_events"] > 0).sum()) for m in movies]
    number = [len(m.sites) for m in movies]
    shares = [h / n if n else np.nan for h, n in zip(hopping, number, strict=True)]
    if all(number):
        table = np.array([[hopping[1], number[1] - hopping[1]], [hopping[0], number[0] - hopping[0]]])
        p = float(fisher_exact(table).pvalue)
        low, high = _newcombe(hopping, number)
        rows.append(
            _row(
                "share of hopping sites",
                "all",
                shares,
                number,
                "difference",
                shares[1] - shares[0],
                low,
                high,
                p,
            )
        )
    occupancies = [m.sites["occupancy"].to_numpy(np.float64) for m in movies]
    means = [float(np.nanmean(o)) if np.isfinite(o).any() else np.nan for o in occupancies]
    rows.append(
        _row(
            "occupancy", "all", means, number, "difference", *mean_difference(occupancies[0], occupancies[1])
        )
    )
    counts = [m.sites["mean_count"].to_numpy(np.float64) for m in movies]
    if all(np.isfinite(c).any() for c in counts):
        means = [float(np.nanmean(c)) for c in counts]
        rows.append(
            _row(
                "atoms per column", "all", means, number, "difference", *mean_difference(counts[0], counts[1])
            )
        )
    return pd.DataFrame(rows)


def _newcombe(hits: list[int], number: list[int]) -> tuple[float, float]:
    """95 % interval of the difference of two shares (Newcombe 1998, Stat. Med. 17, 873, method 10)."""
    low, high = share_interval(hits, number)
    p = np.array(hits) / np.array(number)
    difference = p[1] - p[0]
    return (
        float(difference - np.hypot(p[1] - low[1], high[0] - p[0])),
        float(difference + np.hypot(high[1] - p[1], p[0] - low[0])),
    )


def _row(
    what: str,
    group: str,
    values: list[float],
    number: list[int],
    comparison: str,
    value: float,
    low: float,
    high: float,
    p: float,
) -> dict[str, object]:
    return {
        "what": what,
        "group": group,
        "first": values[0],
        "second": values[1],
        "n_first": number[0],
        "n_second": number[1],
        "comparison": comparison,
        "value": value,
        "low": low,
        "high": high,
        "p": p,
    }
