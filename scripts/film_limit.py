"""What an amorphous film costs a reader that knows the microscope exactly and was trained for nothing else.

Usage: python scripts/film_limit.py [EPOCHS [CACHE]]

At 10⁴ e/Å² without a camera's blur, Cs -10 µm and defocus 8 nm, a small network is shown a square of 6 Å
around a column's true centre, as it is and whitened by the spectra of film and shot noise, and says how many
atoms the column holds. Specimens are those of the recipe of fcc-110-hrtem at 0.07 to 0.10 Å of thermal
displacement; one such reader learns them on films of 1.5 to 4 nm and one in vacuum, and both are tried on
specimens and films of the recipe that they have not seen, and on the benchmark's.

CACHE is a folder of exit waves, as `train` keeps one (without it they take an hour).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn
from torch.nn import functional as F

from napari_atomcount.benchmark import ideal_observer as observer
from napari_atomcount.benchmark.robustness import BASE, DOSE, robustness_conditions
from napari_atomcount.benchmark.scenes import MULTISLICE, STREAM, cache_folder, prepare, scene
from napari_atomcount.cli.making import recipe_path
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.recipe import Recipe
from napari_atomcount.physics.specimens.support import amorphous_film
from napari_atomcount.training_recipe import load_recipe

MICROSCOPE = {"defocus_nm": 8.0, "cs_um": -10.0, "convergence_mrad": 0.1, "focal_spread_nm": 2.9}
THERMAL_A = (0.07, 0.10)
FILMS, KEPT_FILMS = 100, 20  # to learn from, and to be tried on
PER_PARTICLE = 6  # images on film of each specimen
TRIED_EVERY = 10  # one of so many specimens is only tried
TRIED_PARTICLES = 16  # of the benchmark
REACH = 15  # px from the centre to the patch's border
COUNTS = torch.arange(1.0, 21.0)
SHOT = 1 / (DOSE * observer.PIXEL_A**2)  # variance of a pixel
BATCH = 128
GROUPS = ((1, 3), (4, 6), (7, 9), (10, 20))


def patches(waves: np.ndarray, y_A: np.ndarray, x_A: np.ndarray, cell_A: float) -> np.ndarray:
    """Noise-free contrast around columns, (columns, px, px)."""
    image = observer.image(waves, cell_A, MICROSCOPE)
    away = np.arange(-REACH, REACH + 1)
    step = cell_A / len(image)
    y = (y_A / step)[:, None, None] + away[:, None]
    x = (x_A / step)[:, None, None] + away
    found = map_coordinates(image, np.broadcast_arrays(y, x), order=3, mode="grid-wrap")
    return (found - 1).astype(np.float16)


def moved(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another place of a film."""
    return np.roll(film, rng.integers(0, len(film), 2), (0, 1))


def of_recipe(recipe: Recipe, cache: Path | None) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Patches in vacuum (columns, 3, …) and on film (columns, PER_PARTICLE, …), and counts, by specimen."""
    films = [recipe.film(index, cache) for index in range(FILMS + KEPT_FILMS)]
    warm = [i for i in range(recipe.specimens) if THERMAL_A[0] <= recipe.thermal(i) <= THERMAL_A[1]]
    print(f"{len(warm)} specimens", flush=True)
    for number, index in enumerate(warm):
        rng = np.random.default_rng([STREAM, index])
        p = recipe.exit_waves(index, cache)
        place = p.y_A, p.x_A, recipe.particle.cell_A
        own = films[FILMS:] if number % TRIED_EVERY == 0 else films[:FILMS]
        chosen = [own[k] for k in rng.integers(0, len(own), PER_PARTICLE)]
        vacuum = [patches(np.delete(p.waves, k, 0), *place) for k in range(len(p.waves))]
        on_film = [patches(p.waves * moved(film, rng), *place) for film in chosen]
        yield np.stack(vacuum, 1), np.stack(on_film, 1), p.count


def of_benchmark() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The same of the benchmark's particles, of its own generators."""
    condition = next(c for c in robustness_conditions()[0] if c.name == BASE)
    prepare([condition], {BASE: TRIED_PARTICLES}, 0, cache_folder(), lambda *_: None)
    for index in range(TRIED_PARTICLES):
        s = scene(condition.particles, 0, index, cache_folder())
        rng = np.random.default_rng([STREAM, 0, 2, index])
        films = [
            exit_wave(amorphous_film(rng, s.cell_A, rng.uniform(15, 40)).atoms, MULTISLICE) for _ in range(3)
        ]
        columns = condition.particles.particle(0, index)[0].specimen.columns()
        place = columns.y_A.to_numpy(), columns.x_A.to_numpy(), s.cell_A
        on_film = [patches(s.waves * film, *place) for film in films]
        yield patches(s.waves, *place)[:, None], np.stack(on_film, 1), columns["count"].to_numpy()


