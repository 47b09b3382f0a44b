"""The errors that a user sees: one sentence each, saying what is wrong and what to do."""

from __future__ import annotations


class AtomcountError(Exception):
    """Base of all errors whose text is meant for the user; the command line prints it and exits with 1."""


class InputError(AtomcountError):
    """A file, option or value that cannot be used as it was given."""


class ModelError(AtomcountError):
    """A model folder that is missing, damaged or not to be trusted."""


class TableError(AtomcountError, ValueError):
    """A table that does not hold to its schema; the text names the column."""
