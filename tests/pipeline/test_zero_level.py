"""Whether a person is told that intensities are no electrons: from the movie to the sentence."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter

from napari_atomcount.io.readers import open_movie
from napari_atomcount.networks.card import load_card
from napari_atomcount.pipeline.analysing import domain_words
from napari_atomcount.records.settings import AnalysisSettings
from napari_atomcount.resources import sample_movie


def stretched(frames: np.ndarray) -> np.ndarray:
    low, high = np.percentile(frames, (0.2, 99.8))
    return np.clip((frames - low) / (high - low) * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frames: frames, []),
        (stretched, ["8-bit pictures", "exactly the largest value"]),
        (lambda frames: gaussian_filter(frames, (0, 1, 1)), ["finest noise is missing"]),
        (lambda frames: median_filter(frames, (1, 3, 3)), ["as after a median filter"]),
        (lambda frames: np.stack([np.rot90(f, n) for n, f in enumerate(frames)]), ["show different scenes"]),
        (lambda frames: frames + 0.6 * frames.mean(), ["a dark level was not taken off"]),
    ],
)
def test_the_sample_and_what_programs_make_of_such_movies(change, words):
    sample = open_movie(sample_movie())
    frames = np.stack([sample.frame(t) for t in range(8)]).astype(np.float64)
    movie = replace(sample, data=change(frames))
    said = domain_words(movie, load_card("fcc-110-hrtem"), AnalysisSettings())
    assert len(said) == len(words)
    for sentence, part in zip(said, words, strict=True):
        assert part in sentence
