"""A run on a node of a cluster, the first of which on node two never ends."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import recbole_mmm4rec
from recbole_mmm4rec.benchmark.results import run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.single_run import do_run

STUCK, CONTINUED, CODE = "stuck", "continued", "code"


def run_on_node(plan: RunPlan, folder: Path, paths: dict[str, str]) -> dict[str, Any]:
    """The run; notes are left in the folder above the nodes' own."""
    node = Path(tempfile.gettempdir())
    notes, begun = node.parent, run_folder(folder, plan.key) / "saved" / "begun.txt"
    assert node in folder.parents
    assert {node in Path(path).parents for path in paths.values()} == {True}
    (notes / CODE).write_text(recbole_mmm4rec.__file__)
    if begun.exists():
        (notes / CONTINUED).write_text(plan.key)
    elif node.name == "two" and not (notes / STUCK).exists():
        begun.parent.mkdir(parents=True)
        begun.write_text("one epoch")
        (notes / STUCK).write_text(plan.key)
        time.sleep(600)
    os.environ["OMP_NUM_THREADS"] = "1"
    return do_run(plan, folder, paths)
