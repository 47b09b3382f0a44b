"""Positions of columns to a fraction of a pixel: quadratic polynomial, elliptical Gaussian, centre of mass.

All columns of an image at once. Each position comes with a standard error to first order in the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_atomcount.measure import noise as noises
from napari_atomcount.measure.noise import Doubles, Noise, Response
from napari_atomcount.measure.position_errors import Correlation, Weights, correlation_of, local_level

Method = Literal["quadratic", "gaussian", "mass"]
Prefilter = Literal["none", "gaussian", "wiener"]
ROUNDS = 6
#: A position that leaves its window's middle by more than this fraction of the radius is not found.
ESCAPE = 1.0
#: Counting noise follows the intensity within this fraction of the spacing: the flanks that fix a position.
LOCAL = 0.16


@dataclass
class Refined:
    """Refined positions of M columns.

    Parameters
    ----------
    y, x : ndarray, shape (M,)
        Position, px; the starting one where nothing was found.
    y_sigma, x_sigma : ndarray, shape (M,)
        Standard error, px; NaN where nothing was found or the noise is not known.
    found : ndarray of bool, shape (M,)
        Whether the fit has an extremum near the start.
    correlation : Correlation, optional
        How the errors of two columns belong together, behind a filter that reaches from one to the other.
    """

    y: Doubles
    x: Doubles
    y_sigma: Doubles
    x_sigma: Doubles
    found: npt.NDArray[np.bool_]
    correlation: Correlation | None = None


def refine_positions(
    image: npt.NDArray[np.floating],
    y: Doubles,
    x: Doubles,
    *,
    method: Method = "quadratic",
    prefilter: Prefilter = "gaussian",
    filter_px: float | None = None,
    radius_px: float | None = None,
    noise: Noise | None = None,
    electrons_per_unit: float | None = None,
    dark: bool = False,
) -> Refined:
    """Refine the positions of columns in one image.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Intensities; gaps (NaN) are filled with the median.
    y, x : ndarray, shape (M,)
        Rough positions, px, right to about a third of the distance between columns.
    method : {"quadratic", "gaussian", "mass"}
        Extremum of a quadratic polynomial (eq. 3.4), elliptical Gaussian, or centre of mass above the rim.
    prefilter : {"none", "gaussian", "wiener"}
        Applied before; the standard errors know it.
    filter_px : float, optional
        Width of the Gaussian pre-filter, px; 0.12 of the distance between columns if not given.
    radius_px : float, optional
        Radius of the fitted disc, px; 0.24 (quadratic) or 0.40 (others) of the distance between columns.
    noise : Noise, optional
        Of the image; estimated from it if not given.
    electrons_per_unit : float, optional
        Electrons per unit of intensity: then bright places are noisier, as counting makes them.
    dark : bool
        Columns are minima.

    Returns
    -------
    Refined
    """
    image = _finite(np.asarray(image, dtype=np.float64))
    if not len(y):
        none = np.zeros(0)
        return Refined(none, none, none, none, np.zeros(0, bool))
    spacing = typical_spacing(y, x)
    if noise is None:
        counted = None if electrons_per_unit is None else float(image.mean()) / electrons_per_unit
        noise = noises.estimate_noise(image, counted)
    response, smooth = None, image
    if prefilter == "gaussian":
        width = 0.12 * spacing if filter_px is None else filter_px
        response, smooth = noises.gaussian_response(width), noises.blurred(image, width)
    elif prefilter == "wiener":
        response = noises.wiener_response(image, noise)
        smooth = noises.filtered(image, response)
    smooth = -smooth if dark else smooth
    reaching = response if prefilter == "wiener" and noise.variance > 0 else None
    fraction = 0.24 if method == "quadratic" else 0.40
    radius = max(2.0, fraction * spacing if radius_px is None else radius_px)
    fit = {"quadratic": _quadratic, "gaussian": _gaussian, "mass": _mass}[method]
    with np.errstate(all="ignore"):
        found_y, found_x, covariance, found, weights = fit(
            smooth, y, x, radius, _correlation(noise, response, radius)
        )
    scale = np.ones((len(y), 2))
    # the spectrum is of the mean level; counting noise follows the local one
    if electrons_per_unit is not None:
        local: tuple[Doubles, Doubles]
        if reaching is None:
            local = (noises.blurred(image, LOCAL * spacing),) * 2
        else:
            local = local_level(image, noise, reaching, weights, spacing)
        level = max(float(image.mean()), 1e-300)
        inside = [_nearest_pixel(one, found_y, found_x) / level for one in local]
        scale = np.clip(np.column_stack(inside), 0.05, 20.0)
    sigma = np.sqrt(covariance * scale)
    good = found & np.isfinite(sigma).all(1)
    known = good & (noise.variance > 0)
    return Refined(
        np.where(good, found_y, y),
        np.where(good, found_x, x),
        np.where(known, sigma[:, 0], np.nan),
        np.where(known, sigma[:, 1], np.nan),
        good,
        None if reaching is None else correlation_of(noise, reaching, weights, spacing),
    )


def typical_spacing(y: Doubles, x: Doubles) -> float:
    """Median distance to the nearest other column, px; 10 where there is none."""
    if len(y) < 2:
        return 10.0
    places = np.column_stack([y, x])
    distance = np.asarray(cKDTree(places).query(places, k=2)[0])
    return float(np.median(distance[:, 1]))


def cramer_rao(amplitude: float, sigma_noise: float) -> float:
    """Least standard error per axis of the place of a round Gaussian on white noise, in pixels.

    The Fisher information of the place is (A / σ_n)² π / 2, whatever the Gaussian's width, as long as it is
    wide against a pixel and narrow against the distance between columns.

    Parameters
    ----------
    amplitude : float
        Height of the Gaussian.
    sigma_noise : float
        Standard deviation of a pixel.
    """
    return float(np.sqrt(2 / np.pi) * sigma_noise / amplitude)


# ---------------------------------------------------------------- parts of the fits

Fit = tuple[Doubles, Doubles, Doubles, npt.NDArray[np.bool_], Weights]


def _finite(image: Doubles) -> Doubles:
    good = np.isfinite(image)
    return image if good.all() else np.where(good, image, np.median(image[good]) if good.any() else 0.0)


def _nearest_pixel(image: Doubles, y: Doubles, x: Doubles) -> Doubles:
    rows = np.clip(np.nan_to_num(y).round().astype(int), 0, image.shape[0] - 1)
    cols = np.clip(np.nan_to_num(x).round().astype(int), 0, image.shape[1] - 1)
    return np.asarray(image[rows, cols])


def _disc(radius: float) -> tuple[Doubles, Doubles]:
    """Offsets (y, x) of the pixels of a disc, shape (P,) each."""
    r = int(np.ceil(radius))
    dy, dx = (n.ravel().astype(float) for n in np.mgrid[-r : r + 1, -r : r + 1])
    inside = np.hypot(dy, dx) <= radius + 1e-9
    return dy[inside], dx[inside]


def _windows(image: Doubles, cy: Doubles, cx: Doubles, dy: Doubles, dx: Doubles) -> Doubles:
    """Pixels (M, P) of the discs around whole-numbered centres; those outside the image repeat its border."""
    rows = np.clip(cy[:, None] + dy, 0, image.shape[0] - 1).astype(int)
    cols = np.clip(cx[:, None] + dx, 0, image.shape[1] - 1).astype(int)
    return np.asarray(image[rows, cols])


def _correlation(noise: Noise, response: Response | None, radius: float) -> Doubles:
    """Covariance of the filtered noise between pixels at each offset of an unshifted grid."""
    # a Wiener filter follows the rings of the spectrum: a coarse grid would step over them
    side = max(64 if response is None else 256, 8 * int(np.ceil(radius)))
    spectrum = noise.spectrum((side, side))
    if response is not None:
        spectrum = spectrum * response(noises.frequency((side, side))) ** 2
    return np.asarray(np.fft.ifft2(spectrum).real)


def _pixel_covariance(correlation: Doubles, dy: Doubles, dx: Doubles) -> Doubles:
    """Covariance (P, P) of the noise in a window's pixels."""
    a = (dy[:, None] - dy[None, :]).astype(int)
    b = (dx[:, None] - dx[None, :]).astype(int)
    return np.asarray(correlation[a % correlation.shape[0], b % correlation.shape[1]])


