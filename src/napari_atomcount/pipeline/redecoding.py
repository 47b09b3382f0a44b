"""After a correction: the chains of the sites it touches run again, alone, and every table follows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.measure import markov
from napari_atomcount.measure.events import find_events
from napari_atomcount.measure.occupancy import Occupancy, decode
from napari_atomcount.measure.peaks import density_peaks, nearest
from napari_atomcount.measure.sites import SiteSet, assign, positions_in_frames, site_labels, to_specimen
from napari_atomcount.pipeline.assembling import Followed, coordination, site_figures, site_ids, totals
from napari_atomcount.pipeline.counting import Counting, counted_states
from napari_atomcount.pipeline.following import NOT_SAID, known_states, site_reach
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.packed import at_rows
from napari_atomcount.records.replay import CorrectedColumns

Ints = npt.NDArray[np.int64]
Single = npt.NDArray[np.float32]
Signature = tuple[int, int, int, str, str, float, float]
Rows = TypeVar("Rows", pd.DataFrame, Ints)


def redecode(
    followed: Followed, corrected: CorrectedColumns, frames: Iterable[int] | None = None
) -> Followed:
    """Bring an analysis in line with a person's edits by decoding only the sites that they touch.

    What was learned from all sites (levels, noise, rates, the cost of a change) stays as it is, so that an
    edit at one site changes no other one; `follow` learns it anew. Undone edits are followed just so.

    Parameters
    ----------
    followed : Followed
        Of `follow_sites`, or of an earlier call; it is not changed.
    corrected : CorrectedColumns
        The edits that hold now, over the same network's columns.
    frames : iterable of int, optional
        Frames whose edits changed since `followed`, as `CorrectedColumns.do` and `undo` return them; by
        default all that have edits now or had them then.

    Returns
    -------
    Followed
        Its ``analysis`` has new tables, states and totals. Sites keep their ``site_id``; a column that a
        person added where no site was makes a new one, with the next number.
    """
    old = followed.analysis
    changed = _changed_frames(followed, corrected, frames)
    rows = np.searchsorted(old.frame, changed)
    part = _columns_of(corrected, changed)
    followed = _with_new_places(followed, part)
    pixel = np.array(followed.calibration.require_pixel_size())
    home = np.column_stack(to_specimen(part, old.drift)) * pixel
    centres = followed.places.table[["y", "x"]].to_numpy() * pixel
    place = assign(part["frame"].to_numpy(), home, centres, followed.settings.sites.radius_nm)

    y, x = positions_in_frames(followed.places.table, old.drift.iloc[rows])
    known = followed.known.copy()
    reach = site_reach(followed.calibration, followed.settings)
    known[rows] = known_states(corrected, changed, y, x, reach)
    known[~followed.observed] = NOT_SAID

    frame = old.columns["frame"].to_numpy()
    starts, stops = np.searchsorted(frame, changed), np.searchsorted(frame, changed, side="right")
    was: set[Signature] = set()
    for a, b in zip(starts, stops, strict=True):
        was |= _signatures(old.columns.iloc[a:b], followed.place[a:b])
    now = _signatures(part, place)
    touched = {entry[0] for entry in was ^ now} - {-1}
    touched |= set(np.flatnonzero((known[rows] != followed.known[rows]).any(axis=0)).tolist())
    which = np.array(sorted(touched), dtype=np.int64)

    first = np.searchsorted(part["frame"].to_numpy(), [*changed, np.inf])
    places_of_rows = np.concatenate(_spliced(followed.place, place, starts, stops, first))
    if followed.places.by_label:
        labels = pd.concat(_spliced(old.columns[["label"]], part[["label"]], starts, stops, first))["label"]
        followed = replace(followed, places=_relabelled(followed.places, labels, places_of_rows, which))

    found = _decoded(followed, known, which)
    seen = followed.places.seen.copy()
    seen[place[place >= 0]] = True
    new = which[~np.isin(which, followed.keep)]
    new = new[seen[new] | (found.state[:, new] > 0).any(axis=0)]
    keep = np.concatenate([followed.keep, new])
    part = part.assign(site_id=site_ids(place, keep, len(seen)))[list(old.columns.columns)]
    columns = pd.concat(_spliced(old.columns, part, starts, stops, first), ignore_index=True)
    if len(new):  # columns that had none until now may be at one of them
        columns["site_id"] = site_ids(places_of_rows, keep, len(seen))
    followed = replace(
        followed,
        places=replace(followed.places, seen=seen),
        keep=keep,
        place=places_of_rows,
        known=known,
        found=found,
        counting=_wider(followed.counting, len(keep)),
    )
    return replace(followed, analysis=_analysis(followed, columns, np.flatnonzero(np.isin(keep, which))))


def _spliced(old: Rows, new: Rows, starts: Ints, stops: Ints, first: Ints) -> list[Rows]:
    """Pieces of a table in order: rows ``starts:stops`` of `old` replaced, those of each frame by its own.

    The rows of `new` of the n-th frame are those from ``first[n]`` to ``first[n + 1]``. Slices, and one
    concatenation of them: half a million rows are copied once.
    """
    pieces = [old[: starts[0]]] if len(starts) else [old]
    for n, after in enumerate([*starts[1:], len(old)][: len(stops)]):
        pieces += [new[first[n] : first[n + 1]], old[stops[n] : after]]
    return [piece for piece in pieces if len(piece)] or [old]


def _relabelled(places: SiteSet, label: pd.Series[str], place: Ints, which: Ints) -> SiteSet:
    """The places, those of `which` with the class of most of their columns."""
    rows = np.flatnonzero(np.isin(place, which))
    if not len(rows):
        return places
    own, site_id = np.unique(place[rows], return_inverse=True)
    kinds = places.table["label"].to_numpy(dtype=object, copy=True)
    kinds[own] = site_labels(label.iloc[rows], site_id, len(own))
    kind = pd.Series(kinds, index=places.table.index, dtype="str")
    return replace(places, table=places.table.assign(label=kind))


def _wider(counting: Counting | None, n_sites: int) -> Counting | None:
    """Room for new sites, whose surroundings are not known to add anything."""
    if counting is None:
        return None
    more = n_sites - counting.context.shape[1]
    return replace(counting, context=np.pad(counting.context, ((0, 0), (0, more))))


def _changed_frames(followed: Followed, corrected: CorrectedColumns, frames: Iterable[int] | None) -> Ints:
    analysis = followed.analysis
    if frames is None:
        theirs = analysis.columns.loc[analysis.columns["origin"] != "network", "frame"]
        said = analysis.frame[(followed.known >= 0).any(axis=1)]
        frames = {*corrected.edited_frames, *theirs.tolist(), *said.tolist()}
    wanted = np.array(sorted(set(frames)), dtype=np.int64)
    return np.asarray(wanted[np.isin(wanted, analysis.frame)])


def _columns_of(corrected: CorrectedColumns, frames: Ints) -> pd.DataFrame:
    """COLUMNS of some frames as they are now, by frame and ``column_id``."""
    parts = [corrected.frame_columns(int(t)) for t in frames]
    parts = [p for p in parts if len(p)]
    if not parts:
        return corrected.network.iloc[:0]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["frame", "column_id"], kind="stable", ignore_index=True)


def _signatures(columns: pd.DataFrame, place: Ints) -> set[Signature]:
    """What decides a site's state in a frame, for each column: compared before and after."""
    names = ("frame", "count", "origin", "label", "y", "x")
    return set(zip(place.tolist(), *(columns[name].tolist() for name in names), strict=True))


