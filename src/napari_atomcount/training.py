"""Training of a column network from a recipe: optics, dose and placement anew for every image; resumable.

The same function serves the command line and a spawned process; it reports through a callable and writes a
JSONL log, the last checkpoint and the weights to use, so that a killed training goes on where it was.
"""

from __future__ import annotations

import itertools
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_atomcount.checkpoints import (
    Averaged,
    checkpoint,
    keep_fall,
    mean_of_falls,
    restore,
    save_atomically,
)
from napari_atomcount.networks.detector import on_device, pick_device, run_network, run_with_optics
from napari_atomcount.networks.unet import UNet
from napari_atomcount.optimiser import Optimiser
from napari_atomcount.physics.exposing import WaveBank
from napari_atomcount.records.errors import InputError
from napari_atomcount.targets import Batch, losses, make_batch, moved
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings, load_recipe

__all__ = ["VALIDATION_FIRST", "TrainingRecipe", "TrainingSettings", "load_recipe", "train"]

#: Validation particles are numbered from here, so that they are never among the training particles.
VALIDATION_FIRST = 1_000_000


def learning_rate(t: TrainingSettings, seen: int) -> float:
    """Linear warm-up, then a half cosine to zero, at a pause and at the end."""
    begin, rate = t.restart(seen)
    share = min(1.0, (seen - begin) / (t.horizon(seen) - begin)) if begin < t.horizon(seen) else 1.0
    if begin == 0:
        if share < t.warmup:
            return t.learning_rate * (0.05 + 0.95 * share / t.warmup)
        share = (share - t.warmup) / (1 - t.warmup)
    phase = math.acos(2 * rate - 1)  # a restart takes the cosine up where it has that rate
    return t.learning_rate * 0.5 * (1 + math.cos(phase + (math.pi - phase) * share)) + 1e-6


def prefetched(make: Callable[[], Batch], depth: int = 3) -> Generator[Batch, None, None]:
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


def freeze_norm(net: UNet) -> None:
    """Let batch normalisation use its running statistics, as it will at work.

    Statistics of a batch change with the images that happen to be in it. That noise helps at first, but a
    count is read from absolute contrast, which a network can only learn while the scale stays what it is.
    """
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def begin_from(net: UNet, parent: UNet) -> None:
    """Take over a parent's weights; layers that only this network has keep their start, the identity.

    A network of a focal series may begin from one of a single image: its first layer sees the last image, in
    which columns are bright, as the parent did, and has to learn what the others are for. The same holds for
    bands of the images that the parent did not see.

    Raises
    ------
    InputError
        If the parent has layers that this network lacks, or of another shape.
    """
    weights = dict(parent.state_dict())
    weights["stem.weight"] = widened(parent, net)
    stated = weights.get("optics.weight")
    if stated is not None and net.optics is not None and stated.shape != net.optics.weight.shape:
        # what the context states serves the training only; a recipe may ask for other parameters
        weights = {name: w for name, w in weights.items() if not name.startswith("optics.")}
    try:
        unknown = net.load_state_dict(weights, strict=False).unexpected_keys
    except RuntimeError as error:
        raise InputError(f"The weights to start from belong to another network: {error}") from error
    if unknown:
        raise InputError(f"The weights to start from have layers that this network lacks: {unknown[0]}, …")


def widened(parent: UNet, net: UNet) -> Tensor:
    """The parent's first layer for this network's images and bands: zero for what the parent never saw."""
    old, new = parent.config, net.config
    stem = parent.stem.weight.detach()
    if old.unshuffle != new.unshuffle or new.bands[: len(old.bands)] != old.bands:
        return stem
    # (channels, image and its bands, images of a series, unshuffled pixels and the kernel)
    parts = stem.reshape(len(stem), 1 + len(old.bands), old.frames, old.unshuffle**2, *stem.shape[2:])
    more = len(new.bands) - len(old.bands)
    # spread evenly over the images they would see a mean that no microscope makes: 2.4 of loss, not 1.1
    earlier = new.frames - 1 if old.frames == 1 else 0
    return F.pad(parts, (0, 0, 0, 0, 0, 0, earlier, 0, 0, more)).flatten(1, 3)


@torch.no_grad()
def validate(
    recipe: TrainingRecipe, net: UNet, batches: list[Batch], device: torch.device
) -> tuple[dict[str, float], list[float]]:
    """Mean losses and the shares of right counts and classes at the true centres; the loss of each batch."""
    net.eval()
    parts: dict[str, list[float]] = {}
    hits: dict[str, list[NDArray[np.bool_]]] = {}
    for batch in batches:
        output = run_network(net, batch.image.to(device)).cpu()
        for name, value in losses(recipe, output, batch).items():
            parts.setdefault(name, []).append(value.item())
        for name, right in at_centres(recipe, output, batch).items():
            hits.setdefault(name, []).append(right)
    net.train()
    each = np.sum(list(parts.values()), axis=0)
    scores = {name: float(np.mean(values)) for name, values in parts.items()} | {"loss": float(each.mean())}
    joined = {name: np.concatenate(flags) for name, flags in hits.items()}
    scores |= {name: float(values.mean()) for name, values in joined.items() if len(values)}
    return scores, each.tolist()


def holds_against(now: list[float], lowest: list[float]) -> bool:
    """Whether losses of the validation's batches are higher than the lowest by no more than chance.

    A few hard images decide a mean, and lead it up and down while the network learns: weights of the end are
    given up for earlier ones only where these are better by more than the standard error of the difference,
    batch by batch (the one-standard-error rule of Breiman et al. 1984).
    """
    if not lowest:
        return True
    difference = np.subtract(now, lowest)
    chance = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() <= chance)


