"""Freed memory stays with the process, so that a step's second run faults in no pages."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from recbole_mmm4rec.training.allocator import keep_memory
print(keep_memory())
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 << 20)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(keep: str) -> list[str]:
    environment = {"RECBOLE_MMM4REC_KEEP_MEMORY": keep, "PATH": ""}
    out = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True)
    return out.stdout.decode().split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc's allocator")
def test_pages_are_faulted_in_once() -> None:
    done, _, second, third = run("1")
    assert done == "True"
    assert max(int(second), int(third)) < 100


def test_can_be_left_alone() -> None:
    done, *faults = run("0")
    assert done == "False"
    assert min(int(f) for f in faults) > 100 or platform.libc_ver()[0] != "glibc"
