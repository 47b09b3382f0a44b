"""The microscope in batched torch: exit wave -> ideal image -> detected image, every parameter per image.

Conventions of abTEM and of Madsen's thesis, chapter 2: T(q) = exp(-iχ(q)), positive defocus C10 is overfocus.
Lengths in Å and angles in rad inside this module; the public parameters carry their unit in their name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ase import units
from torch import Tensor

from napari_atomcount.records.mtf import LEAST_TRANSFER

#: Parameters of the optics, their value when not given; the unit ends the name, degrees where it is an angle.
DEFAULTS: dict[str, float] = {
    "defocus_nm": 0.0,
    "cs_um": 0.0,
    "c5_mm": 0.0,
    "astigmatism_nm": 0.0,
    "astigmatism_deg": 0.0,
    "coma_nm": 0.0,
    "coma_deg": 0.0,
    "threefold_nm": 0.0,
    "threefold_deg": 0.0,
    "focal_spread_nm": 0.0,
    "convergence_mrad": 0.0,
    "vibration_nm": 0.0,
    "focal_mean": 0.0,
}
#: Least number of foci that an image is the mean of, where it is one.
FOCI = 12

#: Parameters of the detector: eq. 2.21's MTF, the dose, and the size of the camera's pixel.
DETECTOR_DEFAULTS: dict[str, float] = {"mtf_c1": 1.0, "mtf_c2": 0.5, "mtf_c3": 2.5}


def wavelength_A(kv: float) -> float:
    """Relativistic electron wavelength in Å at an acceleration voltage in kV."""
    energy = kv * 1e3
    rest = units._me * units._c**2 / units._e
    return float(units._hplanck * units._c / math.sqrt(energy * (2 * rest + energy)) / units._e * 1e10)


def per_image(values: Mapping[str, Any], name: str, default: float, like: Tensor) -> Tensor:
    """One parameter as a (B, 1, 1) tensor."""
    value = torch.as_tensor(values.get(name, default), dtype=torch.float32, device=like.device)
    return value.reshape(-1, 1, 1)


def frequencies(
    shape: Sequence[int], extent_A: tuple[float, float], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Spatial frequencies q_y (Y, 1) and q_x (1, X) in 1/Å of a field of view ``extent_A`` (y, x)."""
    qy = torch.fft.fftfreq(shape[0], d=extent_A[0] / shape[0], device=device)
    qx = torch.fft.fftfreq(shape[1], d=extent_A[1] / shape[1], device=device)
    return qy[:, None], qx[None, :]


def transfer(qy: Tensor, qx: Tensor, kv: float, optics: Mapping[str, Any]) -> Tensor:
    """Contrast transfer function with its coherence envelopes (thesis eqs. 2.10–2.12 and 2.15–2.20).

    Parameters
    ----------
    qy, qx : torch.Tensor, shapes (Y, 1) and (1, X)
        Spatial frequencies, 1/Å.
    kv : float
        Acceleration voltage.
    optics : mapping
        Names of :data:`DEFAULTS`; scalars or sequences of length B.

    Returns
    -------
    torch.Tensor, shape (B, Y, X), complex64
    """
    p = {name: per_image(optics, name, default, qy) for name, default in DEFAULTS.items()}
    once = torch.where(p["focal_mean"] > 0, 0.0, 1.0)  # what a mean of images does is no envelope too
    wavelength = wavelength_A(kv)
    ay, ax = wavelength * qy, wavelength * qx  # scattering angles, rad
    a2 = ay**2 + ax**2
    c10, c30, c50 = 10 * p["defocus_nm"], 1e4 * p["cs_um"], 1e7 * p["c5_mm"]
    # Cartesian components of the off-axis aberrations: A cos(m(φ - φ_A)) α^m without an arctangent
    radians = math.pi / 180
    astig, astig_angle = 10 * p["astigmatism_nm"], radians * p["astigmatism_deg"]
    coma, coma_angle = 10 * p["coma_nm"], radians * p["coma_deg"]
    three, three_angle = 10 * p["threefold_nm"], radians * p["threefold_deg"]
    twofold = (ax**2 - ay**2) * torch.cos(2 * astig_angle) + 2 * ax * ay * torch.sin(2 * astig_angle)
    axial = ax * torch.cos(coma_angle) + ay * torch.sin(coma_angle)
    threefold = (ax**3 - 3 * ax * ay**2) * torch.cos(3 * three_angle) + (3 * ax**2 * ay - ay**3) * torch.sin(
        3 * three_angle
    )
    chi = (
        c10 * a2 / 2
        + c30 * a2**2 / 4
        + c50 * a2**3 / 6
        + astig * twofold / 2
        + coma * a2 * axial / 3
        + three * threefold / 3
    ) * (2 * math.pi / wavelength)

    # spatial coherence, eq. 2.16: |dχ/dq| with the gradient of χ over the angles (1/λ of its wave number)
    radial = c10 + c30 * a2 + c50 * a2**2
    cos2, sin2 = torch.cos(2 * astig_angle), torch.sin(2 * astig_angle)
    cos3, sin3 = torch.cos(3 * three_angle), torch.sin(3 * three_angle)
    gx = radial * ax + astig * (ax * cos2 + ay * sin2)
    gy = radial * ay + astig * (ax * sin2 - ay * cos2)
    gx = gx + coma / 3 * (2 * ax * axial + a2 * torch.cos(coma_angle))
    gy = gy + coma / 3 * (2 * ay * axial + a2 * torch.sin(coma_angle))
    gx = gx + three * ((ax**2 - ay**2) * cos3 + 2 * ax * ay * sin3)
    gy = gy + three * (-2 * ax * ay * cos3 + (ax**2 - ay**2) * sin3)
    convergence = 1e-3 * p["convergence_mrad"]
    damping = (math.pi * convergence / wavelength) ** 2 * (gx**2 + gy**2)
    # temporal coherence, eq. 2.18, and deflection, eq. 2.19
    damping = damping + once * (math.pi / wavelength * 5 * p["focal_spread_nm"] * a2) ** 2
    damping = damping + once * (10 * p["vibration_nm"]) ** 2 * (a2 / wavelength**2) / 2
    return torch.polar(torch.exp(-damping), -chi)


