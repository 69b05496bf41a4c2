"""What an installed package contains, and which versions it is installed with."""

import re
from pathlib import Path

import pytest

from recbole_mmm4rec.host.property_files import properties_path

ROOT = Path(__file__).parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text()
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PINS = dict(line.split("==") for line in LINES if not line.startswith("#"))
TOOLS = ["ruff", "mypy", "pytest", "setuptools", "recbole", "types-PyYAML", "pandas-stubs"]


def test_every_package_is_listed() -> None:
    listing = re.search(r"packages = \[(.*?)\n\]", PROJECT, flags=re.DOTALL)
    assert listing
    listed = set(re.findall(r'^\s*"([\w.]+)"', listing[1], flags=re.MULTILINE))
    folders = (path.parent.relative_to(ROOT) for path in (ROOT / "recbole_mmm4rec").rglob("__init__.py"))
    assert listed == {".".join(folder.parts) for folder in folders} | {"recbole_mmm4rec.properties"}


def package_data(package: str, folder: Path) -> set[Path]:
    globs = re.search(rf'"{package}" = \[(.*)\]', PROJECT)
    assert globs
    return {path for glob in re.findall(r'"([^"]+)"', globs[1]) for path in folder.glob(glob)}


def test_every_property_file_is_package_data() -> None:
    properties = ROOT / "properties"
    wanted = {path for path in properties.rglob("*") if path.is_file() and path.name != "README.md"}
    assert package_data("recbole_mmm4rec.properties", properties) == wanted


def test_every_part_of_the_page_is_package_data() -> None:
    folder = ROOT / "recbole_mmm4rec" / "benchmark" / "report"
    wanted = {path for path in folder.glob("*") if path.is_file() and path.suffix != ".py"}
    assert package_data("recbole_mmm4rec.benchmark.report", folder) == wanted
    assert folder / "page.html.j2" in wanted


def test_types_are_for_users_too() -> None:
    folder = ROOT / "recbole_mmm4rec"
    assert package_data("recbole_mmm4rec", folder) == {folder / "py.typed"}
    assert (folder / "py.typed").is_file()


def test_properties_are_found() -> None:
    assert (properties_path() / "overall.yaml").is_file()


def test_torch_is_pinned() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PINS["torch"])


@pytest.mark.parametrize("tool", TOOLS)
def test_what_ci_uses_is_pinned(tool: str) -> None:
    assert tool in PINS


def test_pins_satisfy_the_requirements() -> None:
    requirements = pytest.importorskip("packaging.requirements")
    names = {name.lower(): version for name, version in PINS.items()}
    required = re.findall(r'^\s*"([A-Za-z][\w\[\].-]*(?:==|>=|<)[^"]+)"', PROJECT, flags=re.MULTILINE)
    assert len(required) > 8
    for text in required:
        requirement = requirements.Requirement(text)
        assert names[requirement.name.lower()] in requirement.specifier, text
