"""What the parts of the strain benchmark share: a row, strain of refined positions, pairs with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_atomcount.measure.refine import refine_positions
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import Structure
from napari_atomcount.records.calibration import Calibration

Doubles = NDArray[np.float64]


def row(
    case: str, figure: str, value: float, unit: str, images: int, columns: int, **more: Any
) -> dict[str, Any]:
    """One figure with its conditions and what it was measured on."""
    return {
        "case": case,
        **more,
        "figure": figure,
        "value": value,
        "unit": unit,
        "images": images,
        "columns": columns,
    }


def measured(
    image: Doubles, y: Doubles, x: Doubles, lattice: Structure, pixel_nm: float, **how: Any
) -> pd.DataFrame:
    """Refined positions and their strain, absolute."""
    r = refine_positions(image, y, x, **how)
    columns = pd.DataFrame({"y": r.y, "x": r.x, "y_sigma": r.y_sigma, "x_sigma": r.x_sigma})
    keep = r.found & ~columns[["y", "x"]].round(3).duplicated().to_numpy()
    calibration = Calibration(pixel_size_nm=(pixel_nm, pixel_nm))
    return strain_table(
        columns[keep].reset_index(drop=True),
        [lattice],
        calibration,
        reference="absolute",
        correlation=r.correlation,
    ).table


def paired(found: pd.DataFrame, truth: pd.DataFrame, within_px: float) -> pd.DataFrame:
    """The found row nearest to each true column; NaN where there is none within reach."""
    nearest = cKDTree(found[["y", "x"]].to_numpy()).query(truth[["y", "x"]].to_numpy())
    distance, index = np.asarray(nearest[0]), np.asarray(nearest[1])
    result = found.iloc[index].reset_index(drop=True)
    result.loc[distance > within_px, result.select_dtypes("number").columns] = np.nan
    return result


def mean_error(error: Doubles | pd.Series[Any], chosen: Any) -> float:
    """Mean absolute value in %, of the columns chosen."""
    return float(100 * np.nanmean(np.abs(np.asarray(error, float)[np.asarray(chosen)])))
