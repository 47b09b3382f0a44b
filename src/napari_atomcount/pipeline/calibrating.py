"""What a movie says of its own scales: pixel size from the crystal, gain, dark level, dose from the noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomcount.measure.calibrating import PixelSize, measure_pixel_size
from napari_atomcount.measure.contraction import Contraction, contraction
from napari_atomcount.measure.crystal import crystal
from napari_atomcount.measure.few_periods import measure_few_periods
from napari_atomcount.measure.finding import RIM_NM, find_regions
from napari_atomcount.measure.gain import Gain, measure_gain
from napari_atomcount.measure.imaging import estimate_dose
from napari_atomcount.measure.spots import Spectrum, find_spots, power_spectrum
from napari_atomcount.measure.zero_level import ZeroLevel, common_zero, zero_level
from napari_atomcount.pipeline.camera import brightest, middle_of
from napari_atomcount.records.calibration import ATOMIC_PIXEL_RANGE_NM
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie

SPECTRUM_FRAMES = 16
GAIN_FRAMES = 33
LARGEST_PIXELS = 200_000_000  # of the frames that are held for the gain
ANISOTROPIC = 0.01
FAR_FROM_FILE = 0.02
LARGEST_SHARE = 0.8  # of the image: a crystal that fills more of it shows no diameter
CUT = (
    0.7  # length on the image's border, in diameters, from which a crystal is cut by it and not only near it
)
LARGE_NM = 15.0  # a larger crystal has the lattice of the bulk, within 0.1 %
WORST_GAIN = 0.2  # relative error beyond which a gain says nothing
ZERO_FRAMES = 8
WORST_ZERO = 0.15  # error of the dark level over the electrons' counts, beyond which it says nothing
# standard errors, and fraction of the electrons' counts, up to which the dark level that is taken off fits
NEAR_ZERO, CLOSE_TO_ZERO = 3.0, 0.15
OF_FRAMES = "noise of differences between frames, and of their sum in vacuum"
OF_ONE_FRAME = "noise of vacuum in a single frame: an upper bound"
OF_BRIGHTNESS = "how the noise grows with the brightness"

Images = list[npt.NDArray[Any]]


def calibrate(
    movie: Movie,
    lattice: str | None = None,
    zone_axis: tuple[int, int, int] | None = None,
    frames: tuple[int, int] | None = None,
    roi: tuple[int, int, int, int] | None = None,
    dark_level: float | None = 0.0,
    spots: npt.NDArray[np.float64] | None = None,
    as_bulk: bool = False,
) -> dict[str, Any]:
    """Measure pixel size, gain, dose and dark level, each with its error.

    Parameters
    ----------
    movie : Movie
        A pixel size that it has is where the search begins.
    lattice : str, optional
        Name (``Au``, ``MoS2``, …) or CIF file of the crystal; None: spots are listed, no size follows.
    zone_axis : tuple of int, optional
        u, v, w.
    frames : tuple of int, optional
        START, STOP.
    roi : tuple of int, optional
        y0, y1, x0, x1 in px, where the crystal is; the gain is measured on whole frames.
    dark_level : float, optional
        Counts without electrons, taken off; None: what is measured of them is, where 0 does not fit.
    spots : ndarray, shape (N, 2), optional
        Spots that a person pointed at, (ky, kx) in cycles per px.
    as_bulk : bool
        Take the lattice constant to be the bulk's, however small the crystal is.

    Returns
    -------
    dict
        ``pixel_size_nm``, ``gain``, ``dose_e_per_A2``, ``dark_level``, each with ``value``, ``error`` and
        ``source`` or None, ``spots`` and ``warnings``; plain numbers, ready for JSON.

    Raises
    ------
    InputError
        If a lattice is given and its spots are not there.
    """
    warnings: list[str] = []
    numbers = _numbers(movie, frames)
    parts = _parts(movie, numbers, roi)
    known = _plausible(movie)
    size: PixelSize | None = None
    spectrum = power_spectrum(parts)
    if lattice is not None:
        ruler = crystal(lattice)
        try:
            size = measure_pixel_size(spectrum, ruler, zone_axis, known, spots)
        except InputError as spectral:
            try:
                size = measure_few_periods(np.mean(parts, axis=0), ruler, zone_axis, known)
            except InputError:
                raise spectral from None
    else:
        warnings.append("no lattice was given (--lattice): the pixel size was not measured")
    successive = _gain_frames(movie, numbers)
    zero = _zero(successive, movie.calibration.pixel_size_nm if size is None else size.size_nm)
    if dark_level is None and zero is not None:
        dark_level = 0.0 if _fits(zero, 0.0) else zero.counts
    gain = measure_gain(successive, dark_level, single=True)
    if gain is None:
        warnings.append(
            "the gain was not measured: it needs two successive frames of the same scene, or one with vacuum"
        )
    elif gain.error > WORST_GAIN * gain.counts_per_electron:
        gain = None
        warnings.append("the gain was not measured: the frames differ by more than their noise")
    elif gain.frames == 1:
        warnings.append(
            "the gain is that of what looks like vacuum in a single frame: a film there makes it too large"
        )
    small = None if size is None or as_bulk else _small_crystal(size, parts)
    if size is not None and small is not None:
        size = _without(size, small)
    out: dict[str, Any] = {
        "movie": movie.name,
        "pixel_size_nm": None if size is None else _about_size(size, movie, small, warnings),
        "gain": None if gain is None else _about_gain(gain),
        "dose_e_per_A2": _dose(movie, gain, size, parts, dark_level or 0.0, warnings),
        "dark_level": None if zero is None else _about_zero(zero, dark_level, warnings),
        "spots": [
            {
                "ky": float(ky),
                "kx": float(kx),
                "contrast": float(c),
                "spacing_px": float(1 / np.hypot(ky, kx)),
            }
            for ky, kx, c in find_spots(spectrum)[:12]
        ],
    }
    return out | {"warnings": warnings}


def movie_spectrum(movie: Movie, roi: tuple[int, int, int, int] | None = None) -> Spectrum:
    """The power spectrum in which `calibrate` looks for spots, to be shown."""
    return power_spectrum(_parts(movie, _numbers(movie, None), roi))


def _parts(
    movie: Movie, numbers: npt.NDArray[np.int64], roi: tuple[int, int, int, int] | None
) -> list[npt.NDArray[np.float64]]:
    """The region of some frames, evenly spaced."""
    chosen = numbers[np.unique(np.linspace(0, len(numbers) - 1, SPECTRUM_FRAMES).round().astype(int))]
    return [_cut(movie.frame(int(t)), roi, movie) for t in chosen]


def _numbers(movie: Movie, frames: tuple[int, int] | None) -> npt.NDArray[np.int64]:
    start, stop = frames or (0, movie.n_frames)
    numbers = np.arange(start, min(stop, movie.n_frames))
    if not len(numbers):
        raise InputError(f"{movie.name} has {movie.n_frames} frames, none of them in the range asked for.")
    return numbers


def _cut(
    frame: npt.NDArray[Any], roi: tuple[int, int, int, int] | None, movie: Movie
) -> npt.NDArray[np.float64]:
    if roi is not None:
        y0, y1, x0, x1 = roi
        if y0 >= frame.shape[0] or x0 >= frame.shape[1]:
            raise InputError(
                f"The region {y0}:{y1},{x0}:{x1} lies outside {movie.name}, which has {frame.shape[0]} × "
                f"{frame.shape[1]} px."
            )
        frame = frame[y0:y1, x0:x1]
    return frame.astype(np.float64)


def _plausible(movie: Movie) -> float | None:
    """The pixel size to begin with; an absurd one is none."""
    size = movie.calibration.pixel_size_nm
    if size is None:
        return None
    mean = float(np.sqrt(size[0] * size[1]))
    return mean if ATOMIC_PIXEL_RANGE_NM[0] <= mean <= ATOMIC_PIXEL_RANGE_NM[1] else None


def _gain_frames(movie: Movie, numbers: npt.NDArray[np.int64]) -> Images:
    """Successive frames from the middle of the range, not more than memory likes."""
    most = max(2, min(GAIN_FRAMES, LARGEST_PIXELS // (movie.shape[1] * movie.shape[2])))
    first = max(0, (len(numbers) - most) // 2)
    return [movie.frame(int(t)) for t in numbers[first : first + most]]


def _small_crystal(size: PixelSize, parts: list[npt.NDArray[np.float64]]) -> Contraction | None:
    """How much smaller than the bulk's the lattice is expected to be; None where no small crystal is seen.

    A sheet, or a crystal that fills the image or is cut by its border, shows no diameter.
    """
    try:
        found = find_regions(parts[:8], size.size_nm)
    except InputError:
        return None
    particle, (y, x) = found.particle, size.size_nm
    if not 0 < particle.mean() < LARGEST_SHARE:
        return None
    diameter = max(2 * float(np.sqrt(particle.sum() * y * x / np.pi)) - 2 * RIM_NM, 1.0)
    on_border = (particle[0].sum() + particle[-1].sum()) * x + (
        particle[:, 0].sum() + particle[:, -1].sum()
    ) * y
    if diameter >= LARGE_NM or on_border > CUT * diameter:
        return None
    return contraction(size.lattice, diameter)


def _without(size: PixelSize, small: Contraction) -> PixelSize:
    """The pixel size by a lattice that is as much smaller than the bulk's: so is the pixel."""
    factor = 1 - small.fraction
    return replace(
        size,
        size_nm=(size.size_nm[0] * factor, size.size_nm[1] * factor),
        error_nm=(size.error_nm[0] * factor, size.error_nm[1] * factor),
        mean_nm=size.mean_nm * factor,
        mean_error_nm=float(np.hypot(size.mean_error_nm, small.error * size.mean_nm)),
    )


