"""Particles that turn, grow, or lie beside a support that moves on its own: sites keep what they are."""

from __future__ import annotations

import numpy as np
import pytest
from dot_scene import PIXEL_NM, SIZE, Laplacian, Scene, particle, render

from napari_atomcount import pipeline
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.measure.spectra import SpectrumMaker
from napari_atomcount.records.motion import Motion
from napari_atomcount.records.settings import AnalysisSettings, DriftSettings

FRAMES = 24
MIDDLE = (SIZE - 1) / 2


class Turning:
    """A particle of which two columns at the rim come and go while it turns, grows and wanders."""

    def __init__(self, turn, grown, seed=0):
        rng = np.random.default_rng(seed)
        self.points = particle(1.2)
        self.present = np.ones((FRAMES, len(self.points)), bool)
        self.mobile = np.argsort(-np.hypot(*(self.points - SIZE / 2).T))[:2]
        self.present[7:15, self.mobile[0]] = False
        self.present[:11, self.mobile[1]] = False
        shift = rng.normal(0, 0.4, (FRAMES, 2)).cumsum(axis=0)
        self.shift = shift - shift[0]
        self.turn, self.scale = turn, 1 + grown
        self.frames = np.stack(list(render(self.points, self.present, self.shift, rng, turn, self.scale)))


def settings(**drift):
    return AnalysisSettings(drift=DriftSettings(**drift))


@pytest.mark.parametrize(
    ("turn", "grown"),
    [
        (np.linspace(0, 5, FRAMES), np.zeros(FRAMES)),
        (np.where(np.arange(FRAMES) >= 12, -3.0, 0.0), np.zeros(FRAMES)),
        (np.linspace(0, 4, FRAMES), np.linspace(0, 0.02, FRAMES)),
        (np.zeros(FRAMES), np.linspace(0, -0.02, FRAMES)),
    ],
    ids=["ramp", "step", "turn and growth", "shrinks"],
)
def test_sites_keep_their_identity_while_the_particle_turns(turn, grown):
    made = Turning(turn, grown)
    rotates, grows = bool(np.ptp(turn)), bool(np.ptp(grown))
    movie = Scene().movie(made.frames)
    found = pipeline.analyze(movie, Laplacian(), settings(rotation=rotates, scale=grows))
    drift = found.drift
    assert np.abs(drift["rotation"] - turn).max() < 0.25
    assert np.abs(drift["scale"] - 1 - grown).max() < 0.004
    assert drift["confidence"].min() > 0.9
    if rotates:
        assert drift["rotation_sigma"].between(0.005, 0.2).all()
    assert len(found.sites) == len(made.points)  # one site for each column, however far it turned
    places = found.sites[["y", "x"]].to_numpy()
    site = [int(np.hypot(*(places - p).T).argmin()) for p in made.points]
    assert len(set(site)) == len(site)
    np.testing.assert_array_equal(found.state[:, site] > 0, made.present)
    kinds = {(int(e.frame), e.kind, int(e.site_id)) for e in found.events.itertuples()}
    a, b = (site[s] for s in made.mobile)
    assert kinds == {(7, "vanish", a), (15, "appear", a), (11, "appear", b)}
    # where the table says that a column is, it is
    for t in (0, 11, 23):
        angle, size = np.deg2rad(turn[t]), 1 + grown[t]
        y, x = (made.points - MIDDLE).T
        true = np.column_stack(
            [
                size * (np.cos(angle) * y - np.sin(angle) * x) + MIDDLE + made.shift[t, 0],
                size * (np.sin(angle) * y + np.cos(angle) * x) + MIDDLE + made.shift[t, 1],
            ]
        )
        said = Motion.of(drift).everywhere(places[site])[t]
        assert np.sqrt(((said - true) ** 2).mean()) < 0.6


def test_a_turn_that_nobody_asked_for_is_told():
    made = Turning(np.linspace(0, 2.5, FRAMES), np.zeros(FRAMES))
    movie = Scene().movie(made.frames)
    found = pipeline.analyze(movie, Laplacian())
    told = [text for text in found.summary["warnings"] if "seems to turn" in text]
    assert len(told) == 1
    assert "rotation" not in found.drift
    grown = Turning(np.zeros(FRAMES), np.linspace(0, 0.04, FRAMES))
    told = pipeline.analyze(Scene().movie(grown.frames), Laplacian()).summary["warnings"]
    assert any("seems to grow" in text for text in told)
    still = pipeline.analyze(Scene().movie(), Laplacian())
    assert not any("seems to turn" in text for text in still.summary["warnings"])
    followed = pipeline.analyze(movie, Laplacian(), settings(rotation=True))
    assert not any("seems to turn" in text for text in followed.summary["warnings"])


