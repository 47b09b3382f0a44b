"""Exit waves by multislice simulation with abTEM, cached by the hash of everything that went in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import BaseModel, Field

ExitWave = NDArray[np.complex64]


class MultisliceSettings(BaseModel):
    """How an exit wave is computed and stored."""

    kv: float = Field(300.0, ge=40, le=1000, description="acceleration voltage, kV")
    sampling_A: float = Field(0.1, gt=0, description="largest sampling of the potential, Å/px")
    slice_A: float = Field(2.0, gt=0, description="slice thickness, Å")
    stored_sampling_A: float = Field(
        0.2, gt=0, description="sampling of the stored wave, Å/px (Fourier crop)"
    )
    parametrization: str = "lobato"


def exit_wave(
    atoms: Atoms, settings: MultisliceSettings | None = None, cache: Path | None = None
) -> ExitWave:
    """Simulate the electron wave below a specimen under a plane wave along z.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthorhombic cell, periodic in the image plane, beam from z = 0 upwards.
    settings : MultisliceSettings, optional
        Voltage, sampling, slices.
    cache : pathlib.Path, optional
        Folder of earlier waves, keyed by the hash of atoms and settings.

    Returns
    -------
    numpy.ndarray, shape (Y, X), complex64
        Wave of mean intensity near one, in the image orientation (y, x), low-passed to ``stored_sampling_A``.
    """
    s = settings or MultisliceSettings()
    path = None if cache is None else cache / f"{wave_key(atoms, s)}.npy"
    if path is not None and path.exists():
        stored_wave: ExitWave = np.load(path, allow_pickle=False)
        return stored_wave
    import abtem  # takes seconds: only when a wave has to be made

    stored = [max(2, round(float(atoms.cell[k, k]) / s.stored_sampling_A)) for k in (0, 1)]
    factor = max(1, int(np.ceil(s.stored_sampling_A / s.sampling_A)))
    potential = abtem.Potential(
        atoms,
        gpts=(stored[0] * factor, stored[1] * factor),
        slice_thickness=s.slice_A,
        parametrization=s.parametrization,
        projection="infinite",
    ).build(lazy=False)
    wave = abtem.PlaneWave(energy=s.kv * 1e3).multislice(potential, lazy=False)
    result = resample_wave(np.asarray(wave.array).T, (stored[1], stored[0])).astype(np.complex64)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, result)
        temporary.replace(path)
    return result


def wave_key(atoms: Atoms, settings: MultisliceSettings) -> str:
    """Hash of all that an exit wave depends on."""
    digest = hashlib.sha256(json.dumps(settings.model_dump(), sort_keys=True).encode())
    for part in (atoms.numbers, np.round(atoms.positions, 5), np.asarray(atoms.cell)):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:32]


def resample_wave(wave: NDArray[np.complexfloating], shape: tuple[int, int]) -> NDArray[np.complexfloating]:
    """Change the sampling of a periodic array by cropping or padding its Fourier transform.

    Parameters
    ----------
    wave : numpy.ndarray, shape (Y, X)
        Periodic complex array.
    shape : tuple of int
        New (Y, X); the field of view stays the same.
    """
    spectrum = np.fft.fftshift(np.fft.fft2(wave))
    out = np.zeros(shape, dtype=spectrum.dtype)
    take: list[slice] = []
    put: list[slice] = []
    for old, new in zip(wave.shape, shape, strict=True):
        n = min(old, new)
        take.append(slice(old // 2 - n // 2, old // 2 - n // 2 + n))
        put.append(slice(new // 2 - n // 2, new // 2 - n // 2 + n))
    out[put[0], put[1]] = spectrum[take[0], take[1]]
    scale = np.prod(shape) / np.prod(wave.shape)
    return np.fft.ifft2(np.fft.ifftshift(out)) * scale
