"""The few questions that the desk asks."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QInputDialog, QWidget


def ask_movie_file(parent: QWidget | None) -> Path | None:
    """Which file to open; None when the user changed their mind."""
    name, _ = QFileDialog.getOpenFileName(parent, "Open a movie or image")
    return Path(name) if name else None


def ask_movie_folder(parent: QWidget | None) -> Path | None:
    """Which folder of images to open."""
    name = QFileDialog.getExistingDirectory(parent, "Open a folder of images as one movie")
    return Path(name) if name else None


def ask_save_folder(parent: QWidget | None, suggestion: Path) -> Path | None:
    """Into which folder to save."""
    name, _ = QFileDialog.getSaveFileName(
        parent, "Save results: name a folder", str(suggestion), options=QFileDialog.Option.ShowDirsOnly
    )
    return Path(name) if name else None


def ask_dataset(parent: QWidget | None, file: str, names: list[str]) -> str | None:
    """Which of several datasets of a file to open."""
    name, chosen = QInputDialog.getItem(
        parent, "Several datasets", f"{file} holds several. Open:", names, 0, False
    )
    return name if chosen else None
