"""Loops over frames as machine code: what one frame needs of the one before, numpy does too slowly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

_ONE_AT_A_TIME = Lock()


def compiled(loop: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Let numba compile a function of arrays when it is first called, and keep the result on disk.

    The function may call numpy, but no other compiled one. While it runs, other threads run too.
    """

    @cache
    def machine_code() -> Callable[Given, Answer]:
        import numba  # only when something is decoded: it takes a third of a second

        try:
            made: Callable[Given, Answer] = numba.njit(cache=True, nogil=True)(loop)
        except RuntimeError:  # no folder in which it could be kept
            made = numba.njit(nogil=True)(loop)
        return made

    @wraps(loop)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        with _ONE_AT_A_TIME:
            code = machine_code()
        return code(*args, **kwargs)

    return run
