"""How closely every model agrees with the golden files: ``python -m tests.model.measure_agreement [FOLDER]``.

Runs the golden tests and prints, for each model, the files read, the numbers compared and the largest
error, relative to the largest entry (of gradients: see ``tests.golden.assert_gradients_agree``).
"""

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Seen:
    """What was compared for one model."""

    files: set[str] = field(default_factory=set)
    numbers: int = 0
    error: float = 0.0
    where: str = ""


class Recorder:
    """A pytest plugin that listens to the comparisons of tests that read a golden file."""

    def __init__(self) -> None:
        self.models: dict[str, Seen] = defaultdict(Seen)
        self.file = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _file_of(item)]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.file = _file_of(item)

    def listen(self, what: str, numbers: int, error: float) -> None:
        seen = self.models[self.file.partition("-")[0]]
        seen.files.add(self.file)
        seen.numbers += numbers
        if not error <= seen.error:
            seen.error, seen.where = error, f"{self.file}: {what}"


def _file_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    path = callspec.params.get("path") if callspec else None
    return path.stem if isinstance(path, Path) and path.suffix == ".safetensors" else ""


def main(folder: str | None) -> int:
    if folder:
        os.environ["MMM4REC_GOLDEN"] = folder
    from tests import golden  # only now: it reads the folder's name

    recorder = Recorder()
    golden.listeners.append(recorder.listen)
    tests = Path(__file__).parents[1]
    code = pytest.main(
        ["-q", "--no-header", "-p", "no:cacheprovider", str(tests / "model"), str(tests / "nn")],
        plugins=[recorder],
    )
    lines = [f"{golden.FOLDER}", f"{'model':14} {'files':>5} {'numbers':>9} {'error':>8}  where"]
    lines += [
        f"{name:14} {len(seen.files):5} {seen.numbers:9} {seen.error:8.1e}  {seen.where}"
        for name, seen in sorted(recorder.models.items())
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
