"""Focal series: the same specimen imaged several times at different defocus, with what moved in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from napari_atomcount.physics import optics


class FocalSeries(BaseModel):
    """How the images of a series differ; all other optics, the camera and the dose per image are common.

    Defocus of image k = 0, 1, 2, …: that of the first image (the regime's ``defocus_nm``), k steps, and a
    random error of its own; thesis eq. 6.19 is a first image at -17 nm, a step of 13 nm and an error of 2 nm.
    """

    images: int = Field(3, ge=2, le=16, description="images of a series")
    step_nm: tuple[float, float] = Field((13.0, 13.0), description="range of the defocus from image to image")
    jitter_nm: float = Field(2.0, ge=0, description="largest error of each image's defocus, nm")
    drift_A: float = Field(
        0.06,
        ge=0,
        description="largest shift of each further image against the first, along each axis; in a training "
        "what an alignment leaves over",
    )

    def defocus_nm(self, first: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
        """Defocus of the images of each series, (B, K); ``first`` is that of the first images, (B,)."""
        step = rng.uniform(*self.step_nm, len(first))
        error = rng.uniform(-self.jitter_nm, self.jitter_nm, (len(first), self.images))
        return np.asarray(first)[:, None] + step[:, None] * np.arange(self.images) + error

    def shift_A(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Shift (dy, dx) of each image against the first, (B, K, 2); zero for the first."""
        shift = rng.uniform(-self.drift_A, self.drift_A, (number, self.images, 2))
        shift[:, 0] = 0
        return shift


@dataclass
class Exposure:
    """The images of a batch of series, and what made them differ."""

    ideal: Tensor  # (B, K, Y, X); 1 is the beam without specimen
    detected: Tensor  # (B, K, Y, X), electrons per pixel
    defocus_nm: NDArray[np.float64]  # (B, K)
    shift_A: NDArray[np.float64]  # (B, K, 2): a column at y in the first image is at y + dy in image k


def exposed(
    waves: Tensor,
    extent_A: tuple[float, float],
    kv: float,
    microscope: Mapping[str, NDArray[np.floating] | float],
    camera: Mapping[str, NDArray[np.floating] | float],
    shape: tuple[int, int],
    defocus_nm: NDArray[np.floating],
    shift_A: NDArray[np.floating],
    noise: torch.Generator | None = None,
    foci: int = optics.FOCI,
) -> Exposure:
    """Expose focal series of exit waves.

    Parameters
    ----------
    waves : torch.Tensor, shape (B, S, Y, X), complex
        Exit waves with their thermal snapshots.
    extent_A : tuple of float
        Field of view (y, x), Å.
    kv, microscope
        As in :func:`napari_atomcount.physics.optics.transfer`; the microscope's own defocus is not used.
    camera
        As in :func:`napari_atomcount.physics.optics.detected_image`; the dose is that of each image.
    shape : tuple of int
        (Y', X') of the images.
    defocus_nm : numpy.ndarray, shape (B, K)
        Of each image; positive is overfocus.
    shift_A : numpy.ndarray, shape (B, K, 2)
        How far (dy, dx) the specimen has moved in each image.
    noise : torch.Generator, optional
        Source of the noise.
    foci
        As in :func:`napari_atomcount.physics.optics.ideal_image`.
    """
    spectrum = torch.fft.fft2(waves)
    qy, qx = optics.frequencies(waves.shape[-2:], extent_A, waves.device)
    ideal, detected = [], []
    for k in range(defocus_nm.shape[1]):
        function = optics.transfer(qy, qx, kv, {**microscope, "defocus_nm": defocus_nm[:, k]})
        dy, dx = (torch.from_numpy(shift_A[:, k, axis]).float().view(-1, 1, 1) for axis in (0, 1))
        function = function * torch.polar(torch.ones(()), -2 * torch.pi * (qy * dy + qx * dx))
        ideal.append(optics.imaged(spectrum, function, extent_A, kv, microscope, shape, foci))
        detected.append(optics.detected_image(ideal[-1], extent_A, camera, noise))
    return Exposure(
        torch.stack(ideal, 1), torch.stack(detected, 1), np.asarray(defocus_nm), np.asarray(shift_A)
    )
