"""A model card in words: one line for the list, and the whole of it as rich text."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from napari_atomcount.networks.card import ModelCard

# the figures of a score that are shown: name in the card, heading, percent or unit
FIGURES = (
    ("precision", "precision", "%"),
    ("recall", "recall", "%"),
    ("count_exact", "count", "%"),
    ("count_within_one", "±1", "%"),
    ("position_pm", "pm", ""),
)
NEAR = 3.2  # doses within this factor of a measured one are taken to be like it


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


def expectation(card: ModelCard, dose_e_per_A2: float | None) -> str:
    """What the card's own measurements lead to expect at a dose, in one line; empty where they say nothing.

    Parameters
    ----------
    card
        Its scores: each with ``dose_low_e_per_A2`` and ``dose_high_e_per_A2``, equal for one dose.
    dose_e_per_A2
        Of the movie; None: not known.
    """
    if dose_e_per_A2 is None:
        return ""
    near = []
    for score in card.scores:
        low, high = score.get("dose_low_e_per_A2"), score.get("dose_high_e_per_A2")
        if low is not None and low == high:
            near.append((abs(math.log(dose_e_per_A2 / low)), score))
    if not near:
        return ""
    distance, score = min(near, key=lambda pair: pair[0])
    if distance > math.log(NEAR):
        return ""
    figures = [
        f"{heading if name != 'count_within_one' else 'count within one'} {figure(score[name], unit)}"
        for name, heading, unit in FIGURES
        if name in ("precision", "recall", "count_within_one") and known(score.get(name))
    ]
    dose = span(score["dose_low_e_per_A2"], score["dose_low_e_per_A2"])
    return f"expect here: {', '.join(figures)} (as measured at {dose} e/Å²)" if figures else ""


def known(value: Any) -> bool:
    """Whether a figure is a number."""
    return isinstance(value, int | float) and math.isfinite(value)


def figure(value: float, unit: str) -> str:
    """A figure with its unit: shares in percent."""
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.2g}"


def score_table(card: ModelCard) -> str:
    """The measurements of a card as rows of a rich text table."""
    if not card.scores:
        return ""
    heads = "".join(f"<th style='padding-right:6px'>{heading}</th>" for _, heading, _ in FIGURES)
    rows = [f"<tr><th align='left' style='padding-right:6px'>measured, %</th>{heads}</tr>"]
    for score in card.scores:
        name = escape(str(score.get("title") or score.get("condition") or ""))
        texts = [figure(score[key], unit) if known(score.get(key)) else "–" for key, _, unit in FIGURES]
        cells = "".join(f"<td align='center'>{text.removesuffix(' %')}</td>" for text in texts)
        rows.append(f"<tr><td>{name}</td>{cells}</tr>")
    return f"<table cellspacing='1'>{''.join(rows)}</table>"


def full_text(card: ModelCard) -> str:
    """The card as rich text: what for, its domain, its scores with their conditions, where it lies."""
    rows = [("for", card.domain.words), ("classes", ", ".join(card.classes)), *domain_rows(card)]
    rows += [
        ("threshold", f"score ≥ {card.default_threshold:.3g}"),
        ("licence", card.licence),
        ("folder", str(card.folder).replace("/", "/\u200b")),  # may be broken there
    ]
    body = "".join(
        f"<tr><td style='padding-right:8px'><b>{escape(name)}</b></td><td>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<table cellspacing='2'>{body}</table>{score_table(card)}"