def _about_size(
    size: PixelSize, movie: Movie, small: Contraction | None, warnings: list[str]
) -> dict[str, Any]:
    known = movie.calibration.pixel_size_nm
    ratio = None if known is None else size.mean_nm / float(np.sqrt(known[0] * known[1]))
    if ratio is not None and abs(ratio - 1) > FAR_FROM_FILE:
        warnings.append(
            f"the crystal's pixel size is {100 * (ratio - 1):+.1f} % from the one that was stated"
        )
    if abs(size.anisotropy) > max(ANISOTROPIC, 3 * max(size.error_nm) / size.mean_nm):
        warnings.append(
            f"pixels are {100 * size.anisotropy:+.1f} % larger along y than x, unless the crystal is strained"
        )
    if small is not None:
        warnings.append(_about_contraction(small))
    of_size = 0.0 if small is None else small.error
    return {
        "value": list(size.size_nm),
        "error": [float(np.hypot(e, of_size * v)) for e, v in zip(size.error_nm, size.size_nm, strict=True)],
        "source": "estimated",
        "mean": size.mean_nm,
        "mean_error": size.mean_error_nm,
        "spots_error": max(size.error_nm),
        "small_crystal": None
        if small is None
        else {
            "diameter_nm": small.diameter_nm,
            "contraction": small.fraction,
            "contraction_error": small.error,
            "source": small.source or None,
            "mean_as_bulk": size.mean_nm / (1 - small.fraction),
        },
        "anisotropy": size.anisotropy,
        "shear_deg": float(np.degrees(size.shear)),
        "lattice": size.lattice,
        "zone_axis": list(size.zone_axis),
        "rotation_deg": size.rotation_deg,
        "n_spots": len(size.spots),
        "stated": None if known is None else list(known),
        "ratio_to_stated": ratio,
    }


