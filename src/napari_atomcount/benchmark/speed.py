"""Speed in units of a matrix product of the same run, memory of a long movie, the wall time of the demo."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from napari_atomcount.benchmark.columns import floor
from napari_atomcount.benchmark.memory import lazy_movie
from napari_atomcount.benchmark.speed_edit import LIMITS, edit_rows
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.detector import Detector, fast_bf16
from napari_atomcount.pipeline import analyze
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie

Tell = Callable[[str, int, int], None]

#: Side of the matrices of one unit, and of the frame.
MATRIX = 2048
FRAME = 1024


@dataclass
class SpeedResult:
    """Rows of figures and the floors."""

    card: ModelCard
    rows: pd.DataFrame
    floors: list[dict[str, Any]]


def run_speed(card: ModelCard, frames: int | None, tell: Tell) -> SpeedResult:
    """Time the network, a whole frame and the demo, and measure the memory of a long movie.

    Parameters
    ----------
    card : ModelCard
        A columns model.
    frames : int, optional
        Length of the long movie; 1,000 if not given. The frames a second do not depend on it.
    tell : callable
        ``tell(stage, done, total)``.
    """
    frames = 1000 if frames is None else max(4, frames)
    detector = Detector(card)
    tell("speed", 0, 4)
    unit = unit_seconds(detector.device)
    network = network_seconds(detector)
    columns = columns_seconds(detector)
    tell("speed", 1, 4)
    whole = movie_seconds(detector, frames=16)
    unit = min(unit, unit_seconds(detector.device))  # what else runs on the machine makes a unit longer
    tell("speed", 2, 4)
    memory = memory_of(card, frames)
    tell("speed", 3, 4)
    demo = demo_seconds()
    tell("speed", 4, 4)
    kind = "bf16" if fast_bf16(detector.device) else "f32"
    product = f"{MATRIX}³ {kind} matrix product"
    values = [
        ("unit", product, unit, "s"),
        ("network", f"{FRAME}² frame", network / unit, "units"),
        ("network seconds", f"{FRAME}² frame", network, "s"),
        ("frame to columns", f"{FRAME}² frame", columns / unit, "units"),
        ("end to end", f"{FRAME}² frame of a 16-frame movie", whole / unit, "units"),
        ("end to end seconds", f"{FRAME}² frame of a 16-frame movie", whole, "s"),
        ("memory", f"{frames} frames of {FRAME}²", memory["above_start_bytes"] / 1e9, "GB"),
        *(
            ("memory in detection", f"after {done} of {frames} frames", value / 1e9, "GB")
            for done, value in memory["detection_bytes"].items()
        ),
        ("memory, growth", f"from frame {frames // 4} to the end", growth(memory) / 1e9, "GB"),
    ]
    values += edit_rows()
    if demo is not None:
        values.append(("demo", "wall time", demo, "s"))
    rows = pd.DataFrame(values, columns=["figure", "condition", "value", "unit"])
    rows.insert(0, "benchmark", "speed")
    rows = rows.assign(
        model=card.name,
        sha256=card.sha256[:12],
        device=str(detector.device),
        threads=torch.get_num_threads(),
        sites=memory["sites"],
    )
    limits = {"network": 12.0, "end to end": 25.0, "memory": 1.5, "demo": 120.0, **LIMITS}
    found = dict(zip(rows.figure, zip(rows.condition, rows.value, rows.unit, strict=True), strict=True))
    result = [
        floor(found[name][0], f"{name} ({found[name][2]})", found[name][1], limit, at_least=False)
        for name, limit in limits.items()
        if name in found
    ]
    return SpeedResult(card, rows, result)


def best_of(action: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Shortest time of several runs after one to warm up, s: other programs only make it longer."""
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def unit_seconds(device: torch.device) -> float:
    """Time of one 2048³ matrix product in the number type that the network runs in, s."""
    dtype = torch.bfloat16 if fast_bf16(device) else torch.float32
    a, b = (torch.randn(MATRIX, MATRIX, device=device).to(dtype) for _ in range(2))
    with torch.inference_mode():
        return best_of(lambda: a @ b, 12, device)


def network_seconds(detector: Detector) -> float:
    """Time of the network alone over one frame at its own pixel size, s."""
    image = torch.randn(1, 1, FRAME, FRAME, device=detector.device)
    return best_of(lambda: detector.answer(image), 6, detector.device)


def columns_seconds(detector: Detector) -> float:
    """Time from a camera frame to its table of columns, s."""
    movie = lazy_movie(1, FRAME)
    frame, size = movie.frame(0), movie.calibration.require_pixel_size()
    card = detector.card

    def once() -> pd.DataFrame:
        maps = detector.detect(frame, size)
        return find_columns(maps, card.calibration, card.default_threshold)

    return best_of(once, 6, detector.device)


def movie_seconds(detector: Detector, frames: int) -> float:
    """Shortest time of a whole analysis for each frame of a short movie that lies in memory, s."""
    movie = lazy_movie(frames, FRAME)
    kept = np.stack([movie.frame(t) for t in range(frames)])
    held = Movie(kept, movie.calibration, "held")
    return best_of(lambda: analyze(held, detector), 3, detector.device) / frames


def memory_of(card: ModelCard, frames: int) -> dict[str, Any]:
    """Memory of a long movie, from a process of its own."""
    command = [sys.executable, "-m", "napari_atomcount.benchmark.memory", str(card.folder)]
    done = subprocess.run(
        [*command, "--frames", str(frames), "--size", str(FRAME)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"The memory could not be measured: {done.stderr.strip().splitlines()[-1:]}.")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def growth(memory: dict[str, Any]) -> float:
    """What the rest of the detection and the following need above the first quarter of the frames, bytes."""
    first = min(memory["detection_bytes"], key=int)
    return float(memory["above_start_bytes"] - memory["detection_bytes"][first])


def demo_seconds() -> float | None:
    """Wall time of the demo from the start of its process, s; None where its model is not installed."""
    from napari_atomcount.networks.card import list_models

    if "fcc-110-hrtem" not in {card.name for card in list_models()}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        code = "from napari_atomcount.cli import main; main()"
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, "demo", "--out", str(Path(folder) / "demo")],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - begun
    if done.returncode:
        raise InputError(f"The demo failed: {' '.join(done.stderr.strip().splitlines()[-1:])}.")
    return seconds
