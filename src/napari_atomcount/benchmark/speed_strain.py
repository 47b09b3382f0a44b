"""Speed of template matching, in units of a matrix product of the same run, and whether it is linear."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from napari_atomcount.benchmark.columns import floor
from napari_atomcount.benchmark.speed import SpeedResult
from napari_atomcount.benchmark.strain_rows import row
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration

COLUMNS_TIMED = 50_000


def honeycomb(number: int) -> pd.DataFrame:
    """About ``number`` columns of slightly displaced graphene, y and x in px of 0.01 nm."""
    side = int(np.ceil(np.sqrt(number / 2)))
    h, k = (n.ravel() for n in np.meshgrid(np.arange(side), np.arange(side)))
    a = 14.2 * np.sqrt(3)
    x, y = h * a + k * a / 2, k * a * np.sqrt(3) / 2
    x, y = np.concatenate([x, x + 14.2 * np.sqrt(3) / 2]), np.concatenate([y, y + 7.1])
    rng = np.random.default_rng(0)
    return pd.DataFrame({"y": y + 0.3 * rng.normal(size=len(y)), "x": x + 0.3 * rng.normal(size=len(x))})[
        :number
    ]


def template_speed_rows() -> list[dict[str, Any]]:
    """Strain of 50,000 columns by a template of nine neighbours, in products of 2048³ f32 of the same run."""
    matrices = torch.randn(2, 2048, 2048)

    def seconds(
        action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
    ) -> float:
        times = []
        for _ in range(repeats):
            begun = clock()
            action()
            times.append(clock() - begun)
        return min(times)

    lattice, calibration = load_structure("graphene"), Calibration(pixel_size_nm=(0.01, 0.01))

    def job(number: int) -> Callable[[], object]:
        columns = honeycomb(number)
        return lambda: strain_table(columns, [lattice], calibration)

    unit = seconds(lambda: matrices[0] @ matrices[1], 8)
    whole = seconds(job(COLUMNS_TIMED), 3)
    # whether it is linear is asked of the processor's time, which other programs do not lengthen
    growth = seconds(job(COLUMNS_TIMED), 3, time.process_time) / (
        4 * seconds(job(COLUMNS_TIMED // 4), 3, time.process_time)
    )
    unit = min(unit, seconds(lambda: matrices[0] @ matrices[1], 8))
    about: dict[str, Any] = {"method": "template", "images": 1, "columns": COLUMNS_TIMED}
    case = "speed, template of nine neighbours"
    return [
        row(case, "50,000 columns", whole / unit, "2048³ f32 products", **about),
        row(case, "columns a second", COLUMNS_TIMED / whole, "1/s", **about),
        row(case, "50,000 over four times 12,500 columns", growth, "", **about),
    ]


def with_template_speed(speed: SpeedResult) -> SpeedResult:
    """The speed benchmark with the rows and the floor of template matching, on the processor."""
    own = pd.DataFrame(template_speed_rows()).rename(columns={"case": "condition"})
    own = own.assign(
        benchmark="speed", figure="strain: " + own.figure, device="cpu", threads=torch.get_num_threads()
    )
    rows = pd.concat([speed.rows, own[[c for c in own if c in speed.rows]]], ignore_index=True)
    floors = [template_floor(float(own.value.iloc[0])), linear_floor(float(own.value.iloc[2]))]
    return SpeedResult(speed.card, rows, [*speed.floors, *floors])


def template_floor(products: float) -> dict[str, Any]:
    """The line of the table of floors."""
    return floor("nine neighbours", "50,000 columns, 2048³ f32 products", products, 15.0, at_least=False)


def linear_floor(growth: float) -> dict[str, Any]:
    """The line of the table of floors: four times the columns take four times as long."""
    return floor("nine neighbours", "50,000 over four times 12,500 columns", growth, 1.25, at_least=False)
