"""Any input at all: it works, or one ``error:`` line says why it does not. What the fuzz tests share.

A test takes the fixture ``fuzz`` and gives it a check and a strategy: ``fuzz(check, edits)``. In CI the same
few examples are tried each time. ``FUZZ_SECONDS=3600 pytest -k fuzz`` goes on for an hour in all, with ever
new ones.
"""

import copy
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from recbole_mmm4rec.guard import guarded

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
TRIED: dict[str, int] = {}
"""Inputs tried, by test."""
LONGEST = 120
"""Seconds that one input may take; one that takes longer hangs."""

pieces = st.sampled_from([
    b'"', b'""', b",", b"\n", b"\r", b"\n\n", b"\r\n", b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\t",
    b"{", b"}", b"[", b'\\"', b"\\", b":", b"\xed\xa0\x80", b"nan", b"[PAD]", b"1e999", b'","', b'\n"',
    b'"\n', b": ", b"- ", b"!!", b"&a ", b"*a", b"'", b"#", b"|", b"null", b"true", b"-1", b"1e400",
])  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, 2**32), st.integers(0, 40), pieces | st.binary(max_size=3)),
    min_size=1,
    max_size=6,
)
text = st.sampled_from([
    "", " ", "a", "x y", "[PAD]", "nan", "None", "~", "true", "0", "-1", "1e300", "[5,inf)", "[1, 2]", "../x",
    "/", "item_id", "user_id", "timestamp", "text", "SASRec", "tiny", "\u2028", "caf\u00e9", "\ud800", "a\nb",
    "%s", "{}", "*", "inf", "[" * 300, "a" * 300,
])  # fmt: skip
numbers = st.sampled_from([0, 1, -1, 2, 5, 10, 2**31, 2**63, 2**70, -(2**70)]) | st.integers(-5, 300)
scalar = text | st.none() | st.booleans() | numbers | st.sampled_from([0.5, -0.5, 1e-9, 1e300, 5e-324])
odd = st.sampled_from([float("nan"), float("inf"), -float("inf")])
anything = st.recursive(
    scalar | odd,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text.filter(str.isprintable), inner, max_size=3)
    ),
    max_leaves=5,
)
"""A value of any of JSON's types, and the numbers that Python's JSON knows beside them."""


def mutated(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Cut out and put in some bytes at some places."""
    for place, length, piece in changes:
        at = place % (len(content) + 1)
        content = content[:at] + piece + content[at + length % 5 :]
    return content


DELETED = "deleted"
places = st.lists(st.integers(0, 10_000), min_size=1, max_size=6)


def replaced(tree: Any, where: list[int], value: Any) -> Any:
    """A copy of nested dictionaries and lists with one part replaced, or deleted for :data:`DELETED`.

    A text in which an object is stored as JSON counts as that object.
    """
    if isinstance(tree, str) and tree.startswith('{"'):
        return json.dumps(replaced(json.loads(tree), where, value), default=str)
    if isinstance(tree, tuple) and where and tree:
        return tuple(replaced(list(tree), where, value))
    if not where or not isinstance(tree, dict | list) or not tree:
        return value
    tree = copy.copy(tree)
    key = list(tree)[where[0] % len(tree)] if isinstance(tree, dict) else where[0] % len(tree)
    if len(where) == 1 and value == DELETED:
        del tree[key]
    else:
        tree[key] = replaced(tree[key], where[1:], value)
    return tree


def tried(call: Callable[[], Any]) -> bool:
    """Whether a call works; if it does not, one line of error says why, as the command line would.

    Anything else that it raises is a fault.
    """

    def once() -> None:
        call()

    errors = io.StringIO()
    with redirect_stderr(errors), redirect_stdout(io.StringIO()), _in_time():
        code = guarded(once)
    if code == 0:
        return True
    lines = errors.getvalue().splitlines()
    last = lines[-1] if lines else ""
    assert code == 2, code
    assert last.startswith("error: "), lines
    assert len(last) > 15, last
    assert sum(line.startswith("error: ") for line in lines) == 1
    return False


@contextmanager
def _in_time() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise AssertionError(f"it takes longer than {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_under(folder: Path) -> set[str]:
    """Every file and folder below ``folder``."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class Fuzzer:
    """Runs checks on examples and counts them; ``share``: seconds that a test may go on."""

    def __init__(self, share: float) -> None:
        self.share, self.inputs = share, 0

    def __call__(
        self, check: Callable[[Any], None], strategy: st.SearchStrategy, examples: int = 120
    ) -> None:
        """Run ``check`` on the same examples each time and, where there are seconds, on ever new ones."""
        started, rounds = time.monotonic(), 0

        def counted(example: Any) -> None:
            self.inputs += 1
            check(example)

        while rounds == 0 or time.monotonic() - started < self.share:
            options = settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=rounds == 0,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            test = options(given(strategy)(counted))
            (test if rounds == 0 else seed(time.time_ns())(test))()
            rounds += 1


def tensors() -> st.SearchStrategy[Any]:
    """Tensors of odd shapes and types, and other values, as parts of a checkpoint."""
    made = st.sampled_from([
        torch.zeros(0), torch.zeros(3), torch.tensor(1.0), torch.full((2, 2), float("nan")),
        torch.zeros(2, 3, 4), torch.zeros(5, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.bool),
        torch.zeros(2, dtype=torch.complex64), torch.eye(3).to_sparse(), torch.zeros(3, dtype=torch.uint8),
    ])  # fmt: skip
    return made | anything | st.just(DELETED)