def _with_new_places(followed: Followed, part: pd.DataFrame) -> Followed:
    """Add a place for each column that a person put where none is within reach."""
    pixel = np.array(followed.calibration.require_pixel_size())
    radius = followed.settings.sites.radius_nm
    added = part[part["origin"] == "added"]
    home = np.column_stack(to_specimen(added, followed.analysis.drift)) * pixel
    centres = followed.places.table[["y", "x"]].to_numpy() * pixel
    # Each frame's own column takes the nearest place; one that finds all within reach taken needs none.
    near = assign(np.arange(len(added)), home, centres, radius) >= 0
    if near.all():
        return followed
    home, added = home[~near], added[~near]
    new, _ = density_peaks(home, np.ones(len(home)), radius)
    table = followed.places.table
    first = len(table)
    position = new / pixel
    y_nm, x_nm = followed.calibration.to_nm(position[:, 0], position[:, 1])
    usual = np.concatenate([np.nan_to_num(followed.found.occupancy) >= 0.5, np.zeros(len(new), bool)])
    _, nearest_added = nearest(home, new)
    rows = pd.DataFrame(
        {name: np.full(len(new), np.nan) for name in table.columns}
        | {
            "site_id": np.arange(first, first + len(new)),
            "y": position[:, 0],
            "x": position[:, 1],
            "y_nm": y_nm,
            "x_nm": x_nm,
            "lattice_id": -1,
            "h": -1,
            "k": -1,
            "label": pd.Series(added["label"].to_numpy()[nearest_added], dtype="str"),
            "n_events": 0,
        }
    )
    both = pd.concat([table[["y_nm", "x_nm", "label"]], rows[["y_nm", "x_nm", "label"]]], ignore_index=True)
    rows["coordination"] = followed.places.neighbours(both, usual)[first:]
    rows = tables.conform(rows, tables.SITES)
    y, x = positions_in_frames(rows, followed.analysis.drift)
    log_odds = followed.store.look_up(y, x)
    observed = np.isfinite(log_odds) & followed.area.holds(y, x) & followed.store.observed[:, None]
    n = len(new)
    return replace(
        followed,
        places=replace(
            followed.places,
            table=pd.concat([table, rows], ignore_index=True),
            seen=np.concatenate([followed.places.seen, np.zeros(n, bool)]),
        ),
        log_odds=np.hstack([followed.log_odds, log_odds]),
        observed=np.hstack([followed.observed, observed]),
        known=np.hstack([followed.known, np.full((len(y), n), NOT_SAID, np.int8)]),
        found=_grown(followed.found, n),
    )


