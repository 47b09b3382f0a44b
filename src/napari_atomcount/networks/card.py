"""Model folders: a card that says what a network is for and how far to trust it, and its weights."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from napari_atomcount.records.errors import ModelError

#: Weights larger than this are not ours: refuse before hashing gigabytes.
LARGEST_WEIGHTS = 200 * 2**20
LARGEST_CARD = 4 * 2**20
#: A network beyond this is not one of ours: it would fill the memory before its weights could be compared.
LARGEST_NETWORK = {
    "widths": 1024,
    "blocks": 8,
    "bottom": 16,
    "context": 1024,
    "context_window": 255,
    "counts": 200,
    "labels": 50,
    "unshuffle": 8,
    "frames": 16,
}
MOST_LEVELS = 8
NO_NUMBERS_LIKE_NAN = ConfigDict(protected_namespaces=(), allow_inf_nan=False)


class Domain(BaseModel):
    """Where a model's scores hold: what it was trained for."""

    model_config = NO_NUMBERS_LIKE_NAN

    materials: list[str]
    count_materials: list[str] = Field(
        default=[], description="materials whose counts hold; columns hold for all"
    )
    zone_axis: str
    kv: tuple[float, float]
    pixel_size_nm: tuple[float, float]
    dose_e_per_A2: tuple[float, float]
    defocus_nm: tuple[float, float]
    cs_um: tuple[float, float]
    tilt_deg: tuple[float, float]
    contrast: tuple[float, float] = Field(
        (0.02, 0.6),
        description="standard deviation of the image between 0.15 and 0.4 nm, relative to the beam",
    )
    words: str = Field(description="one sentence for people")

    @model_validator(mode="after")
    def _ranges_have_an_order(self) -> Domain:
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"the range of {name} ends before it begins")
        return self


class Calibration(BaseModel):
    """How a network's raw numbers become probabilities, fitted on simulations that were not trained on."""

    model_config = NO_NUMBERS_LIKE_NAN

    evidence: list[float] = Field(description="log-odds of the map at a peak, increasing")
    score: list[float] = Field(description="share of true columns among such peaks")
    count_temperature: float = 1.0
    scale_spread: float = Field(
        0.0, ge=0, le=1, description="of the factor that all counts of a particle share; 0: not looked for"
    )
    sigma_factor: float = Field(1.0, description="true standard error over the stated one")
    by_label: dict[str, Calibration] = Field(
        default={}, description="the same for each class of a model that has several"
    )

    @model_validator(mode="after")
    def _is_a_curve(self) -> Calibration:
        steps = zip(self.evidence, self.evidence[1:], strict=False)
        if not self.evidence or len(self.evidence) != len(self.score) or any(b < a for a, b in steps):
            raise ValueError("evidence has to increase, and to be as long as score")
        if not all(0 <= share <= 1 for share in self.score):
            raise ValueError("score holds something that is no share")
        if self.count_temperature <= 0 or self.sigma_factor <= 0:
            raise ValueError("count_temperature and sigma_factor have to be positive")
        return self


#: Pixels this many times coarser than the coarsest of the training show lattices that nobody trained on…
FAR_COARSER = 1.5
#: …and there only columns of at least this score are written, unless the user sets a threshold.
COARSE_THRESHOLD = 0.95


class ModelCard(BaseModel):
    """The content of ``card.json``."""

    model_config = NO_NUMBERS_LIKE_NAN

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    task: Literal["columns", "region", "shape"] = "columns"
    materials: list[str]
    zone_axis: str
    classes: list[str]
    counts: bool
    max_count: int = Field(ge=0, le=200)
    focal_series: bool = False
    symmetries: Literal[1, 2, 4, 8] | None = Field(
        1, description="of an image, over which answers are averaged; null: as many as its size has time for"
    )
    network: dict[str, Any]
    pixel_size_nm: float = Field(gt=0, le=1, description="pixel size of the images that the network sees")
    normalisation: str
    default_threshold: float = Field(ge=0, le=1)
    peak_nm: float = Field(
        0.085,
        gt=0,
        description="a column is the highest point of the map up to this distance along each axis",
    )
    calibration: Calibration
    domain: Domain
    scores: list[dict[str, Any]] = []
    recipe: dict[str, Any]
    images_seen: int = Field(0, ge=0, description="in training, those of the models it began from as well")
    images_before: int = Field(0, ge=0, description="of these, those of the models it began from")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    parent: str | None = None
    package_version: str
    licence: str = "GPL-3.0-or-later"

    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="before")
    @classmethod
    def _is_plain_text(cls, content: Any) -> Any:
        """Cards are printed on terminals: no control characters anywhere."""
        if isinstance(content, dict) and _control_characters(content):
            raise ValueError("it holds control characters")
        return content

    @model_validator(mode="after")
    def _fits_together(self) -> ModelCard:
        net = self.network
        for name, largest in LARGEST_NETWORK.items():
            values = net.get(name, 1)
            values = values if isinstance(values, list | tuple) else [values]
            if len(values) > MOST_LEVELS or not all(isinstance(v, int) and v <= largest for v in values):
                raise ValueError(f"the network's {name} are beyond what is believable")
        frames = net.get("frames", 1)
        if not isinstance(frames, int) or frames < 1 or (frames > 1) != self.focal_series:
            raise ValueError("focal_series does not say how many images the network takes")
        if self.counts and net.get("counts", self.max_count) != self.max_count:
            raise ValueError("max_count is not what the network counts to")
        if self.task == "columns" and net.get("labels", len(self.classes)) != len(self.classes):
            raise ValueError("the network has another number of classes than the card names")
        return self

    def threshold_at(self, pixel_size_nm: tuple[float, float] | None) -> float:
        """The threshold to use where the user sets none, by pixel size (y, x) in nm: stricter far outside."""
        largest = FAR_COARSER * self.domain.pixel_size_nm[1]
        if pixel_size_nm is not None and max(pixel_size_nm) > largest:
            return max(self.default_threshold, COARSE_THRESHOLD)
        return self.default_threshold

    @property
    def key(self) -> str:
        """What tells one model from another: its name and the hash of its weights."""
        return f"{self.name}:{self.sha256}"

    @property
    def folder(self) -> Path:
        """Where the card was read."""
        return self._folder

    @property
    def images(self) -> int:
        """How many images the model looks at together: 1, or those of a focal series."""
        return int(self.network.get("frames", 1))

    @property
    def knows_means(self) -> bool:
        """Whether it has learned from images that are a mean over the focal spread, as a microscope's are."""
        envelopes = self.recipe.get("training", {}).get("envelopes_until", 0)
        own = self.images_seen - self.images_before
        return bool(self.recipe.get("focal_mean", 0) > 0 and own > envelopes)

    @property
    def weights(self) -> Path:
        """The file of weights beside the card."""
        return self._folder / "weights.safetensors"


