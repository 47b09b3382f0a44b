"""Unit tests of recipes and specimens: seeds, round trips, and a truth that lies where the atoms are."""

import numpy as np
import pytest
from ase.calculators.emt import EMT
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from napari_atomcount.physics.exposing import WaveBank, expose
from napari_atomcount.physics.hopping import (
    HoppingRecipe,
    Kinetics,
    drift_path,
    kinetic_states,
    simulate_movie,
)
from napari_atomcount.physics.recipe import Detector, Recipe, Regime, Surroundings, Uniform
from napari_atomcount.physics.specimens.nanoparticle import NanoparticleSettings, nanoparticle


def fixed(value):
    return Uniform(low=value, high=value)


def small_recipe(kind=Recipe, **changes):
    """Bright gold of 1.2 nm at a high dose, fast to simulate."""
    return kind(
        name="test",
        seed=3,
        specimens=2,
        snapshots=1,
        particle=NanoparticleSettings(
            elements={"Au": 1.0},
            diameter_A=(11, 13),
            cell_A=25.6,
            tilt_deg=(0, 0.5),
            relax=0,
            twin=0,
            rough=0,
            defects=0,
        ),
        surroundings=Surroundings(film=0, edge=0),
        regimes=[
            Regime(optics={"defocus_nm": fixed(8.0), "cs_um": fixed(-10.0), "focal_spread_nm": fixed(2.9)})
        ],
        detector=Detector(
            dose_e_per_A2=fixed(1e5),
            mtf_c1=fixed(0.05),
            mtf_c2=fixed(0.5),
            mtf_c3=fixed(2.5),
            camera_pixel_A=fixed(0.2),
        ),
        **changes,
    )


