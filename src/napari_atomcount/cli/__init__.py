"""The headless command line ``napari-atomcount``; imports neither Qt nor napari (``gui`` does, when run)."""

from napari_atomcount.cli.app import main

__all__ = ["main"]
