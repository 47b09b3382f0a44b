"""Memory of a long movie, in a process of its own: ``python -m napari_atomcount.benchmark.memory MODEL``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_atomcount.benchmark.conditions import SECOND
from napari_atomcount.benchmark.scenes import MULTISLICE, OPTICS_A, cache_folder, scene
from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics import optics
from napari_atomcount.pipeline import analyze
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

#: Size of a pixel of the test movie, nm, and its dose.
PIXEL_NM = 0.02
DOSE = 310.0
#: Pixels between the middles of neighbouring particles.
SPACING = 512


def field_of_view(size: int) -> NDArray[np.float32]:
    """Ideal image (size, size) of a few particles in vacuum, in electrons per pixel."""
    microscope = {name: (u.low + u.high) / 2 for name, u in OPTICS_A.items()}
    view = np.ones((size, size), np.float32)
    starts = range(0, max(1, size - SPACING // 2), SPACING)
    for number, (top, left) in enumerate((a, b) for a in starts for b in starts):
        one = scene(SECOND, 0, number % 4, cache_folder())
        n = 2 * round(one.cell_A / (PIXEL_NM * 10) / 2)
        waves = torch.from_numpy(one.waves)[None]
        image = optics.ideal_image(waves, (one.cell_A, one.cell_A), MULTISLICE.kv, microscope, (n, n))[0]
        part = view[top : top + n, left : left + n]
        part[:] = image.numpy()[: part.shape[0], : part.shape[1]]
    return view * np.float32(DOSE * (PIXEL_NM * 10) ** 2)


class LazyStack:
    """A movie (T, Y, X) of Poisson noise over one field of view; each frame is made when it is asked for."""

    def __init__(self, frames: int, size: int) -> None:
        self.mean = field_of_view(size)
        self.shape = (frames, size, size)
        self.dtype = np.dtype(np.uint16)

    def __getitem__(self, t: Any, /) -> NDArray[np.uint16]:
        """Frame ``t``, shape (Y, X)."""
        return np.random.default_rng([7, int(t)]).poisson(self.mean).astype(np.uint16)


def lazy_movie(frames: int, size: int) -> Movie:
    """The test movie with its calibration."""
    calibration = Calibration(
        pixel_size_nm=(PIXEL_NM, PIXEL_NM), frame_time_s=0.1, dose_e_per_A2=DOSE, kv=300.0, gain=1.0
    )
    return Movie(LazyStack(frames, size), calibration, "lazy")


def reset_peak() -> None:
    """Let the peak start from the present use, where the system can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> float:
    """Largest resident memory so far, bytes; NaN where the system does not tell."""
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return float(line.split()[1]) * 1024
    if sys.platform == "darwin":
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return float("nan")


def measure(model: str, frames: int, size: int) -> dict[str, Any]:
    """Analyse a lazy movie and watch the memory.

    Returns
    -------
    dict
        ``start_bytes``, ``peak_bytes`` above it at quarters of the detection, and at the end.
    """
    detector = Detector(load_card(model))
    movie = lazy_movie(frames, size)
    reset_peak()
    start = peak_bytes()
    marks: dict[str, float] = {}

    def watch(stage: str, done: int, total: int) -> None:
        if stage == "columns" and total and done in {total // 4, total // 2, 3 * total // 4, total}:
            marks[str(done)] = peak_bytes() - start

    analysis = analyze(movie, detector, progress=watch)
    return {
        "frames": frames,
        "size": size,
        "sites": len(analysis.sites),
        "start_bytes": start,
        "detection_bytes": marks,
        "above_start_bytes": peak_bytes() - start,
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description="Measure the memory that the analysis of a long movie needs."
    )
    parser.add_argument("model")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.model, chosen.frames, chosen.size)))


if __name__ == "__main__":
    main()
