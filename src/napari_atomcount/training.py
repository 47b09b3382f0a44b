"""Training of a column network from a recipe: optics, dose and placement drawn anew for every image; resumable.

The same function serves the command line and a spawned process; it reports through a callable and writes a JSONL
log, the last checkpoint and the best weights, so that a killed training goes on where it was.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from napari_atomcount.networks.card import Domain
from napari_atomcount.networks.detector import pick_device, run_network
from napari_atomcount.networks.normalise import normalise
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.physics.recipe import Recipe, Scene, WaveBank, expose
from napari_atomcount.records.errors import InputError

#: Validation particles are numbered from here, so that they are never among the training particles.
VALIDATION_FIRST = 1_000_000


class TrainingSettings(BaseModel):
    """How a network is trained."""

    images: int = Field(
        90_000, ge=100, description="training images in all; the learning rate falls to zero there"
    )
    batch: int = Field(16, ge=1)
    crop: int = Field(224, ge=32, description="side of the training images, px")
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = 1e-4
    warmup: float = Field(0.03, description="share of the images with rising learning rate")
    average: float = Field(0.999, description="decay of the running average of the weights, per step")
    snapshots: int = Field(
        2, ge=1, description="thermal snapshots per image, drawn from those of the particle"
    )
    contrast_jitter: float = Field(0.04, description="relative spread of the contrast")
    target_A: float = Field(0.5, description="radius around a column's centre in which the target is one")
    target_edge_A: float = Field(0.25, description="width of the target's smooth edge")
    near_weight: float = Field(3.0, description="extra weight of pixels among columns in the cross-entropy")
    count_sigma: float = Field(0.55, description="ordinal smoothing of the count at the start, atoms")
    count_sigma_end: float = Field(0.2, description="and from 60 % of the images on: then the score is proper")
    validation_images: int = 192
    validate_every: int = 4_000


class TrainingRecipe(Recipe):
    """A recipe of images with the network that learns from them."""

    network: UNetConfig = UNetConfig()
    training: TrainingSettings = TrainingSettings()
    domain: Domain | None = Field(
        None, description="where the trained model may be used; needed for its card"
    )


@dataclass
class Batch:
    """Normalised images and the truth as dense maps."""

    image: Tensor  # (B, 1, Y, X)
    heat: Tensor  # (B, h, w), 0…1
    core: Tensor  # (B, h, w), weight of the count and position losses
    count: Tensor  # (B, h, w), int: 1…K at the core of a column, 0 elsewhere
    offset: Tensor  # (B, 2, h, w), to the nearest column, map px


def load_recipe(path: Path) -> TrainingRecipe:
    """Read a recipe file; InputError says what is wrong with it."""
    try:
        return TrainingRecipe.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a recipe that can be used: {error}") from error


def make_batch(recipe: TrainingRecipe, bank: WaveBank, rng: np.random.Generator, size: int) -> Batch:
    """Draw scenes, expose, crop and normalise them, and draw their targets."""
    t = recipe.training
    scenes = [bank.scene(rng, snapshots=t.snapshots) for _ in range(size)]
    images = expose(recipe, scenes, rng)
    detected = images.detected
    n = detected.shape[-1]
    crop = min(t.crop, n // recipe.network.stride * recipe.network.stride)
    corner = rng.integers(0, n - crop + 1, 2)
    window = detected[:, corner[0] : corner[0] + crop, corner[1] : corner[1] + crop]
    # the network is told the recipe's pixel size even where the true one differs: calibrations do
    x = normalise(window, recipe.pixel_A)
    x = x * torch.from_numpy(np.exp(rng.normal(0, t.contrast_jitter, (size, 1, 1))).astype(np.float32))
    maps = [target_maps(recipe, scene, images.pixel_A, corner, crop) for scene in scenes]
    heat, core, count, offset = (torch.from_numpy(np.stack(part)) for part in zip(*maps, strict=True))
    return Batch(x[:, None], heat, core, count, offset)


def target_maps(
    recipe: TrainingRecipe, scene: Scene, pixel_A: float, corner: NDArray[np.int64], crop: int
) -> tuple[NDArray[Any], ...]:
    """Smoothed target (thesis eq. 6.7), core weight, count and offset on the network's map."""
    factor = recipe.network.unshuffle
    size = crop // factor
    position = np.stack([scene.y_A, scene.x_A], 1) / pixel_A - corner
    position = (position + 0.5) / factor - 0.5  # centres of image pixels -> centres of map pixels
    near = ((position > -2) & (position < size + 1)).all(1)
    position, number = position[near], scene.count[near]
    if not len(position):
        empty = np.zeros((size, size), np.float32)
        return empty, empty, empty.astype(np.int64), np.zeros((2, size, size), np.float32)
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
    core = np.where(heat > 0.05, heat, 0).astype(np.float32)
    count = np.where(core > 0, np.clip(number[owner], 1, max(recipe.network.counts, 1)), 0)
    index = np.meshgrid(grid, grid, indexing="ij")
    offset = np.stack([np.where(core > 0, position[owner, k] - index[k], 0) for k in (0, 1)]).astype(
        np.float32
    )
    return heat, core, count.astype(np.int64), offset


