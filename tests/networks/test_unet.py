"""Added parts of the network begin as the identity; the context does not see how much vacuum is in view."""

import pytest
import torch

from napari_atomcount.networks.unet import Context, UNet, UNetConfig
from napari_atomcount.records.errors import InputError
from napari_atomcount.training import begin_from

PLAIN = UNetConfig(widths=(6, 12), blocks=1, counts=4)
LARGER = PLAIN.model_copy(update={"bottom": 2, "context": 8, "optics": ("defocus_nm", "cs_um")})


def test_a_larger_network_begins_as_its_parent():
    torch.manual_seed(0)
    parent, child = UNet(PLAIN).eval(), UNet(LARGER).eval()
    begin_from(child, parent.state_dict())
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(child(image), parent(image))


def test_a_parent_of_another_shape_is_refused():
    wider = UNet(PLAIN.model_copy(update={"widths": (8, 12)}))
    with pytest.raises(InputError, match="another network"):
        begin_from(UNet(LARGER), wider.state_dict())
    with pytest.raises(InputError, match="lacks"):
        begin_from(UNet(PLAIN), UNet(LARGER).state_dict())


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
