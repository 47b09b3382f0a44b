"""Every tunable once: name, default, unit, range; forms, options and summary.json are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


def setting(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Declare a setting: its default, unit, description and limits (``ge``, ``gt``, ``le``, ``lt``)."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseModel):
    """Base of all settings: unknown names are errors; change one by ``model_copy(update=...)``."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DetectSettings(Settings):
    """How the network is run over a frame and its map turned into columns."""

    threshold: float | None = setting(
        None, "", "columns of a lower score are dropped; empty: the model's own", ge=0, le=1
    )
    tile: int = setting(
        512,
        "map px",
        "edge of the tiles that go through the network; larger ones need more memory",
        ge=128,
        le=8192,
    )
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "", "where the network runs")
    focal_series: bool = setting(
        False, "", "successive images of different defocus make one series, which is aligned first"
    )
    defocus_nm: tuple[float, ...] = setting(
        (), "nm", "defocus of the images of a series, in their order; empty: it rises from image to image"
    )
    symmetries: Literal[1, 2, 4, 8] | None = setting(
        None, "", "average over so many symmetries of the image: better, slower; empty: as the model does"
    )
    beam_level: float | None = setting(
        None,
        "counts/px",
        "what the beam brings to a pixel without a specimen; empty: from the vacuum in view",
        gt=0,
    )
    mtf: tuple[float, float, float] | None = setting(
        None, "", "c1, c2, c3 of the camera's MTF (thesis eq. 2.21); empty: from the noise of the movie"
    )


class DriftSettings(Settings):
    """How the specimen's shift from frame to frame is followed."""

    enabled: bool = setting(True, "", "follow the drift; off: the specimen is taken to stand still")
    max_step_nm: float = setting(0.5, "nm", "largest shift from one frame to the next", gt=0, le=20)
    rotation: bool = setting(False, "", "follow how the specimen turns in the plane")
    scale: bool = setting(False, "", "follow how the specimen is enlarged")
    max_turn_deg: float = setting(
        10.0, "degrees", "largest turn against the first frame that is looked for", gt=0, le=30
    )


class SiteSettings(Settings):
    """How columns of all frames are gathered into sites."""

    radius_nm: float = setting(
        0.10, "nm", "a column belongs to a site within this distance, after drift correction", gt=0, le=1
    )
    min_occurrence: float = setting(
        0.02,
        "",
        "a site off all lattices must hold a column in at least this fraction of the frames",
        ge=0,
        le=1,
    )
    min_frames: int = setting(1, "frames", "any site, in at least this many frames", ge=1, le=1000)


class OccupancySettings(Settings):
    """The two-state chain that turns the network's evidence into occupancies and events."""

    false_events_per_1000: float = setting(
        0.2,
        "per 1,000 site-frames",
        "events are reported as long as no more than this many are expected to be false",
        gt=0,
        le=1000,
    )
    interval: float = setting(0.95, "", "probability of the occupancy's interval", gt=0, lt=1)
    samples: int = setting(400, "", "paths drawn for the occupancy's interval", ge=20, le=100_000)
    iterations: int = setting(40, "", "most rounds of learning the rates and levels", ge=1, le=10_000)
    seed: int = setting(0, "", "of the drawn paths", ge=0)


class StrainSettings(Settings):
    """Structural template matching: which crystal, relative to what, and how positions are refined."""

    templates: tuple[str, ...] = setting(
        (),
        "",
        "crystals that may be there, like fcc110:Au, ceo2-110, graphene, file.cif:110; empty: no strain",
    )
    reference: str = setting(
        "mean",
        "",
        "what strain is relative to: mean, absolute, region:Y0:Y1,X0:X1 or phase:TEMPLATE",
    )
    neighbours: int | None = setting(
        None, "", "neighbours of a template; more average more; empty: its usual number", ge=3, le=40
    )
    refine: Literal["quadratic", "gaussian", "mass", "none"] = setting(
        "quadratic",
        "",
        "how positions are refined: quadratic polynomial, elliptical Gaussian, centre of mass, not at all",
    )
    prefilter: Literal["gaussian", "wiener", "none"] = setting("gaussian", "", "filter before the refinement")
    max_rmsd: float = setting(
        0.15, "nearest distances", "templates of a larger misfit do not match", gt=0, le=0.4
    )
    min_matched: int = setting(3, "", "fewest neighbours of a partial match", ge=2, le=12)
    min_occurrence: float = setting(
        0.2,
        "",
        "the time average takes sites that hold a column in at least this part of the frames",
        ge=0,
        le=1,
    )


class AnalysisSettings(Settings):
    """Everything that `analyze` does to a movie; written into summary.json as it was used."""

    detect: DetectSettings = DetectSettings()
    drift: DriftSettings = DriftSettings()
    sites: SiteSettings = SiteSettings()
    occupancy: OccupancySettings = OccupancySettings()
    strain: StrainSettings = StrainSettings()
    material: str | None = setting(None, "", "what the specimen is (Au, Pt, …), for the domain check")
    kv: float | None = setting(
        None, "kV", "acceleration voltage, where the file does not know it", gt=0, le=3000
    )
    frames: tuple[int, int] | None = setting(
        None, "frames", "first frame and the one after the last; empty: all"
    )
    roi: tuple[int, int, int, int] | None = setting(
        None, "px", "y0, y1, x0, x1 of the part to analyse (ends excluded); empty: all"
    )
    mask: Path | None = setting(None, "", "image whose non-zero pixels are left out")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.frames is not None:
            start, stop = self.frames
            if not 0 <= start < stop:
                raise ValueError(f"frames must be START:STOP with 0 <= START < STOP, not {start}:{stop}")
        if self.roi is not None:
            y0, y1, x0, x1 = self.roi
            if not (0 <= y0 < y1 and 0 <= x0 < x1):
                raise ValueError(f"roi must be Y0:Y1,X0:X1 of increasing numbers, not {y0}:{y1},{x0}:{x1}")
        return self
