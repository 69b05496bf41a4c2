"""What is written as a property file is read back as it was."""

from pathlib import Path

import pytest
import yaml

from recbole_mmm4rec.host.property_files import as_properties, read_properties

TEXTS = [
    "133893e819202523",
    "12e34",
    "-1E5",
    "1e-4",
    "0x1f",
    "0123",
    "1_000",
    "1:30",
    "yes",
    "null",
    "~",
    "",
    " a",
    "ä: b",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_that_look_like_other_things_stay_texts(tmp_path: Path, text: str) -> None:
    values = {"one": text, "several": [text, "a"], "within": {text: 1}}
    (tmp_path / "a.yaml").write_text(as_properties(values), encoding="utf-8")
    assert read_properties(tmp_path / "a.yaml") == values
    assert yaml.safe_load(as_properties(values)) == values


@pytest.mark.parametrize("number", [1, 0.5, 1e-4, 2e-3, 1e22, -3e-12, True, None, float("inf")])
def test_numbers_stay_numbers(tmp_path: Path, number: object) -> None:
    (tmp_path / "a.yaml").write_text(as_properties({"key": number}), encoding="utf-8")
    found = read_properties(tmp_path / "a.yaml")["key"]
    assert (found, type(found)) == (number, type(number))
