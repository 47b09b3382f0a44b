"""Smoothing by cosine transforms against the same in space."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.measure.smoothing import smooth, spread, waves


@pytest.mark.parametrize("sigma", [(1.5, 1.5), (4.0, 7.0), (20.0, 15.0)])
def test_it_is_the_filter_in_space(sigma):
    image = np.random.default_rng(0).poisson(12, (97, 128)).astype(float)
    image[:40] *= 1.3
    wanted = gaussian_filter(image, sigma, truncate=6)
    np.testing.assert_allclose(smooth(waves(image), sigma), wanted, atol=2e-3)
    assert spread(waves(image), sigma) == pytest.approx(wanted.std(), rel=1e-3)
    wider = (2 * sigma[0], 2 * sigma[1])
    band = wanted - gaussian_filter(image, wider, truncate=6)
    assert spread(waves(image), sigma, without=wider) == pytest.approx(band.std(), rel=1e-3)


def test_an_even_image_has_no_spread():
    assert spread(waves(np.full((32, 48), 7.0)), (2.0, 2.0)) == pytest.approx(0, abs=1e-5)
