"""The package's own code as one short hash: results of other code are not results of this one."""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
AROUND_RUNS = ("benchmark", "cli", "prepare", "tuning")
"""Folders whose code starts runs, shows their results, or makes data (whose content is hashed by itself)."""

WRITES_RESULTS = ("benchmark/record.py", "benchmark/single_run.py", "benchmark/user_rows.py")


@lru_cache(maxsize=8)
def code_fingerprint(package: Path = PACKAGE) -> str:
    """12 hexadecimal digits of the code that can change a number.

    Comments, docstrings and layout change none and do not count.
    """
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.split("/")[0] not in AROUND_RUNS or name in WRITES_RESULTS:
            digest.update(f"{name}\n{_bare(path)}\n".encode())
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """The same of one file, whatever its name."""
    return hashlib.blake2b(_bare(path).encode(), digest_size=6).hexdigest()


def _bare(path: Path) -> str:
    """A file's syntax tree without statements that are only a text."""
    return ast.dump(_WithoutTexts().visit(ast.parse(path.read_bytes())))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
