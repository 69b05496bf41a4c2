"""What the README says can be done, can be done."""

import re
import shlex
from pathlib import Path

import pytest

from recbole_mmm4rec.cli.help import USAGE
from recbole_mmm4rec.host.catalogue import our_models, recbole_models
from recbole_mmm4rec.host.config_checks import RUN_KEYS, documented_keys
from recbole_mmm4rec.host.flags import parse
from recbole_mmm4rec.host.requirements import COMMANDS as COMMANDS_FOR_MISSING

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "atomic_data" / "README.md"]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line and not line.startswith("#")
]
RUNS = [command for command in COMMANDS if "run_recbole.py" in command]


def test_the_first_screen_has_both_commands_with_their_set_up() -> None:
    first_screen = README.splitlines()[:30]
    install = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e "
    recbole = f" && .venv/bin/{COMMANDS_FOR_MISSING['recbole']} && .venv/bin/python "
    assert f"{install}.{recbole}run_recbole.py" in first_screen
    assert f'{install}".[dev]"{recbole}-m pytest' in first_screen


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"grep -E '([^']+)' README.md", script)
    assert pattern
    assert [command for command in COMMANDS if re.search(pattern[1], command)]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize("command", RUNS)
def test_every_flag_and_name_of_a_command_exists(command: str) -> None:
    flags = parse(shlex.split(command.split("run_recbole.py")[1]))
    model = flags.get("model", "MMM4Rec")
    assert model in [*our_models(), *recbole_models()]
    known = RUN_KEYS | set(documented_keys(model, flags.get("dataset", "")))
    assert set(flags) <= known | set(re.findall(r"--(\w+)", USAGE))
    files = flags.get("config_files", "").split()
    assert all((ROOT / file).is_file() for file in files if file.startswith("properties/"))


def test_python_examples_are_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_paths_named_in_the_readme_exist() -> None:
    for path in re.findall(r"`((?:properties|recbole_mmm4rec|tests|atomic_data)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path