def test_a_particle_that_does_not_turn_is_not_turned():
    scene = Scene()
    found = pipeline.analyze(scene.movie(), Laplacian(), settings(rotation=True, scale=True))
    drift = found.drift
    for value, sigma in ((drift["rotation"], "rotation_sigma"), (drift["scale"] - 1, "scale_sigma")):
        # frame 0 has its own error, which all others are against
        assert (np.abs(value) < 4 * np.hypot(drift[sigma], drift[sigma][0]) + 1e-9).all()
    assert len(found.sites) == len(scene.points)


def test_rotation_bridges_blank_frames_and_needs_columns():
    made = Turning(np.linspace(0, 4, FRAMES), np.zeros(FRAMES))
    frames = made.frames.copy()
    frames[9:11] = 5
    found = pipeline.analyze(Scene().movie(frames), Laplacian(), settings(rotation=True))
    assert np.abs(found.drift["rotation"] - made.turn).max() < 0.3
    assert found.drift["rotation_sigma"].isna().sum() == 2
    assert (found.drift["confidence"][9:11] == 0).all()
    blank = pipeline.analyze(Scene().movie(np.full_like(frames, 5)), Laplacian(), settings(rotation=True))
    assert (blank.drift[["dy", "dx", "rotation"]] == 0).all(axis=None)
    assert (blank.drift["scale"] == 1).all()


def support(shift, rng):
    """Frames of speckle that moves on its own at the left edge of the view, strong against the particle."""
    from scipy.ndimage import gaussian_filter
    from scipy.ndimage import shift as moved

    speckle = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 3.0)
    speckle *= 1.0 / speckle.std()
    fade = np.clip((44 - np.arange(SIZE)) / 6, 0, 1)
    return np.stack([moved(speckle, s, mode="wrap") * fade for s in shift])


def test_a_masked_support_takes_no_part_in_the_registration(tmp_path):
    rng = np.random.default_rng(4)
    scene = Scene(hops=False)
    points = scene.points + np.array([0, 25])
    present = np.ones((FRAMES, len(points)), bool)
    clean = np.stack(list(render(points, present, scene.shift, rng))).astype(float)
    other = np.column_stack([np.linspace(0, 40, FRAMES), np.zeros(FRAMES)])
    frames = rng.poisson(np.clip(clean + 9 * support(other, rng), 0, None)).astype(np.uint16)
    movie = scene.movie(frames)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, :48] = 1
    write_tiff(tmp_path / "mask.tif", mask[None], movie.calibration)

    def error(**options):
        drift = pipeline.analyze(movie, Laplacian(), AnalysisSettings(**options)).drift
        rest = drift[["dy", "dx"]].to_numpy() - scene.shift
        return float(np.sqrt(((rest - rest.mean(0)) ** 2).mean()))

    assert error(mask=tmp_path / "mask.tif") < 0.2
    assert error() > 1  # the support misleads
    found = pipeline.analyze(movie, Laplacian(), AnalysisSettings(mask=tmp_path / "mask.tif"))
    assert (found.sites["x"] > 47).all()


def test_a_masked_area_is_out_of_the_spectrum_with_a_soft_edge():
    rng = np.random.default_rng(0)
    inside = np.zeros((120, 120), bool)
    inside[:, 60:] = True
    maker = SpectrumMaker((120, 120), (PIXEL_NM, PIXEL_NM), inside)
    image = rng.normal(10, 1, (120, 120))
    other = image.copy()
    other[:, :30] += rng.normal(0, 50, (120, 30))  # more than the soft edge away
    np.testing.assert_allclose(maker(image), maker(other), atol=1e-3)
    flat = np.full((120, 120), 7.0)
    assert np.abs(maker(flat)).max() < 1e-2  # the edge of the mask itself is not to be seen
    nothing = SpectrumMaker((120, 120), (PIXEL_NM, PIXEL_NM), np.zeros((120, 120), bool))
    assert not nothing(image).any()
