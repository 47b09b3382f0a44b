"""What the network said about every frame, on disk, so that memory does not grow with the movie."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.measure.spectra import Spectrum, SpectrumList
from napari_atomcount.pipeline.detecting import FrameResult
from napari_atomcount.pipeline.spool import Rows
from napari_atomcount.records.movie import Movie

if TYPE_CHECKING:
    from napari_atomcount.networks.card import ModelCard

Single = npt.NDArray[np.float32]

NOT_OBSERVED = 0  # the code of a map pixel that shows nothing
LARGEST_LOG_ODDS = 12.0
MAPS, SPECTRA, WEAK, INDEX = "maps.u8", "spectra.c64", "weak.parquet", "index.json"
WEAK_COLUMNS = ["y", "x", "score"]
LOOK_UP_NM = 0.06  # the strongest evidence within this distance of a site is the site's, or nearer:
# where a model's columns may stand closer than that, half-way to a neighbour would be the neighbour's
_LOG_ODDS = np.concatenate([[0.0], np.linspace(-LARGEST_LOG_ODDS, LARGEST_LOG_ODDS, 255)])


class LogitStore:
    """The column maps of a movie's frames in 8 bits, in a temporary file, to be looked up at any place.

    Parameters
    ----------
    movie : Movie
        The movie whose frames are added.
    card : ModelCard, optional
        The model; its calibration turns the map's evidence into probabilities.

    Notes
    -----
    Adding and reading may happen in different threads.
    """

    def __init__(self, movie: Movie, card: ModelCard | None = None) -> None:
        self.card = card
        self.n_frames = movie.n_frames
        self.pixel_size_nm = movie.calibration.pixel_size_nm  # when the network looked
        self.scale, self._map_shape = _expected_grid(movie, card)
        self.map_pixel_nm = 0.0
        self._file: IO[bytes] | None = None
        self._lock = Lock()
        self.closed = False
        self._place: dict[int, int] = {}
        self._observed: dict[int, bool] = {}
        self._weak: dict[int, slice] = {}  # of the rows: y, x, score
        self._weak_rows = Rows(3)
        self._warnings: dict[int, tuple[str, ...]] = {}
        self._spectra = SpectrumList()
        self._calibrate = _Calibration(card)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, h, w): frames of the movie, and the size of a map."""
        return self.n_frames, *self._map_shape

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """Frames that were added, in order, shape (F,)."""
        return np.array(sorted(self._place), dtype=np.int64)

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """Whether each of the `frames` shows anything, shape (F,)."""
        return np.array([self._observed[int(t)] for t in self.frames], dtype=bool)

    @property
    def warnings(self) -> list[str]:
        """What was said about the frames, in order, each sentence once."""
        return list(dict.fromkeys(text for t in self.frames for text in self._warnings[int(t)]))

    def add(self, result: FrameResult) -> None:
        """Keep what is needed of a frame's result, in place of an earlier one of the same frame."""
        maps = result.maps
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="atomcount-maps-")  # gone when it is closed
            if not self._place:
                self._map_shape, self.scale = (maps.column.shape[0], maps.column.shape[1]), maps.scale
                self.map_pixel_nm = maps.pixel_size_nm
            place = len(self._spectra)
            self._file.seek(place * math.prod(self._map_shape))
            self._file.write(_codes(self._calibrate(maps.column), maps.observed).tobytes())
            self._spectra.append(result.spectrum)
            self._place[result.frame] = place
            self._observed[result.frame] = result.observed
            self._weak[result.frame] = self._weak_rows.add(result.weak[WEAK_COLUMNS].to_numpy(np.float64))
            self._warnings[result.frame] = result.warnings

    def weak(self) -> pd.DataFrame:
        """Frame, y, x, score of all that stayed below the threshold."""
        frames = self.frames
        parts = [self._weak_rows[self._weak[int(t)]] for t in frames]
        rows = np.concatenate([np.zeros((0, 3)), *parts])
        table = pd.DataFrame(rows, columns=WEAK_COLUMNS, copy=False)
        table.insert(0, "frame", np.repeat(frames, [len(part) for part in parts]))
        return table

    def spectra(self) -> SpectraInOrder:
        """The drift's spectra of the `frames`."""
        return SpectraInOrder(self._spectra, [self._place[int(t)] for t in self.frames])

    def confidence(self, frame: int) -> Single:
        """Probability of a column at each map pixel, shape (h, w); 0 where nothing was seen or run."""
        codes = self._read(frame)
        if codes is None:
            return np.zeros(self._map_shape, np.float32)
        table = expit(_LOG_ODDS)
        table[NOT_OBSERVED] = 0
        return np.asarray(table[codes], dtype=np.float32)

    def look_up(self, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> Single:
        """Calibrated log-odds of a column at given places, whether or not one was detected there.

        Parameters
        ----------
        y, x : ndarray, shape (F, S)
            Places in px of the file, for each of the `frames`.

        Returns
        -------
        ndarray, shape (F, S)
            The strongest within 0.06 nm; NaN where the place was not observed.
        """
        out = np.full(y.shape, np.nan, np.float32)
        nm = LOOK_UP_NM if self.card is None else min(LOOK_UP_NM, self.card.peak_nm)
        radius = max(nm / self.map_pixel_nm, 0.75) if self.map_pixel_nm else 1.0
        reach = math.ceil(radius)
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1, 1)
        h, w = self._map_shape
        for row, t in enumerate(self.frames):
            codes = self._read(int(t)) if self._observed[int(t)] else None
            if codes is None:
                continue
            my = (y[row] + 0.5) / self.scale[0] - 0.5
            mx = (x[row] + 0.5) / self.scale[1] - 0.5
            iy, ix = np.rint(my).astype(np.int64) + dy, np.rint(mx).astype(np.int64) + dx
            near = (iy - my) ** 2 + (ix - mx) ** 2 <= radius**2
            near &= (iy >= 0) & (ix >= 0) & (iy < h) & (ix < w)
            found = np.where(near, codes[np.clip(iy, 0, h - 1), np.clip(ix, 0, w - 1)], NOT_OBSERVED).max(
                axis=0
            )
            out[row] = np.where(found > NOT_OBSERVED, _LOG_ODDS[found], np.nan)
        return out

    def save(self, folder: Path) -> bool:
        """Copy everything into a folder, so that `load` finds it after the program has ended.

        Returns
        -------
        bool
            False if the store was closed before, or meanwhile: then there is nothing whole to be loaded.

        Raises
        ------
        OSError
            If the folder cannot be written; what is there then is not loaded.
        """
        part = self.restricted(self.frames.tolist())  # closing this one takes its places, and its file, away
        if self.closed:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)  # until all is written, nothing claims to be complete
        frames = part.frames.tolist()
        with (folder / MAPS).open("wb") as file:
            for t in frames:
                codes = self._read(t)
                if codes is None:
                    return False
                file.write(codes.tobytes())
        spectra = part.spectra()
        with (folder / SPECTRA).open("wb") as file:
            for index in range(len(spectra)):
                file.write(spectra[index].astype(np.complex64).tobytes())
        with whole_file(folder / WEAK) as partial:
            part.weak().to_parquet(partial)
        shape = spectra[0].shape if frames else (0,)
        about = {
            "frames": frames,
            "n_frames": self.n_frames,
            "observed": [self._observed[t] for t in frames],
            "warnings": [list(self._warnings[t]) for t in frames],
            "pixel_size_nm": self.pixel_size_nm,
            "scale": list(self.scale),
            "map_shape": list(self._map_shape),
            "map_pixel_nm": self.map_pixel_nm,
            "spectrum_shape": list(shape),
            "model": None if self.card is None else self.card.sha256,
        }
        with whole_file(folder / INDEX) as partial:
            partial.write_text(json.dumps(about), encoding="utf-8")
        return True

    @classmethod
    def load(cls, folder: Path, movie: Movie, card: ModelCard | None = None) -> LogitStore | None:
        """A store of what `save` wrote; None where nothing whole of this movie and model is there."""
        try:
            about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            weak = pd.read_parquet(folder / WEAK)
            maps = np.memmap(folder / MAPS, np.uint8, "r") if about["frames"] else np.zeros(0, np.uint8)
            spectra = np.fromfile(folder / SPECTRA, np.complex64)
            store = cls(movie, card)
            shape = tuple(int(n) for n in about["map_shape"])
            maps = maps.reshape(len(about["frames"]), *shape)
            spectra = spectra.reshape(len(about["frames"]), *about["spectrum_shape"])
        except (OSError, ValueError, KeyError):  # a cache that is not there, or not whole
            return None
        if about["n_frames"] != movie.n_frames or about["model"] != (None if card is None else card.sha256):
            return None
        store._map_shape, store.scale = (shape[0], shape[1]), (about["scale"][0], about["scale"][1])
        store.map_pixel_nm = float(about["map_pixel_nm"])
        if about.get("pixel_size_nm"):
            store.pixel_size_nm = (float(about["pixel_size_nm"][0]), float(about["pixel_size_nm"][1]))
        by_frame = dict(tuple(weak.groupby("frame")))
        none = weak.iloc[:0]
        rows_of = {t: by_frame.get(t, none)[WEAK_COLUMNS].to_numpy(np.float64) for t in about["frames"]}
        store._file = tempfile.TemporaryFile(prefix="atomcount-maps-")
        for place, t in enumerate(about["frames"]):
            store._file.write(maps[place].tobytes())
            store._spectra.append(np.asarray(spectra[place]))
            store._place[t] = place
            store._observed[t] = bool(about["observed"][place])
            store._weak[t] = store._weak_rows.add(rows_of[t])
            store._warnings[t] = tuple(about["warnings"][place])
        return store

    def restricted(self, frames: Iterable[int]) -> LogitStore:
        """The same maps of fewer frames, on the same file: closing one of the two closes both."""
        part = copy.copy(self)
        keep = set(frames)
        for name in ("_place", "_observed", "_weak", "_warnings"):
            setattr(part, name, {t: value for t, value in getattr(self, name).items() if t in keep})
        return part

    def close(self) -> None:
        """Give the disk space back; nothing can be looked up afterwards."""
        with self._lock:
            self._place = {}
            self.closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read(self, frame: int) -> npt.NDArray[np.uint8] | None:
        with self._lock:
            if frame not in self._place or self._file is None or self._file.closed:
                return None
            size = math.prod(self._map_shape)
            self._file.seek(self._place[frame] * size)
            return np.frombuffer(self._file.read(size), np.uint8).reshape(self._map_shape)


