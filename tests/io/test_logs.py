"""Unit tests of logs beside movies: plain CSV, Protochips' CSV, alignment."""

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from napari_atomcount.io.logs import read_log
from napari_atomcount.records.errors import InputError

DATA = Path(os.environ.get("ATOMCOUNT_TEST_DATA", "/nowhere")) / "reader_files/rosettasciio/protochips"

PROTOCHIPS = """Time, Notes, Channel A Temperature, Channel B Voltage
0, Date (yyyy.mm.dd) = 2014.11.05, 25, NaN
0, Time (hh:mm:ss.ms) = 14:42:51.369, 25, NaN
0, Time units = Milliseconds, 25, NaN
0, Temperature units = Degrees C, 25, NaN
0, Voltage units = Volts, 25, 0.5
1000, ramp, 75, 0.5
2000, , 125, 1.5
"""


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_plain_csv(tmp_path):
    log = read_log(written(tmp_path, "time (min),T (°C),gas,p [mbar]\n0,20,O2,1\n1,80,O2,2\n2,140,O2,\n"))
    assert log.time_s.tolist() == [0, 60, 120]
    assert list(log.values) == ["T", "p"]
    assert log.label("p") == "p (mbar)"
    assert log.at(np.array([-1.0, 30.0, 120.0]), "T") == pytest.approx([np.nan, 50, 140], nan_ok=True)
    assert np.isnan(log.at(np.array([120.0]), "p"))


@pytest.mark.parametrize("name", ["time_ms", "Time (ms)"])
def test_times_in_other_units(tmp_path, name):
    log = read_log(written(tmp_path, f"{name};T\n0;1\n500;2\n"))
    assert log.time_s.tolist() == [0, 0.5]


def test_time_stamps_and_the_movies_start(tmp_path):
    text = "datetime,T\n2026-03-01T14:00:00,20\n2026-03-01T14:00:10,30\n2026-03-01T14:01:00,80\n"
    log = read_log(written(tmp_path, text)).aligned("2026-03-01T14:00:10")
    assert log.time_s.tolist() == [-10, 0, 50]
    assert log.at(np.array([0.0]), "T")[0] == 30


def test_protochips_notes_say_units_and_the_time_of_day(tmp_path):
    log = read_log(written(tmp_path, PROTOCHIPS))
    assert log.begun == datetime(2014, 11, 5, 14, 42, 51, 369000)
    assert log.time_s[-1] == 2.0
    assert log.label("Channel A Temperature") == "Channel A Temperature (°C)"
    assert log.units["Channel B Voltage"] == "V"
    assert log.notes == ((1.0, "ramp"),)
    assert log.aligned("2014-11-05T14:42:52.369").time_s[-1] == pytest.approx(1.0)
    assert log.aligned(1).time_s[-1] == pytest.approx(1.0)
    assert log.drawn == ["Channel A Temperature", "Channel B Voltage"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "no column of times"), ("time,gas\n1,O2\n", "no column of numbers"),
     ("time,T\nsoon,2\n", "neither seconds nor dates")],
)  # fmt: skip
def test_what_is_no_log_is_said(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_log(written(tmp_path, text))


def test_a_start_that_cannot_be_placed(tmp_path):
    log = read_log(written(tmp_path, "time,T\n0,1\n1,2\n"))
    with pytest.raises(InputError, match="time of day"):
        log.aligned("2026-03-01T14:00:10")
    with pytest.raises(InputError, match="says no time"):
        log.aligned("soon")
    with pytest.raises(InputError, match="cannot be read"):
        read_log(tmp_path / "none.csv")


@pytest.mark.skipif(not DATA.exists(), reason="the readers' files are not here")
@pytest.mark.parametrize("name", ["protochips_gas_cell.csv", "protochips_electrothermal.csv"])
def test_protochips_own_files(name):
    log = read_log(DATA / name)
    assert log.begun is not None
    assert log.begun.year == 2014
    assert log.time_s[-1] > 10
    assert "°C" in log.units.values()
    assert (np.diff(log.time_s) >= 0).all()
