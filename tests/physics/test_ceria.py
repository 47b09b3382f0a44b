"""CeO2 specimens of both generators against crystallography, and several classes on their way to a truth."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

import napari_atomcount
from napari_atomcount.physics.recipe import Recipe
from napari_atomcount.physics.specimens.ceria import CERIUM, OXYGEN, CeriaSettings, ceria, lattice
from napari_atomcount.physics.specimens.ceria_cluster import ClusterSettings, ceria_cluster
from napari_atomcount.physics.specimens.ceria_shape import FACETS, LAYER
from napari_atomcount.physics.specimens.wulff import thermal_pairs

A = 5.411  # lattice constant of ceria, Å
IDEAL = CeriaSettings(
    lattice_scale=(1, 1), tilt_deg=(0, 0), defects=0, relax=0, slab=0, thickness=(6, 6), diameter_A=(34, 36)
)


def nearest(points, k=1):
    return cKDTree(points).query(points, k=k + 1)[0][:, k]


def middle_of(points):
    return np.linalg.norm(points - points.mean(0), axis=1) < 8


def test_sites_are_those_of_fluorite():
    """Ce-O is a √3/4, O-O a/2, Ce-Ce a/√2; eight anions around a cation, four cations around an anion."""
    cerium, oxygen = lattice(A, 30, 30)
    inner = middle_of(cerium)
    assert nearest(cerium)[inner] == pytest.approx(A / np.sqrt(2))
    assert nearest(oxygen)[middle_of(oxygen)] == pytest.approx(A / 2)
    reach = 1.01 * A * np.sqrt(3) / 4
    assert set(cKDTree(oxygen).query_ball_point(cerium[inner], reach, return_length=True)) == {8}
    assert set(cKDTree(cerium).query_ball_point(oxygen[middle_of(oxygen)], reach, return_length=True)) == {4}
    assert cKDTree(oxygen).query(cerium[inner])[0] == pytest.approx(A * np.sqrt(3) / 4)


def columns_of(specimen, label):
    truth = specimen.columns()
    return truth.loc[truth.label == label, ["y_A", "x_A"]].to_numpy(), truth[truth.label == label]


def test_projection_along_110():
    """Ce columns on a centred a × a/√2 net, O columns a/4 from them and a/√8 from each other."""
    specimen = ceria(np.random.default_rng(3), IDEAL)
    (ce, _), (o, _) = columns_of(specimen, CERIUM), columns_of(specimen, OXYGEN)
    inner = middle_of(ce)
    assert nearest(ce)[inner] == pytest.approx(A * np.sqrt(1 / 4 + 1 / 8))
    assert nearest(ce, 5)[inner] == pytest.approx(A / np.sqrt(2))
    assert cKDTree(o).query(ce[inner], k=2)[0] == pytest.approx(A / 4)
    assert nearest(o)[middle_of(o)] == pytest.approx(A / np.sqrt(8))


@pytest.mark.parametrize(
    ("family", "layer"), [("100", A / 2), ("110", A / np.sqrt(8)), ("111", A / np.sqrt(3))]
)
def test_layers_below_the_facets(family, layer):
    cerium, _ = lattice(A, 20, 8)
    for normal in FACETS[family]:
        height = np.unique(np.round(cerium[:, :2] @ np.array(normal), 6))
        inner = height[np.abs(height) < 6]
        np.testing.assert_allclose(np.diff(inner), layer, atol=1e-4)
        assert LAYER[family] * A == pytest.approx(layer)


def generated(generator, seed):
    rng = np.random.default_rng(seed)
    if generator == "training":
        return ceria(rng)
    form, surface = ("particle", "slab")[seed % 2], ("flat", "stepped", "saw-tooth")[seed % 3]
    return ceria_cluster(rng, ClusterSettings(form=form, surface=surface)).specimen


@pytest.mark.parametrize("generator", ["training", "second"])
def test_columns_hold_one_element_and_stand_apart(generator):
    for seed in range(8):
        specimen = generated(generator, seed)
        symbols = np.array(specimen.atoms.get_chemical_symbols())
        np.testing.assert_array_equal(symbols == "O", specimen.label == OXYGEN)
        truth = specimen.columns()
        assert truth["count"].sum() == len(specimen.atoms)
        for column in truth.index:
            assert len(set(symbols[specimen.column == column])) == 1
        place = truth[["y_A", "x_A"]].to_numpy()
        assert nearest(place).min() > 0.6
        assert np.median(nearest(place)) == pytest.approx(A / 4, abs=0.1)
        # an oxygen column of a slab may hang over the periodic border, by less than a bond
        assert place.min() > -1.5
        assert place.max() < specimen.atoms.cell[0, 0] + 1.5


@pytest.mark.parametrize("generator", ["training", "second"])
def test_stoichiometry_and_distances_stay_those_of_ceria(generator):
    ratios, shortest = [], []
    for seed in range(12):
        specimen = generated(generator, seed)
        place, oxygen = specimen.atoms.positions, specimen.label == OXYGEN
        ratios.append(oxygen.sum() / (~oxygen).sum())
        shortest.append(cKDTree(place[~oxygen]).query(place[oxygen])[0])
    assert 1.6 < np.mean(ratios) < 2.15
    bonds = np.concatenate(shortest)
    assert np.median(bonds) == pytest.approx(A * np.sqrt(3) / 4, abs=0.1)
    assert bonds.min() > 1.5


def test_thickness_is_the_wanted_one():
    for seed in range(6):
        ideal = IDEAL.model_copy(update={"slab": 1.0})
        _, truth = columns_of(ceria(np.random.default_rng(seed), ideal), CERIUM)
        assert truth["count"].max() in (5, 6, 7, 8)
        second = ceria_cluster(
            np.random.default_rng(seed), ClusterSettings(thickness=(6, 6), disorder=0)
        ).specimen
        assert columns_of(second, CERIUM)[1]["count"].max() in (5, 6, 7)


def test_shapes_and_defects_occur():
    drawn = [ceria(np.random.default_rng(seed)) for seed in range(60)]
    surfaces = {str(s.notes["surface"]) for s in drawn}
    assert {kind for s in surfaces for kind in ("flat", "stepped", "saw-tooth") if kind in s} == {
        "flat",
        "stepped",
        "saw-tooth",
    }
    assert {"particle", "100", "110", "111"} == {s.split()[0] for s in surfaces}
    counts = np.concatenate([columns_of(s, CERIUM)[1]["count"] for s in drawn])
    assert set(range(1, 12)) <= set(counts)


def test_regular_crystals_are_level_or_in_a_few_terraces():
    """Counts of two neighbouring lattice planes alternate; so a terrace may show two numbers."""
    settings = IDEAL.model_copy(update={"regular": 1.0, "ragged": 1.0, "defects": 1.0, "slab": 1.0})
    numbers = []
    for seed in range(8):
        specimen = ceria(np.random.default_rng(seed), settings)
        assert specimen.notes["regular"]
        assert not specimen.notes["defects"]
        numbers.append(columns_of(specimen, CERIUM)[1]["count"].nunique())
    assert max(numbers) <= 6
    assert min(numbers) <= 2


def test_oxygen_vacancies_empty_columns_partly():
    """With defects, oxygen columns inside hold fewer atoms than the cerium column beside them."""
    short = {}
    for defects in (0.0, 1.0):
        settings = IDEAL.model_copy(update={"slab": 1.0, "defects": defects})
        share = []
        for seed in range(10):
            specimen = ceria(np.random.default_rng(seed), settings)
            (ce, few), (o, many) = columns_of(specimen, CERIUM), columns_of(specimen, OXYGEN)
            beside = few["count"].to_numpy()[cKDTree(ce).query(o)[1]]
            share.append(np.mean(many["count"].to_numpy() < beside - 1))
        short[defects] = np.mean(share)
    assert short[1.0] > short[0.0] + 0.05


def test_oxygen_moves_more_than_cerium():
    specimen = ceria(np.random.default_rng(1))
    rng = np.random.default_rng(0)
    moved = specimen.displaced(0.06, rng)
    pair = thermal_pairs(specimen, 0.06, 1, rng)
    np.testing.assert_allclose(
        (pair[0].atoms.positions + pair[1].atoms.positions) / 2, specimen.atoms.positions, atol=1e-9
    )
    for snapshot in (moved, pair[0]):
        step = snapshot.atoms.positions - specimen.atoms.positions
        ce, o = (step[specimen.label == k].std() for k in (CERIUM, OXYGEN))
        assert 1.05 < o / ce < 1.7
        assert ce == pytest.approx(0.06, rel=0.15)


def test_missing_columns_of_the_second_generator_are_empty_places():
    for seed in range(4):
        made = ceria_cluster(np.random.default_rng(seed), ClusterSettings(missing=2, disorder=0, relax=0))
        assert len(made.missing)
        ce, _ = columns_of(made.specimen, CERIUM)
        distance = cKDTree(ce).query(made.missing[["y_A", "x_A"]].to_numpy())[0]
        np.testing.assert_allclose(distance, A * np.sqrt(3 / 8), rtol=0.03)


def test_the_same_seed_gives_the_same_specimen():
    for generator in ("training", "second"):
        first, second = generated(generator, 4), generated(generator, 4)
        np.testing.assert_array_equal(first.atoms.positions, second.atoms.positions)


def test_the_recipe_reads_its_own_generator():
    path = Path(napari_atomcount.__file__).parent / "recipes" / "ceo2-110-hrtem.json"
    recipe = Recipe.model_validate_json(path.read_text(encoding="utf-8"))
    assert isinstance(recipe.particle, CeriaSettings)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert set(recipe.specimen(0).columns().label) == set(range(len(recipe.classes)))
