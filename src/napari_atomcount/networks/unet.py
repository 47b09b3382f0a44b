"""A residual U-Net that finds atomic columns and their number of atoms: the whole network in one file.

The image (0.2 Å/px) is pixel-unshuffled, so that all work is done on a map of half the sampling; heads give,
for every map pixel, whether a column's centre is here, how many atoms it holds, and where exactly the centre
lies. Batch normalisation keeps fixed statistics at inference: unlike a normalisation per image, the answer
then does not depend on how much vacuum is in view, nor on how the frame is tiled.
"""

from __future__ import annotations

from pydantic import BaseModel, Field
from torch import Tensor, cat, nn
from torch.nn import functional as F


class UNetConfig(BaseModel):
    """Shape of the network."""

    frames: int = Field(1, ge=1, description="input images: one, or those of a focal series")
    unshuffle: int = Field(2, ge=1, description="image pixels per map pixel, each way")
    widths: tuple[int, ...] = Field((32, 64, 128, 192), description="channels from the map's scale downwards")
    blocks: int = Field(2, ge=1, description="residual blocks at each scale of the encoder")
    labels: int = Field(1, ge=1, description="classes of columns")
    counts: int = Field(20, ge=0, description="largest count; 0 for a network that does not count")

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


class UNet(nn.Module):
    """Image (B, frames, Y, X) -> heads on the map (B, channels, Y/unshuffle, X/unshuffle).

    The channels are, in this order: column (1), offset dy, dx (2), log sigma (1), labels (if more than one),
    counts.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.stem = nn.Conv2d(config.frames * config.unshuffle**2, w[0], 3, padding=1)
        self.down = nn.ModuleList()
        for i, width in enumerate(w):
            before = w[max(i - 1, 0)]
            blocks = [Residual(before if k == 0 else width, width) for k in range(config.blocks)]
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

    @property
    def n_detect(self) -> int:
        """Channels of the detection head: column, offset, log sigma and the labels."""
        return 4 + (self.config.labels if self.config.labels > 1 else 0)

    def forward(self, x: Tensor) -> Tensor:
        """All heads of a batch of normalised images, concatenated."""
        x = self.stem(F.pixel_unshuffle(x, self.config.unshuffle))  # (B, w0, h, w)
        kept = []
        for i, stage in enumerate(self.down):
            x = stage(F.max_pool2d(x, 2) if i else x)  # (B, wi, h / 2^i, w / 2^i)
            kept.append(x)
        for stage, skip in zip(self.up, reversed(kept[:-1]), strict=True):
            x = stage(cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1))
        heads = [self.detect(x)]
        if self.count is not None:
            heads.append(self.count(x))
        return cat(heads, 1)
