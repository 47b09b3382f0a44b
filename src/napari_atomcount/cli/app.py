"""The verbs put together. Heavy imports lie inside the verbs, so that ``--help`` stays quick."""

from typing import Annotated

import typer

from napari_atomcount import __version__
from napari_atomcount.cli import analysing, calibrating, comparing, exporting, making, shelf
from napari_atomcount.cli.common import verb

app = typer.Typer(
    name="napari-atomcount",
    help="Find atomic columns in HRTEM movies, count their atoms and follow them through time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-atomcount {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for function, name in (
    (analysing.demo, "demo"),
    (analysing.analyze, "analyze"),
    (calibrating.calibrate, "calibrate"),
    (comparing.compare, "compare"),
    (exporting.export, "export"),
    (making.simulate, "simulate"),
    (making.train, "train"),
    (making.benchmark, "benchmark"),
    (shelf.models, "models"),
    (shelf.gui, "gui"),
):
    app.command(name)(verb(function))


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="napari-atomcount")