def _quadratic(image: Doubles, y: Doubles, x: Doubles, radius: float, correlation: Doubles) -> Fit:
    """Extremum of c0 + c1 x + c2 y + c3 x² + c4 y² + c5 xy over a disc."""
    dy, dx = _disc(radius)
    # the disc's rim is soft, so that a position does not jump when its window moves by a pixel
    weight = np.clip(radius + 0.5 - np.hypot(dy, dx), 0.1, 1.0)
    design = np.column_stack([np.ones(len(dy)), dx, dy, dx**2, dy**2, dx * dy])
    solve = np.linalg.pinv(design * np.sqrt(weight)[:, None]) * np.sqrt(weight)
    cy, cx = np.rint(y), np.rint(x)
    oy, ox = np.zeros(len(y)), np.zeros(len(x))
    c = np.zeros((len(y), 6))
    for _ in range(ROUNDS):
        c = _windows(image, cy, cx, dy, dx) @ solve.T
        det = 4 * c[:, 3] * c[:, 4] - c[:, 5] ** 2
        ox = (c[:, 5] * c[:, 2] - 2 * c[:, 4] * c[:, 1]) / det
        oy = (c[:, 5] * c[:, 1] - 2 * c[:, 3] * c[:, 2]) / det
        top = (det > 0) & (c[:, 3] < 0)
        step_y = np.where(top, np.clip(np.rint(oy), -2, 2), 0.0)
        step_x = np.where(top, np.clip(np.rint(ox), -2, 2), 0.0)
        if not (step_y.any() or step_x.any()):
            break
        cy, cx = cy + np.nan_to_num(step_y), cx + np.nan_to_num(step_x)
    found = (
        (det > 0)
        & (c[:, 3] < 0)
        & (np.hypot(oy, ox) <= ESCAPE * radius)
        & (np.hypot(cy + oy - y, cx + ox - x) <= 3 * radius)
    )
    # position = -H⁻¹ g; the noise of H counts too, times the offset
    slopes = solve @ _pixel_covariance(correlation, dy, dx) @ solve.T
    rows_x = np.zeros((len(y), 6))
    rows_y = np.zeros((len(y), 6))
    rows_x[:, 1], rows_x[:, 3], rows_x[:, 5] = 1, 2 * ox, oy
    rows_y[:, 2], rows_y[:, 4], rows_y[:, 5] = 1, 2 * oy, ox
    to_x = (c[:, 5, None] * rows_y - 2 * c[:, 4, None] * rows_x) / det[:, None]
    to_y = (c[:, 5, None] * rows_x - 2 * c[:, 3, None] * rows_y) / det[:, None]
    variance = np.column_stack([np.einsum("mi,ij,mj->m", t, slopes, t) for t in (to_y, to_x)])
    usual = [np.median(t[found], axis=0) @ solve if found.any() else 0 * dy for t in (to_y, to_x)]
    return cy + oy, cx + ox, variance, found, (dy, dx, usual[0], usual[1])