def test_json_round_trip():
    recipe = small_recipe()
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_same_seed_gives_the_same_particle():
    first, second, other = (nanoparticle(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.atoms.positions, second.atoms.positions)
    assert len(first.atoms) != len(other.atoms)


def test_columns_hold_all_atoms_and_stand_apart():
    for seed in range(8):
        specimen = nanoparticle(np.random.default_rng(seed), NanoparticleSettings(relax=0))
        truth = specimen.columns()
        assert truth["count"].sum() == len(specimen.atoms)
        place = truth[["y_A", "x_A"]].to_numpy()
        distance = np.linalg.norm(place[:, None] - place[None], axis=-1) + 100 * np.eye(len(place))
        assert distance.min() > 1.2


def test_truth_lies_on_the_bright_columns_under_every_symmetry():
    """Flips, transpositions and shifts of the wave take the truth along."""
    recipe = small_recipe(pixel_jitter=0.0)
    bank = WaveBank(recipe, [0, 1])
    for seed in range(6):
        rng = np.random.default_rng(seed)
        images = expose(recipe, [bank.scene(rng)], rng)
        image = gaussian_filter(images.ideal[0].numpy(), 2, mode="wrap")
        n = image.shape[0]
        y, x = np.rint(images.truth[["y", "x"]].to_numpy()).astype(int).T % n
        assert np.median(image[y, x]) > np.quantile(image, 0.9)


def test_resumed_streams_do_not_depend_on_history():
    recipe = small_recipe()
    np.testing.assert_array_equal(recipe.stream(1, 4).random(3), recipe.stream(1, 4).random(3))


def test_cached_waves_are_the_simulated_ones(tmp_path):
    recipe = small_recipe()
    fresh = recipe.exit_waves(0, tmp_path)
    stored = recipe.exit_waves(0, tmp_path)
    np.testing.assert_array_equal(fresh.waves, stored.waves)
    np.testing.assert_array_equal(fresh.count, stored.count)
    assert len(list(tmp_path.glob("particle-*.npz"))) == 1


def test_a_bank_with_a_cache_holds_no_waves_and_makes_the_same_scenes(tmp_path):
    recipe = small_recipe()
    held, read = WaveBank(recipe, [0, 1]), WaveBank(recipe, [0, 1], tmp_path)
    for seed in range(4):
        one, other = (bank.scene(np.random.default_rng(seed)) for bank in (held, read))
        np.testing.assert_array_equal(one.waves, other.waves)
        np.testing.assert_array_equal(one.count, other.count)
    first = read.particle(0).waves
    for path in tmp_path.glob("particle-*.npz"):
        stored = dict(np.load(path))
        np.savez(path, **{**stored, "waves": 2 * stored["waves"]})
    np.testing.assert_array_equal(read.particle(0).waves, 2 * first)


def test_events_of_a_movie_are_the_changes_of_its_truth():
    kinetics = Kinetics(frames=12, mobile=5, rate=0.3, drift_nm=0.02)
    movie = simulate_movie(small_recipe(HoppingRecipe, kinetics=kinetics), seed=1)
    assert movie.frames.shape == (12, 128, 128)
    assert movie.optics == {"defocus_nm": 8.0, "cs_um": -10.0, "focal_spread_nm": 2.9}
    present = movie.truth.groupby("frame").site.apply(set)
    for event in movie.events.itertuples():
        assert (event.site in present[event.frame]) == (event.kind == "appear")
        assert (event.site in present[event.frame - 1]) == (event.kind == "vanish")
    assert len(movie.events) == int((np.diff(movie.states > 0, axis=0) != 0).sum())
    assert len(movie.events) > 3


def test_truth_follows_the_drift():
    kinetics = Kinetics(frames=6, mobile=0, drift_nm=0.03)
    movie = simulate_movie(small_recipe(HoppingRecipe, kinetics=kinetics), seed=2)
    first = movie.truth[movie.truth.frame == 0].set_index("site")
    last = movie.truth[movie.truth.frame == 5].set_index("site")
    np.testing.assert_allclose(last.y - first.y, movie.drift[5, 0])
    np.testing.assert_allclose(last.x - first.x, movie.drift[5, 1])


def test_rates_fall_with_coordination():
    kinetics = Kinetics(frames=4000, mobile=1000, rate=0.1, rate_per_neighbour=0.5)
    coordination = np.array([2, 3, 4, 5])
    states, mobile = kinetic_states(np.full(4, 5), coordination, kinetics, np.random.default_rng(0))
    assert mobile.all()
    hops = (np.diff(states > 0, axis=0) != 0).mean(0)
    np.testing.assert_allclose(hops, 0.1 * 0.5 ** (coordination - 2.0), rtol=0.3)


def test_only_the_named_classes_take_part():
    kinetics = Kinetics(frames=50, mobile=10, rate=0.5)
    may = np.array([True, False, True, False])
    states, mobile = kinetic_states(np.full(4, 5), np.full(4, 2), kinetics, np.random.default_rng(0), may)
    np.testing.assert_array_equal(mobile, may)
    assert (states[:, ~may] == 5).all()
    assert (states[:, may] == 0).any(axis=0).all()
    with pytest.raises(ValueError, match="none of the recipe's classes"):
        small_recipe(HoppingRecipe, kinetics=Kinetics(classes=("O",)))


@pytest.mark.parametrize("kind", ["none", "walk", "steps", "oscillation"])
def test_drift_starts_at_zero(kind):
    path = drift_path(Kinetics(frames=30, drift=kind, drift_nm=0.1), np.random.default_rng(0))
    np.testing.assert_array_equal(path[0], 0)
    assert (np.abs(path).max() > 0) == (kind != "none")


def test_the_tilt_is_that_of_the_columns_and_follows_every_symmetry():
    recipe = small_recipe()
    lean = []
    for index in range(4):
        specimen = recipe.specimen(index)
        assert np.hypot(*specimen.tilt_deg()) == pytest.approx(specimen.notes["tilt_deg"], abs=0.3)
        lean.append(recipe.exit_waves(index).tilt_deg)
        assert lean[-1] == specimen.tilt_deg()
    bank = WaveBank(recipe, [0])
    scenes = [bank.scene(np.random.default_rng(k), 0) for k in range(24)]
    seen = {(round(s.tilt_deg[0], 4), round(s.tilt_deg[1], 4)) for s in scenes}
    y, x = lean[0]
    turned = {(a * p, b * q) for p, q in ((y, x), (x, y)) for a in (1, -1) for b in (1, -1)}
    assert seen <= {(round(a, 4), round(b, 4)) for a, b in turned}
    assert len(seen) > 4


def test_particles_may_be_higher_or_flatter_than_wide():
    def height_over_width(aspect):
        settings = NanoparticleSettings(aspect=(aspect, aspect * 1.001), relax=0.0, defects=0.0, rough=0.0)
        ratio = []
        for seed in range(12):
            columns = nanoparticle(np.random.default_rng(seed), settings).columns()
            ratio.append(columns["count"].quantile(0.95) / np.sqrt(len(columns)))
        return np.median(ratio)

    flat, even, high = (height_over_width(aspect) for aspect in (0.6, 1.0, 1.5))
    assert flat < 0.85 * even
    assert high > 1.2 * even


def gold(**changes):
    """Settings of small rough gold particles without defects."""
    plain = {
        "elements": {"Au": 1.0},
        "diameter_A": (16, 20),
        "tilt_deg": (0, 0),
        "defects": 0.0,
        "rough": 1.0,
    }
    return NanoparticleSettings(**plain | changes)


def test_relaxed_particles_are_nearly_at_rest():
    def energy_and_force(steps):
        settings = gold(relax=1.0, relax_steps=steps, diameter_A=(14, 15))
        atoms = nanoparticle(np.random.default_rng(4), settings).atoms
        atoms.pbc = False
        atoms.calc = EMT()
        return atoms.get_potential_energy(), np.linalg.norm(atoms.get_forces(), axis=1).max()

    (start, _), (relaxed, force), (rest, _) = (energy_and_force(steps) for steps in (0, 25, 100))
    assert start - relaxed > 0.85 * (start - rest)
    assert force < 0.5


def test_surface_atoms_move_more_than_inner_ones():
    still = nanoparticle(np.random.default_rng(2), gold(relax=0.0, surface_motion=(1.0, 1.0)))
    mobile = nanoparticle(np.random.default_rng(2), gold(relax=0.0, surface_motion=(1.5, 1.5)))
    place = mobile.atoms.positions
    bonds = np.array([len(near) - 1 for near in cKDTree(place).query_ball_point(place, 3.2)])
    np.testing.assert_allclose(still.motion, 1.0)
    np.testing.assert_allclose(mobile.motion[bonds == 12], 1.0)
    np.testing.assert_allclose(mobile.motion[bonds <= 8], 1.5)
    between = mobile.motion[(bonds > 8) & (bonds < 12)]
    assert ((between > 1.0) & (between < 1.5)).all()


def test_relaxed_particles_hold_no_loose_atoms():
    for seed in range(6):
        specimen = nanoparticle(np.random.default_rng(seed), gold(relax=1.0, relax_steps=0, rough_share=0.5))
        place = specimen.atoms.positions
        bonds = np.array([len(near) - 1 for near in cKDTree(place).query_ball_point(place, 3.2)])
        assert bonds.min() >= 3
