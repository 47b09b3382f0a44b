"""How far the gain that `calibrate` measures is from the true one, over many simulated cameras.

Usage: python scripts/gain_accuracy.py [--cases N] [--seed S] [--frames N ...] [--short] [--out FILE.csv]

Every case draws a movie of its own: size, frames, electrons per pixel, gain, the camera's MTF (eq. 2.21 of
the thesis with its ranges of c1, c2 and c3, a Gaussian, or none), a particle of columns, how it drifts and
how many of its columns hop. The noise is drawn before the MTF acts, as in a camera. One row per case, and
the worst and the typical error of each kind in the end. `limit` is the Cramér–Rao bound of the gain of a
camera of eq. 2.21: no estimate from the noise is surer, had every frame nothing but vacuum. `--short` draws
movies of two to four frames of 256² from blurring cameras only, `--frames 1` single frames.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.measure.camera_noise import SPREAD
from napari_atomcount.measure.gain import measure_gain
from napari_atomcount.measure.noise_areas import FEWEST_PERIODS

STREAM = 24_000_000
Doubles = NDArray[np.float64]


def draw_case(rng: np.random.Generator) -> dict[str, float | int | str]:
    """What one case is."""
    return {
        "size": int(rng.choice([256, 256, 384, 512])),
        "frames": int(rng.choice([2, 3, 4, 8, 16, 33])),
        "electrons": float(np.exp(rng.uniform(np.log(2.0), np.log(60.0)))),
        "gain": float(np.exp(rng.uniform(0.0, np.log(120.0)))),
        "camera": str(rng.choice(["mtf", "mtf", "mtf", "gaussian", "none"])),
        "c1": float(rng.uniform(0.0, 0.1)),
        "c2": float(rng.uniform(0.4, 0.6)),
        "c3": float(rng.uniform(2.0, 3.0)),
        "blur": float(rng.uniform(0.4, 0.9)),
        "drift": float(rng.choice([0.0, 0.3, 1.5])),
        "hops": float(rng.choice([0.0, 0.02, 0.1])),
        "fill": float(rng.choice([0.2, 0.4, 0.8])),
    }


def transfer(case: dict[str, float | int | str], shape: tuple[int, int]) -> Doubles:
    """The camera's MTF at the frequencies of an image."""
    ky, kx = (np.fft.fftfreq(n) for n in shape)
    k = np.hypot(ky[:, None], kx[None, :])
    if case["camera"] == "none":
        return np.ones(shape)
    if case["camera"] == "gaussian":
        return np.asarray(np.exp(-2 * np.pi**2 * float(case["blur"]) ** 2 * k**2))
    c1, c2, c3 = float(case["c1"]), float(case["c2"]), float(case["c3"])
    return np.asarray((1 - c1) / (1 + (k / (2 * c2 * 0.5)) ** c3) + c1)


def limit(case: dict[str, float | int | str]) -> float:
    """Cramér–Rao bound of the relative error of the gain; NaN for a camera that is not of eq. 2.21.

    The gain, c1, c2 and c3 are unknown, the last three but for what cameras have (`camera_noise.SPREAD`);
    every frame gives one independent spectrum, of which frequencies from five periods to Nyquist count.
    """
    if case["camera"] != "mtf":
        return float("nan")
    size = int(case["size"])
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    x = k[(k > FEWEST_PERIODS / size) & (k < 0.5)] / 0.5

    def log_power(p: Doubles) -> Doubles:
        return np.asarray(2 * np.log((1 - p[2]) / (1 + (x / np.exp(p[0])) ** p[1]) + p[2]))

    at = np.array([np.log(2 * float(case["c2"])), float(case["c3"]), float(case["c1"])])
    steps = 1e-4 * np.eye(3)
    slopes = [np.ones(len(x))] + [(log_power(at + step) - log_power(at - step)) / 2e-4 for step in steps]
    information = np.array(slopes) @ np.array(slopes).T * int(case["frames"]) / 2  # half repeats the rest
    information[1:, 1:] += np.diag(SPREAD[:3] ** -2)
    return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def movie(case: dict[str, float | int | str], rng: np.random.Generator) -> Doubles:
    """Counts, (T, Y, X): Poisson electrons behind the camera, times the gain."""
    size, number = int(case["size"]), int(case["frames"])
    reach = float(case["fill"]) * size / 2
    step, angle = 11.0, rng.uniform(0, np.pi)
    n = np.arange(-60, 61)
    i, j = (a.ravel() for a in np.meshgrid(n, n))
    places = step * np.column_stack([i + 0.5 * j, 0.8 * j])
    places = places @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = places[np.hypot(*places.T) < reach] + size / 2
    height = rng.uniform(0.2, 0.9, len(places))
    there = rng.random(len(places)) < 0.95
    mobile = rng.random(len(places)) < 0.3
    function, shift = transfer(case, (size, size)), np.zeros(2)
    frames = []
    for _ in range(number):
        flip = mobile & (rng.random(len(places)) < float(case["hops"]))
        there = there ^ flip
        shift = shift + rng.normal(0, float(case["drift"]), 2)
        expected = float(case["electrons"]) * np.maximum(columns(places + shift, height * there, size), 0.05)
        counts = rng.poisson(expected).astype(float)
        frames.append(float(case["gain"]) * np.fft.ifft2(np.fft.fft2(counts) * function).real)
    return np.array(frames)


