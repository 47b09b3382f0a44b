"""A model card as rich text for the dock."""

from __future__ import annotations

from html import escape

from napari_atomcount.networks.card import ModelCard, bundled_models
from napari_atomcount.networks.card_text import domain_rows, expectation, figure, known, short_text

__all__ = ["expectation", "full_text", "score_table", "short_text"]

# the figures of a score that are shown: name in the card, heading, percent or unit
FIGURES = (
    ("precision", "precision", "%"),
    ("recall", "recall", "%"),
    ("count_exact", "count", "%"),
    ("count_within_one", "±1", "%"),
    ("position_pm", "pm", ""),
)


def score_table(card: ModelCard) -> str:
    """The measurements of a card as rows of a rich text table."""
    if not card.scores:
        return ""
    heads = "".join(f"<th style='padding-right:6px'>{heading}</th>" for _, heading, _ in FIGURES)
    rows = [f"<tr><th align='left' style='padding-right:6px'>measured, %</th>{heads}</tr>"]
    for score in card.scores:
        pixel = score.get("pixel_low_A")
        if known(pixel) and pixel == score.get("pixel_high_A"):
            if abs(pixel / 10 / card.pixel_size_nm - 1) > 0.02:
                continue  # other pixel sizes serve what is expected of a movie
        name = escape(str(score.get("title") or score.get("condition") or ""))
        texts = [figure(score[key], unit) if known(score.get(key)) else "–" for key, _, unit in FIGURES]
        cells = "".join(f"<td align='center'>{text.removesuffix(' %')}</td>" for text in texts)
        rows.append(f"<tr><td>{name}</td>{cells}</tr>")
    return f"<table cellspacing='1'>{''.join(rows)}</table>"


def where(card: ModelCard) -> str:
    """Where a model lies."""
    if card.folder is not None and card.folder.parent == bundled_models():
        return "comes with the program"
    return str(card.folder).replace("/", "/\u200b")  # may be broken there


def full_text(card: ModelCard) -> str:
    """The card as rich text: what for, its domain, its scores with their conditions, where it lies."""
    rows = [("for", card.domain.words), ("classes", ", ".join(card.classes)), *domain_rows(card)]
    rows += [
        ("threshold", f"score ≥ {card.default_threshold:.3g}"),
        ("licence", card.licence),
        ("folder", where(card)),
    ]
    body = "".join(
        f"<tr><td style='padding-right:8px'><b>{escape(name)}</b></td><td>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    return f"<table cellspacing='2'>{body}</table>{score_table(card)}"
