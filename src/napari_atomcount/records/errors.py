"""The errors that a user sees: one sentence each, saying what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class AtomcountError(Exception):
    """Base of all errors whose text is meant for the user; the command line prints it and exits with 1."""


class InputError(AtomcountError):
    """A file, option or value that cannot be used as it was given."""


class ChannelError(InputError):
    """A movie of several channels, none of which was asked for.

    Parameters
    ----------
    words : str
        What was found and what to do.
    choices : sequence of str
        The channels, by the names under which one is asked for.
    """

    def __init__(self, words: str, choices: Sequence[str]) -> None:
        super().__init__(words)
        self.choices = list(choices)


class ModelError(AtomcountError):
    """A model folder that is missing, damaged or not to be trusted."""


class TableError(AtomcountError, ValueError):
    """A table that does not hold to its schema; the text names the column."""
