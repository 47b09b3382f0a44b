"""A model card in words: one line for the list, and the whole of it as rich text."""

from __future__ import annotations

from html import escape
from typing import Any

# units of the domain's and the conditions' names, by their ending
UNITS = {
    "_nm": " nm",
    "_kv": " kV",
    "_e_per_A2": " e/Å²",
    "_deg": "°",
    "_um": " µm",
    "_mrad": " mrad",
    "_mm": " mm",
}


def short_text(card: Any) -> str:
    """One line: what the network finds, in what, seen along which axis, and whether it counts."""
    parts = [", ".join(card.materials)]
    if card.zone_axis:
        parts[0] += f" along {card.zone_axis}"
    parts.append(f"counts 1–{card.max_count} atoms" if card.counts else "does not count")
    parts.append(f"works at {card.pixel_size_nm:.4g} nm/px")
    return " · ".join(parts)


def named(key: str) -> tuple[str, str]:
    """Words and unit of a key: ``"pixel_size_nm"`` gives ("pixel size", " nm")."""
    for ending, unit in UNITS.items():
        if key.endswith(ending):
            return key.removesuffix(ending).replace("_", " "), unit
    return key.replace("_", " "), ""


def value_text(value: Any, unit: str = "") -> str:
    """A value of a card: a range of two numbers, a list, a number or words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.4g}{unit}"
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(isinstance(end, int | float) for end in value):
            return f"{value[0]:.4g} to {value[1]:.4g}{unit}"
        return ", ".join(value_text(item, unit) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{named(key)[0]} {value_text(item, named(key)[1])}" for key, item in value.items())
    return str(value)


def full_text(card: Any) -> str:
    """The card as rich text: what for, domain, scores with their conditions, where it lies."""
    rows = [("for", short_text(card)), ("classes", ", ".join(card.classes))]
    rows += [
        (f"trained for {named(key)[0]}", value_text(value, named(key)[1]))
        for key, value in card.domain.items()
    ]
    rows += [("measured", value_text(score)) for score in card.scores]
    rows += [("threshold", f"{card.default_threshold:.3g}"), ("folder", str(card.folder))]
    body = "".join(
        f"<tr><td style='padding-right:8px'><b>{escape(name)}</b></td><td>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<table cellspacing='2'>{body}</table>"
