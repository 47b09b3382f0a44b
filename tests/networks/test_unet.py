"""Added parts of the network begin as the identity; the context does not see how much vacuum is in view."""

import numpy as np
import pytest
import torch

from napari_atomcount.networks.unet import BAND_GAIN, Bands, Context, UNet, UNetConfig
from napari_atomcount.records.errors import InputError
from napari_atomcount.training import begin_from

BANDS = ((0.13, 0.3), (0.18, 0.3))
PLAIN = UNetConfig(widths=(6, 12), blocks=1, counts=4)
LARGER = PLAIN.model_copy(update={"bottom": 2, "context": 8, "optics": ("defocus_nm", "cs_um")})


def test_a_larger_network_begins_as_its_parent():
    torch.manual_seed(0)
    parent, child = UNet(PLAIN).eval(), UNet(LARGER).eval()
    begin_from(child, parent)
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(child(image), parent(image))


def test_a_parent_of_another_shape_is_refused():
    wider = UNet(PLAIN.model_copy(update={"widths": (8, 12)}))
    with pytest.raises(InputError, match="another network"):
        begin_from(UNet(LARGER), wider)
    with pytest.raises(InputError, match="lacks"):
        begin_from(UNet(PLAIN), UNet(LARGER))


def test_optics_are_stated_for_every_place():
    heads, optics = UNet(LARGER).eval().with_optics(torch.randn(2, 1, 32, 48))
    assert heads.shape == (2, 4 + 4, 16, 24)
    assert optics.shape == (2, 2, 8, 12)
    assert UNet(PLAIN).with_optics(torch.randn(2, 1, 32, 32))[1] is None


def test_context_does_not_depend_on_how_much_vacuum_is_in_view():
    torch.manual_seed(1)
    context = Context(3, 5, window=41)
    with torch.no_grad():  # a gate that opens where the first feature is
        context.gate.weight.zero_()
        context.gate.weight[0, 0] = 40.0
        context.gate.bias.fill_(-20.0)
    near = torch.zeros(1, 3, 9, 9)
    near[:, :, 3:6, 3:6] = torch.rand(1, 3, 3, 3) + 0.5
    far = torch.nn.functional.pad(near, (6, 6, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(context(far)[..., 10, 10], context(near)[..., 4, 4], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("seen", "wanted"), [(0.0, 0), (0.05, 0), (0.1, 0), (0.22, 1), (0.26, 1), (0.4, 0)])
def test_bands_hold_their_own_frequencies(seen, wanted):
    """And nothing of an even image, up to its border."""
    wave = np.cos(2 * np.pi * seen * np.arange(96) + 0.3)
    image = torch.from_numpy(np.tile(wave, (64, 1)).astype(np.float32))[None, None]
    parts = Bands(BANDS)(image)
    torch.testing.assert_close(parts[:, :1], image)
    inner = slice(None) if seen == 0 else slice(14, -14)
    for part in parts[0, 1:]:
        there = part[:, inner] / BAND_GAIN - wanted * image[0, 0, :, inner]
        assert there.abs().max() < 0.1


@pytest.mark.parametrize("band", [(0.0, 0.3), (0.3, 0.2), (0.2, 0.6)])
def test_a_band_that_is_none_is_refused(band):
    with pytest.raises(ValueError, match="cycles/px"):
        UNetConfig(bands=(band,))


def test_more_bands_than_a_card_can_mean_are_refused():
    """A card from elsewhere may name as many as it likes: filters of each would fill the memory."""
    with pytest.raises(ValueError, match="at most 8"):
        UNetConfig(bands=((0.1, 0.3),) * 9)


def test_bands_of_a_series_come_after_its_images():
    series = torch.randn(2, 3, 32, 48)
    bands = Bands(BANDS)
    parts = bands(series)
    assert parts.shape == (2, 9, 32, 48)
    for k in range(3):
        torch.testing.assert_close(parts[:, [k, 3 + k, 6 + k]], bands(series[:, k : k + 1]))


@pytest.mark.parametrize("old", [{}, {"bands": BANDS}, {"frames": 3}, {"bands": BANDS[:1], "frames": 3}])
def test_a_network_that_sees_bands_begins_as_its_parent(old):
    torch.manual_seed(0)
    parent = UNet(PLAIN.model_copy(update=old)).eval()
    child = UNet(PLAIN.model_copy(update={"bands": BANDS, "frames": 3})).eval()
    begin_from(child, parent)
    series = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted = parent(series[:, -parent.config.frames :])
        torch.testing.assert_close(child(series), wanted, rtol=1e-4, atol=1e-5)
