"""The package's modules import each other in one direction."""

import ast
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import recbole_mmm4rec

ROOT = Path(str(recbole_mmm4rec.__file__)).parent
PACKAGE = recbole_mmm4rec.__name__


def modules() -> dict[str, Path]:
    """Every module's file by its name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(body: Sequence[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run when a module is imported."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from statements(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in ("body", "orelse", "finalbody", "handlers"):
                yield from statements(getattr(statement, block, []))


def imported(source: str, known: set[str]) -> set[str]:
    """Modules of ``known`` that a source imports."""
    names = set()
    for statement in statements(ast.parse(source).body):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        else:
            inside = {f"{statement.module}.{alias.name}" for alias in statement.names}
            names |= inside & known or {str(statement.module)}
    return names & known


def test_what_the_check_reads() -> None:
    source = """
import a.b
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from a import later
try:
    from a import c
except ImportError:
    from a.d import x
def f():
    import a.inside
"""
    assert imported(source, {"a.b", "a.c", "a.d", "a.later", "a.inside"}) == {"a.b", "a.c", "a.d"}


def test_no_module_imports_itself_through_others() -> None:
    files = modules()
    assert len(files) > 200
    graph = {name: imported(path.read_text(), set(files)) - {name} for name, path in files.items()}
    TopologicalSorter(graph).prepare()  # CycleError names a circle
