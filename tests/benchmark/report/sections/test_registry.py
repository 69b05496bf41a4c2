"""Sections of this package and of others, and the example of the page that explains how to add one."""

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark import report
from recbole_mmm4rec.benchmark.report import section, sections
from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.section import Table
from recbole_mmm4rec.benchmark.report.sections import GROUP, SECTIONS, all_sections
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.benchmark.report.writing import make_sections
from recbole_mmm4rec.errors import UserError
from tests.benchmark.report.folder import make_run

PAGE = Path(str(report.__file__)).parents[1] / "README.md"


def install(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """As if another package had declared an entry point."""
    for module in (sections, section):
        monkeypatch.setattr(module, "entry_points", lambda group: [EntryPoint(name, value, group)])


def study() -> Study:
    runs = [make_run(test={"recall@10": 0.1}, epochs=epochs, seed=epochs) for epochs in (3, 6)]
    return Study(runs, ReportPlan(), UserFiles(Path()))


def example() -> Any:
    """The function of the explanation's example."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["epochs"]


def test_the_example_of_the_explanation_works() -> None:
    (table,) = example()(study()).blocks
    assert isinstance(table, Table)
    assert [(row.group, row.head, row.cells[0].text) for row in table.rows] == [("shop", "SASRec", "4.5")]
    assert example()(Study([], ReportPlan(), UserFiles(Path()))) is None


def test_paths_named_in_the_explanation_exist() -> None:
    root = PAGE.parents[2]
    for path in re.findall(r"`((?:report/|tests/)?[\w./]+(?:\.py|/))`", PAGE.read_text()):
        if path not in ("tables/", "figures/"):  # of a benchmark's folder
            assert (PAGE.parent / path).exists() or (root / path).exists(), path


def test_the_names_that_a_plan_knows_are_those_of_the_sections() -> None:
    assert list(SECTIONS) == list(section.NAMES)


def test_a_section_of_another_package_follows_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "mine", "recbole_mmm4rec.benchmark.report.sections:summary")
    assert list(all_sections()) == [*SECTIONS, "mine"]
    assert list(make_sections(study()))[-1] == "mine"
    assert ReportPlan(sections=["mine", "cost"]).sections == ["mine", "cost"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cost", "os:getcwd", "there is already a section 'cost' (os:getcwd)"),
        ("mine", "no_such_package:section", "cannot load 'mine': No module named 'no_such_package'"),
        ("mine", "os:no_such_section", "cannot load 'mine': module 'os' has no attribute"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    install(monkeypatch, name, value)
    with pytest.raises(UserError, match="^entry point " + re.escape(f"{GROUP}: {message}")):
        all_sections()
