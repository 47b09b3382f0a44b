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
    dose: Annotated[
        float | None,
        typer.Option(
            "--dose-e-per-A2", min=0.0, help="Say what to expect of each model at this dose per image."
        ),
    ] = None,
    pixel: Annotated[
        float | None,
        typer.Option("--pixel-size-nm", min=0.0, help="And at this pixel size. [default: the network's own]"),
    ] = None,
    debug: Debug = False,
) -> None:
    """List the bundled models and your own: what each is for, its domain, and what to expect of it."""
    from napari_atomcount.networks.card import list_models
    from napari_atomcount.networks.card_text import card_lines
    from napari_atomcount.networks.expectation import expect

    cards = list_models()
    if as_json:
        rows = []
        for card in cards:
            row = card.model_dump(mode="json") | {"folder": str(card.folder)}
            here = expect(card, dose, pixel)
            row = {name: row[name] for name in JSON_FIELDS}
            rows.append(row | ({} if dose is None else {"expected": here and here.record()}))
        typer.echo(json.dumps(rows, indent=2))
        return
    for card in cards:
        typer.echo(card.name)
        for line in card_lines(card, dose, pixel):
            typer.echo(f"    {line}")


def gui(
    paths: Annotated[list[Path] | None, typer.Argument(help="Movies to open.", show_default=False)] = None,
    debug: Debug = False,
) -> None:
    """Open napari with the docks open and PATH loaded."""
    from napari_atomcount.gui.launch import launch

    launch(paths or [])
