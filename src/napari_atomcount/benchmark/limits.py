"""Our counts beside the ideal observer's: at the same dose, and the doses at which both err alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.ideal_observer import Observer

#: Share of wrong counts that the doses are compared at.
ERROR = 0.05
#: Doses of the table by groups of counts.
LIMIT_DOSES = (100.0, 300.0, 1000.0, 3000.0, 1e4)


def limit_rows(observer: Observer, rows: pd.DataFrame) -> pd.DataFrame:
    """Wrong counts of both at the doses of conditions A.

    Parameters
    ----------
    observer : Observer
        Of conditions A.
    rows : pandas.DataFrame
        Of the columns benchmark; those of the curve against dose are taken.

    Returns
    -------
    pandas.DataFrame
        dose_e_per_A2, ours, ideal (shares), ideal_dose_for_ours (at which the observer errs as often as we).
    """
    own = rows[rows.axis == "dose"].sort_values("at")
    table = []
    for dose, exact in zip(own["at"], own.count_exact, strict=True):
        ours = 1 - float(exact)
        reach = observer.dose_at(ours) if 0 < ours < observer.count_error(1.0) else np.nan
        table.append(
            {
                "dose_e_per_A2": dose,
                "ours": ours,
                "ideal": observer.count_error(dose),
                "ideal_dose_for_ours": reach,
            }
        )
    return pd.DataFrame(table)


def our_dose(rows: pd.DataFrame, error: float = ERROR) -> float:
    """Dose at which our wrong counts fall to a share, interpolated in its logarithm; NaN if they never do."""
    own = rows[rows.axis == "dose"].sort_values("at")
    dose, wrong = np.log(own["at"].to_numpy(float)), 1 - own.count_exact.to_numpy(float)
    below = np.flatnonzero(wrong <= error)
    if not len(below):
        return float("nan")
    k = int(below[0])
    if k == 0:
        return float(np.exp(dose[0]))
    share = (wrong[k - 1] - error) / (wrong[k - 1] - wrong[k])
    return float(np.exp(dose[k - 1] + share * (dose[k] - dose[k - 1])))


def dose_words(observer: Observer, rows: pd.DataFrame, error: float = ERROR) -> str:
    """The dose at which we reach few count errors against the dose at which the ideal observer does."""
    ideal, ours = observer.dose_at(error), our_dose(rows, error)
    words = f"The ideal observer counts {100 * error:g} % of the columns wrongly at {ideal:.0f} e/Å²; "
    if np.isfinite(ours):
        return words + f"we do at {ours:.3g} e/Å², {ours / ideal:.1f} times as much."
    own = rows[(rows.axis == "dose") & rows.count_exact.notna()].sort_values("at")
    if not len(own):
        return words + "none of ours were counted."
    best = own.iloc[int(own.count_exact.to_numpy().argmax())]
    return (
        words + f"we do not reach that at any dose up to {own['at'].max():.3g} e/Å²: our fewest are "
        f"{100 * (1 - best.count_exact):.0f} %, at {best['at']:.3g} e/Å²."
    )
