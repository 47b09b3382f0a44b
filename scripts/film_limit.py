"""What an amorphous film costs an observer who knows everything but the film and one column's count.

Usage: python scripts/film_limit.py [PARTICLES [SEED]]

Conditions A at 10⁴ e/Å². The observer knows the image that the particle would give without the film, what one
more atom changes in it, and the spectra of film and shot noise, and weighs frequencies accordingly. What
simulated films of 1.5 to 4 nm and shot noise make it misread is printed in atoms. Added to what the bundled
network misreads of columns as thick in vacuum, this tells how many counts could be exact on film.
"""

import sys
from functools import cache

import numpy as np

from napari_atomcount.benchmark import ideal_observer as observer
from napari_atomcount.benchmark.columns import camera_of
from napari_atomcount.benchmark.robustness import BASE, DOSE, robustness_conditions
from napari_atomcount.benchmark.scenes import (
    MULTISLICE,
    STREAM,
    cache_folder,
    picture,
    prepare,
    scene,
    snapshots_of,
)
from napari_atomcount.calibrating import compare
from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.specimens.support import amorphous_film

PIXEL_A = observer.PIXEL_A
FILMS = 6
SHIFTS = ((0, 0), (60, 40), (120, 150))  # px: other places of the same film
RING = 0.05  # 1/Å
GROUPS = ((1, 3), (4, 6), (7, 9), (10, 20))


@cache
def film_waves(cell_A: float, seed: int) -> list[np.ndarray]:
    """Transmission of films, (Y, X) each."""
    waves = []
    for number in range(FILMS):
        rng = np.random.default_rng([STREAM, seed, 2, number])
        waves.append(exit_wave(amorphous_film(rng, cell_A, rng.uniform(15, 40)).atoms, MULTISLICE))
    return waves


def misread(condition, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of some columns of one particle, and what each film adds to them, atoms, (columns, films)."""
    rng = np.random.default_rng([STREAM, seed, 3, index])
    microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
    base = scene(condition.particles, seed, index, cache_folder())
    snapshots = snapshots_of(condition.particles, seed, index)
    whole = observer.image(base.waves, base.cell_A, microscope)
    truth = snapshots[0].columns()
    places = condition.particles.particle(seed, index)[0].specimen.columns()[["y_A", "x_A"]].to_numpy()
    chosen = observer.apart(places, np.arange(len(truth)), rng)
    top = rng.random(len(chosen)) < 0.5
    step = observer.STEP * observer.lattice_constant(condition.particles.element)
    numbers = truth.index.to_numpy()[chosen]
    altered = [observer.with_one(s, numbers, top, step, more=True) for s in snapshots]
    waves = np.stack([exit_wave(s.atoms, MULTISLICE) for s in altered])
    change = observer.image(waves, base.cell_A, microscope) - whole

    k = np.fft.fftfreq(len(whole), PIXEL_A)
    ring = (np.hypot(k[:, None], k) / RING).astype(int)
    films = film_waves(base.cell_A, seed)
    power = np.zeros(ring.max() + 1)
    added = []  # spectra of what films do to the image of the particle
    for film in films:
        alone = observer.image(film[None], base.cell_A, microscope)
        power += np.bincount(ring.ravel(), (np.abs(np.fft.fft2(alone - alone.mean())) ** 2).ravel())
        for shift in SHIFTS:
            both = observer.image(base.waves * np.roll(film, shift, (-2, -1)), base.cell_A, microscope)
            added.append(np.fft.fft2(both - whole))
    power /= np.bincount(ring.ravel()) * whole.size * len(films)
    shot = 1 / (DOSE * PIXEL_A**2)
    if index == 0:
        told = ", ".join(f"{power[round(f / RING)] / shot:.1f} at {f} 1/Å" for f in (0.25, 0.4, 0.7, 1.0))
        print(f"power of the film over that of the shot noise at 1e4 e/Å²: {told}")
    noise = shot + power[ring]
    rows = []
    for place in places[chosen]:
        one = np.fft.fft2(np.where(observer.window(whole.shape, place), change, 0))
        weight = np.conj(one) / noise
        answer = (weight * one).sum().real
        flicker = np.sqrt((np.abs(weight) ** 2).sum() * shot * whole.size) / answer
        rows.append([float((weight * film).sum().real / answer + flicker * rng.normal()) for film in added])
    return truth["count"].to_numpy()[chosen], np.array(rows)


def in_vacuum(condition, seed: int, particles: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of all columns, and how far the bundled network's mean counts lie off, in vacuum."""
    card = load_card("fcc-110-hrtem")
    detector = Detector(card)
    counts, errors = [], []
    for index in range(particles):
        image = picture(condition, seed, index, particles, cache_folder())
        pixel_nm = image.pixel_nm
        maps = detector.detect(image.frame, (pixel_nm, pixel_nm), mtf=camera_of(image))
        columns = find_columns(maps, card.calibration, card.default_threshold)
        truth = image.truth.reset_index(drop=True).assign(label="column")
        judged, _ = compare(columns, truth, 0.08 / pixel_nm, 0.3 / pixel_nm, image.frame.shape)
        hit = judged[judged.true]
        counts.append(hit.true_count.to_numpy())
        mean = [float(np.dot(p, np.arange(1, len(p) + 1)) / np.sum(p)) for p in hit.count_p]
        errors.append(np.array(mean) - counts[-1])
    return np.concatenate(counts), np.concatenate(errors)


def main(particles: int, seed: int) -> None:
    condition = next(c for c in robustness_conditions()[0] if c.name == BASE)
    prepare([condition], {BASE: particles}, seed, cache_folder(), lambda *_: None)
    parts = [misread(condition, seed, index) for index in range(particles)]
    count, film = np.concatenate([c for c, _ in parts]), np.concatenate([e for _, e in parts])
    own, error = in_vacuum(condition, seed, particles)
    rng = np.random.default_rng(seed)
    exact = []
    for low, high in GROUPS:
        some, mine = (count >= low) & (count <= high), (own >= low) & (own <= high)
        drawn = rng.choice(film[some].ravel(), (200, int(mine.sum())))
        vacuum = float(np.mean(np.abs(error[mine]) < 0.5))
        both = float(np.mean(np.abs(error[mine] + drawn) < 0.5))
        exact.append((mine.sum(), vacuum, both))
        spread, usual = (np.sqrt(np.mean(e**2)) for e in (film[some], error[mine]))
        print(
            f"{low}–{high} atoms, {some.sum()} columns: on film {spread:.2f} rms; the network in vacuum "
            f"{usual:.2f}; exact {vacuum:.3f} in vacuum, {both:.3f} with the film"
        )
    n, vacuum, both = np.array(exact, float).T
    print(
        f"all: {np.average(vacuum, weights=n):.3f} in vacuum, {np.average(both, weights=n):.3f} with the film"
    )


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], *["16", "0"][len(sys.argv) - 1 :]]))
