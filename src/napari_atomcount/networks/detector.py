"""From a frame to probability maps: resample to the network's pixel, normalise, run in overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.networks.normalise import (
    NORMALISATION,
    away_from_columns,
    beam_level,
    level_beside_columns,
    normalise,
)
from napari_atomcount.networks.running import Runner
from napari_atomcount.networks.symmetries import as_many_as_fit, averaged
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.records.errors import InputError, ModelError
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.mtf import LEAST_TRANSFER, Mtf

#: Image pixels that neighbouring tiles share on each side; beyond it a pixel hardly changes the answer.
OVERLAP = 192
#: Largest believable contrast: standard deviation over the beam level at column resolution.
LARGEST_CONTRAST = 1.2
#: Contrast that an image of unknown intensity scale is brought to.
USUAL_CONTRAST = 0.2


def pick_device(name: str) -> torch.device:
    """``auto`` takes CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("No CUDA device was found; use --device cpu.")
    return torch.device(name)


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is native: on CUDA, and on CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def run_network(net: UNet, images: Tensor) -> Tensor:
    """Forward pass, in bf16 where the device is good at it; float32 result."""
    return run_with_optics(net, images)[0]


def run_with_optics(net: UNet, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The same, with what the network states of the optics."""
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=fast_bf16(images.device)):
        output, optics = net.with_optics(images.contiguous(memory_format=torch.channels_last))
    return output.float(), None if optics is None else optics.float()


def load_network(card: ModelCard, device: torch.device) -> UNet:
    """The network of a model folder; ModelError where weights and card do not fit together."""
    try:
        net = UNet(UNetConfig.model_validate(card.network))
        state = {name: value.float() if value.is_floating_point() else value for name, value in
                 load_file(card.weights).items()}  # fmt: skip
        net.load_state_dict(state)
    except (ValidationError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"The weights in {card.folder} do not fit the network on their card: {reason}"
        ) from error
    return on_device(net, device).eval()


def on_device(net: UNet, device: torch.device) -> UNet:
    """Move a network to a device, its weights in the memory format that convolutions are fastest in."""
    # torch's own type stubs leave this keyword out
    to: Callable[..., UNet] = net.to
    return to(device, memory_format=torch.channels_last)


def resample_frame(
    frame: NDArray[np.float32], shape: tuple[int, int], raised: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Band-limited resampling under mirror symmetry at the borders: pixel i moves to (i + 0.5) / scale - 0.5.

    Parameters
    ----------
    frame : numpy.ndarray, shape (Y, X), float32
    shape : tuple of int
        New (Y, X) over the same field of view.
    raised : numpy.ndarray, shape (Y, X), float32, optional
        Factors on the cosine transform of the frame.
    """
    if frame.shape == shape and raised is None:
        return frame
    spectrum = scipy.fft.dctn(frame, norm="ortho")
    if raised is not None:
        spectrum *= raised
    out = np.zeros(shape, np.float32)
    ny, nx = min(frame.shape[0], shape[0]), min(frame.shape[1], shape[1])
    out[:ny, :nx] = spectrum[:ny, :nx]
    scale = np.sqrt(np.prod(shape) / np.prod(frame.shape))
    return np.asarray(scipy.fft.idctn(out, norm="ortho") * scale, dtype=np.float32)


@lru_cache(maxsize=4)
def raised_frequencies(shape: tuple[int, int], mtf: Mtf) -> NDArray[np.float32]:
    """Factors on the cosine transform of a frame (Y, X) that undo the blur of its camera."""
    ky, kx = (np.arange(n) / (2 * n) for n in shape)
    passed = mtf.at(np.hypot(ky[:, None], kx[None, :]))
    return np.asarray(1 / np.maximum(passed, LEAST_TRANSFER), dtype=np.float32)


class Detector:
    """A model, ready to be run over frames.

    Parameters
    ----------
    card : ModelCard
        From :func:`napari_atomcount.networks.card.load_card`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    tile : int
        Largest side of a tile, map px.
    """

    def __init__(self, card: ModelCard, device: str = "auto", tile: int = 512) -> None:
        self.card = card
        self.device = pick_device(device)
        self.net = load_network(card, self.device)
        self.config = self.net.config
        dtype = torch.bfloat16 if fast_bf16(self.device) else torch.float32
        self.runner = Runner(self.net, dtype) if self.device.type == "cpu" else None
        stride = self.config.stride
        self.tile = max(4 * OVERLAP, tile * self.config.unshuffle) // stride * stride

    def detect(
        self,
        frame: NDArray[Any],
        pixel_size_nm: tuple[float, float],
        valid: NDArray[np.bool_] | None = None,
        mtf: Mtf | None = None,
        symmetries: int | None = None,
        beam_level: float | None = None,
    ) -> ProbabilityMaps:
        """Run the network over one frame, or over the images of one focal series.

        Parameters
        ----------
        frame : numpy.ndarray, shape (Y, X) or (K, Y, X)
            Intensities of any real dtype; pixels that are not finite count as not observed. The K images of
            a series are laid on each other and ordered by rising defocus.
        pixel_size_nm : tuple of float
            Size of a pixel along y and x, nm.
        valid : numpy.ndarray, shape (Y, X), bool, optional
            False for pixels to leave out.
        mtf : Mtf, optional
            Of the camera; that of an ordinary one if not given.
        symmetries : int, optional
            Of the image, over which the answers are averaged: 1, 2, 4 or 8; what the card says if not given.
        beam_level : float, optional
            Intensity of a pixel without a specimen; from the vacuum in view if not given.

        Returns
        -------
        ProbabilityMaps
            ``observed`` is False everywhere for a blank frame. A frame is read twice: once to see where the
            columns are, then with the beam level from beside them, where little vacuum is in view.

        Raises
        ------
        InputError
            If the network takes another number of images.
        """
        images: NDArray[np.float32] = np.asarray(frame, dtype=np.float32)
        images = images[None] if images.ndim == 2 else images
        if len(images) != self.config.frames:
            raise InputError(
                f"The model '{self.card.name}' looks at {self.config.frames} images at a time, not "
                f"{len(images)}: choose another model."
            )
        good = np.asarray(np.isfinite(images).all(axis=0))
        if valid is not None:
            good &= valid
        blank = not good.any() or any(float(np.ptp(image[good])) == 0.0 for image in images)
        if not good.all():
            levels = [image[good].mean() if good.any() else 0 for image in images]
            images = np.where(good, images, np.array(levels, np.float32)[:, None, None])
        network_nm = self.card.pixel_size_nm
        shape = tuple(
            max(1, round(n * p / network_nm)) for n, p in zip(images.shape[1:], pixel_size_nm, strict=True)
        )
        factor = self.config.unshuffle
        padded = tuple(-(-n // self.config.stride) * self.config.stride for n in shape)
        map_shape = tuple(-(-n // factor) for n in shape)
        scale = tuple(old / new * factor for old, new in zip(images.shape[1:], shape, strict=True))
        if blank:
            output = np.full((self.channels, *map_shape), 0, np.float32)
            output[0] = -20
            observed = np.zeros(map_shape, bool)
        else:
            keep = torch.from_numpy(np.ones(shape, np.float32))
            if not good.all():
                keep = torch.from_numpy(
                    resample_frame(good.astype(np.float32), (shape[0], shape[1])) > 0.5
                ).float()
            field = (shape[0], shape[1])
            raised = None
            if self.card.normalisation == NORMALISATION:
                raised = raised_frequencies((images.shape[1], images.shape[2]), mtf or Mtf())
            small = [torch.from_numpy(resample_frame(image, field, raised)) for image in images]
            pad = (0, padded[1] - shape[1], 0, padded[0] - shape[0])
            number = symmetries or self.card.symmetries or as_many_as_fit(shape[0] * shape[1])
            output = self._look(torch.stack(small), keep, pad, number, beam_level)
            output = output[:, : map_shape[0], : map_shape[1]]
            observed = -F.max_pool2d(-F.pad(keep, pad)[None], factor)[0].numpy() > 0.5
            observed = _filled(observed, map_shape)
        k = self.config.counts
        labels = self.config.labels
        return ProbabilityMaps(
            column=output[0],
            offset=output[1:3],
            log_sigma=np.clip(output[3], -5, 2),
            count_logits=output[-k:] if k else None,
            label_logits=output[4 : 4 + labels] if labels > 1 else None,
            classes=tuple(self.card.classes),
            scale=(scale[0], scale[1]),
            pixel_size_nm=network_nm * factor,
            observed=observed,
            peak_nm=self.card.peak_nm,
        )

    @property
    def channels(self) -> int:
        """Channels of the network's output."""
        return self.net.n_detect + self.config.counts

    @torch.inference_mode()
    def answer(self, images: Tensor) -> Tensor:
        """All heads of normalised images (B, K, Y, X) whose sides are multiples of the network's stride."""
        return run_network(self.net, images) if self.runner is None else self.runner(images)

    def _look(
        self,
        images: Tensor,
        keep: Tensor,
        pad: tuple[int, int, int, int],
        symmetries: int,
        stated_level: float | None,
    ) -> NDArray[np.float32]:
        """All heads over images (K, Y, X) of which the pixels `keep` count, padded by `pad`."""
        pixel_A = self.card.pixel_size_nm * 10
        valid = keep[None]

        def answered(level: Tensor, number: int) -> NDArray[np.float32]:
            return self._tiled(F.pad(normalise(images, pixel_A, valid, level), pad), number)

        if stated_level is not None:
            return answered(torch.full_like(images, stated_level), symmetries)
        images = torch.cat([believable(one[None], pixel_A, valid) for one in images])
        level = beam_level(images, valid.expand_as(images), pixel_A)
        first = answered(level, 1)
        factor = self.config.unshuffle
        away = away_from_columns(torch.from_numpy(first[0]), pixel_A * factor)
        for axis in (0, 1):
            away = away.repeat_interleave(factor, axis)
        beside = (valid * away[: images.shape[1], : images.shape[2]]).expand_as(images)
        better = level_beside_columns(images, level, beside, pixel_A)
        if symmetries == 1 and torch.equal(better, level):
            return first
        return answered(better, symmetries)

    @torch.inference_mode()
    def _tiled(self, images: Tensor, symmetries: int) -> NDArray[np.float32]:
        """Run over tiles and keep the middle of each: (K, Y, X) -> (channels, h, w)."""
        factor = self.config.unshuffle
        height, width = images.shape[-2:]
        out = np.empty((self.channels, height // factor, width // factor), np.float32)
        for outer_y, inner_y in tiles(height, self.tile, self.config.stride):
            for outer_x, inner_x in tiles(width, self.tile, self.config.stride):
                part = images[None, :, outer_y, outer_x].to(self.device)
                answer = averaged(self.answer, part, symmetries)[0].cpu().numpy()
                ys, xs = (
                    slice((inner.start - outer.start) // factor, (inner.stop - outer.start) // factor)
                    for inner, outer in ((inner_y, outer_y), (inner_x, outer_x))
                )
                to_y, to_x = (slice(s.start // factor, s.stop // factor) for s in (inner_y, inner_x))
                out[:, to_y, to_x] = answer[:, ys, xs]
        return out


def believable(images: Tensor, pixel_A: float, valid: Tensor) -> Tensor:
    """Images as they are, or, where they have no usable zero of intensity, brought to a usual contrast.

    Parameters
    ----------
    images, valid : torch.Tensor, shape (B, Y, X)
    pixel_A : float
        Pixel size, Å.
    """
    if intensity_scale_known(images, pixel_A, valid):
        return images
    share = valid.sum().clamp(min=1)
    mean = (images * valid).sum() / share
    spread = float((smooth((images - mean) * valid, pixel_A).square().sum() / share).sqrt())
    return 1 + (images - mean) * (USUAL_CONTRAST / max(spread, 1e-12))


def intensity_scale_known(images: Tensor, pixel_A: float, valid: Tensor) -> bool:
    """Whether the intensities can be counts above a true zero: positive level and a believable contrast."""
    share = valid.sum().clamp(min=1)
    mean = float((images * valid).sum() / share)
    if mean <= 0:
        return False
    spread = float((smooth((images - mean) * valid, pixel_A).square().sum() / share).sqrt())
    return spread / mean < LARGEST_CONTRAST


def smooth(images: Tensor, pixel_A: float) -> Tensor:
    """Average over about 1 Å, the resolution of a column: shot noise goes, columns stay."""
    width = max(1, round(1.0 / pixel_A) // 2 * 2 + 1)
    for kernel in ((width, 1), (1, width)):
        pad = (kernel[0] // 2, kernel[1] // 2)
        images = F.avg_pool2d(images[:, None], kernel, 1, pad, count_include_pad=False)[:, 0]
    return images


def tiles(length: int, tile: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Cut one axis into overlapping tiles: (what the network sees, what is kept of it)."""
    if length <= tile:
        yield slice(0, length), slice(0, length)
        return
    step = (tile - 2 * OVERLAP) // stride * stride
    margin = (tile - step) // 2 // 2 * 2
    start = 0
    while True:
        stop = min(start + tile, length)
        last = stop == length
        inner = slice(start + margin if start else 0, length if last else start + margin + step)
        yield slice(start, stop), inner
        if last:
            return
        start += step


def _filled(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Crop a map, or repeat its last row and column, to a shape."""
    mask = mask[: shape[0], : shape[1]]
    pad = [(0, want - have) for want, have in zip(shape, mask.shape, strict=True)]
    return np.pad(mask, pad, mode="edge")