def _grown(found: Occupancy, n: int) -> Occupancy:
    """Room for `n` more places, of which nothing is known yet."""
    frames = len(found.state)
    nothing = np.zeros((frames, n), np.float32)
    unknown = np.full(n, np.nan, np.float32)
    return replace(
        found,
        state=np.hstack([found.state, np.full((frames, n), -1, np.int8)]),
        probability=np.hstack([found.probability, nothing * np.nan]),
        chain=markov.Posterior(*(np.hstack([part, nothing]) for part in _parts(found.chain))),
        occupancy=np.concatenate([found.occupancy, unknown]),
        low=np.concatenate([found.low, unknown]),
        high=np.concatenate([found.high, unknown]),
        changes=np.pad(found.changes, ((0, 0), (0, n))),
        empty_level=np.concatenate([found.empty_level, unknown]),
        occupied_level=np.concatenate([found.occupied_level, unknown]),
    )


PER_SITE = ("occupancy", "low", "high", "empty_level", "occupied_level")


def _parts(chain: markov.Posterior) -> tuple[markov.Single, markov.Single, markov.Single]:
    return chain.occupied, chain.appear, chain.vanish


def _decoded(followed: Followed, known: npt.NDArray[np.int8], which: Ints) -> Occupancy:
    """The paths of all places, those of `which` decoded again."""
    if not len(which):
        return followed.found
    old = followed.found
    pool = followed.places.pools()[which]
    new = decode(
        old.model,
        followed.log_odds[:, which],
        followed.observed[:, which],
        pool,
        followed.settings.occupancy,
        known[:, which],
    )
    state, probability = old.state.copy(), old.probability.copy()
    state[:, which], probability[:, which] = new.state, new.probability
    chain = [part.copy() for part in _parts(old.chain)]
    for whole, part in zip(chain, _parts(new.chain), strict=True):
        whole[:, which] = part
    single: list[Single] = []
    for name in PER_SITE:
        values = getattr(old, name).copy()
        values[which] = getattr(new, name)
        single.append(values)
    occupancy, low, high, empty_level, occupied_level = single
    changes = old.changes.copy()
    changes[:, which] = new.changes
    return replace(
        old,
        state=state,
        probability=probability,
        chain=markov.Posterior(*chain),
        occupancy=occupancy,
        low=low,
        high=high,
        changes=changes,
        empty_level=empty_level,
        occupied_level=occupied_level,
    )