def at_centres(recipe: TrainingRecipe, output: Tensor, batch: Batch) -> dict[str, NDArray[np.bool_]]:
    """Which true column centres are counted rightly; with several classes also found and named, by class.

    Returns
    -------
    dict of numpy.ndarray of bool
        ``count_exact``, ``count_within_one``; with classes ``found`` (log-odds above zero), ``label_right``,
        and each of them again with the name of each class.
    """
    centre = batch.heat > 0.8
    label = batch.label[centre].numpy()
    judged: dict[str, NDArray[np.bool_]] = {}
    if recipe.network.counts:
        guess = output[:, -recipe.network.counts :].argmax(1) + 1
        error = (guess - batch.count).abs()[centre].numpy()
        judged = {"count_exact": error == 0, "count_within_one": error <= 1}
    if len(recipe.classes) == 1:
        return judged
    judged["found"] = (output[:, 0] > 0)[centre].numpy()
    named = output[:, 4 : 4 + recipe.network.labels].argmax(1)
    judged["label_right"] = (named == batch.label)[centre].numpy()
    own = {
        f"{name}_{kind}": value[label == number]
        for number, kind in enumerate(recipe.classes)
        for name, value in judged.items()
    }
    return judged | own


def train(
    recipe: TrainingRecipe,
    out: Path,
    *,
    init: UNet | None = None,
    max_minutes: float | None = None,
    device: str = "auto",
    cache: Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> bool:
    """Train, or go on training, the network of a recipe.

    Parameters
    ----------
    recipe : TrainingRecipe
        Images, network and training settings.
    out : pathlib.Path
        Folder of the training: ``checkpoint.safetensors``, ``best.safetensors`` (the last weights that
        :func:`holds_against` lets stand; in the end the mean of several ``falls``, where the recipe asks for
        it) and ``log.jsonl`` are written there.
    init : UNet, optional
        Network to start from instead of random weights; layers that it lacks begin anew. Batch statistics
        stay fixed then.
    max_minutes : float, optional
        Stop, resumably, after this time.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    cache : pathlib.Path, optional
        Folder of exit waves.
    progress : callable, optional
        Called with a dict of ``stage``, ``done``, ``total`` and figures.
    cancelled : callable, optional
        Asked after each batch; True stops it as ``max_minutes`` does.

    Returns
    -------
    bool
        Whether all images of the recipe were seen.

    Raises
    ------
    InputError
        If the folder holds the training of another network, or the loss is no number any more.
    """
    start = time.monotonic()
    tell = progress or (lambda _: None)
    out.mkdir(parents=True, exist_ok=True)
    t = recipe.training
    where = pick_device(device)
    torch.manual_seed(recipe.seed)
    net = on_device(UNet(recipe.network), where)
    if init is not None:
        begin_from(net, init)
    average = Averaged(net, t.average)
    optimiser = Optimiser(net, t)
    seen, lowest = restore(out, net, average, optimiser, recipe)

    bank, held_out = prepare(recipe, cache, tell)
    rng = recipe.stream(10, seen)  # a resumed training draws other images, the same ones at each repetition
    numbers = itertools.count(seen, t.batch)
    batches = prefetched(lambda: make_batch(recipe.at(next(numbers)), bank, rng, t.batch))
    running: dict[str, float] = {}
    shadow = on_device(UNet(recipe.network), where)
    begin, begun = time.monotonic(), seen
    next_check = (seen // t.validate_every + 1) * t.validate_every
    while seen < t.images:
        batch = next(batches)
        if init is not None or seen >= t.freeze_norm * t.horizon(0):
            freeze_norm(net)
        output, stated = run_with_optics(net, batch.image.to(where))
        part = losses(recipe, output, moved(batch, where), seen / t.horizon(seen), stated)
        net.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(part.values())).sum())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step(learning_rate(t, seen))
        average.update(net)
        fallen = seen + t.batch >= t.horizon(seen)
        seen += t.batch
        if fallen:
            keep_fall(out, average, t.horizon(seen - t.batch))
        for name, value in part.items():
            running[name] = 0.98 * running.get(name, value.item()) + 0.02 * value.item()
        rate = (seen - begun) / (time.monotonic() - begin)
        expired = max_minutes is not None and time.monotonic() - start > 60 * max_minutes
        expired = expired or (cancelled is not None and cancelled())
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
            averaged = seen >= t.images and t.falls > 1
            weights = mean_of_falls(out, t) if averaged else average.state
            shadow.load_state_dict(weights)
            scores, each = validate(recipe, shadow, held_out, where)
            line = {"images": seen, "rate": round(rate, 2), "train": running, "validation": scores}
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            tell({"stage": "validate", "done": seen, "total": t.images, **line})
            if not np.isfinite(each).all():
                raise InputError(
                    f"The training went astray: after {seen} images its loss is not a number. Set a lower "
                    f"'learning_rate' than {t.learning_rate:g} in the recipe's 'training'; the same command "
                    "then goes on from the validation before."
                )
            if averaged or holds_against(each, lowest):
                save_atomically(weights, out / "best.safetensors", {"images": str(seen)})
            lowest = min(lowest or each, each, key=sum)
            checkpoint(out, net, average, optimiser, recipe, seen, lowest)
        if expired:
            break
    batches.close()
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
