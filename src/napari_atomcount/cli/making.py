"""The verbs that make things: ``simulate``, ``train``, ``benchmark``."""

from pathlib import Path
from typing import Annotated

import typer

from napari_atomcount.cli.common import Debug, Device, reporting, say

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe (JSON) or a bundled one's name.")]


def simulate(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option("--out", help="Folder for images.tif, truth.csv, recipe.json.")],
    number: Annotated[
        int | None,
        typer.Option("-n", "--number", min=1, help="Images, or frames of a movie; the recipe's own by default."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of everything random; the recipe's by default.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Simulate images with their truth from a recipe: the same seed gives the same images."""
    from napari_atomcount.simulation import write_simulation

    with reporting() as report:
        written = write_simulation(recipe, out, number, seed, report)
    say(f"{out}: {', '.join(path.name for path in written)}")
