"""The options of ``analyze`` as types: name, range and help of each, once."""

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH...", help="Movies; a folder of images is one movie, a folder of movies is all of them."
    ),
]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME_OR_DIR", help="A model's name (see `models`) or its folder.")
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Folder for the results; several PATHs go to DIR/<stem>/."),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME_OR_INDEX", help="Which dataset, where a file holds several."),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Of colour (red, …), complex (real, phase, …) or multi-channel (0, 1, …) data."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        min=0.0,
        max=1.0,
        help="Columns of a lower score are not written. [default: the model's]",
    ),
]
PixelSize = Annotated[
    str | None,
    typer.Option("--pixel-size-nm", metavar="Y[,X]", help="Size of a pixel, nm; overrides the file's."),
]
FrameTime = Annotated[
    float | None,
    typer.Option("--frame-time-s", min=0.0, help="Time from frame to frame, s; overrides the file's."),
]
Dose = Annotated[
    float | None,
    typer.Option("--dose-e-per-A2", min=0.0, help="Dose per image at the specimen, electrons per Å²."),
]
Gain = Annotated[float | None, typer.Option(min=0.0, help="Camera counts per electron.")]
Material = Annotated[str | None, typer.Option(help="What the specimen is (Au, Pt, …), for the domain check.")]
Kv = Annotated[float | None, typer.Option("--kv", min=0.0, help="Acceleration voltage, kV.")]
Frames = Annotated[
    str | None,
    typer.Option(metavar="START:STOP", help="Only these frames, STOP excluded; the first frame is 0."),
]
Roi = Annotated[
    str | None,
    typer.Option(
        metavar="Y0:Y1,X0:X1|whole",
        help="Only this part of the image, px, ends excluded; whole forgets the part that a session keeps.",
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|particle|none",
        help="An image; its non-zero pixels are left out. particle: all but the crystal that is found; none "
        "forgets the mask that a session keeps.",
    ),
]
Session = Annotated[
    Path | None,
    typer.Option(
        "--session",
        metavar="DIR",
        help="A session: its corrections are used and kept, and it keeps this run. Made where there is none; "
        "several PATHs have theirs in DIR/<stem>.atomcount/.",
    ),
]
DarkLevel = Annotated[
    float | None,
    typer.Option(
        metavar="COUNTS",
        help="What a pixel reads where no electron arrives; it is taken off, from the beam level too. Below "
        "0 after a stretch of the contrast. [default: as the session says, else 0]",
    ),
]
HotPixels = Annotated[
    bool | None,
    typer.Option(
        "--hot-pixels/--no-hot-pixels",
        help="Replace hot pixels and X-rays by the median around them. [default: as the session says]",
    ),
]
HotSigma = Annotated[
    float | None,
    typer.Option(
        metavar="SIGMA",
        min=3.0,
        max=100.0,
        help="How many standard deviations above the median around it a pixel is hot. [default: 8]",
    ),
]
BadFrames = Annotated[
    str | None,
    typer.Option(
        "--bad-frames",
        metavar="A,B,C|auto|none",
        help="Frames that count as not observed; auto finds them, none forgets those that a session keeps.",
    ),
]
RollingFrames = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=101,
        help="Frames averaged for the view: in the dock, under the figures. The network sees single ones.",
    ),
]
FocalSeries = Annotated[
    bool,
    typer.Option(
        "--focal-series",
        help="Successive images of different defocus make one series (of as many as the model looks at).",
    ),
]
Defocus = Annotated[
    str | None,
    typer.Option(
        "--defocus-nm",
        metavar="A,B,C",
        help="Defocus of the images of a series, in their order; overfocus is positive. "
        "[default: it rises from image to image]",
    ),
]
Symmetries = Annotated[
    int | None,
    typer.Option(
        "--symmetries",
        help="Average over 1, 2, 4 or 8 symmetries (mirrors, turns) of every image: counts are better with "
        "more, and take up to so many times longer. [default: as the model's card says, mostly as many as "
        "take no longer than one frame of 1024² px]",
    ),
]
BeamLevel = Annotated[
    float | None,
    typer.Option(
        "--beam-level",
        metavar="COUNTS",
        help="Mean of a pixel without a specimen, of an image of vacuum at the same exposure: for views that "
        "show none; its dark level included. [default: from the vacuum in view]",
    ),
]
CameraMtf = Annotated[
    str | None,
    typer.Option(
        "--mtf",
        metavar="C1,C2,C3",
        help="MTF of the camera, (1 - C1) / (1 + (k / C2)^C3) + C1 with k in cycles per pixel; 1,1,1 is a "
        "camera without blur. [default: from the noise, where gain or dose are known or frames can be "
        "compared; else that of an ordinary camera]",
    ),
]
NoDrift = Annotated[bool, typer.Option("--no-drift", help="Take the specimen to stand still.")]
Rotation = Annotated[
    bool, typer.Option("--rotation", help="Follow how the specimen turns in the plane, up to 10°.")
]
Scale = Annotated[bool, typer.Option("--scale", help="Follow how the specimen is enlarged, up to 4 %.")]
FalseEvents = Annotated[
    float | None,
    typer.Option(
        metavar="PER_1000",
        min=0.0,
        help="False events to expect among 1,000 site-frames. [default: 0.2]",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="NAME",
        help="Measure strain with this crystal: fcc110:Au, fcc100, fcc111, ceo2-110, graphene, mos2, "
        "hexagonal, square, or FILE.cif:110; give it again for each phase that may be there.",
    ),
]
StrainReference = Annotated[
    str | None,
    typer.Option(
        "--strain-reference",
        metavar="REFERENCE",
        help="What strain is relative to: mean, absolute, region:Y0:Y1,X0:X1 or phase:TEMPLATE. "
        "[default: mean]",
    ),
]
StrainRefine = Annotated[
    str | None,
    typer.Option(
        "--strain-refine",
        metavar="METHOD",
        help="How positions are refined: quadratic, gaussian, mass or none. [default: quadratic]",
    ),
]
StrainFilter = Annotated[
    str | None,
    typer.Option(
        "--strain-filter",
        metavar="FILTER",
        help="Filter before the refinement: gaussian, wiener or none. [default: gaussian]",
    ),
]
StrainNeighbours = Annotated[
    int | None,
    typer.Option(
        "--strain-neighbours",
        metavar="N",
        min=3,
        max=40,
        help="Neighbours of a template; raised until a shell is full. [default: the template's]",
    ),
]
StrainLine = Annotated[
    str | None,
    typer.Option(
        "--strain-line",
        metavar="Y0,X0:Y1,X1",
        help="A line, px of frame 0: the profile along it, and the strain parallel and normal to it.",
    ),
]
StrainArtefact = Annotated[
    str | None,
    typer.Option(
        "--strain-artefact",
        metavar="NAME=NUMBER,…",
        help="Simulate a particle without strain under these conditions (defocus nm, cs µm, tilt °, "
        "direction °, focal-spread nm, convergence mrad, vibration nm, kv, dose e/Å²) and measure it in "
        "the same way: what could be an artefact. 'default': the standard conditions. fcc metals only.",
    ),
]
Maps = Annotated[
    bool, typer.Option("--maps", help="Also write confidence.tif: the probability of a column per pixel.")
]
Log = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Temperature, gas or bias against time, drawn under the rates: CSV with a column of times, or "
        "Protochips' CSV.",
    ),
]
LogStart = Annotated[
    str | None,
    typer.Option(
        "--log-start",
        metavar="TIME",
        help="When the movie began: seconds on the log's clock, or a date and time like "
        "2026-03-01T14:05:00. [default: with the log]",
    ),
]
Kymograph = Annotated[
    str | None,
    typer.Option(
        "--kymograph",
        metavar="Y0,X0:Y1,X1[:…]",
        help="A line along a facet, px of frame 0: the states of the sites beside it through time.",
    ),
]
