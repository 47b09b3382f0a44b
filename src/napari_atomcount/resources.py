"""Where the bundled files lie: sample movies and the napari manifest, in a checkout or in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SAMPLE_NAME = "hopping_au_310"
FOCAL_NAME = "focal_au_3"
CERIA_NAME = "ceo2_vacancies"
NETWORKS = {SAMPLE_NAME: "fcc-110-hrtem", FOCAL_NAME: "fcc-110-focal3", CERIA_NAME: "ceo2-110-hrtem"}


def bundled(name: str) -> Path:
    """Path of a bundled file or folder.

    In a checkout (also an editable install) the original at the top of the repository is taken, so that an
    edit is seen at once; in an installed wheel the copy inside the package.

    Parameters
    ----------
    name
        Relative to the repository's top: ``"sample_data"``, ``"napari.yaml"``, ``"sample_data/x.tif"``.

    Raises
    ------
    FileNotFoundError
        When neither place has it.
    """
    places = [PACKAGE / name]
    top = PACKAGE.parent.parent
    if PACKAGE.parent.name == "src" and (top / "pyproject.toml").is_file():
        places.insert(0, top / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"the package was installed without {name}: install napari-atomcount again")


def sample_movie() -> Path:
    """Path of the bundled hopping movie (TIFF, calibrated); its truth lies beside it."""
    return bundled(f"sample_data/{SAMPLE_NAME}.tif")


def sample_vacancies() -> Path:
    """Path of the bundled CeO2 movie (TIFF, calibrated); its truth lies beside it."""
    return bundled(f"sample_data/{CERIA_NAME}.tif")


def sample_series() -> Path:
    """Path of the bundled focal series of three images (TIFF, calibrated); its truth lies beside it."""
    return bundled(f"sample_data/{FOCAL_NAME}.tif")


def samples() -> tuple[Path, ...]:
    """Paths of all bundled movies."""
    return sample_movie(), sample_vacancies(), sample_series()


def sample_network(movie: Path | None) -> str | None:
    """Name of the bundled model that a bundled movie is for; None for any other movie."""
    return NETWORKS[movie.stem] if movie in samples() else None
