"""Muon moves kernels along orthogonal directions, everything is moved, and a stopped training goes on."""

import numpy as np
import pytest
import torch

from napari_atomcount.checkpoints import Averaged, checkpoint, restore
from napari_atomcount.networks.detector import on_device
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.optimiser import Optimiser, as_matrix, inner_kernels
from napari_atomcount.physics.recipe import Detector, Regime, Uniform
from napari_atomcount.records.errors import InputError
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings

SHAPE = UNetConfig(widths=(16, 32), blocks=1, bottom=1, context=8, counts=6, optics=("tilt_deg",))
RATE = 1e-2


def network(seed=0):
    torch.manual_seed(seed)
    return on_device(UNet(SHAPE), torch.device("cpu"))


def learn(net, optimiser, seed):
    """One step on an image that the seed draws."""
    image = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
    heads, optics = net.with_optics(image)
    net.zero_grad(set_to_none=True)
    (heads.square().mean() + optics.square().mean()).backward()
    optimiser.step(RATE)


def weights(net):
    return {name: p.detach().clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_weight_moves(kind):
    net = network()
    optimiser, before = Optimiser(net, TrainingSettings(optimiser=kind)), weights(net)
    for seed in range(4):  # layers that begin at zero hold back those before them
        learn(net, optimiser, seed)
    still = [name for name, value in weights(net).items() if torch.equal(value, before[name])]
    assert not still


def test_muon_moves_kernels_by_orthogonal_matrices_of_adamw_s_size():
    net = network()
    kernel = net.down[1][0].second.weight
    assert any(kernel is inner for inner in inner_kernels(net))
    optimiser, before = Optimiser(net, TrainingSettings(optimiser="muon")), as_matrix(kernel.detach()).clone()
    learn(net, optimiser, 0)
    moved = (as_matrix(kernel.detach()) - before).numpy()
    singular = np.linalg.svd(moved, compute_uv=False)
    assert singular.max() / singular.min() < 3  # its gradient's: 25
    assert np.sqrt((moved**2).mean()) == pytest.approx(0.2 * RATE, rel=0.25)
    gradient = np.linalg.svd(as_matrix(kernel.grad).numpy(), compute_uv=False)
    assert gradient.max() / gradient.min() > 10


def test_muon_would_move_copies_of_kernels_in_another_order():
    with pytest.raises(ValueError, match="channels-last"):
        Optimiser(UNet(SHAPE), TrainingSettings(optimiser="muon"))


def test_heads_first_layer_and_context_are_adamw_s():
    net = network()
    inner = {id(kernel) for kernel in inner_kernels(net)}
    left = {
        name
        for name, p in net.named_parameters()
        if p.ndim == 4 and min(p.shape[:2]) >= 16 and id(p) not in inner
    }
    assert all(id(p) not in inner for p in (net.stem.weight, net.detect[-1].weight, net.count[-1].weight))
    assert all(name.startswith(("context", "scale", "optics", "stem")) for name in left)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_restored_it_goes_on_as_if_never_stopped(kind):
    settings = TrainingSettings(optimiser=kind)
    net = network()
    optimiser = Optimiser(net, settings)
    for seed in range(3):
        learn(net, optimiser, seed)
    other = network(1)
    again = Optimiser(other, settings)
    other.load_state_dict(net.state_dict())
    again.restore({name: value.clone() for name, value in optimiser.state().items()})
    learn(net, optimiser, 9)
    learn(other, again, 9)
    for name, value in weights(net).items():
        torch.testing.assert_close(weights(other)[name], value)


def test_a_checkpoint_of_before_there_were_two_parts_is_read():
    net = network()
    optimiser = Optimiser(net, TrainingSettings())
    learn(net, optimiser, 0)
    named = {name.removeprefix("0."): value.clone() for name, value in optimiser.state().items()}
    again = Optimiser(network(), TrainingSettings())
    again.restore(named)
    assert again.state().keys() == optimiser.state().keys()


def test_a_training_is_not_gone_on_with_by_another_optimiser(tmp_path):
    anything = Uniform(low=0, high=1)
    camera = Detector(**dict.fromkeys(Detector.model_fields, anything))
    adamw, muon = (
        TrainingRecipe(
            name="any",
            regimes=[Regime(optics={})],
            detector=camera,
            network=SHAPE,
            training=TrainingSettings(optimiser=kind),
        )
        for kind in ("adamw", "muon")
    )
    net = network()
    optimiser, average = Optimiser(net, adamw.training), Averaged(net, 0.9)
    learn(net, optimiser, 0)
    checkpoint(tmp_path, net, average, optimiser, adamw, 160, [1.5])
    assert restore(tmp_path, net, average, optimiser, adamw) == (160, [1.5])
    with pytest.raises(InputError, match="another optimiser"):
        restore(tmp_path, net, average, Optimiser(net, muon.training), muon)
