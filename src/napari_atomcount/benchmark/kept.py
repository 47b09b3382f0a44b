"""Results of a benchmark that are kept: a run that was stopped goes on, a run that is repeated reads them.

A result belongs to everything it was made from: model, condition, seed, number of images, and the source of
the code that images, detects and scores. When any of it changes, the result is made again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomcount.benchmark.scoring import FOUND, Scored

#: Whatever images and scores; a detection depends on the second list too.
IMAGING = ("physics.optics", "benchmark.scenes", "benchmark.scoring")
DETECTING = (
    "networks.unet",
    "networks.detector",
    "networks.normalise",
    "networks.symmetries",
    "measure.columns",
    "measure.shared_scale",
    "measure.mtf",
    "pipeline.camera",
)
TABLES = {
    "found": FOUND,
    "truth": ("image", "count", "score", "isolated"),
    "gaps": ("image", "score"),
}
WHOLE = {"image": np.int64, "count": np.int64, "true_count": np.int64, "true": bool, "isolated": bool}


@cache
def source_hash(modules: Sequence[str]) -> str:
    """Hash of the source of some of this package's modules."""
    digest = hashlib.sha256()
    for name in modules:
        file = importlib.import_module(f"napari_atomcount.{name}").__file__
        digest.update(Path(str(file)).read_bytes())
    return digest.hexdigest()


def result_path(cache_folder: Path | None, kind: str, modules: Sequence[str], parts: Any) -> Path | None:
    """Where a result of this kind, made by these modules from these parts (fit for JSON), is kept."""
    if cache_folder is None:
        return None
    text = json.dumps([kind, source_hash(tuple(modules)), parts], sort_keys=True)
    return cache_folder / "results" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def save_scored(scored: Scored, path: Path) -> None:
    """Keep matched detections; a stopped run leaves no half of them."""
    arrays: dict[str, Any] = {"images": np.array(scored.images)}
    for table, columns in TABLES.items():
        arrays[table] = getattr(scored, table)[list(columns)].to_numpy(np.float64)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def load_scored(path: Path) -> Scored:
    """Read what :func:`save_scored` kept."""
    tables = {}
    with np.load(path, allow_pickle=False) as stored:
        for name, columns in TABLES.items():
            table = pd.DataFrame(stored[name], columns=list(columns))
            tables[name] = table.astype({c: t for c, t in WHOLE.items() if c in columns})
        return Scored(tables["found"], tables["truth"], tables["gaps"], int(stored["images"]))


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Keep a table of numbers and words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    text = table.to_json(orient="split", double_precision=15)
    np.savez_compressed(temporary, table=np.array(text))
    temporary.replace(path)


def load_table(path: Path) -> pd.DataFrame:
    """Read what :func:`save_table` kept."""
    with np.load(path, allow_pickle=False) as stored:
        content = json.loads(str(stored["table"]))
    return pd.DataFrame(content["data"], columns=content["columns"])