#: The model for who does not say which.
DEFAULT_MODEL = "fcc-110-hrtem"


def user_models() -> Path:
    """Folder of the user's own models."""
    return Path(platformdirs.user_data_dir("napari-atomcount", appauthor=False)) / "models"


def bundled_models() -> Path:
    """Folder of the models that come with the package."""
    return Path(str(resources.files("napari_atomcount"))) / "networks" / "weights"


def model_folders() -> list[Path]:
    """Folders that hold a card: bundled models first, then the user's."""
    roots = [bundled_models(), user_models()]
    return [card.parent for root in roots if root.is_dir() for card in sorted(root.glob("*/card.json"))]


def list_models() -> list[ModelCard]:
    """All models that can be used; folders that cannot are left out."""
    cards = []
    for folder in model_folders():
        try:
            cards.append(read_card(folder))
        except ModelError:
            continue  # `load_card` on its name says why; one broken folder must not hide the others
    return cards


def load_card(name_or_folder: str | Path) -> ModelCard:
    """Find a model by name or folder and check that its files are what the card says.

    Parameters
    ----------
    name_or_folder : str or pathlib.Path
        A bundled or user model's name, or a folder with ``card.json`` and ``weights.safetensors``.

    Raises
    ------
    ModelError
        One sentence: not found, not a card, or weights that do not match.
    """
    folder = Path(name_or_folder)
    if not folder.is_dir():
        named = {f.name: f for f in reversed(model_folders())}
        if str(name_or_folder) not in named:
            known = ", ".join(sorted(named)) or "none"
            raise ModelError(
                f"There is no model '{name_or_folder}'; known models: {known}, or give a model's folder."
            )
        folder = named[str(name_or_folder)]
    card = read_card(folder)
    check_weights(card)
    return card


def read_card(folder: Path) -> ModelCard:
    """Read and validate ``card.json`` of a folder; nothing is executed."""
    path = folder / "card.json"
    if not path.is_file():
        raise ModelError(f"{folder} is not a model folder: it has no card.json.")
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise ModelError(f"{path} is too large to be a model card.")
        card = ModelCard.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} cannot be read as a model card: {error}") from error
    except RecursionError as error:
        raise ModelError(f"{path} is nested too deeply to be a model card.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise ModelError(f"{path} is not a valid model card: {where}: {first['msg']}.") from error
    card._folder = folder.resolve()
    return card


def check_weights(card: ModelCard) -> None:
    """Compare the weights' size and sha256 with the card; ModelError if they differ."""
    path = card.weights
    if not path.is_file():
        raise ModelError(f"{card.folder} has no weights.safetensors; only that format is read.")
    if path.stat().st_size > LARGEST_WEIGHTS:
        raise ModelError(f"{path} is larger than {LARGEST_WEIGHTS // 2**20} MiB and is not read.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != card.sha256:
        raise ModelError(
            f"{path} is not the file that its card describes (sha256 differs); copy the model again."
        )

    try:
        # reads the header only; a pickle or a cut file is refused here
        with safe_open(str(path), framework="np") as opened:
            names = list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a safetensors file: only that format is read.") from error
    if not names:
        raise ModelError(f"{path} holds no weights.")


def _control_characters(content: Any) -> bool:
    """Whether any text inside has characters that a terminal would obey; line breaks and tabs are none."""
    if isinstance(content, str):
        return any(not c.isprintable() and c not in "\n\t" for c in content)
    if isinstance(content, dict):
        return any(_control_characters(part) for pair in content.items() for part in pair)
    return isinstance(content, list | tuple) and any(_control_characters(part) for part in content)


def write_card(card: ModelCard, folder: Path) -> None:
    """Write ``card.json`` through a temporary file."""
    temporary = folder / "card.json.tmp"
    temporary.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / "card.json")
