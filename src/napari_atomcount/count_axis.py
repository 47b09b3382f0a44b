"""Where a network reads a count, and where the truth lies: a shift, a scale and a tilt of its count logits.

A network that is unsure leans towards the counts that its training showed most often, and it reads an
exposure, which averages over more thermal snapshots than its training did, as a little thinner. Where
p(count) is broad a tilt of the logits takes that out, but a narrow p(count) hardly moves by it: its place
on the axis has to. All three are fitted on held-out simulations and go into the network's last layer, so
that nothing is left to do at work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from torch import Tensor

Floats = NDArray[np.float64]

#: Fewer columns than this say too little of a shift and a scale.
FEWEST = 200
#: How far the scale may leave the most likely one to make the reported counts right on average.
LARGEST_STEP = 0.05


@dataclass(frozen=True)
class CountAxis:
    """The new logit of k atoms is the old one at (k - shift) / (1 + scale), plus tilt · k."""

    tilt: float = 0.0
    shift: float = 0.0  # atoms
    scale: float = 0.0

    def weights(self, counts: int) -> Floats:
        """What each old logit adds to each new one.

        Cubic interpolation, under which the logits of a normal distribution stay those of one.

        Returns
        -------
        numpy.ndarray, shape (counts, counts)
            Rows add up to 1.
        """
        k = np.arange(1, counts + 1)
        if counts < 4:
            return np.eye(counts)
        at = np.clip((k - self.shift) / (1 + self.scale), 1, counts)
        first = np.clip(np.floor(at).astype(int) - 1, 1, counts - 3)
        weights = np.zeros((counts, counts))
        for j in range(4):
            others = [m for m in range(4) if m != j]
            part = np.prod([(at - first - m) / (j - m) for m in others], axis=0)
            weights[np.arange(counts), first + j - 1] += part
        return weights

    def moved(self, logits: Floats) -> Floats:
        """The new logits (N, K) of old ones."""
        k = logits.shape[1]
        return np.asarray(logits @ self.weights(k).T + self.tilt * np.arange(1, k + 1))

    def into(self, state: dict[str, Tensor]) -> None:
        """Change the last layer of a network's counts, in place, so that its logits are the new ones."""
        kernel, bias = state["count.2.weight"], state["count.2.bias"]
        weights = torch.from_numpy(self.weights(len(bias)))
        tilt = self.tilt * torch.arange(1, len(bias) + 1, dtype=torch.float64)
        mixed = weights @ kernel.double().flatten(1)
        state["count.2.weight"] = mixed.reshape(kernel.shape).to(kernel.dtype)
        state["count.2.bias"] = (weights @ bias.double() + tilt).to(bias.dtype)


def fit_count_axis(log_p: Floats, count: NDArray[np.int64]) -> CountAxis:
    """Axis that makes held-out counts most likely, and the reported ones right on average.

    The reported count is the most probable one, and lies below the mean where p(count) is skewed; the scale
    of the most likely axis (fitted with a temperature beside it) is changed until it does so no more.

    Parameters
    ----------
    log_p : numpy.ndarray, shape (N, K)
        What the network says of each column: log p(count = k), k = 1…K.
    count : numpy.ndarray, shape (N,)
        The true counts.

    Returns
    -------
    CountAxis
        Of images that are as smooth as real ones; no change where there are fewer than `FEWEST` columns.
    """
    if log_p.shape[0] < FEWEST:
        return CountAxis()
    row, true = np.arange(len(count)), np.clip(count, 1, log_p.shape[1]) - 1

    def loss(x: Floats) -> float:
        scaled = CountAxis(x[1], x[2], x[3]).moved(log_p) / np.exp(x[0])
        return float((np.logaddexp.reduce(scaled, axis=1) - scaled[row, true]).mean())

    bounds = [(-1.5, 1.5), (-1.5, 1.5), (-1.0, 1.0), (-0.15, 0.15)]
    begin = np.zeros(4)
    found = minimize(loss, begin, method="Powell", bounds=bounds, options={"xtol": 1e-3, "ftol": 1e-6}).x
    likely = CountAxis(*found[1:])

    def off(step: float) -> float:
        reported = replace(likely, scale=likely.scale + step).moved(log_p).argmax(axis=1)
        return float((reported - true).mean())

    if off(-LARGEST_STEP) < 0 < off(LARGEST_STEP):
        step = brentq(off, -LARGEST_STEP, LARGEST_STEP, xtol=1e-4)
        likely = replace(likely, scale=likely.scale + step)
    return CountAxis(*(round(float(v), 4) for v in (likely.tilt, likely.shift, likely.scale)))
