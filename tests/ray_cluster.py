"""A Ray cluster of two nodes on this machine; each has its own resources and its own temporary folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


class TwoNodes:
    """``one``, where the test itself is, and ``two``, which can leave."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        self.cluster = Cluster(True, head_node_args={**self._node("one"), "include_dashboard": False})
        self.two = self.add()

    def _node(self, name: str) -> dict[str, Any]:
        self.place(name).mkdir(exist_ok=True)
        # What runs on a node is compared with a run here, and the last bits depend on the number of threads.
        environment = {"TMPDIR": str(self.place(name)), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return {"num_cpus": 1, "object_store_memory": 100 * 2**20, "env_vars": environment}

    def add(self) -> Any:
        """Let node two join."""
        self.two = self.cluster.add_node(**self._node("two"))
        return self.two

    def kill(self) -> None:
        """End node two without a word."""
        self.cluster.remove_node(self.two, allow_graceful=False)

    def place(self, name: str) -> Path:
        """The temporary folder of a node."""
        return self.folder / name

    @property
    def address(self) -> str:
        return str(self.cluster.address)


@contextmanager
def two_nodes(folder: Path) -> Iterator[TwoNodes]:
    """Skips the test where Ray is absent."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[tune]>=2.50'")
    nodes = TwoNodes(folder)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()
