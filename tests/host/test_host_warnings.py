"""Only the command line hides warnings; importing the package changes no filter."""

import os
import subprocess
import sys

PROGRAM = """
import warnings
before = warnings.filters[:]
import recbole_mmm4rec
print(warnings.filters == before)
from recbole_mmm4rec.cli.run_recbole import main
main(["--version"])
print([rule[0] for rule in warnings.filters if rule not in before])
import subprocess, sys
child = "import warnings; warnings.warn('pkg_resources is deprecated'); warnings.warn('other')"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stderr)
"""


def test_filters_belong_to_the_command_line() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    command = [sys.executable, "-c", PROGRAM]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    untouched, *_, hidden, child = (line for line in out.splitlines() if line)
    assert untouched == "True"
    assert hidden == "['ignore', 'ignore']"
    assert child.endswith("UserWarning: other")
