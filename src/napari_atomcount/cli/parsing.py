"""The little languages of the options: ``Y[,X]``, ``START:STOP``, ``Y0:Y1,X0:X1``. Errors exit with 2."""

import math
from typing import Literal

import typer


def pixel_size(text: str | None) -> tuple[float, float] | None:
    """``Y[,X]`` in nm; one number is meant for both axes."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(math.isfinite(n) and n > 0 for n in numbers):
        raise typer.BadParameter(f"--pixel-size-nm takes one or two positive numbers, Y[,X], not {text!r}")
    return numbers[0], numbers[-1]


def frame_range(text: str | None) -> tuple[int, int | None] | None:
    """``START:STOP``, STOP excluded; either may be left out."""
    if text is None:
        return None
    return _range(text, "--frames takes START:STOP with 0 <= START < STOP")


def frame_list(text: str | None) -> tuple[int, ...] | Literal["auto"] | None:
    """``A,B,C`` as frame numbers, the word ``auto``, or ``none`` for no frames."""
    if text is None:
        return None
    if text.strip().lower() == "auto":
        return "auto"
    if text.strip().lower() == "none":
        return ()
    try:
        numbers = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        numbers = (-1,)
    if min(numbers) < 0:
        raise typer.BadParameter(f"--bad-frames takes frame numbers, A,B,C, 'auto' or 'none', not {text!r}")
    return numbers


def defocus(text: str | None) -> tuple[float, ...] | None:
    """``A,B,C`` in nm."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(math.isfinite(n) for n in numbers):
        raise typer.BadParameter(f"--defocus-nm takes numbers, A,B,C, not {text!r}")
    return numbers


def mtf(text: str | None) -> tuple[float, float, float] | None:
    """``C1,C2,C3`` of eq. 2.21."""
    if text is None:
        return None
    try:
        c1, c2, c3 = (float(part) for part in text.split(","))
    except ValueError:
        c1 = c2 = c3 = math.nan
    if not (0 <= c1 <= 1 and 0 < c2 < math.inf and 0 < c3 < math.inf):
        raise typer.BadParameter(f"--mtf takes C1,C2,C3 with C1 in 0…1 and C2, C3 above 0, not {text!r}")
    return c1, c2, c3


def beam_level(counts: float | None) -> float | None:
    """Counts of a pixel without a specimen."""
    if counts is not None and not 0 < counts < math.inf:
        raise typer.BadParameter(f"--beam-level takes counts above 0, not {counts:g}")
    return counts


def dark_level(counts: float | None) -> float | None:
    """Counts of a pixel that no electron reaches; below 0 after a stretch of the contrast."""
    if counts is not None and not math.isfinite(counts):
        raise typer.BadParameter(f"--dark-level takes a number of counts, not {counts:g}")
    return counts


def symmetries(number: int | None) -> int | None:
    """How many symmetries a square grid's answers are averaged over."""
    if number not in (None, 1, 2, 4, 8):
        raise typer.BadParameter(f"--symmetries takes 1, 2, 4 or 8, not {number}")
    return number


def region(text: str | None) -> tuple[int, int, int, int] | None:
    """``Y0:Y1,X0:X1`` in px, ends excluded; all four are needed."""
    if text is None:
        return None
    problem = "--roi takes Y0:Y1,X0:X1 in px with 0 <= Y0 < Y1 and 0 <= X0 < X1"
    parts = text.split(",")
    if len(parts) != 2:
        raise typer.BadParameter(f"{problem}, not {text!r}")
    (y0, y1), (x0, x1) = (_range(part, problem) for part in parts)
    if y1 is None or x1 is None:
        raise typer.BadParameter(f"{problem}, not {text!r}")
    return y0, y1, x0, x1


def _range(text: str, problem: str) -> tuple[int, int | None]:
    start, colon, stop = text.partition(":")
    try:
        first = int(start) if start.strip() else 0
        last = int(stop) if stop.strip() else None
    except ValueError:
        first, last = -1, None
    if not colon or first < 0 or (last is not None and last <= first):
        raise typer.BadParameter(f"{problem}, not {text!r}")
    return first, last


def polyline(text: str | None) -> list[tuple[float, float]] | None:
    """Corners of a line from ``Y0,X0:Y1,X1:…``, two or more.

    Raises
    ------
    typer.BadParameter
        If it is something else.
    """
    if text is None:
        return None
    try:
        points = [tuple(float(number) for number in part.split(",")) for part in text.split(":")]
        corners = [(y, x) for y, x in points]
    except ValueError:
        corners = []
    if len(corners) < 2 or corners[0] == corners[-1] == corners[len(corners) // 2]:
        raise typer.BadParameter(f"a line is Y0,X0:Y1,X1 in px, with two or more corners, not {text!r}")
    return corners
