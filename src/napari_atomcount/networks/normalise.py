"""Intensity normalisation, the same in training and detection: divide by the local beam level, minus one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Width of the neighbourhood whose mean is the beam level, Å. A particle scatters little out of its own area,
#: so this mean is the beam's, whatever share of vacuum is in view; a standard deviation would not be.
LEVEL_SIGMA_A = 25.0


def beam_level(
    images: Tensor, valid: Tensor | None, pixel_A: float, sigma_A: float = LEVEL_SIGMA_A
) -> Tensor:
    """Gaussian-weighted local mean of the valid pixels.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Intensities.
    valid : torch.Tensor, shape (B, Y, X), optional
        1 where a pixel counts, 0 where it does not.
    pixel_A : float
        Pixel size, Å.
    sigma_A : float
        Width of the neighbourhood, Å.

    Returns
    -------
    torch.Tensor, shape (B, Y, X)
        Local mean; never zero where anything valid is near.
    """
    step = max(1, round(sigma_A / pixel_A / 6))  # a wide Gaussian needs no finer grid
    shape = images.shape[-2:]
    weight = torch.ones_like(images) if valid is None else valid.to(images.dtype)
    pair = torch.stack([images * weight, weight], 1)
    pad = [-n % step for n in shape]
    pair = F.avg_pool2d(F.pad(pair, (0, pad[1], 0, pad[0])), step)
    sigma = sigma_A / (pixel_A * step)
    reach = int(3 * sigma) + 1
    line = torch.exp(-(torch.arange(-reach, reach + 1, device=images.device) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).to(images.dtype)
    flat = pair.reshape(-1, 1, *pair.shape[-2:])
    flat = F.conv2d(flat, line.view(1, 1, -1, 1), padding=(reach, 0))
    flat = F.conv2d(flat, line.view(1, 1, 1, -1), padding=(0, reach))
    top, bottom = flat.reshape(pair.shape).unbind(1)
    level = top / bottom.clamp(min=1e-6)
    level = F.interpolate(level[:, None], scale_factor=step, mode="bilinear", align_corners=False)[:, 0]
    return level[..., : shape[0], : shape[1]]


def normalise(images: Tensor, pixel_A: float, valid: Tensor | None = None) -> Tensor:
    """Contrast relative to the local beam level: I / level - 1; zero where not valid.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Non-negative on average: counts or intensities with the dark level removed.
    pixel_A : float
        Pixel size, Å.
    valid : torch.Tensor, shape (B, Y, X), optional
        1 where a pixel counts.
    """
    level = beam_level(images, valid, pixel_A)
    contrast = images / level.clamp(min=1e-6) - 1
    return contrast if valid is None else contrast * valid.to(contrast.dtype)
