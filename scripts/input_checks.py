"""What the program finds out of images that are not as a camera took them, and what it is worth for counts.

Usage: python scripts/input_checks.py [--particles N] [--wide N] [--seed S] [--out FILE.csv]

Simulated images of the benchmark's particles, as their intensities are and after what programs and cameras do
to them: 8-bit pictures between the darkest and the brightest pixel, or between their 0.2 and 99.8
percentiles, and 30 or 50 % of the mean added to every pixel. Conditions A at three doses, one image and four
of one scene together. One row of each: how often the program says that electrons do not begin at zero, the
error of where they begin (over the mean of the electrons' counts) beside the one that is stated, and the
counts of `fcc-110-hrtem` in single images as they are, with the true dark level taken off, and with the
measured one. Before it, images of the wide conditions and movies in vacuum, on film and beside an edge with
several cameras, which are as they should be: none of them should be named. The same images after filters show
how the finest noise tells it, images of other particles what is no movie.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_atomcount.benchmark import scenes
from napari_atomcount.benchmark.scoring import score_image
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.measure.fine_noise import noise_blur_px, repeated_share
from napari_atomcount.measure.likeness import likeness
from napari_atomcount.measure.zero_level import ZeroLevel, common_zero, zero_level
from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.networks.domain import check_domain
from napari_atomcount.physics import optics
from napari_atomcount.pipeline.camera import middle_of

Doubles = NDArray[np.float64]
MODEL, FRAMES, DOSES, PARTICLES = "fcc-110-hrtem", 4, (310.0, 1e3, 1e4), 32
CAMERAS = ((0.05, 0.5, 2.5), (0.0, 0.4, 2.0), (0.1, 0.6, 3.0))


def changed(frames: list[Doubles]) -> Iterator[tuple[str, list[Doubles], float]]:
    """What becomes of frames, by name, and the counts at which electrons begin then."""
    yield "as it is", frames, 0.0
    for name, low, high in (("8 bit, all", 0.0, 100.0), ("8 bit, 0.2 to 99.8 %", 0.2, 99.8)):
        a, b = np.percentile(frames[0], [low, high])
        bits = [np.clip((f - a) / (b - a) * 255, 0, 255).astype(np.uint8).astype(float) for f in frames]
        yield name, bits, float(-a / (b - a) * 255)
    for share in (0.3, 0.5):
        more = share * float(frames[0].mean())
        yield f"{100 * share:.0f} % more", [f + more for f in frames], more


def movie(condition: scenes.Condition, seed: int, index: int) -> tuple[list[Doubles], float]:
    """Images of one scene with other noise, and their pixel size, nm."""
    rng, cache = np.random.default_rng([seed, index]), scenes.cache_folder()
    base = scenes.scene(condition.particles, seed, index, cache)
    waves, size = base.waves, base.cell_A
    if condition.surroundings != "vacuum":
        waves, _ = scenes.beside(condition, waves, base.columns, rng, seed, size, cache)
    n = 2 * round(size / condition.pixel_A.low / 2)
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
    camera = {name: u.low for name, u in condition.camera.items()}
    camera["dose_e_per_A2"] = condition.dose_e_per_A2.low
    kv = scenes.MULTISLICE.kv
    ideal = optics.ideal_image(torch.from_numpy(waves)[None], (size, size), kv, microscope, (n, n))
    noises = [torch.Generator().manual_seed(1000 * seed + 10 * index + i) for i in range(FRAMES)]
    frames = [optics.detected_image(ideal, (size, size), camera, noise)[0].numpy() for noise in noises]
    return [middle_of(frame) for frame in frames], size / n / 10


def named(detector: Detector, zero: ZeroLevel | None) -> bool:
    """Whether a person is told."""
    return bool(check_domain(detector.card, zero=zero))


def off(zero: ZeroLevel | None, true: float) -> tuple[float, float]:
    """Error of the dark level and the stated one, over the mean of the electrons' counts."""
    if zero is None:
        return float("nan"), float("nan")
    electrons = zero.level - true
    return (zero.counts - true) / electrons, zero.error / electrons


def exact(detector: Detector, picture: scenes.Picture, frame: Doubles) -> tuple[float, float]:
    """Share of counts that are right, and by how many atoms they are too high on average."""
    card, size = detector.card, (picture.pixel_nm, picture.pixel_nm)
    found = find_columns(
        detector.detect(frame.astype(np.float32), size), card.calibration, card.default_threshold
    )
    scored = score_image(
        0, found, picture.truth, picture.missing, picture.pixel_nm, frame.shape, card.default_threshold
    )
    own = scored.found[scored.found.true]
    return float((own["count"] == own.true_count).mean()), float((own["count"] - own.true_count).mean())


