"""Unit tests of the settings: units, ranges, round trip, and that they import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from napari_atomcount.records.settings import AnalysisSettings, DetectSettings, OccupancySettings, Settings


def models():
    return [Settings, *Settings.__subclasses__()]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_every_setting_says_what_it_is(model):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            continue
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name
        assert "unit" in field.json_schema_extra, name


def test_json_round_trip():
    settings = AnalysisSettings(
        detect=DetectSettings(threshold=0.4), frames=(2, 9), roi=(0, 5, 1, 6), mask="mask.tif", kv=300
    )
    assert AnalysisSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": (5, 5)},
        {"frames": (-1, 5)},
        {"roi": (5, 4, 0, 9)},
        {"kv": 0},
        {"detect": {"threshold": 2}},
        {"occupancy": {"false_events_per_1000": 0}},
        {"thresold": 0.5},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        AnalysisSettings(**wrong)


def test_settings_do_not_change_in_place():
    with pytest.raises(ValidationError):
        OccupancySettings().seed = 3


def test_settings_import_neither_pandas_nor_torch():
    code = (
        "import sys, napari_atomcount.records.settings; "
        "sys.exit(bool({'pandas', 'torch', 'napari', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
