"""The state of a training on disk: averaged weights, and all that a killed training needs to go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_atomcount.networks.unet import UNet
from napari_atomcount.optimiser import Optimiser
from napari_atomcount.records.errors import InputError
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings


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


def checkpoint(
    out: Path,
    net: UNet,
    average: Averaged,
    optimiser: Optimiser,
    recipe: TrainingRecipe,
    seen: int,
    lowest: list[float],
) -> None:
    """Write everything that a resumed training needs, as one safetensors file."""
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state.items()}
    tensors |= {f"optimiser.{k}": v for k, v in optimiser.state().items()}
    kept = {
        "seen": seen,
        "lowest": lowest,
        "steps": average.steps,
        "recipe": recipe.model_dump(mode="json"),
    }
    save_atomically(tensors, out / "checkpoint.safetensors", {"state": json.dumps(kept)})


def keep_fall(out: Path, average: Averaged, seen: int) -> None:
    """Write the weights at a fall of the learning rate to zero, for :func:`mean_of_falls`."""
    save_atomically(average.state, out / f"fall-{seen}.safetensors", {"images": str(seen)})


def mean_of_falls(out: Path, settings: TrainingSettings) -> dict[str, Tensor]:
    """Mean of the weights at the last falls of the learning rate.

    A training that goes on with a higher learning rate comes to rest at another place of the same valley, and
    the mean of such places generalises better than each (Izmailov et al. 2018, arXiv:1803.05407).

    Parameters
    ----------
    out : pathlib.Path
        Folder of the training, with what :func:`keep_fall` wrote.
    settings : TrainingSettings
        With the number of falls.
    """
    ends = sorted({*settings.pauses, settings.images})[-settings.falls :]
    paths = [path for end in ends if (path := out / f"fall-{end}.safetensors").exists()]
    states = [load_file(path) for path in paths]
    mean = dict(states[-1])
    for name, value in states[-1].items():
        if value.is_floating_point():
            mean[name] = torch.stack([state[name] for state in states]).mean(dim=0)
    return mean


#: Parts of a recipe that its validation images do not depend on.
UNSEEN = {"training", "symmetries", "domain", "usual"}


def restore(
    out: Path, net: UNet, average: Averaged, optimiser: Optimiser, recipe: TrainingRecipe
) -> tuple[int, list[float]]:
    """Take up the last checkpoint if there is one: (images seen, lowest losses of validation batches)."""
    path = out / "checkpoint.safetensors"
    if not path.exists():
        return 0, []
    with safe_open(path, "pt") as file:
        kept = json.loads(file.metadata()["state"])
    if kept["recipe"]["network"] != recipe.network.model_dump(mode="json"):
        raise InputError(f"{out} holds the training of another network; choose another folder or remove it.")
    if kept["recipe"]["training"].get("optimiser", "adamw") != recipe.training.optimiser:
        raise InputError(f"{out} holds a training by another optimiser; choose another folder or remove it.")
    tensors = load_file(path)
    net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")})
    for name, value in average.state.items():  # in place: they stay on the network's device
        value.copy_(tensors[f"average.{name}"])
    average.steps = kept["steps"]
    optimiser.restore({k[10:]: v for k, v in tensors.items() if k.startswith("optimiser.")})
    # losses on other images are no measure for these
    alike = all(
        kept["recipe"].get(name) == now
        for name, now in recipe.model_dump(mode="json", exclude=UNSEEN).items()
    )
    return int(kept["seen"]), list(kept.get("lowest", [])) if alike else []


def save_atomically(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write to a temporary file, flush to disk, rename."""
    temporary = path.with_suffix(".tmp")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, metadata)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