def losses(recipe: TrainingRecipe, output: Tensor, batch: Batch, share: float = 1.0) -> dict[str, Tensor]:
    """Weighted cross-entropy of the column map, ordinal cross-entropy of the count, likelihood of the position."""
    t = recipe.training
    column, offset, log_sigma = output[:, 0], output[:, 1:3], output[:, 3].clamp(-5, 2)
    # by place, not by label: a missing column in a particle weighs as much as a present one, so that the map is a
    # probability
    width = 2 * round(6.0 / (recipe.pixel_A * recipe.network.unshuffle) / 2) + 1
    among = F.avg_pool2d(batch.heat[:, None], width, 1, width // 2)[:, 0]
    weight = 1 + t.near_weight * (6 * among).clamp(max=1)
    heat = (F.binary_cross_entropy_with_logits(column, batch.heat, reduction="none") * weight).mean()
    entropy = F.binary_cross_entropy(batch.heat, batch.heat, reduction="none").mul(weight).mean()
    total = batch.core.sum().clamp(min=1)
    squared = ((offset - batch.offset) ** 2).sum(1)
    position = ((squared * torch.exp(-2 * log_sigma) / 2 + 2 * log_sigma) * batch.core).sum() / total
    result = {"heat": (heat - entropy) * 8, "position": position * 0.05}
    counts = recipe.network.counts
    if counts:
        logits = output[:, -counts:]
        levels = torch.arange(1, counts + 1, dtype=torch.float32)
        width = t.count_sigma_end + (t.count_sigma - t.count_sigma_end) * max(0.0, 1 - share / 0.6)
        target = torch.exp(-((batch.count[..., None] - levels) ** 2) / (2 * width**2))
        target = (target / target.sum(-1, keepdim=True)).movedim(-1, 1)
        ordinal = -(target * F.log_softmax(logits, 1)).sum(1)
        result["count"] = (ordinal * batch.core).sum() / total * 0.4
    return result


class Averaged:
    """Running average of a network's weights, with a short memory at the start."""

    def __init__(self, net: UNet, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: UNet) -> None:
        """Take in the weights after one step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


def learning_rate(t: TrainingSettings, seen: int) -> float:
    """One cycle: linear warm-up, then a half cosine to zero."""
    share = min(1.0, seen / t.images)
    if share < t.warmup:
        return t.learning_rate * (0.05 + 0.95 * share / t.warmup)
    return t.learning_rate * 0.5 * (1 + float(np.cos(np.pi * (share - t.warmup) / (1 - t.warmup)))) + 1e-6


def prefetched(make: Callable[[], Batch], depth: int = 3) -> Iterator[Batch]:
    """Make batches in a thread of its own, a few ahead of the training step."""
    ready: queue.Queue[Batch | BaseException] = queue.Queue(depth)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                item: Batch | BaseException = make()
            except Exception as error:  # handed over and raised in the training loop
                item = error
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.5)
                    break
                except queue.Full:
                    continue
            if isinstance(item, BaseException):
                return

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()


@torch.no_grad()
def validate(
    recipe: TrainingRecipe, net: UNet, batches: list[Batch], device: torch.device
) -> dict[str, float]:
    """Mean losses and the share of exact counts at the true column centres."""
    net.eval()
    sums: dict[str, float] = {}
    hit = close = total = 0
    for batch in batches:
        output = run_network(net, batch.image.to(device)).cpu()
        for name, value in losses(recipe, output, batch).items():
            sums[name] = sums.get(name, 0.0) + value.item() / len(batches)
        if recipe.network.counts:
            guess = output[:, -recipe.network.counts :].argmax(1) + 1
            centre = batch.heat > 0.8
            error = (guess - batch.count).abs()[centre]
            hit, close, total = (
                hit + int((error == 0).sum()),
                close + int((error <= 1).sum()),
                total + len(error),
            )
    net.train()
    sums["loss"] = sum(sums.values())
    if total:
        sums |= {"count_exact": hit / total, "count_within_one": close / total}
    return sums


def train(
    recipe: TrainingRecipe,
    out: Path,
    *,
    init: dict[str, Tensor] | None = None,
    max_minutes: float | None = None,
    device: str = "auto",
    cache: Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> bool:
    """Train, or go on training, the network of a recipe.

    Parameters
    ----------
    recipe : TrainingRecipe
        Images, network and training settings.
    out : pathlib.Path
        Folder of the model; ``checkpoint.safetensors``, ``best.safetensors`` and ``log.jsonl`` are written there.
    init : dict of str to Tensor, optional
        Weights to start from instead of random ones.
    max_minutes : float, optional
        Stop, resumably, after this time.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    cache : pathlib.Path, optional
        Folder of exit waves.
    progress : callable, optional
        Called with a dict of ``stage``, ``done``, ``total`` and figures.

    Returns
    -------
    bool
        Whether all images of the recipe were seen.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    out.mkdir(parents=True, exist_ok=True)
    t = recipe.training
    where = pick_device(device)
    torch.manual_seed(recipe.seed)
    net = UNet(recipe.network).to(where, memory_format=torch.channels_last)
    if init is not None:
        net.load_state_dict(init)
    average = Averaged(net, t.average)
    optimiser = torch.optim.AdamW(net.parameters(), lr=t.learning_rate, weight_decay=t.weight_decay)
    seen, best = restore(out, net, average, optimiser, recipe)

    bank, held_out = prepare(recipe, cache, tell)
    rng = recipe.stream(10, seen)  # a resumed training draws other images, the same ones at each repetition
    batches = prefetched(lambda: make_batch(recipe, bank, rng, t.batch))
    running: dict[str, float] = {}
    shadow = UNet(recipe.network).to(where, memory_format=torch.channels_last)
    begin, begun = time.monotonic(), seen
    next_check = (seen // t.validate_every + 1) * t.validate_every
    while seen < t.images:
        batch = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(t, seen)
        part = losses(recipe, run_network(net, batch.image.to(where)), moved(batch, where), seen / t.images)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(part.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update(net)
        seen += t.batch
        for name, value in part.items():
            running[name] = 0.98 * running.get(name, value.item()) + 0.02 * value.item()
        rate = (seen - begun) / (time.monotonic() - begin)
        expired = max_minutes is not None and time.monotonic() - start > 60 * max_minutes
        if seen // t.batch % 10 == 0:
            tell(
                {
                    "stage": "train",
                    "done": seen,
                    "total": t.images,
                    "rate": rate,
                    "eta_s": (t.images - seen) / rate,
                }
            )
        if seen >= next_check or seen >= t.images or expired:
            next_check += t.validate_every
            shadow.load_state_dict(average.state)
            scores = validate(recipe, shadow, held_out, where)
            line = {"images": seen, "rate": round(rate, 2), "train": running, "validation": scores}
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            tell({"stage": "validate", "done": seen, "total": t.images, **line})
            if scores["loss"] < best:
                best = scores["loss"]
                save_atomically(average.state, out / "best.safetensors", {"images": str(seen)})
            checkpoint(out, net, average, optimiser, recipe, seen, best)
        if expired:
            break
    batches.close()  # type: ignore[attr-defined]
    return seen >= t.images


def prepare(
    recipe: TrainingRecipe, cache: Path | None, tell: Callable[[dict[str, Any]], None]
) -> tuple[WaveBank, list[Batch]]:
    """Exit waves of the training particles, and fixed validation images of other particles."""
    for index in range(recipe.specimens):
        if cache is not None and index % 10 == 0:
            tell({"stage": "exit waves", "done": index, "total": recipe.specimens})
        if cache is not None:
            recipe.exit_waves(index, cache)
    bank = WaveBank(recipe, list(range(recipe.specimens)), cache)
    number = max(4, min(48, recipe.specimens // 8))
    other = WaveBank(recipe, list(range(VALIDATION_FIRST, VALIDATION_FIRST + number)), cache)
    rng = recipe.stream(11, 0)
    size = min(recipe.training.batch, recipe.training.validation_images)
    rounds = max(1, recipe.training.validation_images // size)
    return bank, [make_batch(recipe, other, rng, size) for _ in range(rounds)]


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device."""
    return Batch(*(getattr(batch, name).to(device) for name in ("image", "heat", "core", "count", "offset")))


def checkpoint(
    out: Path,
    net: UNet,
    average: Averaged,
    optimiser: torch.optim.Optimizer,
    recipe: TrainingRecipe,
    seen: int,
    best: float,
) -> None:
    """Write everything that a resumed training needs, as one safetensors file."""
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": v for k, v in state.items()}
    kept = {"seen": seen, "best": best, "steps": average.steps, "recipe": recipe.model_dump(mode="json")}
    save_atomically(tensors, out / "checkpoint.safetensors", {"state": json.dumps(kept)})


def restore(
    out: Path, net: UNet, average: Averaged, optimiser: torch.optim.Optimizer, recipe: TrainingRecipe
) -> tuple[int, float]:
    """Take up the last checkpoint if there is one: (images seen, best validation loss)."""
    path = out / "checkpoint.safetensors"
    if not path.exists():
        return 0, float("inf")
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        kept = json.loads(file.metadata()["state"])
    if kept["recipe"]["network"] != recipe.network.model_dump(mode="json"):
        raise InputError(f"{out} holds the training of another network; choose another folder or remove it.")
    tensors = load_file(path)
    net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")})
    average.state = {k[8:]: v for k, v in tensors.items() if k.startswith("average.")}
    average.steps = kept["steps"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, field = name.split(".", 2)
            state.setdefault(int(index), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(kept["seen"]), float(kept["best"])


def save_atomically(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write to a temporary file, flush to disk, rename."""
    temporary = path.with_suffix(".tmp")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, metadata)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