def _about_contraction(small: Contraction) -> str:
    """What was done about a small crystal, as a sentence."""
    size, error = f"the crystal is only {small.diameter_nm:.1f} nm large", 100 * small.error
    if not small.source:
        return (
            f"{size}, and it is not known how its lattice differs from the bulk's: the error allows for "
            f"{error:.1f} %"
        )
    return (
        f"{size}: its lattice is taken to be {100 * small.fraction:.2f} ± {error:.2f} % smaller than the "
        f"bulk's ({small.source}), and the pixel size is smaller by as much"
    )


def _about_gain(gain: Gain) -> dict[str, Any]:
    return {
        "value": gain.counts_per_electron,
        "error": gain.error,
        "source": "estimated",
        "dark_level": gain.dark_level,
        "single_pixels": gain.single_pixels,
        "frame_pairs": gain.frames - 1,
        "from": OF_FRAMES if gain.frames > 1 else OF_ONE_FRAME,
    }


def _zero(frames: Images, pixel_size_nm: tuple[float, float] | None) -> ZeroLevel | None:
    """Where electrons begin, if successive frames say it well enough."""
    if pixel_size_nm is None:
        return None
    zero = common_zero(zero_level(middle_of(frame), pixel_size_nm) for frame in frames[:ZERO_FRAMES])
    if zero is None or not zero.error < WORST_ZERO * abs(zero.level - zero.counts):
        return None
    return zero


