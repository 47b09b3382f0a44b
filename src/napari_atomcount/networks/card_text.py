"""A model card in plain words: what it is for, its domain with units, what to expect of it."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.expectation import expect

#: How the training's images took the focal spread: a network reads the mean on the specimen too.
FOCAL_MEAN = "mean over the focal spread, as in a microscope, and envelopes, as in most simulations"
ENVELOPES = "envelopes on the wave only, as in most simulations: a microscope's images are counted too low"


def short_text(card: ModelCard) -> str:
    """One line: what the network finds, in what, seen along which axis, and whether it counts."""
    where = f"{', '.join(card.materials)} along {axis(card.zone_axis)}"
    counting = f"counts 1–{card.max_count} atoms" if card.counts else "does not count"
    if card.images > 1:
        counting = f"focal series of {card.images} images · {counting}"
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
    if card.counts and card.recipe:
        lines.append(("partial coherence", FOCAL_MEAN if card.knows_means else ENVELOPES))
    return lines


def span(low: float, high: float) -> str:
    """A range: ``"0.008 to 0.025"``, ``"300"``, ``"100 to 100,000"``."""
    ends = [f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in (low, high)]
    return ends[0] if low == high else f"{ends[0]} to {ends[1]}"


def expectation(
    card: ModelCard, dose_e_per_A2: float | None, pixel_size_nm: tuple[float, float] | None = None
) -> str:
    """What the card's own measurements lead to expect here, in one line; empty where they say nothing.

    Parameters
    ----------
    card : ModelCard
        With its scores.
    dose_e_per_A2 : float, optional
        Of one image of the movie; None: not known.
    pixel_size_nm : tuple of float, optional
        (y, x); None: the network's own.
    """
    pixel = None if pixel_size_nm is None else math.sqrt(pixel_size_nm[0] * pixel_size_nm[1])
    found = expect(card, dose_e_per_A2, pixel)
    if found is None:
        return ""
    names = {
        "precision": "precision",
        "recall": "recall",
        "count_exact": "count exact",
        "count_within_one": "within one",
    }
    values = {words: getattr(found, name) for name, words in names.items()}
    figures = [f"{words} {figure(value, '%')}" for words, value in values.items() if known(value)]
    where = f"{span(found.dose_e_per_A2, found.dose_e_per_A2)} e/Å², {found.pixel_size_nm:.3g} nm/px"
    said = f"expect here: {', '.join(figures)} (at {where}, from simulations{kind_of_images(card)})"
    return said if figures else ""


def kind_of_images(card: ModelCard) -> str:
    """What sort of simulations a card's scores are of, behind "simulations"; empty where it is not known."""
    if not (card.counts and card.recipe):
        return ""
    if card.knows_means:
        return " of a microscope's images"
    return " with envelopes: a microscope's images are counted too low"


def known(value: Any) -> TypeGuard[float]:
    """Whether a figure is a number."""
    return isinstance(value, int | float) and math.isfinite(value)


def figure(value: float, unit: str) -> str:
    """A figure with its unit: shares in percent."""
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.2g}"


def card_lines(
    card: ModelCard, dose_e_per_A2: float | None = None, pixel_size_nm: float | None = None
) -> list[str]:
    """The card for a terminal: what for, domain in words and numbers, what to expect, where it lies.

    Without a dose, what to expect is said for three doses inside the domain.
    """
    lines = [short_text(card), card.domain.words]
    lines.append("domain: " + ", ".join(f"{name} {text}" for name, text in domain_rows(card)))
    pixel = None if pixel_size_nm is None else (pixel_size_nm, pixel_size_nm)
    doses = [dose_e_per_A2]
    if dose_e_per_A2 is None:
        low, high = card.domain.dose_e_per_A2
        doses = [d for d in (100.0, 1000.0, 10000.0) if 0.7 * low <= d <= 1.5 * high]
    said = [text for text in (expectation(card, dose, pixel) for dose in doses) if text]
    if not said and dose_e_per_A2 is not None:
        said = ["expect here: nothing near this dose and pixel size was measured"]
    return [*lines, *said, str(card.folder)]
