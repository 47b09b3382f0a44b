"""What a network is trained towards: batches of images, their truth as dense maps, and the losses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

from napari_atomcount.networks.normalise import beam_level, normalise
from napari_atomcount.physics.exposing import Images, Scene, WaveBank, expose
from napari_atomcount.physics.optics import without_blur
from napari_atomcount.physics.recipe import Uniform
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings

#: Columns nearer to each other than this overlap, Å; those of one crystal are at least 0.9 Å apart.
OVERLAP_A = 0.7
#: Error of c1, and relative errors of c2 and c3, of an MTF that was measured.
MTF_ERRORS = (0.01, 0.03, 0.03)
#: What an amorphous film leaves of the beam.
FILM_LEVEL = 0.995


@dataclass
class Batch:
    """Normalised images and the truth as dense maps."""

    image: Tensor  # (B, 1, Y, X), or as many as a focal series has
    heat: Tensor  # (B, h, w), 0…1
    core: Tensor  # (B, h, w), weight of the count and position losses
    count: Tensor  # (B, h, w), int: 1…K at the core of a column, 0 elsewhere
    offset: Tensor  # (B, 2, h, w), to the nearest column, map px
    label: Tensor  # (B, h, w), int: class of the nearest column
    asked: Tensor  # (B, h, w), 0 where the truth cannot be told, 1 elsewhere
    optics: Tensor  # (B, parameters), each -1…1 over the recipe's range


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device."""
    return Batch(*(getattr(batch, f.name).to(device) for f in fields(Batch)))


def make_batch(recipe: TrainingRecipe, bank: WaveBank, rng: np.random.Generator, size: int) -> Batch:
    """Draw scenes, expose, crop and normalise them, and draw their targets."""
    t = recipe.training
    scenes = [bank.scene(rng, snapshots=t.snapshots) for _ in range(size)]
    images = expose(recipe, scenes, rng)
    detected = images.detected if recipe.focal else images.detected[:, None]  # (B, K, Y, X)
    n = detected.shape[-1]
    believed = believed_camera(t, images, rng)
    detected = sharpened(detected, images.pixel_A, believed)
    empty = np.array([len(scene.count) == 0 for scene in scenes])
    thick = thickness(rng, size, n, empty & (rng.random(size) < 0.6))
    detected = detected * torch.from_numpy(thick)[:, None]
    # now and then a small field of view, with little vacuum or none: there the beam level is hard to tell
    whole = rng.random() < 0.75
    side = t.crop if whole else t.crop * rng.uniform(0.45, 1.0)
    crop = int(min(side, n)) // recipe.network.stride * recipe.network.stride
    corner = rng.integers(0, n - crop + 1, 2)
    seen = (slice(corner[0], corner[0] + crop), slice(corner[1], corner[1] + crop))
    window = detected[..., *seen].flatten(0, 1)
    # the network is told the recipe's pixel size even where the true one differs: calibrations do
    if whole:  # a frame shows more vacuum than the window, mostly more than the simulated cell
        level = beam_level(detected.flatten(0, 1), None, recipe.pixel_A)[..., *seen]
        beam = images.detector["dose_e_per_A2"] * images.pixel_A**2 * np.where(empty, 0, FILM_LEVEL)
        known = torch.from_numpy(beam.astype(np.float32)).repeat_interleave(detected.shape[1])
        level = torch.maximum(level, known[:, None, None])
    else:
        level = beam_level(window, None, recipe.pixel_A)
    level = level * torch.from_numpy(rng.normal(1, t.level_jitter, (len(level), 1, 1)).astype(np.float32))
    x = normalise(window, recipe.pixel_A, level=level).reshape(size, -1, crop, crop)
    factor = np.exp(rng.normal(0, t.contrast_jitter, size))
    # images without a particle are stretched as other programs do it: strong contrast is no column
    factor *= np.where(empty, np.exp(rng.uniform(0, np.log(t.empty_stretch), size)), 1)
    x = x * torch.from_numpy(factor[:, None, None, None].astype(np.float32))
    maps = [target_maps(recipe, scene, images.pixel_A, corner, crop) for scene in scenes]
    heat, core, count, offset, label, asked = (
        torch.from_numpy(np.stack(part)) for part in zip(*maps, strict=True)
    )
    return Batch(x, heat, core, count, offset, label, asked, optics_targets(recipe, images, scenes))


