"""What the pages say can be done, can be done."""

import re
import shlex
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from recbole_mmm4rec.cli import recommend as recommending
from recbole_mmm4rec.cli.help import USAGE
from recbole_mmm4rec.cli.serve import serve
from recbole_mmm4rec.host.catalogue import our_models, recbole_models
from recbole_mmm4rec.host.config_checks import RUN_KEYS, documented_keys
from recbole_mmm4rec.host.requirements import COMMANDS as COMMANDS_FOR_MISSING
from recbole_mmm4rec.prepare import cli as prepare_cli
from recbole_mmm4rec.prepare.commands import COMMANDS as PREPARE_COMMANDS
from recbole_mmm4rec.prepare.settings import KEYS as PREPARE_KEYS
from recbole_mmm4rec.prepare.sources.choice import LAYOUTS
from recbole_mmm4rec.tuning.command import NUMBERS

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "atomic_data" / "README.md",
    ROOT / "properties" / "README.md",
    *sorted((ROOT / "recbole_mmm4rec").rglob("*.md")),
]
README = (ROOT / "README.md").read_text()
LONGEST_README = 150
OUTSIDE = {"MeanRec": ROOT / "tests" / "host" / "outside_package" / "outside_rec"}
"""Models of the example package."""
EXAMPLES = {"recbole_mmm4rec/prepare/sources/plays.py"}
"""Files that a page tells the reader to write."""
TOOL_FLAGS = {"output", "peers_python", *NUMBERS}
"""Flags of searches and of --bench, which the usage does not list in full."""
FILE_KEYS = {"report", "pretrain", "sections", "mode", "key", "Authorization"}
"""Names before a colon that are not keys of a run: of a benchmark's file, eval_args, examples, requests."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def commands(page: Path) -> list[str]:
    """Command lines of a page's shell blocks, those over several lines joined."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line and not line.startswith("#")]


COMMANDS = [(name_of(page), command) for page in PAGES for command in commands(page)]
RUN = re.compile(r"run_recbole\.py|recbole-mmm4rec (?:train|benchmark|tune|bench|report)\b")
RUNS = [(page, command) for page, command in COMMANDS if RUN.search(command)]
PREPARES = [(page, command) for page, command in COMMANDS if "recbole-mmm4rec prepare " in command]


def known_flags(model: str, dataset: str = "") -> set[str]:
    keys = documented_keys("MMM4Rec" if model in OUTSIDE else model, dataset)
    return RUN_KEYS | set(keys) | set(re.findall(r"--(\w+)", USAGE)) | TOOL_FLAGS


@lru_cache
def all_keys() -> set[str]:
    """Keys of any run, search, benchmark or raw dataset."""
    runs = set().union(*(known_flags(model) for model in [*our_models(), "SASRec"]))
    asking = {
        flag
        for command in (*recommending.COMMANDS, serve)
        for option in command.params
        for text in option.opts
        for flag in re.findall(r"^--(\w+)", text)
    }
    return runs | set(PREPARE_KEYS) | prepare_flags() | FILE_KEYS | TOOL_FLAGS | asking


def prepare_flags() -> set[str]:
    """Flags of making a dataset that are not keys of it."""
    return {option.lstrip("-") for option in prepare_cli._parser()._option_string_actions}


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= LONGEST_README


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
    assert [command for command in commands(ROOT / "README.md") if re.search(pattern[1], command)]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize(("page", "command"), RUNS)
def test_every_flag_and_name_of_a_command_exists(page: str, command: str) -> None:
    rest = shlex.split(RUN.split(command)[-1])
    flags = dict(re.findall(r"--(\w+)=?(.*)", word)[0] for word in rest if word.startswith("--"))
    model = flags.get("model", "MMM4Rec")
    assert model in [*our_models(), *recbole_models(), *OUTSIDE], page
    assert set(flags) <= known_flags(model, flags.get("dataset", "")), page
    files = flags.get("config_files", "").split()
    assert all((ROOT / file).is_file() for file in files if file.startswith("properties/")), page


@pytest.mark.parametrize(("page", "command"), PREPARES)
def test_every_flag_of_prepare_exists(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *rest = shlex.split(command.split("recbole-mmm4rec prepare ")[1])
    known = prepare_flags() | set(PREPARE_KEYS)
    if name in PREPARE_COMMANDS:
        with pytest.raises(SystemExit):
            PREPARE_COMMANDS[name](["--help"])
        known = set(re.findall(r"--(\w+)", capsys.readouterr().out))
    assert {word[2:].partition("=")[0] for word in rest if word.startswith("--")} <= known, page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_keys_and_flags_in_the_text_exist(page: Path) -> None:
    """In tables and sentences: `--key=value` and `key: value`."""
    text = page.read_text()
    runs = (line[found.end() :] for line in text.splitlines() if (found := RUN.search(line)))
    flags = {flag for given in runs for flag in re.findall(r"--(\w+)", given)}
    flags |= set(re.findall(r"`--(\w+)=", text))
    keys = set(re.findall(r"`(\w+): [^`]+`", text))
    assert flags | keys <= all_keys(), sorted((flags | keys) - all_keys())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_and_test_files_that_are_run_exist(page: Path) -> None:
    text = page.read_text()
    for module in re.findall(r"python -m (tests\.[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for path in re.findall(r"-m pytest ((?:tests/\S+\s?)+)", text):
        assert all((ROOT / part.strip("`")).exists() for part in path.split()), path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_and_yaml_examples_are_well_formed(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")
    for block in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_repository_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_named_in_a_page_exist(page: Path) -> None:
    folders = "properties|recbole_mmm4rec|tests|atomic_data"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()):
        made = path.startswith("atomic_data/") and path != "atomic_data/README.md"
        assert made or path in EXAMPLES or (ROOT / path).exists(), path


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)#:]+)\)", README)}
    others = [page for page in PAGES if page != ROOT / "README.md"]
    assert not [name_of(page) for page in others if page.resolve() not in linked]


def test_the_model_of_the_page_is_that_of_the_example_package() -> None:
    page = ROOT / "recbole_mmm4rec" / "model" / "README.md"
    source = (OUTSIDE["MeanRec"] / "mean_rec.py").read_text()
    assert [block for block in blocks(page, "python") if block in source]


def test_the_source_of_the_page_reads_its_files(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "recbole_mmm4rec" / "prepare" / "README.md"
    (source,) = [block for block in blocks(page, "python") if "class Plays" in block]
    (settings,) = [block for block in blocks(page, "yaml") if "layout: plays" in block]
    names: dict[str, type] = {}
    exec(source, names)
    monkeypatch.setitem(LAYOUTS, "plays", names["Plays"])
    (in_tmp / "my-plays.yaml").write_text(settings)
    raw = in_tmp / "raw"
    raw.mkdir()
    (raw / "artists.tsv").write_text("".join(f"a{n}\tBand number {n}\n" for n in range(6)))
    plays = [(user, (user + step) % 6, 1_700_000_000 + step) for user in range(6) for step in range(5)]
    (raw / "plays.tsv").write_text("".join(f"u{user}\ta{artist}\t{time}\n" for user, artist, time in plays))
    assert prepare_cli.main(["my-plays", "--source=raw", "--config=my-plays.yaml"]) == 0
    assert len((in_tmp / "atomic_data" / "my-plays" / "my-plays.inter").read_text().splitlines()) == 31
