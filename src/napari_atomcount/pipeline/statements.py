"""What is said of a movie whose specimen is not the same throughout, in sentences."""

from __future__ import annotations

import numpy as np

from napari_atomcount.records.analysis import Analysis

FEWEST, SHARE = 8, 0.15  # so many sites, and so large a share of them, do not hop in one frame by chance


def about_size(analysis: Analysis) -> list[str]:
    """Frames in which much of the particle appears or vanishes at once: it, or the view, has changed.

    Parameters
    ----------
    analysis : Analysis
        Its events and states.

    Returns
    -------
    list of str
        One sentence, or none.
    """
    whole = analysis.events[analysis.events["kind"].isin(["appear", "vanish"])]
    number = whole.groupby("frame").size()
    least = max(FEWEST, SHARE * len(analysis.sites))
    frames = number[number >= least]
    if not len(frames):
        return []
    some = ", ".join(f"{t} ({n})" for t, n in frames.iloc[:5].items()) + (" …" if len(frames) > 5 else "")
    left = len(whole) - int(np.sum(frames))
    return [
        f"many of the {len(analysis.sites)} sites appear or vanish at once, in frame {some}: the particle "
        f"has changed its size, or another one is in view. Only the other {left} events are of single "
        "columns: analyse the parts before and after on their own, with --frames"
    ]
