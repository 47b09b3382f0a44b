"""The many ways in which files spell a unit: lengths to nm, times to s, and what is neither."""

from __future__ import annotations

import re

_LENGTHS = {
    "m": 1e9,
    "mm": 1e6,
    "cm": 1e7,
    "inch": 2.54e7,
    "um": 1e3,
    "nm": 1.0,
    "a": 0.1,
    "pm": 1e-3,
}
_TIMES = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_ALIASES = {
    "meter": "m",
    "metre": "m",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "in": "inch",
    "inche": "inch",
    "micron": "um",
    "micrometer": "um",
    "micrometre": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "å": "a",
    "ang": "a",
    "angstrom": "a",
    "ångström": "a",
    "ångstrom": "a",
    "angström": "a",
    "picometer": "pm",
    "picometre": "pm",
    "sec": "s",
    "second": "s",
    "msec": "ms",
    "millisecond": "ms",
    "usec": "us",
    "microsecond": "us",
    "nanosecond": "ns",
    "minute": "min",
    "hour": "h",
    "hr": "h",
}
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_RECIPROCAL = re.compile(r"^1\s*/|\^?\s*-\s*1|⁻¹|1/|^m?rad|^deg|°|^reciprocal", re.IGNORECASE)
_ENERGY = re.compile(r"^[kMm]?eV$|^electron\s?volts?$", re.IGNORECASE)


def _plain(unit: str) -> str:
    """One spelling of many: ImageJ's escaped micro sign, ``[u_m]``, ``Microns`` and ``µm`` are all ``um``."""
    text = _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), unit).strip().strip("[]").replace("_", "")
    text = text.replace("µ", "u").replace("μ", "u").replace("Å", "Å").casefold()  # micro, mu, Angstrom sign
    if text not in _LENGTHS and text not in _TIMES and len(text) > 2:
        text = text.removesuffix("s")
    return _ALIASES.get(text, text)


def length_in_nm(unit: str) -> float | None:
    """One `unit` in nm; None where it is no length."""
    return _LENGTHS.get(_plain(unit))


def time_in_s(unit: str) -> float | None:
    """One `unit` in s; None where it is no time."""
    return _TIMES.get(_plain(unit))


def is_reciprocal(unit: str) -> bool:
    """Whether `unit` belongs to a diffraction pattern: a reciprocal length or an angle."""
    return bool(_RECIPROCAL.search(unit.strip()))


def is_energy(unit: str) -> bool:
    """Whether `unit` belongs to a spectrum."""
    return bool(_ENERGY.match(unit.strip()))
