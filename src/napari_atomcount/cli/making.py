"""The verbs that make things: ``simulate``, ``train``, ``benchmark``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_atomcount.cli.common import Debug, Device, ctrl_c, reporting, say
from napari_atomcount.records.errors import AtomcountError, InputError

RecipeFile = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe (JSON), or the name of a bundled one.")
]
STILLS = 10


def simulate(
    recipe: RecipeFile,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for images.tif, its truth and recipe.json.")
    ],
    number: Annotated[
        int | None,
        typer.Option("-n", "--number", min=1, help=f"Images [default: {STILLS}], or frames of a movie."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    debug: Debug = False,
) -> None:
    """Simulate images with their truth from a recipe: the same recipe and seed give the same images."""
    from napari_atomcount.cli.simulating import write_simulation

    with reporting() as report:
        written = write_simulation(recipe_path(recipe), out, number, seed, report)
    say(f"{out}: {', '.join(path.name for path in written)}")


def train(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option("--out", metavar="MODELDIR", help="Folder of the model.")],
    init: Annotated[
        str | None, typer.Option("--init", metavar="MODEL", help="Start from this model's weights.")
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", min=0.0, help="Stop after this time; the same command goes on."),
    ] = None,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Train a model on simulations. Stopped and started again, it goes on where it was."""
    import platformdirs

    from napari_atomcount.model_building import train_model
    from napari_atomcount.networks.card import load_card
    from napari_atomcount.training import load_recipe

    what = load_recipe(recipe_path(recipe))
    start = None if init is None else load_card(init)
    waves = platformdirs.user_cache_path("napari-atomcount", appauthor=False) / "exit_waves"
    with ctrl_c() as cancelled, reporting() as report:

        def tell(news: dict[str, Any]) -> None:
            report(str(news["stage"]), int(news["done"]), int(news["total"]))
            if cancelled() and news["stage"] in ("exit waves", "calibrate"):
                # each finished wave is on disk, and so is the training
                raise AtomcountError(f"stopped; the same command goes on, in {out}")

        card, complete = train_model(
            what,
            out,
            init=start,
            max_minutes=max_minutes,
            device=device,
            cache=waves,
            progress=tell,
            cancelled=cancelled,
        )
    say(f"{out}: model {card.name}" + ("" if complete else "; not finished, the same command goes on"))


def benchmark(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Models (name or folder), `dynamics`, `speed` or `all`."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for CSV, JSON and curves.")],
    images: Annotated[
        int | None,
        typer.Option("--images", min=1, help="Particles of a condition; movies in proportion. [default: 32]"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Other seeds make other particles.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A look, not a result: few and short.")] = False,
    debug: Debug = False,
) -> None:
    """Measure models and the main job on unseen simulations: one CSV row per condition, JSON, curves."""
    from napari_atomcount.benchmark import run

    with reporting() as report:
        result = run(names, out, images=images, seed=seed, quick=quick, progress=report)
    for floor in result.floors:
        say(" · ".join(f"{name}: {_short(value)}" for name, value in floor.items()))
    say(f"{out}: {', '.join(path.name for path in result.files)}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def recipe_path(name: str) -> Path:
    """The file of a recipe that is given by its path or by the name of a bundled one.

    Raises
    ------
    InputError
        When there is neither.
    """
    from napari_atomcount.resources import PACKAGE

    path = Path(name)
    if path.is_file():
        return path
    folder = PACKAGE / "recipes"
    if (folder / f"{name}.json").is_file():
        return folder / f"{name}.json"
    known = ", ".join(sorted(file.stem for file in folder.glob("*.json")))
    raise InputError(f"there is no recipe {name}: give a JSON file, or one of {known}")
