"""Is a movie what the model was trained for? The answer in words."""

from __future__ import annotations

import math
from typing import Protocol

from napari_atomcount.networks.card import ModelCard

#: What cards said before the beam level was taken from the vacuum in view.
EARLIER_NORMALISATION = "local beam level, Gaussian of 2.5 nm: I / level - 1"
#: A bright-field image is more even than this (standard deviation at 1 nm over the mean).
LARGEST_UNEVENNESS = 0.35
#: Slope of the noise over the brightness (1: electrons from zero) between which counts can be trusted, the
#: deviations by which it has to be beyond, and the dose up to which the noise drowns what else is fine.
SLOPES, SURELY, NOISY_e_per_A2 = (0.85, 1.15), 3.0, 3e4
#: Blur of the noise that no usual camera makes.
LARGEST_BLUR_px = 0.58
#: Share of neighbouring pixels with the same value beyond chance: of images as they are up to 0.03.
LARGEST_REPEATED = 0.05
#: Share of pixels with exactly the largest value: of Poisson images of one electron a pixel it is 0.0001.
LARGEST_CUT = 0.0008

#: Of frames of one scene: simulated ones reach 0.87 at 30 e/Å², and from 1.07 on at 100 and more; others 0.3.
LEAST_LIKENESS = 0.6


class ZeroLevel(Protocol):
    """What the noise says of where electrons begin in the intensities."""

    @property
    def slope(self) -> float:
        """Growth of the noise's variance with the brightness; 1: electrons begin at zero."""

    @property
    def slope_error(self) -> float:
        """Its standard error."""

    @property
    def counts(self) -> float:
        """Where electrons begin; NaN: not known."""

    @property
    def error(self) -> float:
        """Standard error of `counts`."""


class Lattice(Protocol):
    """What is known of the lattice in a movie's spectrum."""

    @property
    def spacings_nm(self) -> tuple[float, ...]:
        """Spacings that were looked for, largest first."""

    @property
    def strongest_nm(self) -> float:
        """Spacing of the strongest spot anywhere; NaN: none."""

    @property
    def finest_nm(self) -> float:
        """Smallest spacing of a spot; NaN: none."""

    @property
    def seen(self) -> bool:
        """Whether there are spots at the spacings."""