def whitening(recipe: Recipe, cache: Path | None) -> Tensor:
    """A filter, (1, 1, px, px), after which film and shot noise are white and as strong as shot noise."""
    cell_A = recipe.particle.cell_A
    images = [observer.image(recipe.film(k, cache)[None], cell_A, MICROSCOPE) for k in range(30)]
    power = np.mean([np.abs(np.fft.fft2(i - i.mean())) ** 2 / i.size for i in images], 0)
    k = np.fft.fftfreq(len(power), observer.PIXEL_A)
    q = np.hypot(k[:, None], k)
    ring = (q / 0.04).astype(int).ravel()
    around = (np.bincount(ring, power.ravel()) / np.bincount(ring))[ring].reshape(power.shape)
    kernel = np.fft.fftshift(np.fft.ifft2(np.exp(-((q / 1.9) ** 8)) / np.sqrt(1 + around / SHOT)).real)
    reach, middle = 10, len(power) // 2
    near = slice(middle - reach, middle + reach + 1)
    window = np.hanning(2 * reach + 3)[1:-1]
    return torch.from_numpy(kernel[near, near] * np.outer(window, window)).float()[None, None]


class Reader(nn.Module):
    """A patch as it is and whitened -> log-odds of the counts."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.kernel = kernel
        self.layers = nn.Sequential(
            *(nn.Conv2d(2, 32, 5), nn.ReLU(), nn.Conv2d(32, 48, 3, 2), nn.ReLU(), nn.Conv2d(48, 64, 3)),
            *(nn.ReLU(), nn.Conv2d(64, 64, 3, 2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(64 * 25, 128), nn.ReLU(), nn.Linear(128, len(COUNTS))),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, px, px) -> (B, counts)."""
        white = F.conv2d(F.pad(x, [self.kernel.shape[-1] // 2] * 4, mode="reflect"), self.kernel)
        answer: Tensor = self.layers(torch.cat([x, 4 * white], 1))
        return answer


def exposed(patch: np.ndarray) -> Tensor:
    """With shot noise, (B, 1, px, px)."""
    x = torch.from_numpy(patch.astype(np.float32))[:, None]
    return x + (SHOT * (1 + x).clamp(min=0.05)).sqrt() * torch.randn_like(x)


def learned(patch: np.ndarray, count: np.ndarray, kernel: Tensor, epochs: float) -> Reader:
    """A reader of some patches (columns, images, px, px)."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    reader = Reader(kernel)
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=1e-3)
    steps = int(epochs * len(patch) / BATCH)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-6
        chosen = rng.integers(0, len(patch), BATCH)
        some = patch[chosen, rng.integers(0, patch.shape[1], BATCH)]
        x = exposed(some[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])].copy())
        with torch.autocast("cpu", torch.bfloat16):
            logits = reader(x)
        sigma = 0.35 - 0.15 * min(1.0, step / steps / 0.6)
        target = torch.exp(-((torch.from_numpy(count[chosen])[:, None] - COUNTS) ** 2) / 2 / sigma**2)
        target = target / target.sum(1, keepdim=True)
        loss = -(target * logits.float().log_softmax(1)).sum(1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return reader


@torch.no_grad()
def tried(reader: Reader, patch: np.ndarray, count: np.ndarray, image: np.ndarray) -> str:
    """How well a reader counts; answers are averaged over the mirror images."""
    exact, error, whose = [], [], []
    for k in range(patch.shape[1]):
        x = exposed(patch[:, k])
        p = sum(reader(x.flip(dims)).softmax(1) for dims in ((), (-1,), (-2,), (-1, -2)))
        exact.append((p.argmax(1) + 1).numpy() == count)
        error.append(((p * COUNTS).sum(1) / 4).numpy() - count)
        whose.append(image * patch.shape[1] + k)
    right, wrong, by = np.concatenate(exact), np.concatenate(error), np.concatenate(whose)
    common = np.bincount(by, wrong) / np.maximum(np.bincount(by), 1)
    apart = wrong - common[by]
    n = np.tile(count, patch.shape[1])
    groups = ", ".join(f"{a}–{b}: {right[(n >= a) & (n <= b)].mean():.3f}" for a, b in GROUPS)
    return (
        f"exact {right.mean():.3f} ({groups}); errors {wrong.std():.2f} rms, {apart.std():.2f} within an "
        f"image; with each image's mean error taken out exact {np.mean(np.abs(apart) < 0.5):.3f}"
    )


def main(epochs: float, cache: Path | None) -> None:
    recipe = load_recipe(recipe_path("fcc-110-hrtem"))
    kernel = whitening(recipe, cache)
    sets = {}
    for name, made in (("recipe", of_recipe(recipe, cache)), ("benchmark", of_benchmark())):
        *seen, count = zip(*made, strict=True)
        image = np.repeat(np.arange(len(count)), [len(c) for c in count])
        counts = np.clip(np.concatenate(count), 1, len(COUNTS)).astype(np.int64)
        sets[name] = ([np.concatenate(part) for part in seen], counts, image)
    own, counts, image = sets["recipe"]
    new = image % TRIED_EVERY == 0
    other, others, whose = sets["benchmark"]
    for kind, place in enumerate(("in vacuum", "on film")):
        reader = learned(own[kind][~new], counts[~new], kernel, epochs)
        print(f"{place}, the recipe's: {tried(reader, own[kind][new], counts[new], image[new])}")
        print(f"{place}, the benchmark's: {tried(reader, other[kind], others, whose)}", flush=True)


if __name__ == "__main__":
    main(float((sys.argv[1:] or ["50"])[0]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
