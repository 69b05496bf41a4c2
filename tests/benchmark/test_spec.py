"""Benchmark files: what they may say, and what is refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.spec import (
    Benchmark,
    Pretraining,
    Setting,
    find_benchmark,
    read_benchmark,
    ready_benchmarks,
)
from recbole_mmm4rec.errors import UserError

PAPER = {"table2", "table3", "table4", "table5", "table6", "figure2", "figure4"}


def test_a_file_is_read(in_tmp: Path) -> None:
    (in_tmp / "a.yaml").write_text(
        "title: T\ndatasets: tiny\nseeds: [1, 2]\ncommon: {epochs: 2}\nmodels: [Pop]\nsettings:\n"
        "  - {name: small, model: SASRec, n_layers: 1, datasets: [tiny],\n"
        "     pretrain: {dataset: [x, y], epochs: 1}}\n"
        "report: {ours: small, baselines: {ID: [Pop]}}\n"
    )
    before = Pretraining(("x", "y"), {"epochs": 1})
    settings = (Setting("Pop", "Pop"), Setting("small", "SASRec", {"n_layers": 1}, ("tiny",), before))
    report = {"ours": "small", "baselines": {"ID": ["Pop"]}}
    expected = Benchmark("a", "T", "a.yaml", settings, ("tiny",), (1, 2), {"epochs": 2}, report)
    assert read_benchmark(Path("a.yaml")) == expected


def test_names_of_models_are_a_benchmark() -> None:
    found = find_benchmark("MMM4Rec,SASRec")
    assert [setting.model for setting in found.settings] == ["MMM4Rec", "SASRec"]
    assert found.narrowed(["a", "b"], [3]).datasets == ("a", "b")
    assert found.narrowed([], []).seeds == found.seeds


def test_every_table_and_figure_of_the_paper_has_a_file() -> None:
    assert PAPER | {"quick"} <= set(ready_benchmarks())


@pytest.mark.parametrize("name", ready_benchmarks())
def test_ready_files_can_be_read(name: str) -> None:
    found = find_benchmark(name)
    assert found.name == name
    assert found.title != name


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sedes": [1]}, "unknown key 'sedes'; known are title"),
        ({"settings": [], "models": []}, "names no models and no settings"),
        ({"settings": [{"name": "a"}]}, "setting 'a' names no model"),
        ({"settings": ["SASRec"]}, "settings: entry 1: expected keys and values, found 'SASRec'"),
        ({"seeds": ["one"]}, "seeds: entry 1: expected a whole number, found 'one'"),
        ({"common": [1]}, r"common: expected keys and values, found \[1\]"),
        ({"common": {"seed": 1}}, "'seed' in common: the benchmark decides it itself"),
        ({"settings": [{"model": "A", "resume": "x"}]}, "'resume' in setting 'A'"),
        ({"settings": [{"model": "A"}, {"model": "A", "x": 1}]}, "two settings are called 'A'"),
        (
            {"settings": [{"name": "x", "model": m, "datasets": [m]} for m in "AB"]},
            "two settings are called 'x'",
        ),
        ({"settings": [{"model": "A", "pretrain": {"epochs": 1}}]}, "pretrain of 'A' names no dataset"),
        ({"settings": [{"model": "A", "pretrained": "p", "pretrain": {"dataset": "x"}}]}, "has both"),
        ({"report": {"tables": []}}, "report: unknown key 'tables'"),
        ({"report": {"metrics": ["recall@10", 3]}}, "report: metrics: entry 2: expected a text, found 3"),
        ({"report": {"ours": ["Pop"]}}, r"report: ours: expected a text, found \['Pop'\]"),
        ({"report": {"sections": ["sumary"]}}, "no section 'sumary'; there are summary"),
        ({"report": {"ours": "Popp"}}, "no setting is called 'Popp'; did you mean Pop"),
        ({"report": {"baselines": {"ID": ["B"]}}}, "no setting is called 'B'"),
    ],
)
def test_a_wrong_file_is_one_line(
    keys: dict[str, Any], message: str, make_benchmark: Callable[..., Benchmark]
) -> None:
    with pytest.raises(UserError, match=f"some.yaml: .*{message}") as caught:
        make_benchmark(**({"settings": [{"model": "Pop"}]} | keys))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nested", ["common: " + "[" * 10_000, "settings: " + "{a: " * 10_000])
def test_a_file_that_is_nested_too_deeply_is_one_line(nested: str, in_tmp: Path) -> None:
    (in_tmp / "deep.yaml").write_text(nested)
    with pytest.raises(UserError, match=r"^deep.yaml: not readable as YAML \(nested too deeply\)$"):
        read_benchmark(Path("deep.yaml"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": ["Pop"]}, r"settings: entry 1: model: expected a text, found \['Pop'\]"),
        ({"model": "Pop", "name": {}}, "settings: entry 1: name: expected a text, found {}"),
        (
            {"model": "Pop", "pretrain": "x"},
            "entry 1: pretrain: expected keys and values, found 'x'",
        ),
        (
            {"model": "Pop", "pretrain": {"dataset": [1]}},
            "pretrain: dataset: entry 1: expected a text",
        ),
        ({"model": "Pop", 3: 4}, "settings: entry 1: expected a text as key, found 3"),
    ],
)
def test_a_wrong_setting_is_named_by_its_place(
    setting: dict[Any, Any], message: str, make_benchmark: Callable[..., Benchmark]
) -> None:
    with pytest.raises(UserError, match=message):
        make_benchmark(setting)


def test_two_settings_share_a_name_on_different_datasets(make_benchmark: Callable[..., Benchmark]) -> None:
    parts = [{"model": "FDSA", "datasets": [name], "selected_features": [name]} for name in ("a", "b")]
    assert len(make_benchmark(*parts).settings) == 2


@pytest.mark.parametrize("given", ["", "tabel2", "MMM4Rec,SASRek", "none.yaml"])
def test_what_is_no_benchmark_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="--benchmark: "):
        find_benchmark(given)


def test_near_names_are_named() -> None:
    with pytest.raises(UserError, match="did you mean SASRec"):
        find_benchmark("MMM4Rec,SASRek")
