"""What is missing, too old or too new is told in one line with the command that mends it."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import recbole_mmm4rec
from recbole_mmm4rec.cli import app
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host import requirements
from recbole_mmm4rec.host.requirements import EXTRAS, LIBRARIES, PYTHON, check_extra, check_requirements

ROOT = Path(__file__).parents[2]
RECBOLE = "pip install --no-deps recbole==1.2.1"
INSTALLED = {"recbole": "1.2.1", "torch": "2.13.0+cpu", "numpy": "2.4.6", "pandas": "3.1.1", "ray": "2.60.0"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions that seem to be installed."""
    seeming = dict(INSTALLED)

    def version(name: str) -> str:
        if name not in seeming:
            raise metadata.PackageNotFoundError(name)
        return seeming[name]

    monkeypatch.setattr(requirements.metadata, "version", version)
    check_requirements.cache_clear()
    return seeming


@pytest.mark.parametrize(
    ("name", "version", "line"),
    [
        ("recbole", None, f"this package needs recbole, which is not installed: {RECBOLE}"),
        ("recbole", "1.1.1", f"this package needs recbole>=1.2,<1.3, installed is 1.1.1: {RECBOLE}"),
        ("recbole", "1.3", f"this package needs recbole>=1.2,<1.3, installed is 1.3: {RECBOLE}"),
        (
            "torch",
            "2.5.1+cu124",
            "this package needs torch>=2.6,<3, installed is 2.5.1+cu124: pip install 'torch>=2.6,<3'",
        ),
        (
            "numpy",
            "1.24.4",
            "this package needs numpy>=1.26.4,<3, installed is 1.24.4: pip install 'numpy>=1.26.4,<3'",
        ),
        (
            "pandas",
            "4.0.0rc1",
            "this package needs pandas>=2.2,<4, installed is 4.0.0rc1: pip install 'pandas>=2.2,<4'",
        ),
    ],
)
def test_one_line_with_the_command(
    name: str, version: str | None, line: str, installed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_requirements()
    check_requirements.cache_clear()
    installed.pop(name)
    installed.update({name: version} if version else {})
    for command in (["train", "--model=BPR"], ["models"]):
        assert app.main(command) == 2
        assert capsys.readouterr().err == f"error: {line}\n"
    with pytest.raises(UserError, match=re.escape(line)):
        _ = recbole_mmm4rec.run


@pytest.mark.usefixtures("installed")
def test_an_unsupported_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, shown in (((3, 10, 13, "final", 0), "3.10.13"), ((3, 15, 0, "final", 0), "3.15.0")):
        monkeypatch.setattr(requirements.sys, "version_info", version)
        check_requirements.cache_clear()
        with pytest.raises(
            UserError, match=f"this is Python {shown}, needed is Python 3.11 to 3.14: python3"
        ):
            check_requirements()


def test_optional_packages(installed: dict[str, str]) -> None:
    check_extra("ray", "--tool=ray")
    line = "--tool=hyperopt needs hyperopt, which is not installed: pip install 'hyperopt>=0.2.7,<1'"
    with pytest.raises(UserError, match=re.escape(line)):
        check_extra("hyperopt", "--tool=hyperopt")
    installed["ray"] = "2.6.3"
    line = "--launcher=ray needs ray>=2.50,<3, installed is 2.6.3: pip install 'ray[tune]>=2.50,<3'"
    with pytest.raises(UserError, match=re.escape(line)):
        check_extra("ray", "--launcher=ray")


@pytest.mark.usefixtures("installed")
def test_a_search_asks_before_any_work(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["tune", "SASRec", "--dataset=demo-shop"]) == 2
    assert "--tool=hyperopt needs hyperopt" in capsys.readouterr().err
    assert not list(in_tmp.iterdir())


def test_ranges_are_those_of_the_project_file() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for name, (first, end) in {**LIBRARIES, **EXTRAS}.items():
        lower = ".".join(map(str, first))
        if name != "recbole":
            assert re.search(rf'"{name}(\[tune\])?>={re.escape(lower)}(,<{end[0]})?"', project), name
    (low, high) = (".".join(map(str, version)) for version in PYTHON)
    assert f'requires-python = ">={low},<{high}"' in project


def test_it_costs_no_import() -> None:
    code = (
        "import sys; from recbole_mmm4rec.host.requirements import check_requirements as check; check();"
        "sys.exit(bool({'torch', 'recbole', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
