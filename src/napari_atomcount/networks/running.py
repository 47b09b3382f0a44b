"""The network as it runs over frames: the numbers of `unet.UNet`, in less time and memory.

Batch normalisation is folded into the convolutions and weights are kept in the arithmetic of the device. The
last stage, at the full size of the map, runs in strips of rows: its arrays then stay below the 32 MiB from
which the C library gives memory back at once, and asks for it again page by page, with every array.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_atomcount.networks.unet import Context, Narrow, Residual, UNet

#: Largest array of a strip, bytes.
STRIP_BYTES = 14 << 20
#: Rows that a strip sees beyond what is kept of it: one for each of the three 3×3 convolutions, and even.
HALO = 4


class _Convolution:
    """A convolution with its weights ready, batch normalisation included."""

    def __init__(self, layers: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d | None]], dtype: torch.dtype) -> None:
        weights, biases = [], []
        for conv, norm in layers:
            weight = conv.weight.detach()
            bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach()
            if norm is not None:
                assert norm.running_mean is not None
                assert norm.running_var is not None
                by = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
                weight, bias = weight * by[:, None, None, None], norm.bias.detach() - norm.running_mean * by
            weights.append(weight)
            biases.append(bias)
            self.padding, self.dilation = conv.padding, conv.dilation
        self.weight = torch.cat(weights).to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = torch.cat(biases).to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, channels, h, w)."""
        return F.conv2d(x, self.weight, self.bias, 1, self.padding, self.dilation)


