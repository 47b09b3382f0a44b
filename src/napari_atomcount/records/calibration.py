"""A movie's scales and where each came from; the only place where px becomes nm and frames become s."""

from __future__ import annotations

import math
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_atomcount.records.errors import InputError

Source = Literal["file", "user", "estimated", "assumed"]
Coordinate = TypeVar("Coordinate", float, npt.NDArray[np.float64])

# Outside this range pixels cannot show atomic columns: none are finer than 1 pm, 1 nm holds several columns.
ATOMIC_PIXEL_RANGE_NM = (1e-3, 1.0)


class Calibration(BaseModel):
    """The scales of a movie, each with where it came from.

    Parameters
    ----------
    pixel_size_nm : tuple of float, optional
        Size of a pixel along (y, x), nm; one number makes square pixels.
    frame_time_s : float, optional
        Time from the start of one frame to the start of the next, s.
    dose_e_per_A2 : float, optional
        Dose per frame at the specimen, electrons per Å².
    gain : float, optional
        Camera counts per electron.
    kv : float, optional
        Acceleration voltage, kV.
    sources : dict
        For each value that is known: ``file``, ``user``, ``estimated`` or ``assumed``. A value that is given
        without a source is taken to be ``user``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_size_nm: tuple[float, float] | None = Field(
        default=None, description="size of a pixel along (y, x)", json_schema_extra={"unit": "nm"}
    )
    frame_time_s: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="time from one frame to the next",
        json_schema_extra={"unit": "s"},
    )
    dose_e_per_A2: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="dose per frame at the specimen",
        json_schema_extra={"unit": "e/Å²"},
    )
    gain: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="camera counts per electron",
        json_schema_extra={"unit": "counts/e"},
    )
    kv: float | None = Field(
        default=None, gt=0, le=3000, description="acceleration voltage", json_schema_extra={"unit": "kV"}
    )
    sources: dict[str, Source] = Field(default={}, description="where each value came from")

    @model_validator(mode="before")
    @classmethod
    def _complete_sources(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if isinstance(values.get("pixel_size_nm"), (int, float)):  # one number for square pixels
            values = {**values, "pixel_size_nm": (values["pixel_size_nm"],) * 2}
        sources = dict(values.get("sources") or {})
        unknown = set(sources) - set(QUANTITIES)
        if unknown:
            raise ValueError(f"sources names unknown quantities: {', '.join(sorted(unknown))}")
        known = {name for name in QUANTITIES if values.get(name) is not None}
        return {
            **values,
            "sources": {name: sources.get(name, "user") for name in QUANTITIES if name in known},
        }

    @model_validator(mode="after")
    def _positive_pixels(self) -> Self:
        if self.pixel_size_nm is not None and not all(math.isfinite(p) and p > 0 for p in self.pixel_size_nm):
            raise ValueError(f"a pixel size must be positive, not {self.pixel_size_nm}")
        return self

    def updated(self, source: Source, **values: Any) -> Calibration:
        """Return a copy in which `values` replace the present ones and carry `source`; None forgets a value.

        Raises
        ------
        InputError
            If a name is unknown or a value is impossible.
        """
        unknown = set(values) - set(QUANTITIES)
        if unknown:
            raise InputError(f"A calibration has no '{min(unknown)}'; it has {', '.join(QUANTITIES)}.")
        merged = {name: getattr(self, name) for name in QUANTITIES} | values
        sources = dict(self.sources) | {name: source for name, value in values.items() if value is not None}
        try:
            return Calibration(
                **merged, sources={name: sources[name] for name in sources if merged[name] is not None}
            )
        except ValueError as err:
            given = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise InputError(
                f"This calibration is impossible ({given}): every value must be a positive number."
            ) from err

    def without_estimates(self) -> Calibration:
        """The same without an estimated gain and dose: with another dark level they are others."""
        estimated = [name for name in ("gain", "dose_e_per_A2") if self.sources.get(name) == "estimated"]
        return self.updated("estimated", **dict.fromkeys(estimated))

    def require_pixel_size(
        self, allowed_nm: tuple[float, float] = ATOMIC_PIXEL_RANGE_NM
    ) -> tuple[float, float]:
        """Return the pixel size (y, x) in nm for a job that cannot do without one.

        Raises
        ------
        InputError
            If there is none, or it lies outside `allowed_nm`; the text names ``--pixel-size-nm``.
        """
        if self.pixel_size_nm is None:
            raise InputError(
                "The pixel size is not known: give it with --pixel-size-nm (nm per pixel, or Y,X)."
            )
        low, high = allowed_nm
        if not all(low <= p <= high for p in self.pixel_size_nm):
            y, x = self.pixel_size_nm
            origin = self.sources.get("pixel_size_nm", "user")
            raise InputError(
                f"A pixel size of {y:.4g} × {x:.4g} nm (from: {origin}) is absurd for atomic columns, "
                f"which need {low:g} to {high:g} nm: give the right one with --pixel-size-nm."
            )
        return self.pixel_size_nm

    def time_s(self, frame: Coordinate) -> Coordinate:
        """Time at which `frame` (0 first) starts, s; NaN where the frame time is not known."""
        return frame * (math.nan if self.frame_time_s is None else self.frame_time_s)

    def to_nm(self, y: Coordinate, x: Coordinate) -> tuple[Coordinate, Coordinate]:
        """Turn (y, x) in px into nm from the centre of pixel (0, 0); NaN where the size is not known."""
        size_y, size_x = self.pixel_size_nm or (math.nan, math.nan)
        return y * size_y, x * size_x

    def to_px(self, y_nm: Coordinate, x_nm: Coordinate) -> tuple[Coordinate, Coordinate]:
        """Turn (y, x) in nm into px, the inverse of `to_nm`."""
        size_y, size_x = self.pixel_size_nm or (math.nan, math.nan)
        return y_nm / size_y, x_nm / size_x

    def electrons_per_pixel(self) -> float:
        """Mean electrons per pixel and frame, dose × pixel area (nm² × 100 Å²/nm²); NaN where not known."""
        if self.dose_e_per_A2 is None or self.pixel_size_nm is None:
            return math.nan
        return self.dose_e_per_A2 * self.pixel_size_nm[0] * self.pixel_size_nm[1] * 100.0


QUANTITIES = ("pixel_size_nm", "frame_time_s", "dose_e_per_A2", "gain", "kv")
