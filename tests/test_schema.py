"""Errors of pydantic as one line of plain words."""

from typing import Any

import pytest
from pydantic import Field

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.schema import Label, Names, Numbers, Strict, Values, checked


class Sample(Strict):
    name: Label = ""
    names: Names = []
    numbers: Numbers = []
    values: Values = Field(default_factory=dict)
    share: float = 0.5
    flag: bool = False


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "a.yaml: expected keys and values, found None"),
        ({"nmae": 1}, "a.yaml: unknown key 'nmae'; known are name, names, numbers, values, share, flag"),
        ({"name": [1]}, "a.yaml: name: expected a text, found [1]"),
        ({"names": ["a", None]}, "a.yaml: names: entry 2: expected a text, found None"),
        ({"numbers": [True]}, "a.yaml: numbers: entry 1: expected a whole number, found True"),
        ({"numbers": [1.0]}, "a.yaml: numbers: entry 1: expected a whole number, found 1.0"),
        ({"values": "x"}, "a.yaml: values: expected keys and values, found 'x'"),
        ({"share": "1"}, "a.yaml: share: expected a number, found '1'"),
        ({"flag": 1}, "a.yaml: flag: expected true or false, found 1"),
        ({1: 2}, "a.yaml: expected a text as key, found 1"),
        ({"a\nb": 2}, "a.yaml: unknown key 'a b'; known are name, names, numbers, values, share, flag"),
    ],
)
def test_the_first_error_is_one_line(value: Any, line: str) -> None:
    with pytest.raises(UserError) as caught:
        checked(Sample, "a.yaml", value)
    assert str(caught.value) == line


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UserError) as caught:
        checked(Sample, "a.yaml", {"share": "x" * 10_000})
    assert len(str(caught.value)) < 120


def test_one_value_stands_for_a_list_and_a_number_for_a_label() -> None:
    found = checked(Sample, "", {"name": 50, "names": "a", "numbers": None, "values": {3: 4}})
    assert (found.name, found.names, found.numbers, found.values) == ("50", ["a"], [], {"3": 4})