def _mass(image: Doubles, y: Doubles, x: Doubles, radius: float, correlation: Doubles) -> Fit:
    """Centre of mass above the level of the disc's rim."""
    dy, dx = _disc(radius + 1)
    at_y, at_x = y.astype(float), x.astype(float)
    covariance = _pixel_covariance(correlation, dy, dx)
    mass = np.zeros(len(y))
    weight = np.zeros((len(y), len(dy)))
    off_y, off_x = weight, weight
    for _ in range(4 * ROUNDS):
        cy, cx = np.rint(at_y), np.rint(at_x)
        pixels = _windows(image, cy, cx, dy, dx)
        off_y, off_x = dy + (cy - at_y)[:, None], dx + (cx - at_x)[:, None]
        distance = np.hypot(off_y, off_x)
        soft = np.clip(radius + 0.5 - distance, 0.0, 1.0)
        rim = soft * (distance > radius - 1)
        level = (pixels * rim).sum(1) / rim.sum(1)
        weight = soft
        value = (pixels - level[:, None]) * soft
        mass = value.sum(1)
        move_y, move_x = (value * off_y).sum(1) / mass, (value * off_x).sum(1) / mass
        ok = (mass > 0) & (np.hypot(move_y, move_x) <= radius)
        # the window follows the mass it cuts off: a step of one falls short by what the window hides
        at_y, at_x = at_y + np.where(ok, move_y, 0.0), at_x + np.where(ok, move_x, 0.0)
    found = (mass > 0) & (np.hypot(at_y - y, at_x - x) <= radius)
    parts, usual = [], []
    rows, cols = np.rint(at_y), np.rint(at_x)
    for off, slope in ((off_y, np.gradient(image, axis=0)), (off_x, np.gradient(image, axis=1))):
        # how far the centre of a window moves when the image does: less than all, for the rim hides a part
        response = -(weight * off * _windows(slope, rows, cols, dy, dx)).sum(1)
        t = weight * off / response[:, None]
        parts.append(np.einsum("mi,ij,mj->m", t, covariance, t))
        usual.append(np.median(t[found], axis=0) if found.any() else 0 * dy)
    return at_y, at_x, np.column_stack(parts), found, (dy, dx, usual[0], usual[1])