class Runner:
    """A network ready to be run, on the processor.

    Parameters
    ----------
    net : UNet
        In the state in which it is to be run: later changes of its weights are not seen.
    dtype : torch.dtype
        Arithmetic: bfloat16 or float32.
    """

    def __init__(self, net: UNet, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.config = net.config
        self.n_detect = net.n_detect
        self._window = net.config.context_window
        self._bands = net.bands
        self._stem = self._one(net.stem)
        self._down = [
            [self._block(m) for m in stage] for stage in net.down if isinstance(stage, nn.Sequential)
        ]
        self._up = [self._block(stage) for stage in net.up]
        heads = [net.detect] if net.count is None else [net.detect, net.count]
        first, last = ([c for head in heads if isinstance(c := head[i], nn.Conv2d)] for i in (0, 2))
        self._first = _Convolution([(c, None) for c in first], dtype)
        self._last = self._one(_side_by_side(last))
        self._hidden = len(first[0].weight)  # channels of the detection's part
        context = net.context
        self._context = None if context is None else [self._one(c) for c in _parts(context)]
        self._deep = None if net.scale_deep is None else self._one(net.scale_deep.by)
        self._count = None if net.scale_count is None else self._one(net.scale_count.by)

    def _one(self, conv: nn.Module, norm: nn.Module | None = None) -> _Convolution:
        assert isinstance(conv, nn.Conv2d)
        assert norm is None or isinstance(norm, nn.BatchNorm2d)
        return _Convolution([(conv, norm)], self.dtype)

    def _block(self, module: nn.Module) -> _Block:
        if isinstance(module, Narrow):
            return _Block([self._one(module.enter), self._one(module.look)], self._one(module.leave), None)
        assert isinstance(module, Residual)
        skip = module.skip
        return _Block(
            [self._one(module.first, module.norm1)],
            self._one(module.second, module.norm2),
            None if isinstance(skip, nn.Identity) else self._one(skip),
        )

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Heads (B, channels, h, w), float32, of normalised images (B, frames, Y, X)."""
        images = images if self._bands is None else self._bands(images)
        x = F.pixel_unshuffle(images.to(self.dtype), self.config.unshuffle)
        x = self._stem(x.contiguous(memory_format=torch.channels_last))
        kept = []
        for i, stage in enumerate(self._down):
            x = F.max_pool2d(x, 2) if i else x
            for block in stage:
                x = block(x)
            kept.append(x)
        context = None if self._context is None else self._look_around(x, self._context)
        if context is not None and self._deep is not None:
            scale, shift = self._deep(context).chunk(2, 1)
            x = torch.addcmul(shift, x, 1 + scale)
        skips = kept[-2::-1]
        for block, skip in zip(self._up[:-1], skips[:-1], strict=True):
            x = block(_joined(x, skip))
        return self._at_full_size(x, skips[-1], context)

    def _look_around(self, x: Tensor, layers: list[_Convolution]) -> Tensor:
        """As `Context`: weighted mean of features, (B, hidden, h, w)."""
        gate, value, mix = layers
        weight = F.softplus(gate(x).float()) + 1e-4
        both = torch.cat([weight * value(x).float(), weight], 1)
        n = self._window
        both = F.avg_pool2d(F.avg_pool2d(both, (n, 1), 1, (n // 2, 0)), (1, n), 1, (0, n // 2))
        return mix((both[:, :-1] / both[:, -1:]).to(self.dtype)).relu_()

    def _at_full_size(self, x: Tensor, skip: Tensor, context: Tensor | None) -> Tensor:
        """The last stage and the heads, strip by strip."""
        batch, _, height, width = skip.shape
        n = 2 ** (len(self.config.widths) - 1)  # map px per px of the context
        out = torch.empty((batch, self.n_detect + self.config.counts, height, width))
        scale = shift = None
        if context is not None and self._count is not None:
            scale, shift = self._count(context).chunk(2, 1)
            scale = 1 + scale
        row = batch * (x.shape[1] + skip.shape[1]) * width * skip.element_size()
        rows = max(n, (STRIP_BYTES // row - 2 * HALO) // n * n)
        for start in range(0, height, rows):
            stop = min(start + rows, height)
            top, bottom = max(start - HALO, 0), min(stop + HALO, height)
            y = self._up[-1](_joined(x[:, :, top // 2 : bottom // 2], skip[:, :, top:bottom]))
            y = self._first(y)[:, :, start - top : stop - top]
            if scale is not None and shift is not None:
                near = slice(start // n, stop // n)
                _scale(y[:, self._hidden :], scale[:, :, near], shift[:, :, near], n)
            out[:, :, start:stop] = self._last(y.relu_())
        return out


class _Block:
    """Convolutions around a skip connection: `Residual` or `Narrow`."""

    def __init__(self, inner: list[_Convolution], last: _Convolution, skip: _Convolution | None) -> None:
        self._inner, self._last, self._skip = inner, last, skip

    def __call__(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, channels, h, w)."""
        y = x
        for convolution in self._inner:
            y = convolution(y).relu_()
        return self._last(y).add_(x if self._skip is None else self._skip(x)).relu_()


def _parts(context: Context) -> tuple[nn.Module, nn.Module, nn.Module]:
    return context.gate, context.value, context.mix


def _side_by_side(heads: list[nn.Conv2d]) -> nn.Conv2d:
    """One 1×1 convolution that does what several do, each on its own channels: cheaper than to part them."""
    both = nn.Conv2d(sum(h.in_channels for h in heads), sum(h.out_channels for h in heads), 1)
    assert both.bias is not None
    bias = both.bias
    with torch.no_grad():
        both.weight.zero_()
        row = column = 0
        for head in heads:
            rows, columns = slice(row, row + head.out_channels), slice(column, column + head.in_channels)
            both.weight[rows, columns] = head.weight
            bias[rows] = 0 if head.bias is None else head.bias
            row, column = rows.stop, columns.stop
    return both


def _joined(x: Tensor, skip: Tensor) -> Tensor:
    """Features of the coarser scale, enlarged, and those of this one."""
    return torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1)


def _scale(y: Tensor, scale: Tensor, shift: Tensor, n: int) -> None:
    """Y = y scale + shift in place, each value of `scale` and `shift` for n × n px of `y`."""
    batch, channels, height, width = y.shape
    blocks = y.view(batch, channels, height // n, n, width // n, n)
    torch.addcmul(shift[:, :, :, None, :, None], blocks, scale[:, :, :, None, :, None], out=blocks)
