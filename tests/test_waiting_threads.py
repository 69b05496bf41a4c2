"""Threads sleep while they wait, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest

from recbole_mmm4rec.waiting_threads import SETTINGS

SHOWN = """
import os, sys
from recbole_mmm4rec.cli import main
assert "torch" not in sys.modules
main(["models"])
sys.stderr.write(os.environ.get("OMP_WAIT_POLICY", "nothing"))
"""


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({}, "passive"),
        ({"OMP_WAIT_POLICY": "active"}, "active"),
        ({"GOMP_SPINCOUNT": "1000"}, "nothing"),
        ({"KMP_BLOCKTIME": "200"}, "nothing"),
    ],
)
def test_the_command_decides_before_torch_is_there_where_the_user_did_not(
    given: dict[str, str], policy: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | given
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.endswith(policy)
