"""What all verbs share: exit status, one-line errors, progress on a terminal, Ctrl-C."""

import functools
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from napari_atomcount.records.errors import AtomcountError

FAILED = 1

#: What the user reads beside the results; the results themselves go to stdout and files.
console = Console(stderr=True, highlight=False)

Debug = Annotated[bool, typer.Option("--debug", help="Show the full traceback when something fails.")]
Device = Annotated[
    str, typer.Option("--device", help="Where the network runs: auto, cpu or cuda.", show_default=True)
]


class Stopped(AtomcountError):
    """Raised after Ctrl-C, when what was finished has been kept."""


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a function's errors into the exit status and the one line of the contract.

    Parameters
    ----------
    function
        A typer command with a parameter ``debug``.
    """

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except (AtomcountError, OSError, MemoryError) as error:
            _fail(_one_line(error), error, options.get("debug", False))
        except KeyboardInterrupt as error:
            _fail("stopped by Ctrl-C", error, options.get("debug", False))
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # the last line of defence: report, never hide
            text = f"unexpected {type(error).__name__}: {_one_line(error)} (--debug shows where)"
            _fail(text, error, options.get("debug", False))

    return run


def _fail(text: str, error: BaseException, debug: bool) -> None:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    # not through rich: a path in brackets is no markup, and a long line must stay one line
    print(f"napari-atomcount: {text}", file=sys.stderr)
    raise typer.Exit(FAILED)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def warn(text: str) -> None:
    """One warning line on stderr."""
    print(f"warning: {text}", file=sys.stderr)


def say(text: str) -> None:
    """One line of news on stderr."""
    print(text, file=sys.stderr)


class Reporter:
    """Progress of named stages, one after the other: a bar on a terminal, nothing where stderr is a file.

    Called as ``reporter(stage, done, total)``, the callable that pipeline, training and benchmark take.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Stage ``stage`` has finished ``done`` of ``total`` (0: unknown) steps."""
        if self._task is None:
            self._task = self._progress.add_task(stage, total=total or None)
        elif stage != self._stage:  # a new clock for the new stage, so that its time left is its own
            self._progress.reset(self._task, description=stage, total=total or None)
        self._stage = stage
        self._progress.update(self._task, completed=done, total=total or None)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Progress bars for the length of a block."""
    bars = Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bars:
        yield Reporter(bars)


class CtrlC:
    """Ctrl-C as a question that a long job asks: ``cancelled()``. The second one interrupts at once."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.pressed

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        say("stopping; what is finished is kept (Ctrl-C again: stop at once)")


@contextmanager
def ctrl_c() -> Iterator[CtrlC]:
    """Catch Ctrl-C for the length of a block."""
    catcher = CtrlC()
    before = signal.signal(signal.SIGINT, catcher._handle)
    try:
        yield catcher
    finally:
        signal.signal(signal.SIGINT, before)
