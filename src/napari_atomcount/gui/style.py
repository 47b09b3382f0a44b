"""The look of the dock: a few Qt style sheets that read well in napari's dark and light themes."""

CAPTION_WIDTH = 84  # px, so that the values of a form stand in one column

HEADER = "font-weight: bold; font-size: 11pt; padding: 4px 2px; border-bottom: 1px solid #6a7380;"
MUTED = "color: #8d99a6;"
GOOD = "color: #3fb27f;"
WARN = "color: #e0a030;"
PLAIN = ""


def source_style(source: str | None) -> str:
    """Style of the words that say where a calibration value comes from."""
    if source in ("file", "user"):
        return GOOD
    return MUTED if source is None else WARN
