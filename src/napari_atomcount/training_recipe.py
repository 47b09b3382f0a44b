"""Recipe of a training: the images, the network that learns from them, and how it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from napari_atomcount.networks.card import Domain
from napari_atomcount.networks.unet import UNetConfig
from napari_atomcount.physics.recipe import Recipe
from napari_atomcount.records.errors import InputError


class TrainingSettings(BaseModel):
    """How a network is trained."""

    images: int = Field(
        90_000, ge=100, description="training images in all; the learning rate falls to zero there"
    )
    pauses: tuple[int, ...] = Field(
        (), description="images at which it falls to zero before; it then rises to where it would be without"
    )
    restarts: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (), description="or to these shares of itself, after each of the pauses"
    )
    falls: int = Field(
        1,
        ge=1,
        description="of it to zero, the last so many, whose weights are averaged in the end",
    )
    envelopes_until: int = Field(
        0, ge=0, description="images before which none is a mean over focus, whatever the recipe's share"
    )
    batch: int = Field(16, ge=1)
    crop: int = Field(224, ge=32, description="side of the training images, px")
    optimiser: Literal["adamw", "muon"] = Field(
        "adamw", description="of the convolutions' kernels; all else learns with AdamW"
    )
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = 1e-4
    warmup: float = Field(0.03, description="share of the images with rising learning rate")
    freeze_norm: float = Field(
        0.6, ge=0, le=1, description="share of the images after which batch statistics stay fixed"
    )
    average: float = Field(0.999, description="decay of the running average of the weights, per step")
    snapshots: int = Field(
        2, ge=1, description="thermal snapshots per image, drawn from those of the particle"
    )
    contrast_jitter: float = Field(0.04, description="relative spread of the contrast")
    level_jitter: float = Field(0.003, ge=0, description="relative spread of the beam level")
    mtf_measured: float = Field(
        0.45, ge=0, le=1, description="share of images of which the camera's MTF is known from their noise"
    )
    mtf_usual: float = Field(
        0.4, ge=0, le=1, description="share of which it is not, but which have the camera's own pixels"
    )
    empty_stretch: float = Field(5.0, ge=1, description="largest contrast factor where no particle is")
    target_A: float = Field(0.5, description="radius around a column's centre in which the target is one")
    target_edge_A: float = Field(0.25, description="width of the target's smooth edge")
    near_weight: float = Field(3.0, description="extra weight of pixels among columns in the cross-entropy")
    count_weight: float = Field(0.4, gt=0, description="weight of the count in the loss")
    class_weights: tuple[float, ...] = Field(
        (), description="weight of each class of columns in the loss of the count; empty: all alike"
    )
    label_weight: float = Field(0.3, gt=0, description="weight of the class in the loss")
    count_sigma: float = Field(0.55, description="ordinal smoothing of the count at the start, atoms")
    count_sigma_end: float = Field(
        0.2, description="and from 60 % of the images on: then the score is proper"
    )
    optics_weight: float = Field(0.3, ge=0, description="weight of the stated optics in the loss")
    validation_images: int = 192
    validate_every: int = 4_000

    def horizon(self, seen: int) -> int:
        """Images at which the learning rate falls to zero next."""
        return min((pause for pause in self.pauses if pause > seen), default=self.images)

    def restart(self, seen: int) -> tuple[int, float]:
        """The last pause, 0 where there was none, and the share of the learning rate that it rose to."""
        past = [pause for pause in sorted(self.pauses) if pause <= seen]
        if not past:
            return 0, 1.0
        if len(past) <= len(self.restarts):
            return past[-1], self.restarts[len(past) - 1]
        return past[-1], 0.5 * (1 + math.cos(math.pi * past[-1] / self.horizon(seen)))


class TrainingRecipe(Recipe):
    """A recipe of images with the network that learns from them."""

    network: UNetConfig = UNetConfig()
    training: TrainingSettings = TrainingSettings()
    peak_nm: float = Field(
        0.085,
        gt=0,
        description="a column is the highest point of the map up to this distance along each axis",
    )
    symmetries: Literal[1, 2, 4, 8] | None = Field(
        1, description="of an image, over which the trained model averages; null: as its size leaves time for"
    )
    domain: Domain | None = Field(
        None, description="where the trained model may be used; needed for its card"
    )

    usual: dict[str, Any] = Field(
        {}, description="what differs in the images that counts are calibrated on: those of usual work"
    )

    def as_usual(self) -> TrainingRecipe:
        """The recipe with its images as in usual work: aligned microscope, room temperature."""
        if not self.usual:
            return self
        return TrainingRecipe.model_validate(self.model_dump(mode="json") | self.usual | {"usual": {}})

    def at(self, seen: int) -> TrainingRecipe:
        """The recipe of the images that come after so many."""
        if seen >= self.training.envelopes_until:
            return self
        return self.model_copy(update={"focal_mean": 0.0})

    @model_validator(mode="after")
    def _network_fits_images(self) -> Self:
        if self.network.labels != len(self.classes):
            raise ValueError(
                f"the network has {self.network.labels} labels, but the recipe {len(self.classes)} classes"
            )
        images = 1 if self.focal is None else self.focal.images
        if self.network.frames != images:
            raise ValueError(f"the network takes {self.network.frames} images, but the recipe makes {images}")
        if len(self.training.class_weights) not in (0, len(self.classes)):
            raise ValueError("class_weights must have one number for each of the recipe's classes")
        self.as_usual()
        return self


def load_recipe(path: Path) -> TrainingRecipe:
    """Read a recipe file; InputError says what is wrong with it."""
    try:
        return TrainingRecipe.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a recipe that can be used: {error}") from error