def _about_zero(zero: ZeroLevel, taken_off: float | None, warnings: list[str]) -> dict[str, Any]:
    fits = _fits(zero, taken_off or 0.0)
    if not fits:
        warnings.append(
            f"electrons begin at {zero.counts:.3g} ± {zero.error:.2g} counts, not at {taken_off or 0:g}: "
            "gain, dose and counts of atoms are wrong unless that is taken off as the dark level"
        )
    return {
        "value": zero.counts,
        "error": zero.error,
        "source": "estimated",
        "from": OF_BRIGHTNESS,
        "taken_off": taken_off or 0.0,
        "fits": fits,
    }


def _fits(zero: ZeroLevel, dark_level: float) -> bool:
    """Whether electrons may begin there: a measured zero that differs by its error makes counts worse."""
    near = max(NEAR_ZERO * zero.error, CLOSE_TO_ZERO * (zero.level - zero.counts))
    return bool(abs(zero.counts - dark_level) < near)


def _dose(
    movie: Movie,
    gain: Gain | None,
    size: PixelSize | None,
    parts: list[npt.NDArray[np.float64]],
    dark_level: float,
    warnings: list[str],
) -> dict[str, Any] | None:
    """Electrons per Å² and image: the beam's counts over the gain and the pixel's area (1 nm² is 100 Å²)."""
    known = movie.calibration.pixel_size_nm
    pixel = size.size_nm if size is not None else known
    if pixel is None:
        warnings.append("the dose was not measured: it needs a pixel size (--lattice or --pixel-size-nm)")
        return None
    area = pixel[0] * pixel[1] * 100.0
    relative = 0.0 if size is None else 2 * size.mean_error_nm / size.mean_nm
    stated = movie.calibration.gain
    if stated is not None or gain is not None:
        counts, error = (stated, 0.0) if stated is not None else (gain.counts_per_electron, gain.error)  # type: ignore[union-attr]
        dark = dark_level if gain is None else gain.dark_level
        level = float(np.median([brightest(part, float(np.sqrt(area))) for part in parts]))
        value = (level - dark) / counts / area
        return {
            "value": value,
            "error": value * float(np.hypot(relative, error / counts)),
            "source": "user" if stated is not None else "estimated",
            "from": "level of the vacuum over gain; without vacuum in view, that of the thinnest part",
        }
    estimate = estimate_dose([part.astype(np.float32) for part in parts[:1]], (pixel[0], pixel[1]))
    if estimate is None:
        warnings.append("the dose was not measured: the image has no noise, or no level")
        return None
    return {
        "value": estimate,
        "error": None,
        "source": "estimated",
        "from": "noise of a single image, fine structure counted as noise: a lower bound",
    }
