"""What an amorphous film costs an observer who knows everything but one column's count.

Usage: python scripts/film_limit.py [PARTICLES [SEED]]

Prints how often such an observer counts columns of the benchmark's particles wrongly in vacuum and on films
of 1.5 to 4 nm, conditions A, and how strong the film's structure is beside the shot noise at 10⁴ e/Å². The
film is noise of a known spectrum here, added to the shot noise: d'² = Σ |ΔI(k)|² / (shot noise + film(k)).
"""

import sys

import numpy as np

from napari_atomcount.benchmark import ideal_observer as observer
from napari_atomcount.benchmark.conditions import table_conditions
from napari_atomcount.benchmark.scenes import MULTISLICE, STREAM, scene, snapshots_of
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.specimens.support import amorphous_film

PIXEL_A = observer.PIXEL_A
DOSES = (310.0, 1e3, 1.5e3, 3e3, 1e4)  # e/Å²
FILMS = 6
RING = 0.05  # 1/Å


def film_spectrum(cell_A: float, microscope: dict[str, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean power per pixel of films' images by ring of frequency, and the ring of each frequency (n, n)."""
    powers = []
    for number in range(FILMS):
        rng = np.random.default_rng([STREAM, seed, 2, number])
        film = exit_wave(amorphous_film(rng, cell_A, rng.uniform(15, 40)).atoms, MULTISLICE)
        image = observer.image(film[None], cell_A, microscope)
        powers.append(np.abs(np.fft.fft2(image - image.mean())) ** 2 / image.size)
    k = np.fft.fftfreq(len(powers[0]), PIXEL_A)
    ring = (np.hypot(k[:, None], k) / RING).astype(int)
    power = np.bincount(ring.ravel(), np.mean(powers, axis=0).ravel()) / np.bincount(ring.ravel())
    return power, ring


def main(particles: int, seed: int) -> None:
    condition = next(c for c in table_conditions() if c.name == "A-1000")
    rows = []  # count, then d'² of one atom fewer and more: (column, 2, film or not, dose)
    counts = []
    for index in range(particles):
        rng = np.random.default_rng([STREAM, seed, 3, index])
        microscope = {name: float(u.draw(rng, 1)[0]) for name, u in condition.optics.items()}
        base = scene(condition.particles, seed, index, None)
        snapshots = snapshots_of(condition.particles, seed, index)
        film, ring = film_spectrum(base.cell_A, microscope, seed)
        if index == 0:
            shot = 1 / (1e4 * PIXEL_A**2)
            told = ", ".join(f"{film[round(k / RING)] / shot:.1f} at {k} 1/Å" for k in (0.25, 0.4, 0.7, 1.0))
            print(f"power of the film over that of the shot noise at 1e4 e/Å²: {told}")
        whole = observer.image(base.waves, base.cell_A, microscope)
        truth = snapshots[0].columns()
        places = condition.particles.particle(seed, index)[0].specimen.columns()[["y_A", "x_A"]].to_numpy()
        chosen = observer.apart(places, np.arange(len(truth)), rng)
        top = rng.random(len(chosen)) < 0.5
        step = observer.STEP * observer.lattice_constant(condition.particles.element)
        changed = []
        for more in (False, True):
            numbers = truth.index.to_numpy()[chosen]
            altered = [observer.with_one(s, numbers, top, step, more=more) for s in snapshots]
            waves = np.stack([exit_wave(s.atoms, MULTISLICE) for s in altered])
            changed.append(observer.image(waves, base.cell_A, microscope) - whole)
        for place, count in zip(places[chosen], truth["count"].to_numpy()[chosen], strict=True):
            near = observer.window(whole.shape, place)
            power = [np.abs(np.fft.fft2(np.where(near, d, 0))) ** 2 / d.size for d in changed]
            noise = [[1 / (dose * PIXEL_A**2) + on * film[ring] for dose in DOSES] for on in (0, 1)]
            rows.append([[[(p / n).sum() for n in line] for line in noise] for p in power])
            counts.append(count)
    fewer, more = observer.mistaken(np.array(rows)).swapaxes(0, 1)
    fewer[np.array(counts) == 1] = 0  # none is no count
    wrong = np.minimum(1, fewer + more).mean(axis=0)
    print(f"{len(counts)} columns of {particles} particles, counted wrongly at {DOSES} e/Å²:")
    for name, line in zip(("in vacuum", "on film"), wrong, strict=True):
        print(f"{name}: {', '.join(f'{100 * w:.2f} %' for w in line)}")


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], *["4", "0"][len(sys.argv) - 1 :]]))
