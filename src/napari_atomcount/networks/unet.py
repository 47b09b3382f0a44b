"""A residual U-Net that finds atomic columns and their number of atoms: the whole network in one file.

The image (0.2 Å/px) is pixel-unshuffled, so that all work is done on a map of half the sampling; heads give,
for every map pixel, whether a column's centre is here, how many atoms it holds, and where exactly the centre
lies. Batch normalisation keeps fixed statistics at inference: unlike a normalisation per image, the answer
then does not depend on how much vacuum is in view, nor on how the frame is tiled.

A column's contrast says how many atoms it holds only once blur and defocus are known, and these are the same
for all columns of an image. So a context, the mean of the deepest features over the columns around, weighted
by how much each of them tells, scales the features that counts are read from. In training it also has to
state the optics of the image.

Beside the image the network may see bands of its frequencies, where a recipe names some.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, Field, field_validator
from torch import Tensor, cat, nn
from torch.nn import functional as F


class UNetConfig(BaseModel):
    """Shape of the network."""

    frames: int = Field(1, ge=1, description="input images: one, or those of a focal series")
    unshuffle: int = Field(2, ge=1, description="image pixels per map pixel, each way")
    bands: tuple[tuple[float, float], ...] = Field(
        (),
        max_length=8,
        description="bands of frequencies, cycles/px, of which the network sees a filtered image as well",
    )
    widths: tuple[int, ...] = Field((32, 64, 128, 192), description="channels from the map's scale downwards")
    blocks: int = Field(2, ge=1, description="residual blocks at each scale of the encoder")
    bottom: int = Field(0, ge=0, description="further, narrow residual blocks at the coarsest scale")
    context: int = Field(0, ge=0, description="channels of the context; 0 for none")
    context_window: int = Field(15, ge=1, description="side of the context's neighbourhood, coarsest px, odd")
    optics: tuple[str, ...] = Field((), description="parameters of the image that the context states")
    labels: int = Field(1, ge=1, description="classes of columns")
    counts: int = Field(20, ge=0, description="largest count; 0 for a network that does not count")

    @field_validator("bands")
    @classmethod
    def _bands_rise(cls, bands: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if not all(0 < low < high <= 0.5 for low, high in bands):
            raise ValueError("a band rises from above 0 to at most 0.5 cycles/px")
        return bands

    @property
    def stride(self) -> int:
        """Side of the image must be a multiple of this."""
        return self.unshuffle * int(2 ** (len(self.widths) - 1))


class Residual(nn.Module):
    """Two 3×3 convolutions around a skip connection."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, channels, h, w)."""
        y = F.relu(self.norm1(self.first(x)), inplace=True)
        return F.relu(self.norm2(self.second(y)) + self.skip(x), inplace=True)


def begin_at_zero(layer: nn.Module) -> None:
    """Let a layer add nothing until it has learned something."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Narrow(nn.Module):
    """A residual block through a third of the channels, that sees farther: the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 3
        self.enter = nn.Conv2d(channels, narrow, 1)
        self.look = nn.Conv2d(narrow, narrow, 3, padding=2, dilation=2)
        self.leave = nn.Conv2d(narrow, channels, 1)
        begin_at_zero(self.leave)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same."""
        return F.relu(self.leave(F.relu(self.look(F.relu(self.enter(x))))) + x)


class Context(nn.Module):
    """Weighted mean of features over the neighbourhood: what the columns of an image have in common."""

    def __init__(self, channels: int, hidden: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.gate = nn.Conv2d(channels, 1, 1)
        self.value = nn.Conv2d(channels, hidden, 1)
        self.mix = nn.Conv2d(hidden, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, hidden, h, w); vacuum gets no weight, however much is in view."""
        gate = F.softplus(self.gate(x)) + 1e-4
        both = F.avg_pool2d(cat([gate * self.value(x), gate], 1), self.window, 1, self.window // 2)
        return F.relu(self.mix(both[:, :-1] / both[:, -1:]))


class Scaling(nn.Module):
    """Features scaled and shifted by the context; the identity until it has learned something."""

    def __init__(self, context: int, channels: int) -> None:
        super().__init__()
        self.by = nn.Conv2d(context, 2 * channels, 1)
        begin_at_zero(self.by)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, channels, h, w) with a context (B, hidden, h / n, w / n) -> (B, channels, h, w)."""
        scale, shift = self.by(context).chunk(2, 1)
        # dense before they are enlarged: a half of each pixel's channels is read slowly
        scale, shift = (
            F.interpolate(
                part.contiguous(memory_format=torch.channels_last), size=x.shape[-2:], mode="nearest"
            )
            for part in (1 + scale, shift)
        )
        return x * scale + shift


#: Taps on each side of the filters, and the window's shape (Kaiser: 30 dB) that this length is enough for.
REACH = 13
KAISER = 2.1
#: Bands are weak beside the image; the first layer sees both on a like scale.
BAND_GAIN = 4.0


class Bands(nn.Module):
    """The image, and what is in bands of its frequencies: fixed filters, a low-pass along each axis.

    At 10⁴ e/Å² an amorphous film has a hundred times the power of the shot noise at 0.4 1/Å and about as much
    at 1 1/Å, where columns still have contrast; filters this sharp are longer than the first layers reach.
    """

    def __init__(self, bands: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        edges = sorted({edge for band in bands for edge in band})
        n = np.arange(-REACH, REACH + 1)
        taps = np.stack([2 * edge * np.sinc(2 * edge * n) * np.kaiser(len(n), KAISER) for edge in edges])
        taps /= taps.sum(1, keepdims=True)
        mixed = np.zeros((len(bands), len(edges), len(n)))
        for row, (low, high) in zip(mixed, bands, strict=True):
            row[edges.index(high)] = BAND_GAIN * taps[edges.index(high)]
            row[edges.index(low)] = -BAND_GAIN * taps[edges.index(low)]
        self.register_buffer("along_y", torch.from_numpy(taps[:, None, :, None]).float(), persistent=False)
        self.register_buffer("along_x", torch.from_numpy(mixed[:, :, None]).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, frames, Y, X) -> (B, frames (1 + bands), Y, X): all images, then each band of each of them."""
        assert isinstance(self.along_y, Tensor)
        assert isinstance(self.along_x, Tensor)
        batch, frames, height, width = x.shape
        with torch.autocast(x.device.type, enabled=False):
            each = F.pad(x.float().reshape(-1, 1, height, width), [REACH] * 4, mode="replicate")
            parts = F.conv2d(F.conv2d(each, self.along_y), self.along_x)
        parts = parts.reshape(batch, frames, -1, height, width).transpose(1, 2).flatten(1, 2)
        return cat([x, parts.to(x.dtype)], 1)


