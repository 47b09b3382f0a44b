"""Averages over the symmetries of the square grid: a crystal in the mirror is an image of another crystal.

What a network says of an image and of its mirror images differs by errors of its own, which the mean has less
of; thesis 6.3 trains with the same symmetries.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Numbers of symmetries that one can average over, and which: bits mirror x, mirror y, swap y and x.
CHOICES = {1: (0,), 2: (0, 3), 4: (0, 1, 2, 3), 8: tuple(range(8))}
#: A frame of so many pixels is read once; a smaller one as often as takes no longer.
ROOM_PX = 1024**2


def as_many_as_fit(pixels: int) -> int:
    """Symmetries that a frame is averaged over in the time that one of 1024² px takes to be read once.

    Parameters
    ----------
    pixels : int
        Of the frame, at the network's pixel size.
    """
    return max(number for number in CHOICES if number == 1 or number * pixels <= ROOM_PX)


def turned(images: Tensor, which: int) -> Tensor:
    """Images (…, Y, X) under one symmetry."""
    if which & 1:
        images = images.flip(-1)
    if which & 2:
        images = images.flip(-2)
    return images.transpose(-1, -2) if which & 4 else images


def turned_back(heads: Tensor, which: int) -> Tensor:
    """The heads (B, channels, h, w) of such images as those of the image itself; offsets turn as well."""
    if which & 4:
        heads = heads.transpose(-1, -2)
    if which & 2:
        heads = heads.flip(-2)
    if which & 1:
        heads = heads.flip(-1)
    dy, dx = heads[:, 1:2], heads[:, 2:3]
    if which & 4:
        dy, dx = dx, dy
    dy, dx = (-dy if which & 2 else dy), (-dx if which & 1 else dx)
    return torch.cat([heads[:, :1], dy, dx, heads[:, 3:]], 1)


def averaged(answer: Callable[[Tensor], Tensor], images: Tensor, number: int) -> Tensor:
    """Mean of a network's heads over symmetries of its images.

    Parameters
    ----------
    answer : callable
        Images (B, K, Y, X) to heads (B, channels, h, w): column, offset dy and dx, and any others.
    images : torch.Tensor, shape (B, K, Y, X)
    number : int
        One of `CHOICES`.
    """
    parts = [turned_back(answer(turned(images, k).contiguous()), k) for k in CHOICES[number]]
    return torch.stack([part.float() for part in parts]).mean(0) if len(parts) > 1 else parts[0]