def _analysis(followed: Followed, columns: pd.DataFrame, mine: Ints) -> Analysis:
    """The analysis with other columns, and with the sites `mine` (indices into `keep`) replaced."""
    old, keep, found, places = followed.analysis, followed.keep, followed.found, followed.places
    site = columns["site_id"].to_numpy()
    rows = np.flatnonzero(np.isin(site, mine))
    said = [name for name in ("frame", "count", "origin", "count_p") if name in columns]
    own = pd.DataFrame({name: at_rows(columns[name], rows) for name in said})
    own["site_id"] = np.searchsorted(mine, site[rows])
    counting = followed.counting
    if counting is not None:
        counting = replace(counting, context=counting.context[:, mine])
    theirs = places.table.iloc[keep[mine]].reset_index(drop=True)
    counted = counted_states(own, old.frame, found.state[:, keep[mine]], theirs, counting)
    more = len(keep) - old.state.shape[1]
    state = np.hstack([old.state, np.full((len(old.frame), more), -1, np.int8)])
    state[:, mine] = counted.state
    fresh = find_events(
        found.chain.of_sites(keep[mine]),
        counted.state,
        old.frame,
        mine.astype(np.int64),
        followed.calibration,
        counted.gain,
        counted.lose,
        counted.given,
    )
    other = old.events[~np.isin(old.events["site_id"].to_numpy(), mine)]
    events = pd.concat([part for part in (other, fresh) if len(part)] or [fresh], ignore_index=True)
    events = events.iloc[np.lexsort((events["site_id"], events["frame"]))].reset_index(drop=True)
    new = places.table.iloc[keep[len(keep) - more :]]
    table = pd.concat([old.sites, new], ignore_index=True) if more else old.sites
    table = table.assign(site_id=np.arange(len(keep), dtype=np.int64))
    changed = table.iloc[mine].assign(mean_count=counted.mean_count, label=theirs["label"].to_numpy())
    changed = site_figures(changed, found, keep[mine], state[:, mine], fresh, followed.calibration)
    table = _with_rows(table, mine, changed)
    table = table.assign(coordination=coordination(places, table))
    analysis = replace(
        old,
        columns=columns,
        sites=tables.validate(tables.conform(table, tables.SITES), tables.SITES),
        events=tables.validate(events, tables.EVENTS),
        state=state,
        probability=found.probability[:, keep],
        site_id=np.arange(len(keep), dtype=np.int64),
        summary=dict(old.summary),
        # the movie is not read again here: of a new site it is not known
        intensity=None
        if old.intensity is None
        else np.pad(old.intensity, ((0, 0), (0, more)), constant_values=np.nan),
    )
    analysis.summary["totals"] = totals(analysis, followed.store)
    return analysis


def _with_rows(table: pd.DataFrame, rows: Ints, new: pd.DataFrame) -> pd.DataFrame:
    """The table with some of its rows (positions) replaced."""
    both = pd.concat([table, new], ignore_index=True)
    row = np.arange(len(table))
    row[rows] = len(table) + np.arange(len(new))
    return both.iloc[row].reset_index(drop=True)