def check_domain(
    card: ModelCard,
    *,
    pixel_size_nm: tuple[float, float] | None = None,
    dose_e_per_A2: float | None = None,
    kv: float | None = None,
    material: str | None = None,
    contrast: float | None = None,
    unevenness: float | None = None,
    dark_field: bool | None = None,
    lattice: Lattice | None = None,
    zero: ZeroLevel | None = None,
    cut: float = 0.0,
    noise_blur_px: float | None = None,
    repeated: float | None = None,
    likeness: float | None = None,
) -> list[str]:
    """Compare what is known of a movie with the model's domain.

    Parameters
    ----------
    card : ModelCard
        The model.
    pixel_size_nm, dose_e_per_A2, kv, material : optional
        Calibration and what the user said; None is not checked.
    contrast : float, optional
        From :func:`napari_atomcount.measure.imaging.column_contrast`.
    unevenness : float, optional
        From :func:`napari_atomcount.measure.imaging.unevenness`.
    dark_field : bool, optional
        From :func:`napari_atomcount.measure.imaging.dark_field`.
    lattice : optional
        From :func:`napari_atomcount.measure.lattice_spots.look_for_lattice`.
    zero : optional
        From :func:`napari_atomcount.measure.zero_level.zero_level`.
    cut : float, optional
        From :func:`napari_atomcount.measure.zero_level.cut_share`.
    noise_blur_px : float, optional
        From :func:`napari_atomcount.measure.fine_noise.noise_blur_px`.
    repeated : float, optional
        From :func:`napari_atomcount.measure.fine_noise.repeated_share`.
    likeness : float, optional
        Of successive frames, from :func:`napari_atomcount.measure.likeness.likeness`.

    Returns
    -------
    list of str
        One sentence for each thing outside; empty inside the domain.
    """
    domain = card.domain
    words: list[str] = []
    if card.normalisation == EARLIER_NORMALISATION:
        words.append(
            "The model was trained by an earlier version, which took the beam level from a local mean: its "
            "counts are not to be trusted until it is trained again."
        )
    if pixel_size_nm is not None:
        low, high = domain.pixel_size_nm
        for size in sorted(set(pixel_size_nm)):
            if not low * 0.95 <= size <= high * 1.05:
                words.append(
                    f"The pixel size {size:.4g} nm is outside the model's {low:.4g}–{high:.4g} nm: "
                    "columns may be missed or invented."
                )
        strict = card.threshold_at(pixel_size_nm)
        if strict > card.default_threshold:
            words.append(
                f"With pixels as coarse as these only columns of a score of {strict:g} and more are kept; "
                "set the threshold to keep others."
            )
    if dose_e_per_A2 is not None and math.isfinite(dose_e_per_A2):
        low, high = domain.dose_e_per_A2
        if dose_e_per_A2 < 0.7 * low:
            words.append(
                f"The dose of about {dose_e_per_A2:.3g} e/Å² is below the model's {low:.3g} e/Å²: "
                "expect missed columns."
            )
        elif dose_e_per_A2 > 1.5 * high:
            words.append(f"The dose of about {dose_e_per_A2:.3g} e/Å² is above the model's {high:.3g} e/Å².")
    if kv is not None and not domain.kv[0] <= kv <= domain.kv[1]:
        words.append(f"{kv:g} kV is outside the model's {domain.kv[0]:g}–{domain.kv[1]:g} kV.")
    if material is not None:
        if material not in domain.materials:
            words.append(
                f"{material} is not among the model's materials ({', '.join(domain.materials)}): "
                "columns may still be right, counts are not to be trusted."
            )
        elif card.counts and material not in domain.count_materials:
            words.append(f"Counts of {material} are outside the model's domain.")
    if dark_field:
        words.append(
            "The specimen is brighter than the vacuum beside it, as in a dark-field (STEM) image: this model "
            "was trained on bright-field HRTEM images, and neither its columns nor its counts are to be "
            "trusted here."
        )
    elif unevenness is not None and unevenness > LARGEST_UNEVENNESS:
        words.append(
            "The background is far from even, as in a dark-field (STEM) image: this model was trained on "
            "bright-field HRTEM images, and neither its columns nor its counts are to be trusted here."
        )
    elif unevenness is not None and math.isnan(unevenness):
        words.append(
            "The intensities have no zero level that electrons could be counted from: "
            "the contrast was rescaled, and counts are not to be trusted."
        )
    elif card.counts and repeated is not None and repeated > LARGEST_REPEATED:
        words.append(
            "Neighbouring pixels often have exactly the same value, as after a median filter, lossy "
            "compression or enlarging: the noise is not a camera's. Counts can be several atoms off and are "
            "not to be trusted; open the camera's own file."
        )
    elif card.counts and not (dose_e_per_A2 or 0) > NOISY_e_per_A2:
        if noise_blur_px is not None and noise_blur_px > LARGEST_BLUR_px:
            words.append(
                "The finest noise is missing: the image was smoothed or enlarged, or the camera blurs more "
                "than usual. Counts come out too low after smoothing and are not to be trusted; open the "
                "camera's own file."
            )
        elif zero is not None:
            words += _off_zero(zero)
    if card.counts and cut > LARGEST_CUT:
        words.append(
            f"{100 * cut:.2g} % of the pixels have exactly the largest value: the contrast was cut off, the "
            "camera was saturated, or something is drawn into the image. Counts are not to be trusted; open "
            "the camera's own file."
        )
    if likeness is not None and likeness < LEAST_LIKENESS:
        words.append(
            "The frames show different scenes: the columns and counts of each stand, but sites, occupancies, "
            "events and drift, which take them for one movie, mean nothing."
        )
    if contrast is not None and math.isfinite(contrast):
        low, high = domain.contrast
        if not low <= contrast <= high:
            words.append(
                f"The image contrast of {contrast:.2g} is outside the model's {low:.2g}–{high:.2g}: "
                "counts are not to be trusted."
            )
    if lattice is not None and not lattice.seen:
        words.append(_without_lattice(card, lattice))
    return words


def _off_zero(zero: ZeroLevel) -> list[str]:
    """What the noise says of intensities that do not start at zero electrons, and what to do about it."""
    if abs(zero.slope - 1) < SURELY * zero.slope_error or SLOPES[0] < zero.slope < SLOPES[1]:
        return []
    begin = ""
    if math.isfinite(zero.counts):
        begin = f" (by the noise {zero.counts:.3g} ± {zero.error:.2g} counts)"
    state = f"state where electrons begin{begin} as the dark level (in Prepare, or --dark-level)"
    if zero.slope < 1:
        return [
            "The noise does not grow with the brightness as counted electrons' does: the contrast was "
            "stretched (8-bit pictures often are), or the image was filtered. Counts are not to be trusted "
            "(after a stretch they are several atoms too high); open the camera's own file, or, after a "
            f"stretch, {state}."
        ]
    return [
        "The noise grows faster than the brightness, as where a dark level was not taken off: counts come "
        f"out too low and are not to be trusted; {state}."
    ]


def _without_lattice(card: ModelCard, lattice: Lattice) -> str:
    """What the spectrum shows instead of the lattice that the model was trained for."""
    ends = sorted({f"{lattice.spacings_nm[-1]:.2f}", f"{lattice.spacings_nm[0]:.2f}"})
    lines = (
        f"The spectrum shows no spots at {'–'.join(ends)} nm, where {', '.join(card.domain.materials)} along "
        f"[{card.zone_axis.strip('[]')}] would have theirs"
    )
    if not math.isfinite(lattice.strongest_nm):
        return f"{lines}, nor any others: no columns stand out of the noise."
    if lattice.finest_nm > lattice.spacings_nm[0]:
        return (
            f"{lines}: the image holds no information beyond {lattice.finest_nm:.2f} nm, so that columns "
            "cannot be told apart; check the focus and the pixel size."
        )
    return (
        f"{lines}; its strongest spot is at {lattice.strongest_nm:.2f} nm: check the pixel size, the "
        "material and the zone axis."
    )
