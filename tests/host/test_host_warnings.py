"""Only the command line hides warnings; importing the package changes no filter."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ITEMS, write_interactions

PROGRAM = """
import warnings
before = warnings.filters[:]
import recbole_mmm4rec
print(warnings.filters == before)
from recbole_mmm4rec.cli.run_recbole import main
main(["--version"])
print([rule[0] for rule in warnings.filters if rule not in before])
"""


def test_filters_belong_to_the_command_line() -> None:
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    untouched, *_, hidden = (line for line in out.splitlines() if line)
    assert untouched == "True"
    assert hidden == "['ignore', 'ignore', 'ignore']"


def test_a_run_of_the_command_line_warns_of_nothing(in_tmp: Path) -> None:
    """pandas 3 has read-only columns and ignores the chained assignments by which RecBole fills gaps."""
    folder = in_tmp / "atomic_data" / "tags"
    write_interactions(folder, "tags", times=True)
    rows = [f"i{item}\t{'a b' if item % 3 else ''}\t{item if item % 4 else ''}" for item in range(ITEMS)]
    header = "item_id:token\ttags:token_seq\tprice:float"
    (folder / "tags.item").write_text("\n".join([header, *rows]) + "\n")
    columns = "{inter: [user_id, item_id, timestamp], item: [item_id, tags, price]}"
    flags = ["--model=FM", "--dataset=tags", "--epochs=1", "--show_progress=False", f"--load_col={columns}"]
    command = [sys.executable, "-m", "recbole_mmm4rec", "train", *flags]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Warning" not in shown.stdout
    assert "ChainedAssignmentError" not in shown.stderr
    assert "not writable" not in shown.stderr
