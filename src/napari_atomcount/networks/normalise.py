"""Intensity normalisation, the same in training and detection: divide by the beam level, minus one."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

#: What a model's card says of its images; a network that was trained on other ones counts wrongly.
NORMALISATION = "beam level from the vacuum in view, the camera's MTF divided out: I / level - 1"
#: The same of networks that were trained on images with the blur of the camera.
BLURRED_NORMALISATION = "beam level from the vacuum in view: I / level - 1"

#: Neighbourhood over which lattice fringes and shot noise average out and a particle does not, Å.
FINE_SIGMA_A = 6.0
#: Neighbourhood of the local mean that bounds the beam level, Å.
LEVEL_SIGMA_A = 25.0
#: A specimen sends at most this share of the electrons of its neighbourhood out of the image; darker areas
#: are thick supports, and the level follows them.
LARGEST_LOSS = 0.2
#: Weight of a local mean below the vacuum's level beside one above it.
ASYMMETRY = 0.003
#: A local mean this share below the level has half of that weight, and deeper ones still less: a thick
#: support does not tilt the level.
DEEP = 0.05
#: Local means within this share of the level belong to the vacuum.
VACUUM_DEPTH = 0.01
#: A tilted or bent level has to lie on so many times more of the image than a simpler one.
MORE_VACUUM = 1.8
TURNS = 12
#: Logit of the column map above which a point is near a column, a faint one too; and how far from all such
#: points, Å, nothing of a column is seen: the mean beyond it is that of the vacuum within 0.1 %.
NEAR_LOGIT = -2.2
AWAY_A = 2.5
#: The level beside the columns is taken where it is higher by this share, and by as many standard errors, and
#: where it is seen on so many Å²: gaps that a few missed columns leave are smaller.
LEAST_GAIN = 0.005
SURE = 2.0
LEAST_AREA_A2 = 10.0
#: A level fitted from above exceeds the mean beside the columns by up to this share where few electrons
#: tell it; by more where a support darkens part of the view.
LARGEST_EXCESS = 0.03


def blurred(pair: Tensor, sigma: float, elsewhere: float = 0.0) -> Tensor:
    """Gaussian-weighted mean of what was observed.

    Parameters
    ----------
    pair : torch.Tensor, shape (B, 2, y, x)
        Observed intensity, and the share of each point that was observed.
    sigma : float
        Width, points.
    elsewhere : float
        The value where nothing observed is near.

    Returns
    -------
    torch.Tensor, shape (B, y, x)
    """
    reach = int(3 * sigma) + 1
    line = torch.exp(-(torch.arange(-reach, reach + 1, device=pair.device) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).to(pair.dtype)
    flat = pair.reshape(-1, 1, *pair.shape[-2:])
    flat = F.conv2d(flat, line.view(1, 1, -1, 1), padding=(reach, 0))
    flat = F.conv2d(flat, line.view(1, 1, 1, -1), padding=(0, reach))
    top, bottom = flat.reshape(pair.shape).unbind(1)
    return torch.where(bottom > 1e-6, top / bottom.clamp(min=1e-6), elsewhere)


def vacuum_level(mean: Tensor, weight: Tensor) -> Tensor:
    """The smooth level that the brightest areas lie on: vacuum is brighter than any specimen.

    Even, or, where far more of the image lies on it, a plane, or one that is bent down towards the border (a
    beam is brightest in its middle, while a particle in the middle bends the means up); fitted to local means
    by asymmetric least squares (Newey and Powell, Econometrica 55 (1987) 819). Without vacuum in view it is
    the level of the thinnest specimen.

    Parameters
    ----------
    mean : torch.Tensor, shape (B, y, x)
        Local means.
    weight : torch.Tensor, shape (B, y, x)
        0 where nothing was observed.

    Returns
    -------
    torch.Tensor, shape (B, y, x)
    """
    height, width = mean.shape[-2:]
    longest = max(height, width, 2) - 1
    y = (2 * torch.arange(height, device=mean.device) - height + 1) / longest
    x = (2 * torch.arange(width, device=mean.device) - width + 1) / longest
    y, x = (part.flatten() for part in torch.meshgrid(y, x, indexing="ij"))
    terms = torch.stack([torch.ones_like(y), y, x, y**2 + x**2], 1).to(mean.dtype)
    scale = mean.flatten(1).amax(1, keepdim=True).clamp(min=1e-6)
    value, seen = (mean / scale[..., None]).flatten(1), weight.flatten(1)

    def surface(terms: Tensor) -> tuple[Tensor, Tensor]:
        level = value.quantile(0.95, dim=1, keepdim=True).expand_as(value)
        for turn in range(TURNS):
            depth = 1 - value / level
            below = ASYMMETRY / (1 + (depth / DEEP) ** 2)
            if turn == TURNS - 1:
                below = torch.where(depth < VACUUM_DEPTH, 1.0, 1e-2 * below)
            share = seen * torch.where(depth < 0, 1.0, below)
            normal = torch.einsum("bp,pi,pj->bij", share, terms, terms)
            normal = normal + 1e-6 * torch.eye(terms.shape[1]).to(terms)
            right = torch.einsum("bp,pi,bp->bi", share, terms, value)
            found: Tensor = torch.linalg.solve(normal, right[..., None])[..., 0]
            level = (found @ terms.T).clamp(min=1e-3)
        return level, found

    def upon(level: Tensor) -> Tensor:
        """Share of what was seen that lies on a level, (B, 1)."""
        on = ((value / level - 1).abs() < VACUUM_DEPTH) * seen
        return on.sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1e-6)

    # a slab on one side would tilt a plane: it has to lie on more of the image than a level that is even
    level = surface(terms[:, :1])[0]
    dome, bend = surface(terms)
    for other, allowed in ((surface(terms[:, :3])[0], True), (dome, bend[:, 3:] < 0)):
        level = torch.where((upon(other) > MORE_VACUUM * upon(level)) & allowed, other, level)
    return level.reshape(mean.shape) * scale[..., None]


def beam_level(images: Tensor, valid: Tensor | None, pixel_A: float) -> Tensor:
    """Intensity that the beam has without the specimen, from the vacuum in view.

    A specimen scatters electrons out of the image: a local mean reads 5 to 20 % low on a particle, and counts
    read low with it. Where no vacuum is in view this is the level of the thinnest part. It is held between
    the local mean and what a specimen of :data:`LARGEST_LOSS` leaves of it.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Intensities.
    valid : torch.Tensor, shape (B, Y, X), optional
        1 where a pixel counts, 0 where it does not.
    pixel_A : float
        Pixel size, Å.

    Returns
    -------
    torch.Tensor, shape (B, Y, X)
        Level; never zero where anything valid is near.
    """
    shape = images.shape[-2:]
    step = max(1, round(FINE_SIGMA_A / pixel_A / 6))  # a Gaussian needs no finer grid
    weight = torch.ones_like(images) if valid is None else valid.to(images.dtype)
    pad = (0, -shape[1] % step, 0, -shape[0] % step)
    pair = F.avg_pool2d(F.pad(torch.stack([images * weight, weight], 1), pad), step)
    points = pixel_A * step
    level = vacuum_level(blurred(pair, FINE_SIGMA_A / points), pair[:, 1]).clamp(min=1e-6)
    # what the neighbourhood has of it, with the unevenness of the illumination already taken out
    share = blurred(torch.stack([pair[:, 0] / level, pair[:, 1]], 1), LEVEL_SIGMA_A / points, 1.0)
    level = level * torch.maximum(share, (share / (1 - LARGEST_LOSS)).clamp(max=1))
    level = F.interpolate(level[:, None], scale_factor=step, mode="bilinear", align_corners=False)[:, 0]
    return level[..., : shape[0], : shape[1]]


def away_from_columns(column: Tensor, point_A: float) -> Tensor:
    """Where no column is near.

    Parameters
    ----------
    column : torch.Tensor, shape (h, w)
        Logits of the column map.
    point_A : float
        Size of a map pixel, Å.

    Returns
    -------
    torch.Tensor, shape (h, w), bool
    """
    far = np.asarray(column.cpu() <= NEAR_LOGIT)
    if not far.all():
        far = distance_transform_edt(far) * point_A > AWAY_A
    return torch.from_numpy(far)


def level_beside_columns(images: Tensor, level: Tensor, beside: Tensor, pixel_A: float) -> Tensor:
    """A better beam level, once it is known where the columns are.

    A mean over :data:`FINE_SIGMA_A` reads low wherever a particle is that near: by 0.2 % in a wide view, by
    several per cent where a particle fills it. What lies between the columns and the border does not.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Intensities.
    level : torch.Tensor, shape (B, Y, X)
        From :func:`beam_level`, without knowledge of the columns.
    beside : torch.Tensor, shape (B, Y, X)
        1 where a pixel counts and no column is near, 0 elsewhere.
    pixel_A : float
        Pixel size, Å.

    Returns
    -------
    torch.Tensor, shape (B, Y, X)
        `level` itself where too little lies beside the columns, or where that is not brighter.
    """
    number = beside.sum((1, 2)).clamp(min=2)
    mean = (images * beside).sum((1, 2)) / number
    spread = ((images - mean[:, None, None]).square() * beside).sum((1, 2)) / number
    error = (spread / number).sqrt() / mean.abs().clamp(min=1e-6)
    better = beam_level(images, beside, pixel_A)
    share = (images / better.clamp(min=1e-6) * beside).sum((1, 2)) / number
    better = better * torch.where(share > 1 - LARGEST_EXCESS, share, 1.0)[:, None, None]
    gain = better.mean((1, 2)) / level.mean((1, 2)) - 1
    taken = (gain > LEAST_GAIN + SURE * error) & (number * pixel_A**2 > LEAST_AREA_A2)
    return torch.where(taken[:, None, None], better, level)


def normalise(
    images: Tensor, pixel_A: float, valid: Tensor | None = None, level: Tensor | None = None
) -> Tensor:
    """Contrast relative to the beam level: I / level - 1; zero where not valid.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Non-negative on average: counts or intensities with the dark level removed.
    pixel_A : float
        Pixel size, Å.
    valid : torch.Tensor, shape (B, Y, X), optional
        1 where a pixel counts.
    level : torch.Tensor, shape (B, Y, X), optional
        Beam level, where it is known from a larger field than the images show.
    """
    level = beam_level(images, valid, pixel_A) if level is None else level
    contrast = images / level.clamp(min=1e-6) - 1
    return contrast if valid is None else contrast * valid.to(contrast.dtype)