def believed_camera(
    t: TrainingSettings, images: Images, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """What will be believed of each image's camera, (B,) each: its MTF measured, or a usual one.

    In some images not even the pixels are the camera's own: files are binned and resampled.
    """
    true = images.detector
    size = len(images.detected)
    way = rng.random(size)
    measured = way < t.mtf_measured
    usual = Mtf()
    error = rng.normal(size=(3, size)) * np.array(MTF_ERRORS)[:, None]
    own_pixels = way < t.mtf_measured + t.mtf_usual
    return {
        "mtf_c1": np.where(measured, np.clip(true["mtf_c1"] + error[0], 0, 1), usual.c1),
        "mtf_c2": np.where(measured, true["mtf_c2"] * np.exp(error[1]), usual.c2),
        "mtf_c3": np.where(measured, true["mtf_c3"] * np.exp(error[2]), usual.c3),
        "camera_pixel_A": np.where(own_pixels, true["camera_pixel_A"], images.pixel_A),
    }


def sharpened(detected: Tensor, pixel_A: float, camera: dict[str, NDArray[np.float64]]) -> Tensor:
    """Images (B, K, Y, X) of the same cameras without the blur that these are believed to have."""
    repeated = {name: np.repeat(value, detected.shape[1]) for name, value in camera.items()}
    return without_blur(detected.flatten(0, 1), (pixel_A, pixel_A), repeated).reshape(detected.shape)


def optics_targets(recipe: TrainingRecipe, images: Images, scenes: list[Scene]) -> Tensor:
    """What the network learns to state of an image, (B, parameters): -1…1 over the recipe's own range.

    Parameters of the optics and the camera, ``focal_mean``, and of the specimen ``thermal_A`` and its tilt
    (``tilt_deg``, and ``tilt_y_deg`` and ``tilt_x_deg`` along the axes): counts need to know what damps the
    contrast.
    """
    tilt = np.array([scene.tilt_deg for scene in scenes])
    most = recipe.particle.tilt_deg[1]
    none = np.zeros(len(images.detected))
    of_their_own = {
        "focal_mean": (images.optics.get("focal_mean", none), Uniform(low=0, high=1)),
        "thermal_A": (np.array([scene.thermal_A for scene in scenes]), recipe.thermal_A),
        "tilt_deg": (np.hypot(*tilt.T), Uniform(low=0, high=most)),
        "tilt_y_deg": (tilt[:, 0], Uniform(low=-most, high=most)),
        "tilt_x_deg": (tilt[:, 1], Uniform(low=-most, high=most)),
    }
    columns = []
    for name in recipe.network.optics:
        if name in of_their_own:
            values, own = of_their_own[name]
            ranges = [own]
        else:
            values = np.asarray(images.optics.get(name, images.detector.get(name)), float)
            ranges = [r.optics[name] for r in recipe.regimes if name in r.optics]
            ranges = ranges or [getattr(recipe.detector, name)]
        low, high = min(r.low for r in ranges), max(r.high for r in ranges)
        columns.append(np.nan_to_num(2 * (values - low) / max(high - low, 1e-9) - 1))
    return torch.from_numpy(np.array(columns, np.float32).reshape(len(columns), len(images.detected)).T)


def thickness(
    rng: np.random.Generator, size: int, crop: int, thick: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Mass-thickness contrast: smooth random areas that absorb up to half of the electrons, with rims.

    Parameters
    ----------
    size, crop : int
        Number and side of the images.
    thick : numpy.ndarray, shape (size,), bool
        Which images get it; the factor is one in the others.

    Returns
    -------
    numpy.ndarray, shape (size, crop, crop), float32
    """
    coarse = torch.from_numpy(rng.normal(size=(size, 1, 6, 6)).astype(np.float32))
    field = F.interpolate(coarse, size=(crop, crop), mode="bicubic", align_corners=True)[:, 0].numpy()
    steep, absorbed = rng.uniform(1, 25, (size, 1, 1)), rng.uniform(0, 0.5, (size, 1, 1))
    factor = 1 - absorbed / (1 + np.exp(-steep * field))
    return np.where(thick[:, None, None], factor, 1).astype(np.float32)


def target_maps(
    recipe: TrainingRecipe, scene: Scene, pixel_A: float, corner: NDArray[np.int64], crop: int
) -> tuple[NDArray[Any], ...]:
    """Smoothed target (thesis eq. 6.7), core weight, count, offset, label, and where it is asked for.

    On the network's map. Columns nearer to each other than :data:`OVERLAP_A` are those of two sides of a
    specimen that meet at the periodic border of its cell: no image tells them apart, and none is asked for.
    """
    factor = recipe.network.unshuffle
    size = crop // factor
    position = np.stack([scene.y_A, scene.x_A], 1) / pixel_A - corner
    position = (position + 0.5) / factor - 0.5  # centres of image pixels -> centres of map pixels
    near = ((position > -2) & (position < size + 1)).all(1)
    position, number, kind = position[near], scene.count[near], scene.label[near]
    if not len(position):
        empty = np.zeros((size, size), np.float32)
        none = empty.astype(np.int64)
        return empty, empty, none, np.zeros((2, size, size), np.float32), none, np.ones_like(empty)
    grid = np.arange(size)
    dy = position[:, 0, None] - grid  # (N, size)
    dx = position[:, 1, None] - grid
    map_A = recipe.pixel_A * factor
    radius, edge = recipe.training.target_A / map_A, recipe.training.target_edge_A / map_A
    best = np.full((size, size), np.inf, np.float32)
    owner = np.zeros((size, size), np.int64)
    for k in range(len(position)):  # nearest column of each pixel, within a small window
        ys = slice(*np.clip([round(position[k, 0]) - 3, round(position[k, 0]) + 4], 0, size))
        xs = slice(*np.clip([round(position[k, 1]) - 3, round(position[k, 1]) + 4], 0, size))
        distance = dy[k, ys, None] ** 2 + dx[k, None, xs] ** 2
        closer = distance < best[ys, xs]
        best[ys, xs] = np.where(closer, distance, best[ys, xs])
        owner[ys, xs] = np.where(closer, k, owner[ys, xs])
    beyond = np.clip(np.sqrt(best) - radius, 0, None)
    heat = np.exp(-(beyond**2) / (2 * edge**2)).astype(np.float32)
    asked = np.ones((size, size), np.float32)
    if len(recipe.classes) > 1:
        tree = cKDTree(position)
        alone = tree.query_ball_point(position, OVERLAP_A / map_A, return_length=True) == 1
        asked[~alone[owner] & np.isfinite(best)] = 0
    core = np.where(heat > 0.05, heat, 0).astype(np.float32) * asked
    count = np.where(core > 0, np.clip(number[owner], 1, max(recipe.network.counts, 1)), 0)
    index = np.meshgrid(grid, grid, indexing="ij")
    offset = np.stack([np.where(core > 0, position[owner, k] - index[k], 0) for k in (0, 1)]).astype(
        np.float32
    )
    label = np.where(core > 0, kind[owner], 0)
    return heat, core, count.astype(np.int64), offset, label.astype(np.int64), asked


def losses(
    recipe: TrainingRecipe, output: Tensor, batch: Batch, share: float = 1.0, optics: Tensor | None = None
) -> dict[str, Tensor]:
    """Weighted cross-entropy of the column map, ordinal one of the count, likelihood of the position.

    Parameters
    ----------
    recipe : TrainingRecipe
        Weights and widths.
    output : torch.Tensor, shape (B, channels, h, w)
        Heads of the network, in :class:`~napari_atomcount.networks.unet.UNet`'s order.
    batch : Batch
        The truth, on the output's device.
    share : float
        How much of the training is over, 0…1: the count's target narrows with it.
    optics : torch.Tensor, shape (B, parameters, h', w'), optional
        What the network states of the optics; it is asked only where columns are.
    """
    t = recipe.training
    counts = recipe.network.counts
    found, offset, spread, named, logits = output.split_with_sizes(
        [1, 2, 1, output.shape[1] - 4 - counts, counts], 1
    )
    column, log_sigma = found[:, 0], spread[:, 0].clamp(-5, 2)
    # by place, not by label: a missing column in a particle weighs as much as a present one, so that the map
    # is a probability
    width = 2 * round(6.0 / (recipe.pixel_A * recipe.network.unshuffle) / 2) + 1
    among = F.avg_pool2d(batch.heat[:, None], width, 1, width // 2)[:, 0]
    weight = (1 + t.near_weight * (6 * among).clamp(max=1)) * batch.asked
    heat = (F.binary_cross_entropy_with_logits(column, batch.heat, reduction="none") * weight).mean()
    entropy = F.binary_cross_entropy(batch.heat, batch.heat, reduction="none").mul(weight).mean()
    total = batch.core.sum().clamp(min=1)
    squared = ((offset - batch.offset) ** 2).sum(1)
    position = ((squared * torch.exp(-2 * log_sigma) / 2 + 2 * log_sigma) * batch.core).sum() / total
    result = {"heat": (heat - entropy) * 8, "position": position * 0.05}
    if counts:
        # columns' cores are a quarter of the map: the rest has no count
        at = batch.core > 0
        levels = torch.arange(1, counts + 1, dtype=torch.float32, device=logits.device)
        sigma = t.count_sigma_end + (t.count_sigma - t.count_sigma_end) * max(0.0, 1 - share / 0.6)
        target = torch.exp(-((batch.count[at][:, None] - levels) ** 2) / (2 * sigma**2))
        target = target / target.sum(1, keepdim=True)
        ordinal = -(target * F.log_softmax(logits.movedim(1, -1)[at], 1)).sum(1)
        counted, most = batch.core[at], total
        if t.class_weights:  # some classes' counts matter more than others'
            counted = counted * torch.tensor(t.class_weights, device=logits.device)[batch.label[at]]
            most = counted.sum().clamp(min=1)
        result["count"] = (ordinal * counted).sum() / most * t.count_weight
    if recipe.network.labels > 1:
        other = F.cross_entropy(named, batch.label, reduction="none")
        result["label"] = (other * batch.core).sum() / total * t.label_weight
    if optics is not None:
        where = F.adaptive_max_pool2d(batch.heat[:, None], optics.shape[-2:])
        wrong = F.smooth_l1_loss(optics, batch.optics[..., None, None].expand_as(optics), reduction="none")
        asked = where.sum().clamp(min=1) * optics.shape[1]
        result["optics"] = (wrong * where).sum() / asked * t.optics_weight
    return result