def ideal_image(
    waves: Tensor,
    extent_A: tuple[float, float],
    kv: float,
    optics: Mapping[str, Any],
    shape: tuple[int, int],
    foci: int = FOCI,
) -> Tensor:
    """Image intensity without detector: mean over frozen phonons of |ψ0 T|².

    Where the optics' ``focal_mean`` is 1 it is a mean over the focal spread as well, and vibration blurs the
    image; where it is 0 both are envelopes on the wave, which is the thesis' and abTEM's way. The envelopes
    damp single reflections alike, but they take the electrons of a damped reflection out of the image, where
    a microscope lets them add to the mean (Kirkland, Advanced Computing in Electron Microscopy, 3.2): with
    envelopes a particle is darker than the vacuum around it, gold by over ten per cent for ten atoms.

    Parameters
    ----------
    waves : torch.Tensor, shape (B, S, Y, X), complex
        Exit waves; S snapshots of thermal motion are summed incoherently.
    extent_A : tuple of float
        Field of view (y, x), Å.
    kv, optics
        As in :func:`transfer`.
    shape : tuple of int
        (Y', X') of the image; the intensity is low-passed to it by a Fourier crop.
    foci : int
        Least number of foci in a mean over the focal spread; the snapshots share them out.

    Returns
    -------
    torch.Tensor, shape (B, Y', X'), float32
        Intensity; 1 is the beam without specimen.
    """
    function = transfer(*frequencies(waves.shape[-2:], extent_A, waves.device), kv, optics)
    return imaged(torch.fft.fft2(waves), function, extent_A, kv, optics, shape, foci)


def imaged(
    spectrum: Tensor,
    function: Tensor,
    extent_A: tuple[float, float],
    kv: float,
    optics: Mapping[str, Any],
    shape: tuple[int, int],
    foci: int = FOCI,
) -> Tensor:
    """The image of exit waves through a transfer function; parameters and result as of :func:`ideal_image`.

    Parameters
    ----------
    spectrum : torch.Tensor, shape (B, S, Y, X), complex
        Fourier transforms of the exit waves.
    function : torch.Tensor, shape (B, Y, X), complex
        From :func:`transfer`, of the same optics.
    """
    meant = (per_image(optics, "focal_mean", 0.0, spectrum.real) > 0).flatten().expand(len(spectrum))
    parts: list[Tensor] = [torch.empty(0)] * len(spectrum)
    for way in (False, True):
        own = torch.nonzero(meant == way).flatten()
        if not len(own):
            continue
        if way:
            p = {name: per_image(optics, name, 0.0, spectrum.real).expand(len(spectrum), 1, 1)[own]
                 for name in ("focal_spread_nm", "vibration_nm")}  # fmt: skip
            image = mean_over_focus(spectrum[own], function[own], extent_A, kv, p, shape, foci)
        else:
            image = squared(image_wave(spectrum[own], function[own], shape)).mean(1)
        image = image if tuple(image.shape[-2:]) == tuple(shape) else resample(image, shape)
        for place, one in zip(own.tolist(), image, strict=True):
            parts[place] = one
    return torch.stack(parts)


