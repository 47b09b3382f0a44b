"""How a movie is made ready before the network sees it: settings only, applied lazily, never to the file."""

from __future__ import annotations

from napari_atomcount.records.settings import Settings, setting


class Preparation(Settings):
    """What is done to the frames, and how they are shown; the file itself never changes."""

    dark_level: float = setting(
        0.0,
        "counts",
        "what a pixel reads where no electron arrives, taken off; below 0 after a stretch of the contrast",
        allow_inf_nan=False,
    )
    hot_pixels: bool = setting(
        False, "", "replace hot pixels and X-rays by the median around them, and nothing else"
    )
    hot_sigma: float = setting(
        8.0,
        "standard deviations",
        "a pixel this far above the median of its 3 × 3 neighbourhood is hot",
        ge=3,
        le=100,
    )
    bad_frames: tuple[int, ...] = setting((), "frames", "frames that are left out of everything")
    rolling_frames: int = setting(
        1, "frames", "frames averaged for the view, this one in the middle; the network sees single ones",
        ge=1, le=101,
    )  # fmt: skip
