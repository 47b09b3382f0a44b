"""Floor 2, the main job: movie -> maps -> columns -> drift, sites, occupancy, events, one frame at a time.

`detect_frames` is a generator; cancelling is stopping to iterate it, and `follow` works on whatever frames
were finished; `redecode` brings its result in line with a correction. `analyze` chains the first two and
writes the summary.
"""

from napari_atomcount.pipeline.analysing import analyze, describe
from napari_atomcount.pipeline.assembling import Followed
from napari_atomcount.pipeline.detecting import FrameResult, detect_frames
from napari_atomcount.pipeline.following import follow, follow_sites
from napari_atomcount.pipeline.redecoding import redecode
from napari_atomcount.pipeline.store import LogitStore

__all__ = [
    "Followed",
    "FrameResult",
    "LogitStore",
    "analyze",
    "describe",
    "detect_frames",
    "follow",
    "follow_sites",
    "redecode",
]
