"""The ideal observer: its formula against likelihoods, the camera's blur, and known error rates of gold."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from napari_atomcount.benchmark import limits
from napari_atomcount.benchmark.ideal_observer import Observer, detectability, mistaken, observe, with_one
from napari_atomcount.benchmark.robustness import BLUR_NM
from napari_atomcount.benchmark.scenes import ParticleSet, fixed, snapshots_of


def bumps(height):
    y, x = np.mgrid[:24, :24] - 12
    return 30 * (1 + height * np.exp(-(y**2 + x**2) / 18))


def test_the_formula_gives_the_errors_of_the_likelihood_ratio():
    first, second = bumps(0.05), bumps(0.12)
    rng = np.random.default_rng(0)
    ratio = np.log(second / first)
    offset = (second - first).sum()
    wrong = [
        ((rng.poisson(truth, (4000, *truth.shape)) * ratio).sum((1, 2)) - offset > 0) != (truth is second)
        for truth in (first, second)
    ]
    assert np.mean(wrong) == pytest.approx(float(mistaken(detectability(first, second))), abs=0.01)


def test_a_blur_of_electrons_that_were_counted_takes_nothing_away():
    """The MTF acts on signal and noise: with the blurred noise's covariance d'² is what it was without."""
    first, second = bumps(0.05)[:10, :10].ravel(), bumps(0.12)[:10, :10].ravel()
    q = np.hypot(np.fft.fftfreq(10)[:, None], np.fft.fftfreq(10)[None, :])
    mtf = 0.95 / (1 + (q / 0.5) ** 2.5) + 0.05  # eq. 2.21 in cycles per pixel
    kernel = np.fft.ifft2(mtf).real
    blur = np.array([np.roll(kernel, (i, j), (0, 1)).ravel() for i in range(10) for j in range(10)])
    covariance = blur @ np.diag((first + second) / 2) @ blur.T
    signal = blur @ (second - first)
    blurred = signal @ np.linalg.solve(covariance, signal)
    assert blurred == pytest.approx(detectability(first, second), rel=1e-6)
    # whoever takes the blurred image for Poisson counts loses
    assert detectability(blur @ first, blur @ second) < 0.9 * blurred


@pytest.fixture
def made_up():
    count = np.repeat(np.arange(1, 11), 3)
    k = 0.05 / count
    return Observer(pd.DataFrame({"image": 0, "count": count, "fewer": k, "more": k}))


def test_doses_and_errors_belong_together(made_up):
    for error in (0.3, 0.05):
        assert made_up.count_error(made_up.dose_at(error)) == pytest.approx(error, rel=1e-6)
    assert made_up.count_error(1e5) < 1e-3
    # one atom: fewer is no count but a missed column
    alone = Observer(made_up.table[made_up.table["count"] == 1])
    assert alone.missed(100) == pytest.approx(alone.count_error(100))
    assert alone.groups([100.0]).iloc[0]["100"] == pytest.approx(alone.missed(100))


def test_our_dose_is_interpolated_and_unknown_where_it_is_never_reached(made_up):
    rows = pd.DataFrame({"axis": "dose", "at": [100.0, 1e3, 1e4], "count_exact": [0.5, 0.9, 0.97]})
    assert 1e3 < limits.our_dose(rows) < 1e4
    assert "times as much" in limits.dose_words(made_up, rows)
    worse = rows.assign(count_exact=rows.count_exact - 0.4)
    assert np.isnan(limits.our_dose(worse))
    assert "we do not reach that" in limits.dose_words(made_up, worse)
    table = limits.limit_rows(made_up, rows)
    assert made_up.count_error(table.ideal_dose_for_ours.iloc[0]) == pytest.approx(0.5)


def test_one_atom_goes_or_comes_at_the_end_of_a_column():
    particles = ParticleSet(diameter_A=(14.0, 15.0), relax_steps=0, thermal_A=(0.0, 0.0))
    specimen = snapshots_of(particles, 0, 0)[0]
    before = specimen.columns()["count"]
    chosen = before.index.to_numpy()[[0, len(before) // 2]]
    top = np.array([True, False])
    more = with_one(specimen, chosen, top, 2.88, more=True).columns()["count"]
    assert (more - before)[chosen].tolist() == [1, 1]
    assert more.sum() == before.sum() + 2
    fewer = with_one(specimen, chosen, top, 2.88, more=False)
    assert len(fewer.atoms) == len(specimen.atoms) - 2
    for number, last in zip(chosen, top, strict=True):
        was, now = (s.atoms.positions[s.column == number, 2] for s in (specimen, fewer))
        if len(now):
            assert (now.max() < was.max()) == last


#: Error probabilities of one image of gold in [110] at 100, 300 and 1000 e/Å² from an independent
#: calculation: 300 kV, Cs -10 µm, +8 nm, focal spread 2.9 nm, blur of 0.25 Å rms, no MTF, static particles.
KNOWN = {
    "1": ((0.13,), (0.027,), (0.0,)),
    "3–5": ((0.24,), (0.11,), (0.014,)),
    "6–9": ((0.30,), (0.18, 0.20), (0.04, 0.07)),
    "10–14": ((0.20, 0.25), (0.07, 0.12), (0.003, 0.017)),
}


@pytest.mark.slow
def test_known_error_rates_of_gold_come_out(tmp_path):
    still = ParticleSet(diameter_A=(20.0, 40.0), relax_steps=0, thermal_A=(0.0, 0.0))
    microscope = {
        "defocus_nm": fixed(8.0),
        "cs_um": fixed(-10.0),
        "focal_spread_nm": fixed(2.9),
        "vibration_nm": fixed(BLUR_NM),
    }
    observer = observe(still, microscope, 4, 0, tmp_path, lambda *_: None, sets=3)
    doses = (100.0, 300.0, 1000.0)
    found = observer.groups(doses).set_index("atoms")
    assert (found["columns"] >= 5).all()
    for atoms, known in KNOWN.items():
        for dose, spread in zip(doses, known, strict=True):
            # d' within a third: particles differ, and so do the columns' neighbours
            near = norm.isf(np.clip(found.loc[atoms, f"{dose:g}"], 1e-9, 0.499))
            low, high = (norm.isf(np.clip(e, 1e-4, 0.499)) for e in (max(spread), min(spread)))
            assert 0.67 * low < near < 1.5 * high, (atoms, dose, found.loc[atoms])
    again = observe(still, microscope, 4, 0, tmp_path, lambda *_: None, sets=3)
    pd.testing.assert_frame_equal(again.table, observer.table)