def squared(wave: Tensor) -> Tensor:
    """|ψ|², five times as fast as the square of the absolute value."""
    return wave.real.square() + wave.imag.square()


def mean_over_focus(
    spectrum: Tensor,
    function: Tensor,
    extent_A: tuple[float, float],
    kv: float,
    spreads: Mapping[str, Tensor],
    shape: tuple[int, int],
    foci: int,
) -> Tensor:
    """Mean of images over a Gaussian of focus, blurred by the vibration; on the grid of :func:`image_wave`.

    A focal spread of Δ as in eq. 2.18 is a standard deviation of Δ / √2 in focus. The foci are quantiles of
    equal weight, each snapshot of thermal motion has its own.
    """
    qy, qx = frequencies(spectrum.shape[-2:], extent_A, spectrum.device)
    snapshots = spectrum.shape[1]
    rounds = -(-foci // snapshots)
    share = (torch.arange(rounds * snapshots) + 0.5) / (rounds * snapshots)
    focus = torch.special.ndtri(share)
    focus = (focus / focus.square().mean().sqrt()).reshape(rounds, snapshots).to(spectrum.device)
    # χ is π λ q² times the defocus
    steps = math.pi * wavelength_A(kv) * (qy**2 + qx**2) * 10 * spreads["focal_spread_nm"] / math.sqrt(2)
    images = []
    for own in focus:
        angle = -own[:, None, None] * steps[:, None]
        off = torch.polar(torch.ones_like(angle), angle)
        images.append(squared(image_wave(spectrum * off, function, shape)).mean(1))
    image = torch.stack(images).mean(0)
    qy, qx = frequencies(image.shape[-2:], extent_A, image.device)
    q2 = qy**2 + qx[:, : image.shape[-1] // 2 + 1] ** 2
    blur = torch.exp(-((10 * spreads["vibration_nm"]) ** 2) * q2 / 2)
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * blur, s=image.shape[-2:])
    return blurred


def image_wave(spectrum: Tensor, function: Tensor, shape: tuple[int, int]) -> Tensor:
    """The wave ψ0 T in the image plane, on a grid fine enough for its square.

    Parameters
    ----------
    spectrum : torch.Tensor, shape (B, S, Y, X), complex
        Fourier transforms of the exit waves.
    function : torch.Tensor, shape (B, Y, X), complex
        The transfer function, from :func:`transfer`.
    shape : tuple of int
        (Y', X') of the image that is wanted.

    Returns
    -------
    torch.Tensor, shape (B, S, Y'', X''), complex
    """
    old = spectrum.shape[-2:]
    # |ψ|² holds twice the wave's frequencies: this grid keeps what folds back outside the wanted band
    fine = tuple(_even(max(n, math.ceil(0.75 * (n + m)))) for n, m in zip(old, shape, strict=True))
    spectrum = fourier_crop(spectrum * function[:, None], (fine[0], fine[1]))
    scale = (fine[0] * fine[1]) / (old[0] * old[1])
    wave: Tensor = torch.fft.ifft2(spectrum) * scale
    return wave


def _even(n: int) -> int:
    """The next even number that factors into 2, 3 and 5: fast in an FFT."""
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2


def fourier_crop(spectrum: Tensor, shape: tuple[int, int]) -> Tensor:
    """Crop or zero-pad the last two (unshifted) axes of a Fourier transform."""
    old = spectrum.shape[-2:]
    if tuple(old) == tuple(shape):
        return spectrum
    out = spectrum.new_zeros((*spectrum.shape[:-2], *shape))
    ny, nx = (min(a, b) for a, b in zip(old, shape, strict=True))
    hy, hx = (ny + 1) // 2, (nx + 1) // 2
    ly, lx = ny - hy, nx - hx
    out[..., :hy, :hx] = spectrum[..., :hy, :hx]
    if lx:
        out[..., :hy, -lx:] = spectrum[..., :hy, -lx:]
    if ly:
        out[..., -ly:, :hx] = spectrum[..., -ly:, :hx]
    if ly and lx:
        out[..., -ly:, -lx:] = spectrum[..., -ly:, -lx:]
    return out


def resample(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resample a periodic real image (…, Y, X) to another grid over the same field of view."""
    scale = (shape[0] * shape[1]) / (image.shape[-2] * image.shape[-1])
    resampled: Tensor = torch.fft.ifft2(fourier_crop(torch.fft.fft2(image), shape)).real * scale
    return resampled


def modulation_transfer(qy: Tensor, qx: Tensor, pixel_A: Tensor, detector: Mapping[str, Any]) -> Tensor:
    """MTF of eq. 2.21, (1 - c1) / (1 + (q / (2 c2 q_N))^c3) + c1, with q_N = 1 / (2 pixel).

    Parameters
    ----------
    qy, qx : torch.Tensor
        Spatial frequencies, 1/Å.
    pixel_A : torch.Tensor, shape (B, 1, 1)
        The camera's pixel at the specimen, Å.
    detector : mapping
        ``mtf_c1``, ``mtf_c2``, ``mtf_c3``.
    """
    c1, c2, c3 = (per_image(detector, name, default, qy) for name, default in DETECTOR_DEFAULTS.items())
    q = torch.sqrt(qy**2 + qx**2)
    return (1 - c1) / (1 + (q * pixel_A / c2) ** c3) + c1


def detected_image(
    intensity: Tensor,
    extent_A: tuple[float, float],
    detector: Mapping[str, Any],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Poisson counts of the electrons, blurred by the camera's MTF (thesis eqs. 2.21 and 2.22).

    The electrons are drawn on the image's own grid and the MTF is that of a camera of pixel
    ``camera_pixel_A``; frequencies that this camera cannot record are removed. With a camera pixel equal to
    the grid this is an ordinary exposure; with another one it is that exposure resampled to the grid.

    Parameters
    ----------
    intensity : torch.Tensor, shape (B, Y, X)
        Ideal image; 1 is the beam without specimen.
    extent_A : tuple of float
        Field of view (y, x), Å.
    detector : mapping
        ``dose_e_per_A2``, ``mtf_c1``, ``mtf_c2``, ``mtf_c3`` and ``camera_pixel_A`` (default: the grid's).
    generator : torch.Generator, optional
        Source of the noise.

    Returns
    -------
    torch.Tensor, shape (B, Y, X), float32
        Electrons per pixel of the grid.
    """
    pixel = (extent_A[0] / intensity.shape[-2], extent_A[1] / intensity.shape[-1])
    dose = per_image(detector, "dose_e_per_A2", math.inf, intensity)
    camera = per_image(detector, "camera_pixel_A", pixel[0], intensity)
    counts = intensity
    if torch.isfinite(dose).all():
        expected = (intensity * dose * pixel[0] * pixel[1]).clamp(min=0)
        counts = torch.poisson(expected, generator=generator)
    qy, qx = frequencies(intensity.shape[-2:], extent_A, intensity.device)
    function = modulation_transfer(qy, qx, camera, detector)
    limit = (1 + 1e-6) / (2 * camera)
    function = function * ((qy.abs() <= limit) & (qx.abs() <= limit))
    blurred: Tensor = torch.fft.ifft2(torch.fft.fft2(counts) * function).real
    return blurred


def without_blur(images: Tensor, pixel_A: tuple[float, float], camera: Mapping[str, Any]) -> Tensor:
    """Images with the camera's MTF (eq. 2.21) divided out.

    Electrons' noise, which the same MTF has filtered (eq. 2.22), becomes white again; the contrast of a
    lattice is what it was before the camera.

    Parameters
    ----------
    images : torch.Tensor, shape (B, Y, X)
        Counts; periodic at the borders.
    pixel_A : tuple of float
        Pixel size (y, x), Å.
    camera : mapping
        ``mtf_c1``, ``mtf_c2``, ``mtf_c3`` and ``camera_pixel_A`` (default: the images' own).
    """
    size = images.shape[-2] * pixel_A[0], images.shape[-1] * pixel_A[1]
    qy, qx = frequencies(images.shape[-2:], size, images.device)
    blurred = modulation_transfer(qy, qx, per_image(camera, "camera_pixel_A", pixel_A[0], images), camera)
    half = blurred[..., : images.shape[-1] // 2 + 1].clamp(min=LEAST_TRANSFER)
    sharp: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) / half, s=images.shape[-2:])
    return sharp
