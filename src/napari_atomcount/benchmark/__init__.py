"""Floor 2: models and the pipeline against known truths; every figure with its conditions, images and seed.

Names of benchmarks are models (name or folder), ``dynamics``, ``strain``, ``speed`` and ``all``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_atomcount.records.errors import InputError

__all__ = ["BENCHMARKS", "BenchmarkRun", "run"]

#: What can be asked for beside models.
BENCHMARKS = ("dynamics", "strain", "speed", "all")
#: Length of the long movie of a quick run, frames.
QUICK_FRAMES = 120


@dataclass
class BenchmarkRun:
    """Files that a run wrote, and how its figures stand against the floors."""

    files: list[Path] = field(default_factory=list)
    floors: list[dict[str, Any]] = field(default_factory=list)


def run(
    names: Sequence[str],
    out: Path,
    *,
    images: int | None = None,
    seed: int = 0,
    quick: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> BenchmarkRun:
    """Run benchmarks and write a CSV, a JSON, curves and tables of each; what is finished stays.

    Parameters
    ----------
    names : sequence of str
        Models by name or folder, ``dynamics``, ``strain``, ``speed``, ``all``. Those that need a
        model use the ones named beside them, or the bundled one.
    out : pathlib.Path
        Folder for the results.
    images : int, optional
        Particles of a condition, 32 if not given; movies in the same proportion (9 of a dose for 32).
    seed : int
        Other seeds make other particles and movies.
    quick : bool
        Few particles and short movies: a look, not a result.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Raises
    ------
    InputError
        For a name that is neither a benchmark nor a model, before anything is run.
    """
    from napari_atomcount.networks.card import DEFAULT_MODEL, bundled_models, load_card

    if not names:
        raise InputError(f"Name a model or one of {', '.join(BENCHMARKS)}.")
    tell = progress or (lambda _stage, _done, _total: None)
    wanted = set(names) & set(BENCHMARKS)
    models = [name for name in names if name not in BENCHMARKS]
    measured = list(models)
    if "all" in wanted:
        wanted = {"dynamics", "strain", "speed"}
        measured = models or sorted(path.parent.name for path in bundled_models().glob("*/card.json"))
    cards = [load_card(name) for name in measured]
    if quick and images is None:
        images = 4

    import torch

    from napari_atomcount.benchmark import report
    from napari_atomcount.benchmark.ceria import fits as is_ceria
    from napari_atomcount.benchmark.ceria import run_ceria
    from napari_atomcount.benchmark.columns import IMAGES, run_columns
    from napari_atomcount.benchmark.dynamics import MOVING, run_dynamics
    from napari_atomcount.benchmark.speed import run_speed
    from napari_atomcount.pipeline.analysing import versions

    # movies of the benchmark in time, and of speed, are of single images of a metal
    users = [card for card in cards if not card.focal_series and not is_ceria(card)]
    users = users or ([load_card(DEFAULT_MODEL)] if wanted - {"strain"} else [])
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "command": f"napari-atomcount benchmark {' '.join(names)} --out {out}",
        "seed": seed,
        "quick": quick,
        "versions": versions(),
        "threads": torch.get_num_threads(),
    }
    result = BenchmarkRun()
    for card in cards:
        if card.focal_series:
            from napari_atomcount.benchmark.focal import run_focal
            from napari_atomcount.benchmark.focal_report import write_focal

            focal = run_focal(card, images, seed, tell)
            result.files += write_focal(focal, out, about)
            result.floors += focal.floors
            continue
        if is_ceria(card):
            from napari_atomcount.benchmark.ceria_report import write_ceria

            ceria = run_ceria(card, images, seed, tell)
            result.files += write_ceria(ceria, out, about)
            result.floors += ceria.floors
            continue
        columns = run_columns(card, images, seed, tell)
        result.files += report.write_columns(columns, out, about)
        result.floors += columns.floors
    if "dynamics" in wanted:
        dynamics = run_dynamics(
            users[0], None if images is None else round(images * MOVING / IMAGES), seed, tell
        )
        result.files += report.write_dynamics(dynamics, out, about)
        result.floors += dynamics.floors
    if "strain" in wanted:
        from napari_atomcount.benchmark.strain import run_strain
        from napari_atomcount.benchmark.strain_report import write_strain

        strain = run_strain(1 if quick else None, seed, tell)
        result.files += write_strain(strain, out, about)
        result.floors += strain.floors
    if "speed" in wanted:
        from napari_atomcount.benchmark.speed_strain import with_template_speed
        from napari_atomcount.benchmark.speed_time import with_following_speed

        speed = with_template_speed(run_speed(users[0], QUICK_FRAMES if quick else None, tell))
        speed = with_following_speed(speed, QUICK_FRAMES if quick else 1000)
        result.files += report.write_speed(speed, out, about)
        result.floors += speed.floors
    return result