def sound(detector: Detector, wide: int, particles: int, seed: int) -> None:
    """Print how many of the images are named that are as they should be."""
    usual = scenes.Condition(
        name="wide", title="wide", particles=scenes.ParticleSet(tilt_deg=(0.0, 3.0)),
        optics=scenes.OPTICS_WIDE, camera=scenes.CAMERA_WIDE, pixel_A=scenes.Uniform(low=0.08, high=0.222),
        dose_e_per_A2=scenes.Uniform(low=100.0, high=2e4, log=True),
    )  # fmt: skip
    pictures = [scenes.picture(usual, seed, k, PARTICLES, scenes.cache_folder()) for k in range(wide)]
    blurs = {
        how: [noise_blur_px(change(middle_of(p.frame)), (p.pixel_nm * scale,) * 2) for p in pictures]
        for how, scale, change in (
            ("as they are", 1.0, lambda image: image),
            ("Gaussian of 0.7 px", 1.0, lambda image: ndimage.gaussian_filter(image, 0.7)),
            ("Gaussian of 1 px", 1.0, lambda image: ndimage.gaussian_filter(image, 1.0)),
            ("Gaussian of 2 px", 1.0, lambda image: ndimage.gaussian_filter(image, 2.0)),
            ("enlarged twice", 0.5, lambda image: ndimage.zoom(image, 2, order=3)),
        )
    }
    for how, said in blurs.items():
        named_so = sum(bool(check_domain(detector.card, noise_blur_px=blur)) for blur in said)
        print(f"blur of the noise, {how}: {min(said):.2f} to {max(said):.2f} px, {named_so} of {wide} named")
    for how, change in (
        ("whole counts", np.rint),
        ("8 bit", lambda image: {name: own for name, own, _ in changed([image])}["8 bit, all"][0]),
        ("a median of 3 × 3 px", lambda image: ndimage.median_filter(np.rint(image), 3)),
        ("the same without whole counts", lambda image: ndimage.median_filter(image, 3)),
    ):
        shares = [repeated_share(change(middle_of(p.frame))) for p in pictures]
        shares = [share for share in shares if np.isfinite(share)]
        named_so = sum(bool(check_domain(detector.card, repeated=share)) for share in shares)
        print(f"like neighbours, {how}: {min(shares):.3f} to {max(shares):.3f}, {named_so} of {wide} named")
    zeros = {"single": [zero_level(middle_of(p.frame), (p.pixel_nm,) * 2) for p in pictures], "movies": []}
    alike: dict[str, list[float]] = {"one scene": [], "other particles": []}
    for where in ("vacuum", "film", "edge"):
        for c1, c2, c3 in CAMERAS:
            camera = {"mtf_c1": scenes.fixed(c1), "mtf_c2": scenes.fixed(c2), "mtf_c3": scenes.fixed(c3)}
            for pixel_A in (0.1, 0.2):
                for dose in DOSES:
                    own = usual.model_copy(
                        update={
                            "optics": scenes.OPTICS_A, "camera": camera, "surroundings": where,
                            "particles": scenes.ParticleSet(), "pixel_A": scenes.fixed(pixel_A),
                            "dose_e_per_A2": scenes.fixed(dose),
                        }
                    )  # fmt: skip
                    before = movie(own, seed, particles)[0][0]
                    for index in range(particles):
                        frames, nm = movie(own, seed, index)
                        zeros["movies"].append(common_zero(zero_level(f, (nm, nm)) for f in frames))
                        alike["one scene"] += [likeness(a, b, (nm, nm)) for a, b in pairwise(frames)]
                        alike["other particles"].append(likeness(before, frames[0], (nm, nm)))
                        before = frames[0]
    for which, said in alike.items():
        said = [one for one in said if np.isfinite(one)]
        named_so = sum(bool(check_domain(detector.card, likeness=one)) for one in said)
        print(f"likeness, {which}: {min(said):.2f} to {max(said):.2f}, {named_so} of {len(said)} named")
    for kind, said in zeros.items():
        errors = np.array([off(one, 0.0) for one in said if one is not None])
        print(
            f"{kind}: {sum(named(detector, one) for one in said)} of {len(said)} named; dark level off by "
            f"{np.sqrt((errors[:, 0] ** 2).mean()):.3f} of the mean (rms), "
            f"{np.sqrt(((errors[:, 0] / errors[:, 1]) ** 2).mean()):.2f} stated errors (rms)"
        )


def main() -> int:
    """Draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--particles", type=int, default=10)
    parser.add_argument("--wide", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    detector, rows = Detector(load_card(MODEL)), []
    sound(detector, asked.wide, max(1, asked.particles // 5), asked.seed)
    for dose in DOSES:
        condition = scenes.Condition(name="zero", title="", dose_e_per_A2=scenes.fixed(dose))
        for index in range(asked.particles):
            picture = scenes.picture(condition, asked.seed, index, PARTICLES, scenes.cache_folder())
            for how, (frame,), true in changed([np.asarray(picture.frame, dtype=float)]):
                zero = zero_level(middle_of(frame), (picture.pixel_nm,) * 2)
                row = {"dose": dose, "how": how, "frames": 1, "named": named(detector, zero)}
                row["off"], row["stated"] = off(zero, true)
                measured = 0.0 if zero is None or not np.isfinite(zero.counts) else zero.counts
                for name, dark in (("untouched", 0.0), ("true", true), ("measured", measured)):
                    row[f"exact_{name}"], row[f"bias_{name}"] = exact(detector, picture, frame - dark)
                rows.append(row)
            frames, nm = movie(condition, asked.seed, index)
            for how, own, true in changed(frames):
                zero = common_zero(zero_level(frame, (nm, nm)) for frame in own)
                row = {"dose": dose, "how": how, "frames": FRAMES, "named": named(detector, zero)}
                row["off"], row["stated"] = off(zero, true)
                rows.append(row)
    table = pd.DataFrame(rows)
    if asked.out:
        table.to_csv(asked.out, index=False)
    by = table.groupby(["how", "dose", "frames"], sort=False)
    mean = by.mean().assign(named=by["named"].sum(), off=by["off"].apply(lambda v: (v**2).mean() ** 0.5))
    with pd.option_context("display.width", 200, "display.precision", 3):
        print(mean.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
