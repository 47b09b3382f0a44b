"""How far counts hold: one factor at a time changed in conditions A at 10⁴ e/Å², on the same particles."""

from __future__ import annotations

import math

import pandas as pd

from napari_atomcount.benchmark.scenes import (
    CAMERA_A,
    FOCAL_MEAN,
    MEANT,
    OPTICS_A,
    Condition,
    ParticleSet,
    fixed,
)

#: Exact counts may fall by this much from the best value of a factor.
LARGEST_FALL = 0.10
DOSE = 1e4
BASE = "robust-base"
#: No camera; A's; the corner of Table 6.1 that damps the columns' frequencies most.
NO_MTF = {"mtf_c1": fixed(1.0), "mtf_c2": fixed(0.5), "mtf_c3": fixed(2.5)}
STRONG_MTF = {"mtf_c1": fixed(0.0), "mtf_c2": fixed(0.4), "mtf_c3": fixed(2.0)}
#: A Gaussian blur of the image by σ damps by exp(-2π²σ²q²); eq. 2.19 as printed has no 2π.
BLUR_NM = 2 * math.pi * 0.025

Changes = dict[str, object]


def factors() -> dict[str, list[tuple[str, Changes]]]:
    """Each factor with its values and what they change in the base condition (nothing: the base itself)."""

    def of(**changes: object) -> Changes:
        return {"particles": ParticleSet().model_copy(update=changes)}

    return {
        "thermal displacement, Å": [(f"{t:g}", of(thermal_A=(t, t))) for t in (0.0, 0.05, 0.085, 0.1)],
        "structure": [("relaxed", {}), ("ideal", of(relax_steps=0))],
        "field of view, nm": [(f"{v:g}", {"view_nm": v}) for v in (4.0, 6.0, 10.0, 15.0)],
        "pixel, Å": [
            (f"{p:.2f}", {} if p == 0.20 else {"pixel_A": fixed(p)})
            for p in (0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22)
        ],
        "camera": [("no MTF", {"camera": NO_MTF}), ("A", {}), ("strong MTF", {"camera": STRONG_MTF})],
        "camera, dose not stated": [
            (name, {"camera": camera, "dose_stated": False})
            for name, camera in (("no MTF", NO_MTF), ("A", CAMERA_A), ("strong MTF", STRONG_MTF))
        ],
        "surroundings": [("vacuum", {}), ("film of 1.5–4 nm", {"surroundings": "film"})],
        "partial coherence": [
            ("envelopes on the wave", {}),
            (MEANT, {"optics": OPTICS_A | FOCAL_MEAN}),
        ],
        "element": [("Au", {}), ("Pt", of(element="Pt"))],
        "vibration 0.25 Å": [
            ("eq. 2.19 as printed", {}),
            ("blur of 0.25 Å rms", {"optics": OPTICS_A | {"vibration_nm": fixed(BLUR_NM)}}),
        ],
    }


def robustness_conditions() -> tuple[list[Condition], pd.DataFrame]:
    """The conditions, and which factor and value each stands for (the base stands for several).

    Returns
    -------
    list of Condition
        Of unlike names; optics, noise and particles are drawn alike in all.
    pandas.DataFrame
        factor, value, condition (name).
    """
    base = Condition(
        name=BASE, title="A, 1e4 e/Å²", dose_e_per_A2=fixed(DOSE), draws="robustness", axis="robustness"
    )
    conditions = {BASE: base}
    rows = []
    for factor, values in factors().items():
        for value, changes in values:
            wanted = base.model_copy(update=changes)
            name = BASE if wanted == base else f"robust: {factor}: {value}"
            title = f"A, 1e4 e/Å², {factor}: {value}"
            conditions.setdefault(name, wanted.model_copy(update={"name": name, "title": title}))
            rows.append({"factor": factor, "value": value, "condition": name})
    return list(conditions.values()), pd.DataFrame(rows)


def robustness_table(places: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Figures of each factor's values, and how far exact counts fall from the factor's best.

    Parameters
    ----------
    places : pandas.DataFrame
        From :func:`robustness_conditions`.
    rows : pandas.DataFrame
        Measured rows; those of the conditions are taken.

    Returns
    -------
    pandas.DataFrame
        factor, value, condition, fall (of count_exact from the factor's best), and the rows' columns.
    """
    table = places.merge(rows, on="condition", how="inner", validate="many_to_one")
    best = table.groupby("factor", sort=False)["count_exact"].transform("max")
    table.insert(3, "fall", best - table.count_exact)
    return table


def falls(table: pd.DataFrame) -> dict[str, float]:
    """The largest fall of each factor, in the order of the table."""
    return {str(factor): float(own.fall.max()) for factor, own in table.groupby("factor", sort=False)}