class SpectraInOrder:
    """Spectra by the order of their frames, whatever order they were made in."""

    def __init__(self, spectra: SpectrumList, places: list[int]) -> None:
        self._spectra = spectra
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Spectrum:
        return self._spectra[self._places[index]]


class _Calibration:
    """The model's calibration as a straight line in log-odds: evidence of its map -> log-odds that come true.

    Platt scaling (Platt 1999), fitted to the shares on the card. Those are steps, and steps in the evidence
    would look like changes of a site.
    """

    def __init__(self, card: ModelCard | None) -> None:
        self.offset, self.slope = 0.0, 1.0
        if card is None:
            return
        evidence = np.asarray(card.calibration.evidence, dtype=np.float64)
        share = np.asarray(card.calibration.score, dtype=np.float64)
        design = np.column_stack([np.ones_like(evidence), evidence])
        line = np.array([0.0, 1.0])
        prior = np.diag([0.1, 1.0])  # towards evidence that is calibrated as it is
        for _ in range(50):  # Newton's steps of the logistic regression
            p = expit(design @ line)
            gradient = design.T @ (share - p) - prior @ (line - [0.0, 1.0])
            step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + prior, gradient)
            line = line + np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-9:
                break
        self.offset, self.slope = float(line[0]), max(float(line[1]), 0.1)

    def __call__(self, evidence: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Log-odds, of any shape."""
        return evidence * np.float32(self.slope) + np.float32(self.offset)


def _codes(log_odds: npt.NDArray[np.floating], observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Log-odds in 8 bits: 0 not observed, 1…255 from -12 to 12."""
    scaled = (np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS) / LARGEST_LOG_ODDS + 1) * 127
    codes: npt.NDArray[np.uint8] = (np.rint(scaled) + 1).astype(np.uint8)
    codes[~observed] = NOT_OBSERVED
    return codes


def _expected_grid(movie: Movie, card: ModelCard | None) -> tuple[tuple[float, float], tuple[int, int]]:
    """Scale and shape that the maps will have, known before the first of them; (1, 1) without a card."""
    _, height, width = movie.shape
    if card is None or movie.calibration.pixel_size_nm is None:
        return (1.0, 1.0), (height, width)
    factor = int(card.network.get("unshuffle", 1))
    fine = [
        max(1, round(n * p / card.pixel_size_nm))
        for n, p in zip((height, width), movie.calibration.pixel_size_nm, strict=True)
    ]
    return (
        (height / fine[0] * factor, width / fine[1] * factor),
        (-(-fine[0] // factor), -(-fine[1] // factor)),
    )
