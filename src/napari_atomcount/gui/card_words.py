"""A model card in words: one line for the list, and the whole of it as rich text."""

from __future__ import annotations

from html import escape
from typing import Any

from napari_atomcount.networks.card import ModelCard

# units of the names of conditions and scores, by their ending
UNITS = {
    "_nm": " nm",
    "_pm": " pm",
    "_kv": " kV",
    "_e_per_A2": " e/Å²",
    "_deg": "°",
    "_um": " µm",
    "_mrad": " mrad",
}


def short_text(card: ModelCard) -> str:
    """One line: what the network finds, in what, seen along which axis, and whether it counts."""
    where = f"{', '.join(card.materials)} along {axis(card.zone_axis)}"
    counting = f"counts 1–{card.max_count} atoms" if card.counts else "does not count"
    return f"{where} · {counting} · works at {card.pixel_size_nm:.4g} nm/px"


def axis(zone_axis: str) -> str:
    """A zone axis in square brackets, however the card writes it."""
    return f"[{zone_axis.strip('[]')}]"


def domain_rows(card: ModelCard) -> list[tuple[str, str]]:
    """What the network was trained for: names and ranges with units."""
    domain = card.domain
    rows = [
        ("voltage", domain.kv, "kV"),
        ("pixel", domain.pixel_size_nm, "nm"),
        ("dose", domain.dose_e_per_A2, "e/Å²"),
        ("defocus", domain.defocus_nm, "nm"),
        ("Cs", domain.cs_um, "µm"),
        ("tilt", domain.tilt_deg, "°"),
    ]
    lines = [(name, f"{span(*limits)} {unit}") for name, limits, unit in rows]
    if card.counts and domain.count_materials:
        lines.append(("counts hold for", ", ".join(domain.count_materials)))
    return lines


def span(low: float, high: float) -> str:
    """A range: ``"0.008 to 0.025"``, ``"300"``, ``"100 to 100,000"``."""
    ends = [f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in (low, high)]
    return ends[0] if low == high else f"{ends[0]} to {ends[1]}"


def score_text(score: dict[str, Any]) -> str:
    """One measurement of the card, its conditions included, as "name value unit" parts."""
    parts = []
    for key, value in score.items():
        ending = next((ending for ending in UNITS if key.endswith(ending)), "")
        name = key.removesuffix(ending).replace("_", " ")
        if isinstance(value, list | tuple) and [type(end) for end in value] in ([int, int], [float, float]):
            text = span(*value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            text = span(value, value)
        else:
            text = str(value)
        parts.append(f"{name} {text}{UNITS.get(ending, '')}")
    return ", ".join(parts)


def full_text(card: ModelCard) -> str:
    """The card as rich text: what for, its domain, its scores with their conditions, where it lies."""
    rows = [("for", card.domain.words), ("classes", ", ".join(card.classes)), *domain_rows(card)]
    rows += [("measured" if i == 0 else "", score_text(score)) for i, score in enumerate(card.scores)]
    rows += [
        ("threshold", f"score ≥ {card.default_threshold:.3g}"),
        ("licence", card.licence),
        ("folder", str(card.folder)),
    ]
    body = "".join(
        f"<tr><td style='padding-right:8px'><b>{escape(name)}</b></td><td>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<table cellspacing='2'>{body}</table>"