class UNet(nn.Module):
    """Image (B, frames, Y, X) -> heads on the map (B, channels, Y/unshuffle, X/unshuffle).

    The channels are, in this order: column (1), offset dy, dx (2), log sigma (1), labels (if more than one),
    counts.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.bands = Bands(config.bands) if config.bands else None
        seen = config.frames * (1 + len(config.bands))
        self.stem = nn.Conv2d(seen * config.unshuffle**2, w[0], 3, padding=1)
        self.down = nn.ModuleList()
        for i, width in enumerate(w):
            before = w[max(i - 1, 0)]
            blocks: list[nn.Module] = [
                Residual(before if k == 0 else width, width) for k in range(config.blocks)
            ]
            if i == len(w) - 1:
                blocks += [Narrow(width) for _ in range(config.bottom)]
            self.down.append(nn.Sequential(*blocks))
        self.up = nn.ModuleList(Residual(w[i + 1] + w[i], w[i]) for i in reversed(range(len(w) - 1)))
        hidden = 2 * w[0]
        self.detect = nn.Sequential(
            nn.Conv2d(w[0], w[0], 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(w[0], self.n_detect, 1)
        )
        self.count = (
            nn.Sequential(
                nn.Conv2d(w[0], hidden, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(hidden, config.counts, 1),
            )
            if config.counts
            else None
        )
        n = config.context
        self.context = Context(w[-1], n, config.context_window) if n else None
        self.scale_deep = Scaling(n, w[-1]) if n else None
        self.scale_count = Scaling(n, hidden) if n and config.counts else None
        self.optics = nn.Conv2d(n, len(config.optics), 1) if n and config.optics else None

    @property
    def n_detect(self) -> int:
        """Channels of the detection head: column, offset, log sigma and the labels."""
        return 4 + (self.config.labels if self.config.labels > 1 else 0)

    def forward(self, x: Tensor) -> Tensor:
        """All heads of a batch of normalised images, concatenated."""
        return self.with_optics(x)[0]

    def with_optics(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The heads, and the optics as the context states them, (B, parameters, coarsest h, w), or None."""
        x = x if self.bands is None else self.bands(x)
        x = self.stem(F.pixel_unshuffle(x, self.config.unshuffle))  # (B, w0, h, w)
        kept = []
        for i, stage in enumerate(self.down):
            x = stage(F.max_pool2d(x, 2) if i else x)  # (B, wi, h / 2^i, w / 2^i)
            kept.append(x)
        context = optics = None
        if self.context is not None and self.scale_deep is not None:
            context = self.context(x)
            x = self.scale_deep(x, context)
            optics = None if self.optics is None else self.optics(context)
        for stage, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            x = stage(cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1))
        heads = [self.detect(x)]
        if self.count is not None:
            first, act, last = self.count
            y = first(x)
            if self.scale_count is not None and context is not None:
                y = self.scale_count(y, context)
            heads.append(last(act(y)))
        return cat(heads, 1), optics
