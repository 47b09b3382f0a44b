"""The conditions of the columns benchmark of fcc metals in [110]: tables and curves."""

from __future__ import annotations

from napari_atomcount.benchmark.scenes import (
    CAMERA_WIDE,
    FOCAL_MEAN,
    MEANT,
    OPTICS_A,
    OPTICS_WIDE,
    Condition,
    ParticleSet,
    fixed,
)
from napari_atomcount.physics.recipe import Uniform

#: Doses of standard conditions A, e/Å².
DOSES = (100.0, 310.0, 1000.0, 3000.0, 1e4, 1e5)
SECOND = ParticleSet()
FIRST = ParticleSet(generator="training", relax_steps=25)
GAPS = ParticleSet(missing=2, isolated=2)


def name_of(number: float) -> str:
    """A number for a condition's name: 100, 1e4, -8, 0.16."""
    return f"{number:g}" if abs(number) < 1e4 else f"{number:.0e}".replace("e+0", "e")


def table_conditions() -> list[Condition]:
    """The rows of the table: standard conditions A, and what is changed in them."""
    rows = [
        Condition(
            name=f"A-{name_of(d)}", title=f"A, {name_of(d)} e/Å²", dose_e_per_A2=fixed(d), axis="dose", at=d
        )
        for d in DOSES
    ]
    rows += [
        Condition(
            name=f"A-{name_of(d)}-training-generator",
            title=f"A, {name_of(d)} e/Å², new particles of the training's generator",
            particles=FIRST,
            dose_e_per_A2=fixed(d),
            axis="dose, training's generator",
            at=d,
        )
        for d in (310.0, 1000.0, 1e4)
    ]
    rows.append(
        Condition(
            name="wide",
            title="wide: Table 6.1 at 300 kV, both contrasts, 0.10–0.22 Å/px, 10²–10⁴ e/Å², tilt 0–3°",
            particles=ParticleSet(tilt_deg=(0.0, 3.0)),
            optics=OPTICS_WIDE,
            camera=CAMERA_WIDE,
            dose_e_per_A2=Uniform(low=100.0, high=1e4, log=True),
            pixel_A=Uniform(low=0.10, high=0.22),
            share=3.0,
        )
    )
    rows.append(
        rows[-1].model_copy(
            update={
                "name": "wide-mean",
                "title": f"wide, {MEANT}",
                "optics": OPTICS_WIDE | FOCAL_MEAN,
            }
        )
    )
    rows += [
        Condition(
            name="A-1000-gaps",
            title="A, 1000 e/Å², particles with missing surface columns and isolated columns",
            particles=GAPS,
            dose_e_per_A2=fixed(1000.0),
            share=2.0,
        ),
        Condition(
            name="A-1000-film",
            title="A, 1000 e/Å², on 1.5–4 nm of amorphous carbon",
            dose_e_per_A2=fixed(1000.0),
            surroundings="film",
        ),
        Condition(
            name="A-1000-edge",
            title="A, 1000 e/Å², beside a crystalline oxide edge",
            dose_e_per_A2=fixed(1000.0),
            surroundings="edge",
        ),
        *(
            Condition(
                name=f"A-{name_of(d)}-mean",
                title=f"A, {name_of(d)} e/Å², {MEANT}",
                optics=OPTICS_A | FOCAL_MEAN,
                dose_e_per_A2=fixed(d),
            )
            for d in (100.0, 310.0, 1000.0, 1e4)
        ),
        Condition(
            name="A-1000-cut",
            title="A, 1000 e/Å², the frame's border through the particle",
            dose_e_per_A2=fixed(1000.0),
            crop_nm=2.6,
        ),
        Condition(
            name="A-1000-cut-level",
            title="the same, the beam level stated within 0.5 %",
            dose_e_per_A2=fixed(1000.0),
            crop_nm=2.6,
            level_error=0.005,
            draws="A-1000-cut",
        ),
        Condition(
            name="A-1e4-Pt",
            title="A, 10⁴ e/Å², Pt for Au",
            particles=ParticleSet(element="Pt"),
            dose_e_per_A2=fixed(1e4),
        ),
    ]
    return rows


def curve_conditions() -> list[Condition]:
    """The points of the curves against tilt, defocus, pixel size and Cs, at 1000 e/Å² and otherwise A."""
    dose = fixed(1000.0)
    points = [
        Condition(
            name=f"tilt-{name_of(t)}",
            title=f"tilt {name_of(t)}°",
            particles=ParticleSet(tilt_deg=(t, t)),
            dose_e_per_A2=dose,
            axis="tilt",
            at=t,
        )
        for t in (0.0, 1.0, 2.0, 3.0, 4.0)
    ]
    points += [
        Condition(
            name=f"defocus-{name_of(d)}",
            title=f"defocus {d:+g} nm",
            optics=OPTICS_A | {"defocus_nm": fixed(d)},
            dose_e_per_A2=dose,
            axis="defocus",
            at=d,
        )
        for d in (-16.0, -12.0, -8.0, -4.0, 0.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)
    ]
    points += [
        Condition(
            name=f"pixel-{name_of(p)}",
            title=f"pixel {p:g} Å",
            dose_e_per_A2=dose,
            pixel_A=fixed(p),
            axis="pixel size",
            at=p,
        )
        for p in (0.08, 0.10, 0.12, 0.16, 0.20, 0.22, 0.25)
    ]
    points += [
        Condition(
            name=f"cs-{name_of(c)}",
            title=f"Cs {c:+g} µm",
            optics=OPTICS_A | {"cs_um": fixed(c)},
            dose_e_per_A2=dose,
            axis="Cs",
            at=c,
        )
        for c in (-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0)
    ]
    return points


#: What a model card interpolates in: with the dose curve, or alone where a microscope's images are meant.
CARD_AXIS = "dose and pixel size"
MEANT_CARD_AXIS = f"{CARD_AXIS}, {MEANT}"


def card_conditions(meant: bool = False) -> list[Condition]:
    """Doses at several pixel sizes, which a model card interpolates in.

    Other sizes than A's, which the dose curve has; ``meant``: all sizes, of images as a mean over focus.
    """
    pixels, doses = [0.10, 0.15, 0.25], [100.0, 310.0, 1000.0, 1e4]
    if meant:
        pixels, doses = [*pixels, 0.20], [*doses, 1e5]
    return [
        Condition(
            name=f"A-{name_of(d)}-pixel-{name_of(p)}" + ("-mean" if meant else ""),
            title=f"A, {name_of(d)} e/Å², {p:g} Å/px" + (f", {MEANT}" if meant else ""),
            optics=OPTICS_A | (FOCAL_MEAN if meant else {}),
            dose_e_per_A2=fixed(d),
            pixel_A=fixed(p),
            axis=MEANT_CARD_AXIS if meant else CARD_AXIS,
            at=d,
        )
        for p in pixels
        for d in doses
    ]
