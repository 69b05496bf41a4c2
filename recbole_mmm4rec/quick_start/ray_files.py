"""Files between this machine and nodes that share no folder with it.

There they go by Ray's object store, which holds them once per node. What a node makes comes back through a
queue on this machine, while it is being made: a node that leaves takes along what has not been sent yet.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from recbole_mmm4rec.files import replacing
from recbole_mmm4rec.quick_start.ray_session import RaySession

SECONDS = 2.0
"""Between two looks at what a run has written."""


def stored(session: RaySession, path: Path) -> Any:
    """Reference of a file's bytes in the object store."""
    content = np.asarray(np.memmap(path, np.uint8, "r")) if path.stat().st_size else np.zeros(0, np.uint8)
    return session.ray.put(content)


def lay_down(files: Mapping[str, Any], folder: Path) -> None:
    """Write files that are not there yet; called on a node.

    Args:
        files: by path below the folder, references of :func:`stored`.
        folder: on the node.
    """
    import ray

    for name, reference in files.items():
        path = folder / name
        if not path.exists():
            with replacing(path) as temporary:
                ray.get(reference).tofile(temporary)


def node_folder() -> Path:
    """The folder of this job on this node; below it all its workers work."""
    import ray

    here = ray.get_runtime_context()
    return Path(gettempdir()) / _name(here.get_job_id(), here.get_node_id())


def _name(job: str, node: str) -> str:
    return f"recbole-mmm4rec-{job}-{node[:12]}"


def remove_node_folders(session: RaySession, seconds: float = 30) -> None:
    """Remove the folders of this job on all nodes that answer in time."""
    job = session.ray.get_runtime_context().get_job_id()
    names = [_name(job, node) for node in session.nodes()]

    def remove() -> None:  # within, so that a worker need not import this package for it
        for name in names:
            shutil.rmtree(Path(gettempdir()) / name, ignore_errors=True)

    references = list(session.on_every_node(remove).values())
    with suppress(session.ray.exceptions.RayError):
        session.ray.wait(references, num_returns=len(references), timeout=seconds)


class Post:
    """The queue through which files come home.

    Args:
        session: of Ray.
        folder: where they are put, by the paths that they are sent with.
    """

    def __init__(self, session: RaySession, folder: Path) -> None:
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(session.ray.get_runtime_context().get_node_id(), soft=False)
        self.folder = folder
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def receive(self) -> None:
        """Put everything that has arrived in its place."""
        for name, content in self.queue.get_nowait_batch(self.queue.qsize()):
            path = self.folder / name
            if content is None:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # until one that is not empty
                    os.removedirs(path.parent)
            else:
                with replacing(path) as temporary:
                    temporary.write_bytes(content)


class Sender:
    """Sends what has changed below a folder; on a node. What lies there at first is at home already.

    Args:
        queue: of a :class:`Post`.
        folder: the node's.
        place: the part of it that is sent.
    """

    def __init__(self, queue: Any, folder: Path, place: Path) -> None:
        self.queue, self.folder, self.place = queue, folder, place
        files = (path for path in place.rglob("*") if path.is_file())
        self._sent = {str(path.relative_to(folder)): _state(path) for path in files}

    def send(self, last: str = "") -> None:
        """Send files that are new or changed, and which are gone; the one named ``last`` after the others."""
        found = {str(path.relative_to(self.folder)): path for path in self.place.rglob("*")}
        for name in sorted(found, key=lambda name: (Path(name).name == last, name)):
            with suppress(FileNotFoundError):  # gone, or renamed, in the meantime
                self._send_one(name, found[name])
        for name in self._sent.keys() - found.keys():
            self.queue.put((name, None))
            del self._sent[name]

    def _send_one(self, name: str, path: Path) -> None:
        state = _state(path)
        if path.is_file() and not path.name.startswith(".") and self._sent.get(name) != state:
            self.queue.put((name, path.read_bytes()))
            self._sent[name] = state

    @contextmanager
    def sending(self, last: str = "") -> Iterator[None]:
        """Send every few seconds within it, and once more at its end."""
        over = threading.Event()

        def send() -> None:
            while not over.wait(SECONDS):
                self.send(last)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.send(last)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