def _gaussian(image: Doubles, y: Doubles, x: Doubles, radius: float, correlation: Doubles) -> Fit:
    """Elliptical Gaussian on a level: least squares by damped Gauss–Newton, all columns at once."""
    dy, dx = _disc(radius)
    cy, cx = np.rint(y), np.rint(x)
    pixels = _windows(image, cy, cx, dy, dx)
    m = len(y)
    low, high = pixels.min(1), pixels.max(1)
    width = radius / 1.8
    # height, y, x, three numbers of the inverse covariance, level
    p = np.column_stack(
        [high - low, y - cy, x - cx, *(np.full((3, m), 1 / width**2) * np.array([[1], [1], [0]])), low]
    )
    damping = np.full(m, 1e-2)
    error, jacobian, rest = _gaussian_model(p, pixels, dy, dx)
    for _ in range(30):
        normal = np.einsum("mpi,mpj->mij", jacobian, jacobian)
        gradient = np.einsum("mpi,mp->mi", jacobian, rest)
        size = np.einsum("mii->mi", normal)
        normal = normal + (damping[:, None] * size + 1e-12 * size.max(1, keepdims=True))[:, :, None] * np.eye(
            7
        )
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        tried = p + step
        tried[:, 1:3] = np.clip(tried[:, 1:3], -2 * radius, 2 * radius)
        tried[:, 3:5] = np.clip(tried[:, 3:5], 0.02 / radius**2, 50.0 / radius**2)
        limit = 0.9 * np.sqrt(tried[:, 3] * tried[:, 4])
        tried[:, 5] = np.clip(tried[:, 5], -limit, limit)
        new_error, new_jacobian, new_rest = _gaussian_model(tried, pixels, dy, dx)
        better = new_error < error
        done = better & (error - new_error <= 1e-10 * error)
        p[better], jacobian[better], rest[better], error[better] = (
            tried[better], new_jacobian[better], new_rest[better], new_error[better],
        )  # fmt: skip
        damping = np.where(better, damping / 4, damping * 6)
        if (done | (damping > 1e6)).all():
            break
    normal = np.einsum("mpi,mpj->mij", jacobian, jacobian)
    inverse = np.linalg.pinv(normal)
    linear = np.einsum("mij,mpj->mip", inverse[:, 1:3], jacobian)
    covariance = _pixel_covariance(correlation, dy, dx)
    variance = np.einsum("mip,pq,miq->mi", linear, covariance, linear)
    found = (p[:, 0] > 0) & (np.hypot(p[:, 1], p[:, 2]) <= ESCAPE * radius)
    usual = np.median(linear[found], axis=0) if found.any() else np.zeros((2, len(dy)))
    return cy + p[:, 1], cx + p[:, 2], variance, found, (dy, dx, usual[0], usual[1])


def _gaussian_model(
    p: Doubles, pixels: Doubles, dy: Doubles, dx: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Sum of squares (M,), derivatives (M, P, 7) and what is left (M, P) of the elliptical Gaussian."""
    oy, ox = dy - p[:, 1, None], dx - p[:, 2, None]
    a, b, c = p[:, 3, None], p[:, 4, None], p[:, 5, None]
    bell = np.exp(-(a * oy**2 + b * ox**2 + 2 * c * oy * ox) / 2)
    height = p[:, 0, None] * bell
    jacobian = np.stack(
        [
            bell,
            height * (a * oy + c * ox),
            height * (b * ox + c * oy),
            -height * oy**2 / 2,
            -height * ox**2 / 2,
            -height * oy * ox,
            np.ones_like(bell),
        ],
        axis=-1,
    )
    rest = pixels - height - p[:, 6, None]
    return (rest**2).sum(1), jacobian, rest
