"""From trained weights to a model folder: probabilities calibrated on held-out simulations, weights, card."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from napari_atomcount import __version__
from napari_atomcount.calibrating import RAW, fit_calibration, held_out_peaks
from napari_atomcount.checkpoints import save_atomically
from napari_atomcount.count_axis import fit_count_axis
from napari_atomcount.networks.card import ModelCard, write_card
from napari_atomcount.networks.detector import Detector, load_network
from napari_atomcount.networks.normalise import NORMALISATION
from napari_atomcount.records.errors import AtomcountError, ModelError
from napari_atomcount.training import train
from napari_atomcount.training_recipe import TrainingRecipe


def build_model(
    recipe: TrainingRecipe,
    training: Path,
    out: Path,
    *,
    images: int = 720,
    cache: Path | None = None,
    version: str = "",
    parent: str | None = None,
    seen_before: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> ModelCard:
    """Write ``weights.safetensors`` (float16) and ``card.json`` of a trained recipe.

    Parameters
    ----------
    recipe : TrainingRecipe
        What was trained.
    training : pathlib.Path
        Folder of the training with ``best.safetensors``.
    out : pathlib.Path
        The model folder to write.
    images : int
        Held-out simulated images for each step: the axis of the counts, the score, the probabilities of
        counts. Errors are common to a particle, and so many images are of 144 (`held_out_peaks`).
    cache : pathlib.Path, optional
        Folder of exit waves.
    version, parent : str, optional
        Written on the card.
    seen_before : int
        Images that the parent had seen.
    progress : callable, optional
        Told of the stage, ``done`` and ``total`` after each held-out image.
    """
    domain = recipe.domain
    if domain is None:
        raise ModelError("The recipe says nothing about the model's domain; add a 'domain' to it.")
    source = training / "best.safetensors"
    if not source.exists():
        raise ModelError(
            f"{training} holds no trained weights yet; run the training until its first validation."
        )
    out.mkdir(parents=True, exist_ok=True)
    state = load_file(source)
    with safe_open(source, "pt") as file:
        seen = int((file.metadata() or {}).get("images", 0))
    card = ModelCard(
        name=recipe.name,
        materials=domain.materials,
        zone_axis=domain.zone_axis,
        classes=list(recipe.classes),
        counts=recipe.network.counts > 0,
        max_count=recipe.network.counts,
        focal_series=recipe.focal is not None,
        symmetries=recipe.symmetries,
        network=recipe.network.model_dump(mode="json"),
        pixel_size_nm=recipe.pixel_A / 10,
        normalisation=NORMALISATION,
        default_threshold=0.5,
        images_seen=seen_before + seen,
        images_before=seen_before,
        peak_nm=recipe.peak_nm,
        calibration=RAW,
        domain=domain,
        recipe=recipe.model_dump(mode="json"),
        sha256=write_weights(state, training),
        package_version=version,
        parent=parent,
    )
    card._folder = training  # a model that lies in `out` already stays whole until this one is
    usual = recipe.as_usual()
    total = images * (1 + card.counts + bool(recipe.usual))
    done = itertools.count()

    def tell() -> None:
        if progress is not None:
            progress({"stage": "calibrate", "done": next(done), "total": total})

    tell()
    if card.counts:  # in steps: moved counts are what the network then says, and what its errors come from
        raw = held_out_peaks(usual, Detector(card), images, cache, tell).of(recipe.classes[0])
        fit_count_axis(raw.log_p, raw.count).into(state)
        card = card.model_copy(update={"sha256": write_weights(state, training)})
        card._folder = training
    peaks = held_out_peaks(recipe, Detector(card), images, cache, tell)
    counted = peaks
    if recipe.usual:
        counted = held_out_peaks(usual, Detector(card), images, cache, tell)
    calibration, threshold = fit_calibration(peaks, counted)
    card = card.model_copy(update={"calibration": calibration, "default_threshold": threshold})
    shutil.move(card.weights, out / card.weights.name)
    card._folder = out
    write_card(card, out)
    return card


def write_weights(state: dict[str, Tensor], folder: Path) -> str:
    """Write the weights as float16; returns the file's sha256."""
    half = {k: v.half() if v.dtype == torch.float32 else v for k, v in state.items()}
    path = folder / "weights.safetensors"
    save_atomically(half, path, {"format": "pt"})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def train_model(
    recipe: TrainingRecipe,
    out: Path,
    *,
    init: ModelCard | None = None,
    max_minutes: float | None = None,
    device: str = "auto",
    cache: Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[ModelCard, bool]:
    """Train a recipe, or go on with it, and write the model folder.

    Parameters
    ----------
    recipe : TrainingRecipe
        What to train, with its domain.
    out : pathlib.Path
        Model folder; the training's own files lie in ``training/`` inside.
    init : ModelCard, optional
        Start from this model's weights.
    max_minutes, device, cache, progress, cancelled
        As in :func:`napari_atomcount.training.train`.

    Returns
    -------
    ModelCard
        Of the weights to use so far.
    bool
        Whether the training is complete; if not, the same call goes on with it.

    Raises
    ------
    AtomcountError
        If it was cancelled: the training is kept, and no model is written in a hurry.
    """
    start = None if init is None else load_network(init, torch.device("cpu"))
    complete = train(
        recipe,
        out / "training",
        init=start,
        max_minutes=max_minutes,
        device=device,
        cache=cache,
        progress=progress,
        cancelled=cancelled,
    )
    if not complete and cancelled is not None and cancelled():
        raise AtomcountError(f"the training was stopped; the same command goes on with it, in {out}")
    card = build_model(
        recipe,
        out / "training",
        out,
        cache=cache,
        version=__version__,
        parent=None if init is None else init.name,
        seen_before=0 if init is None else init.images_seen,
        progress=progress,
    )
    return card, complete
