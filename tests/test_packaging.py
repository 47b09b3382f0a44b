"""Integration tests of the build: manifest and samples reach the package, as a wheel and editable.

Each install goes into a new virtual environment of its own; the dependencies are lent from the environment of
the tests, so that nothing is downloaded.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from napari_atomcount import resources

TOP = Path(__file__).resolve().parent.parent
BUNDLED = ("napari.yaml", "sample_data/hopping_au_310.tif")

pytestmark = pytest.mark.skipif(
    not (TOP / "hatch_build.py").is_file(), reason="the tests do not lie in a checkout"
)

PROBE = """
import json, sys
from pathlib import Path
import napari_atomcount
from napari_atomcount import resources
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution("napari-atomcount")
package = Path(napari_atomcount.__file__).parent
print(json.dumps({
    "package": str(package),
    "version": napari_atomcount.__version__,
    "name": manifest.name,
    "commands": [command.id for command in manifest.contributions.commands],
    "samples": [sample.key for sample in manifest.contributions.sample_data or []],
    "movie": str(resources.sample_movie()),
    "inside": [name for name in json.loads(sys.argv[1]) if (package / name).is_file()],
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Stdout of a command; its stderr in the test's report when it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def new_environment(folder: Path) -> Path:
    """A clean virtual environment that sees the tests' dependencies; returns its python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # a .pth adds the folder to the path but does not read the .pth files in it: an editable install of
    # this very package in the tests' environment stays invisible
    Path(site, "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install(python: Path, *what: str | Path, cwd: Path) -> None:
    """Pip without network, dependencies and isolation."""
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", "--quiet")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, *what, cwd=cwd)


def probe(python: Path, cwd: Path) -> dict[str, object]:
    """What the installed package says of itself, asked from a folder far from the checkout."""
    answer: dict[str, object] = json.loads(run(python, "-c", PROBE, json.dumps(BUNDLED), cwd=cwd))
    return answer


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone has it: no ignored files."""
    copy = tmp_path_factory.mktemp("clone") / "main"
    unwanted = (".git", ".venv*", "__pycache__", "*.egg-info", "demo", "build", "dist", ".*_cache")
    shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns(*unwanted))
    (copy / "src/napari_atomcount/napari.yaml").unlink(missing_ok=True)
    shutil.rmtree(copy / "src/napari_atomcount/sample_data", ignore_errors=True)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=checkout)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_lies_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        symbolic = [info.filename for info in archive.infolist() if (info.external_attr >> 28) == 0o12]
        assert len(names) == len(set(names))
        assert not symbolic
        for name in BUNDLED:
            assert archive.read(f"napari_atomcount/{name}") == (TOP / name).read_bytes()
    assert any(name.endswith("weights/fcc-110-hrtem/weights.safetensors") for name in names)
    assert any(name.endswith("recipes/fcc-110-hrtem.json") for name in names)
    assert "napari_atomcount/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "docs"))]


def test_a_wheel_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    python = new_environment(tmp_path / "venv")
    install(python, wheel, cwd=tmp_path)
    found = probe(python, tmp_path)
    assert str(found["package"]).startswith(str(tmp_path))
    assert found["name"] == "napari-atomcount"
    assert found["commands"]
    assert found["samples"]
    assert found["inside"] == list(BUNDLED)
    assert str(found["movie"]).startswith(str(found["package"]))


def test_an_editable_install(checkout: Path, tmp_path: Path) -> None:
    python = new_environment(tmp_path / "venv")
    install(python, "-e", checkout, cwd=tmp_path)
    found = probe(python, tmp_path)
    package = checkout / "src/napari_atomcount"
    assert found["package"] == str(package)
    assert found["commands"]
    assert found["inside"] == list(BUNDLED)
    assert not any((package / name).is_symlink() for name in BUNDLED)
    # an edit of the original is seen at once
    assert found["movie"] == str(checkout / BUNDLED[1])


def test_the_copy_in_this_checkout_is_current() -> None:
    copy = resources.PACKAGE / "napari.yaml"
    if resources.PACKAGE.parent.name != "src" or not copy.exists():
        pytest.skip("not an editable install")
    assert copy.read_bytes() == (TOP / "napari.yaml").read_bytes(), "run: pip install -e ."


def test_a_missing_bundle_is_said() -> None:
    with pytest.raises(FileNotFoundError, match="install napari-atomcount again"):
        resources.bundled("sample_data/nothing.tif")
