"""The network as it runs over frames against the network as it was trained."""

import pytest
import torch
from torch import nn

from napari_atomcount.networks import running
from napari_atomcount.networks.running import Runner
from napari_atomcount.networks.unet import UNet, UNetConfig

CONFIGS = {
    "plain": {"widths": (8, 12), "blocks": 1, "counts": 0},
    "counts": {"widths": (8, 12, 16), "blocks": 2, "counts": 5},
    "context": {"widths": (8, 12, 18), "bottom": 2, "context": 8, "context_window": 5, "counts": 6},
    "classes, series": {"widths": (8, 12, 18), "frames": 3, "labels": 2, "context": 8, "counts": 4},
    "bands": {"widths": (8, 12), "bands": ((0.13, 0.3), (0.18, 0.3)), "frames": 2, "counts": 3},
}


def network(name: str) -> UNet:
    """A network whose normalisation and context are not those of a fresh one."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(**CONFIGS[name]))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
        elif isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.1)
    return net.eval()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("strip", [1, running.STRIP_BYTES])
def test_it_says_what_the_network_says(name, strip, monkeypatch):
    monkeypatch.setattr(running, "STRIP_BYTES", strip)  # 1: as many strips as there can be
    net = network(name)
    images = torch.randn(2, net.config.frames, 96, 64)
    with torch.inference_mode():
        wanted = net(images)
    found = Runner(net, torch.float32)(images)
    assert found.shape == wanted.shape
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_half_precision_is_as_good_as_automatic():
    net = network("context")
    images = 0.2 * torch.randn(1, 1, 96, 96)
    with torch.inference_mode():
        wanted = net(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            automatic = net(images).float()
    found = Runner(net, torch.bfloat16)(images)
    error, usual = ((one - wanted).square().mean().sqrt() for one in (found, automatic))
    assert error < 1.5 * usual
    assert error < 0.01 * wanted.std()


def test_no_array_of_a_strip_is_large(monkeypatch):
    """Beyond 32 MiB each array is a page of memory after another asked of the system."""
    monkeypatch.setattr(running, "STRIP_BYTES", 1 << 18)
    largest = []
    joined = running._joined

    def watched(x, skip):
        both = joined(x, skip)
        largest.append(both.numel() * both.element_size())
        return both

    monkeypatch.setattr(running, "_joined", watched)
    net = network("counts")
    Runner(net, torch.float32)(torch.randn(1, 1, 256, 256))
    strips = largest[len(net.up) - 1 :]
    assert len(strips) > 4
    assert max(strips) <= 1 << 18
