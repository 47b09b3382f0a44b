"""Answers averaged over symmetries: every head comes back to its place, and errors average out."""

import numpy as np
import pytest
import torch

from napari_atomcount.networks.symmetries import CHOICES, as_many_as_fit, averaged, turned, turned_back


def heads_of(images):
    """An equivariant network: a blob's map, the way to its centre from each pixel, and how bright it is."""
    height, width = images.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    weight = images[:, 0]
    total = weight.sum((-1, -2))
    centre = [((weight * one).sum((-1, -2)) / total)[:, None, None] for one in (y, x)]
    return torch.stack([weight, centre[0] - y, centre[1] - x, weight**2, torch.sqrt(weight)], 1)


@pytest.fixture
def images():
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    return torch.exp(-((y - 4.3) ** 2 + (x - 15.8) ** 2) / 8)[None, None]


@pytest.mark.parametrize("which", range(8))
def test_each_symmetry_comes_back(images, which):
    found = turned_back(heads_of(turned(images, which)), which)
    torch.testing.assert_close(found, heads_of(images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("number", CHOICES)
def test_the_mean_of_equal_answers_is_the_answer(images, number):
    torch.testing.assert_close(averaged(heads_of, images, number), heads_of(images), atol=1e-4, rtol=1e-4)


def test_errors_of_single_answers_average_out(images):
    noise = torch.Generator().manual_seed(0)

    def answer(turned_images):
        right = heads_of(turned_images)
        return right + torch.randn(right.shape, generator=noise)

    error = [float((averaged(answer, images, n) - heads_of(images)).std()) for n in (1, 4)]
    assert error[1] / error[0] == pytest.approx(0.5, abs=0.05)


def test_a_detector_averages_as_its_card_or_its_caller_says():
    from napari_atomcount.networks.card import load_card
    from napari_atomcount.networks.detector import Detector

    detector = Detector(load_card("fcc-110-hrtem"), device="cpu")
    frame = np.random.default_rng(0).poisson(40, (112, 96)).astype(np.float32)
    asked = []
    answer = detector.answer

    def counted(images):
        asked.append(tuple(images.shape[-2:]))
        return answer(images)

    detector.answer = counted
    detector.detect(frame, (0.02, 0.02))  # a small frame: its card leaves it to the size
    assert len(asked) == 1 + 8  # once to see where columns are: the beam level comes from beside them
    asked.clear()
    one = detector.detect(frame, (0.02, 0.02), symmetries=1)
    assert len(asked) == 1
    eight = detector.detect(frame, (0.02, 0.02), symmetries=8)
    assert len(asked) == 1 + 1 + 8
    assert eight.column.shape == one.column.shape
    mirrored = detector.detect(frame[:, ::-1].copy(), (0.02, 0.02), symmetries=8)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(mirrored.column[:, ::-1][inner], eight.column[inner], atol=0.3)


def test_no_frame_takes_longer_than_one_of_1024_px():
    numbers = [as_many_as_fit(side**2) for side in (64, 320, 362, 363, 512, 513, 724, 725, 1024, 4096)]
    assert numbers == [8, 8, 8, 4, 4, 2, 2, 1, 1, 1]
