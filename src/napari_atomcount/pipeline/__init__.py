"""Floor 2, the main job: movie -> maps -> columns -> drift, sites, occupancy, events, one frame at a time.

`detect_frames` is a generator; cancelling is stopping to iterate it, and `follow` works on whatever frames
were finished. `analyze` chains the two and writes the summary.
"""

from napari_atomcount.pipeline.analysing import analyze, describe
from napari_atomcount.pipeline.detecting import FrameResult, detect_frames
from napari_atomcount.pipeline.following import follow
from napari_atomcount.pipeline.store import LogitStore

__all__ = ["FrameResult", "LogitStore", "analyze", "describe", "detect_frames", "follow"]
