"""A run imports what it needs and no more: the rest would be seconds before its first batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SMALL

ROOT = Path(__file__).parents[2]
OF_OTHER_COMMANDS = ["matplotlib", "ray", "hyperopt", "plotly", "jinja2", "thop"]
OF_NO_RUN = ["recbole.quick_start", "sklearn", "torch._dynamo", "sympy"]

PROGRAM = """
import json, sys
from recbole_mmm4rec.cli.app import main
code = main(json.loads(sys.argv[1]))
print()
print(json.dumps([code, sorted(sys.modules)]))
"""


def _modules(arguments: list[str]) -> set[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.usefixtures("tiny")
def test_a_run_imports_only_what_it_needs() -> None:
    flags = [f"--{key}={value}" for key, value in SMALL.items()]
    modules = _modules(["train", "--model=MMM4Rec", "--dataset=tiny", *flags])
    assert "torch" in modules
    assert not modules & {*OF_OTHER_COMMANDS, *OF_NO_RUN}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["train", "--help", "--model=MMM4Rec"]]
)
def test_help_imports_neither_torch_nor_numpy(arguments: list[str]) -> None:
    assert not _modules(arguments) & {"torch", "numpy", "pandas", "recbole.config", *OF_OTHER_COMMANDS}
