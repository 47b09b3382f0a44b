"""The verbs ``models`` and ``gui``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_atomcount.cli.common import Debug

# what scripts may rely on (models --json)
JSON_FIELDS = (
    "name",
    "task",
    "materials",
    "zone_axis",
    "classes",
    "counts",
    "focal_series",
    "domain",
    "scores",
    "sha256",
    "folder",
)


def models(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of objects, for scripts.")] = False,
    debug: Debug = False,
) -> None:
    """List the bundled models and your own."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from napari_atomcount.networks.card import list_models

    cards = list_models()
    if as_json:
        rows = [card.model_dump(mode="json") for card in cards]
        typer.echo(json.dumps([{name: row.get(name) for name in JSON_FIELDS} for row in rows], indent=2))
        return
    table = Table(box=box.SIMPLE)
    for title in ("model", "task", "materials", "zone axis", "counts", "pixel size (nm)", "folder"):
        table.add_column(title, overflow="fold")
    for card in cards:
        row = card.model_dump(mode="json")
        table.add_row(
            str(row["name"]),
            str(row["task"]),
            ", ".join(row["materials"]),
            _axis(row["zone_axis"]),
            "yes" if row["counts"] else "no",
            f"{row['pixel_size_nm']:.3f}",
            str(row["folder"]),
        )
    Console(highlight=False).print(table)


def gui(
    paths: Annotated[list[Path] | None, typer.Argument(help="Movies to open.", show_default=False)] = None,
    debug: Debug = False,
) -> None:
    """Open napari with the docks open and PATH loaded."""
    from napari_atomcount.gui.launch import launch

    launch(paths or [])


def _axis(zone_axis: object) -> str:
    if isinstance(zone_axis, list):
        return "[" + "".join(str(index) for index in zone_axis) + "]"
    return str(zone_axis)
