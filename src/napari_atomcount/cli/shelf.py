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
    from napari_atomcount.networks.card import list_models

    cards = list_models()
    if as_json:
        rows = [card.model_dump(mode="json") | {"folder": str(card.folder)} for card in cards]
        typer.echo(json.dumps([{name: row[name] for name in JSON_FIELDS} for row in rows], indent=2))
        return
    for card in cards:
        counts = f"counts up to {card.max_count} atoms" if card.counts else "does not count"
        materials = ", ".join(card.materials)
        typer.echo(f"{card.name}: {card.task}, {counts}; {materials} along [{card.zone_axis}]")
        typer.echo(f"    {card.domain.words}")
        typer.echo(f"    {card.folder}")


def gui(
    paths: Annotated[list[Path] | None, typer.Argument(help="Movies to open.", show_default=False)] = None,
    debug: Debug = False,
) -> None:
    """Open napari with the docks open and PATH loaded."""
    from napari_atomcount.gui.launch import launch

    launch(paths or [])
