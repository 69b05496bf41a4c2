"""What an installed package contains, and which versions it is installed with."""

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import recbole_mmm4rec
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


def test_a_source_distribution_has_code_data_pages_and_tests(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("recbole_mmm4rec", "properties", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (tree / "atomic_data").mkdir()
    single = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt")
    for name in (*single, "run_recbole.py", "atomic_data/README.md"):
        shutil.copy(ROOT / name, tree / name)
    wanted = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    assert wanted - held == set()


def test_the_version_is_the_same_everywhere() -> None:
    written = re.search(r'^version = "(.*)"', PROJECT, flags=re.MULTILINE)
    assert written
    assert written[1] == recbole_mmm4rec.__version__
    latest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert latest
    assert latest[1] == written[1]


def test_properties_are_found() -> None:
    assert (properties_path() / "overall.yaml").is_file()


def test_torch_is_pinned() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PINS["torch"])


@pytest.mark.parametrize("tool", TOOLS)
def test_what_ci_uses_is_pinned(tool: str) -> None:
    assert tool in PINS


def test_pins_satisfy_the_requirements() -> None:
    requirements = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    names = {name.lower(): version for name, version in PINS.items()}
    required = re.findall(r'^\s*"([A-Za-z][\w\[\].-]*(?:==|>=|<)[^"]+)"', PROJECT, flags=re.MULTILINE)
    assert len(required) > 8
    for text in required:
        requirement = requirements.Requirement(text)
        assert names[requirement.name.lower()] in requirement.specifier, text