def columns(places: Doubles, height: Doubles, size: int) -> Doubles:
    """Bright columns with a dark ring on an even beam, mean 1."""
    image = np.ones((size, size))
    reach = 9
    d = np.arange(-reach, reach + 1)
    for (y, x), h in zip(places, height, strict=True):
        cy, cx = round(y), round(x)
        if not (reach <= cy < size - reach and reach <= cx < size - reach) or h == 0:
            continue
        r2 = (d[:, None] + cy - y) ** 2 + (d[None, :] + cx - x) ** 2
        spot = np.exp(-r2 / (2 * 2.0**2)) - 0.3 * np.exp(-r2 / (2 * 4.0**2))
        image[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1] += h * spot
    return image


def measured(
    seed: int, index: int, frames: list[int] | None = None, short: bool = False
) -> dict[str, float | int | str]:
    """One case with what was measured."""
    rng = np.random.default_rng([STREAM, seed, index])
    case = draw_case(rng)
    if short:
        case |= {"size": 256, "camera": "mtf", "frames": (2, 3, 4)[index % 3]}
    if frames:
        case["frames"] = frames[index % len(frames)]
    begun = time.perf_counter()
    counts = movie(case, rng)
    made = time.perf_counter()
    found = measure_gain(list(counts), single=True)
    row = {
        "index": index,
        **case,
        "limit": limit(case),
        "seconds": time.perf_counter() - made,
        "made": made - begun,
    }
    if found is None:
        return row | {"off": float("nan"), "stated": float("nan")}
    gain = float(case["gain"])
    return row | {"off": found.counts_per_electron / gain - 1, "stated": found.error / gain}


def main(arguments: list[str]) -> int:
    """Measure, and print a table."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, nargs="*", default=None)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--out", default=None)
    chosen = parser.parse_args(arguments)
    rows = pd.DataFrame(
        [measured(chosen.seed, index, chosen.frames, chosen.short) for index in range(chosen.cases)]
    )
    if chosen.out:
        rows.to_csv(chosen.out, index=False)
    rows["far"] = rows["off"].abs()
    rows["z"] = rows["off"] / rows["stated"]
    for name in ("camera", "frames", "size", "drift", "hops", "fill"):
        groups = rows.groupby(name)
        table = 100 * groups["off"].agg(
            rms=lambda off: np.sqrt((off**2).mean()), mean="mean", worst=lambda off: off.abs().max()
        )
        table["limit"] = 100 * groups["limit"].agg(lambda each: np.sqrt((each**2).mean()))
        table["z"] = groups["z"].agg(lambda z: np.sqrt((z**2).mean()))
        table.insert(0, "cases", groups.size())
        print(table.round(2).to_string(), end="\n\n")
    within = 100 * float((rows["far"] <= 0.03).mean())
    held = 100 * float((rows["far"] <= 2 * rows["stated"]).mean())
    typical = 100 * float(np.sqrt((rows["off"] ** 2).mean()))
    worst, mean = 100 * rows["far"].max(), 100 * rows["off"].mean()
    print(
        f"{len(rows)} cases, seed {chosen.seed}: {within:.1f} % within 3 %, worst {worst:.1f} %, "
        f"root mean square {typical:.2f} %, mean {mean:+.2f} %; {held:.1f} % within twice the stated error, "
        f"root mean square of errors over stated ones {float(np.sqrt((rows['z'] ** 2).mean())):.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
