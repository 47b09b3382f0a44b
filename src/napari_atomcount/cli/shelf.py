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
        rows = [card.model_dump(mode="json") | {"folder": str(card.folder)} for card in cards]
        typer.echo(json.dumps([{name: row[name] for name in JSON_FIELDS} for row in rows], indent=2))
        return
    table = Table(box=box.SIMPLE)
    for title in ("model", "task", "materials", "zone axis", "counts", "domain", "folder"):
        table.add_column(title, overflow="fold")
    for card in cards:
        materials = ", ".join(card.materials)
        counts = "yes" if card.counts else "no"
        domain, folder = card.domain.words, str(card.folder)
        table.add_row(card.name, card.task, materials, card.zone_axis, counts, domain, folder)
    Console(highlight=False).print(table)


def gui(
    paths: Annotated[list[Path] | None, typer.Argument(help="Movies to open.", show_default=False)] = None,
    debug: Debug = False,
) -> None:
    """Open napari with the docks open and PATH loaded."""
    from napari_atomcount.gui.launch import launch

    launch(paths or [])
