"""Templates against crystallography: distances, numbers, symmetry; names, files and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from napari_atomcount.measure.learned import learn_structure
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import NAMED, load_structure
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

NM = Calibration(pixel_size_nm=0.02)


@pytest.mark.parametrize(
    ("name", "numbers", "nearest_nm", "period"),
    [
        ("fcc110:Au", [6], 0.408 * np.sqrt(3 / 8), 180),
        ("fcc100:Au", [8], 0.204, 90),
        ("fcc111:Au", [6], 0.408 / np.sqrt(6), 60),
        ("graphene", [9], 0.142, 60),
        ("mos2", [9], 0.316 / np.sqrt(3), 60),
        ("ceo2-110", [6, 7], 0.5411 / 4, 180),
        ("hexagonal:0.25", [6], 0.25, 60),
        ("square:0.25", [8], 0.25, 90),
    ],
)
def test_named_structures(name: str, numbers: list[int], nearest_nm: float, period: float) -> None:
    s = load_structure(name)
    assert [len(t.points) for t in s.templates] == numbers
    assert s.unit_nm is not None
    assert min(t.nearest for t in s.templates) * s.unit_nm == pytest.approx(nearest_nm, rel=1e-3)
    assert s.period_deg == pytest.approx(period)


def test_every_name_loads_and_without_a_size_where_none_is_known() -> None:
    assert all(load_structure(name).name == name for name in NAMED)
    assert load_structure("fcc110").unit_nm is None
    assert load_structure("fcc110", material="Pt").unit_nm == 1.0


def test_more_neighbours_fill_the_next_shell() -> None:
    assert len(load_structure("fcc110:Au", neighbours=7).templates[0].points) == 8
    assert len(load_structure("graphene", neighbours=3).templates[0].points) == 3


def test_a_cif_with_a_zone_axis_is_the_named_structure(tmp_path) -> None:
    bulk("Au", cubic=True).write(tmp_path / "gold.cif")
    own, named = load_structure(f"{tmp_path}/gold.cif:110"), load_structure("fcc110:Au")
    assert np.abs(own.templates[0].points) == pytest.approx(np.abs(named.templates[0].points), rel=1e-3)
    assert own.period_deg == 180
    bulk("NaCl", "rocksalt", a=5.64, cubic=True).write(tmp_path / "salt.cif")
    one = load_structure(f"{tmp_path}/salt.cif:1,0,0:Na")  # sodium alone
    assert one.templates[0].nearest == pytest.approx(0.282, rel=1e-3)


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("fcc120", "no template"),
        ("fcc110:Xx", "neither an fcc element"),
        ("fcc110:Fe", "neither an fcc element"),
        ("fcc110:40.8", "absurd"),
        ("missing.cif:110", "no template"),
        ("gold.cif", "no template"),
    ],
)
def test_what_is_no_template_is_said_in_words(spec: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        load_structure(spec)


def test_a_broken_file_and_a_zone_axis_of_zeros(tmp_path) -> None:
    (tmp_path / "bad.cif").write_text("this is no crystal")
    with pytest.raises(InputError, match="cannot be read"):
        load_structure(f"{tmp_path}/bad.cif:110")
    bulk("Au", cubic=True).write(tmp_path / "gold.cif")
    with pytest.raises(InputError, match="zone axis"):
        load_structure(f"{tmp_path}/gold.cif:000")
    with pytest.raises(InputError, match="no atoms of Pt"):
        load_structure(f"{tmp_path}/gold.cif:110:Pt")


def test_a_template_learned_from_a_region(scenes) -> None:
    stretched = np.diag([1.02, 0.97])
    columns = scenes.table_of(scenes.honeycomb(), stretched, noise_px=0.05)
    inside = np.hypot(columns.y - 200, columns.x - 200).to_numpy() < 35
    learned = learn_structure(columns, inside, NM, neighbours=9)
    assert [len(t.points) for t in learned.templates] == [9]
    found = strain_table(columns, [learned], NM, reference="absolute").table
    full = found[found.n_matched == 9]
    assert len(full) > 50
    for name in ("exx", "eyy", "exy"):
        assert abs(full[name].mean()) < 1e-3  # the stretched lattice is its own reference
    with pytest.raises(InputError, match="larger region"):
        learn_structure(columns, np.zeros(len(columns), bool), NM)
