"""How the weights move: AdamW, or Muon for the kernels of the convolutions and AdamW for the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_atomcount.networks.unet import UNet
from napari_atomcount.training_recipe import TrainingSettings

#: Kernels with fewer channels than this on either side are left to AdamW, as are heads.
LEAST_CHANNELS = 16
#: Momentum of Muon's gradients.
MOMENTUM = 0.95


class Optimiser:
    """One step of all weights of a network.

    Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) takes the gradient of a kernel as a matrix,
    channels by all that each of them sees, and moves along the nearest orthogonal one, so that directions
    that are seldom needed are learned as fast as the strong ones. Steps are scaled to those of AdamW (Liu et
    al., arXiv:2502.16982), and one learning rate serves both.

    Parameters
    ----------
    net : UNet
        Its weights in channels-last order, which lets a kernel be seen as a matrix without a copy.
    settings : TrainingSettings
        ``optimiser``, ``learning_rate`` and ``weight_decay``.

    Raises
    ------
    ValueError
        If the weights are in another order: Muon would move copies of them.
    """

    def __init__(self, net: UNet, settings: TrainingSettings) -> None:
        rate, decay = settings.learning_rate, settings.weight_decay
        kernels = inner_kernels(net) if settings.optimiser == "muon" else []
        self.kernels = [(kernel, nn.Parameter(as_matrix(kernel.detach()))) for kernel in kernels]
        if any(matrix.data_ptr() != kernel.data_ptr() for kernel, matrix in self.kernels):
            raise ValueError("the network's weights must be in channels-last order")
        own = {id(kernel) for kernel in kernels}
        rest = [p for p in net.parameters() if id(p) not in own]
        self.parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, lr=rate, weight_decay=decay)]
        if self.kernels:
            matrices = [matrix for _, matrix in self.kernels]
            self.parts.append(
                torch.optim.Muon(
                    matrices, lr=rate, weight_decay=decay, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
                )
            )

    def step(self, rate: float) -> None:
        """Move all weights by their gradients at a learning rate."""
        for kernel, matrix in self.kernels:
            matrix.grad = None if kernel.grad is None else as_matrix(kernel.grad)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()

    def state(self) -> dict[str, Tensor]:
        """All that a resumed training needs, by ``part.parameter.field``."""
        return {
            f"{number}.{index}.{field}": value
            for number, part in enumerate(self.parts)
            for index, fields in part.state_dict()["state"].items()
            for field, value in fields.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what :meth:`state` gave; AdamW's alone had no number once."""
        kept: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.parts]
        for name, value in state.items():
            number, index, field = f"0.{name}".split(".")[-3:]
            kept[int(number)].setdefault(int(index), {})[field] = value
        for part, own in zip(self.parts, kept, strict=True):
            part.load_state_dict({"state": own, "param_groups": part.state_dict()["param_groups"]})


def as_matrix(kernel: Tensor) -> Tensor:
    """A channels-last kernel (out, in, h, w) as a matrix (out, h w in); a view, without a copy."""
    return kernel.permute(0, 2, 3, 1).flatten(1)


def inner_kernels(net: UNet) -> list[nn.Parameter]:
    """Kernels between the layers within: neither the first layer, nor a head's last, nor the context."""
    stages = [net.down, net.up, net.detect[:-1]] + ([] if net.count is None else [net.count[:-1]])
    weights = [weight for stage in stages for weight in stage.parameters()]
    return [w for w in weights if w.ndim == 4 and min(w.shape[:2]) >= LEAST_CHANNELS]
