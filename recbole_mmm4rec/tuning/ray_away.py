"""Trials on nodes that share no folder with this machine: data go there, checkpoints come home."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recbole_mmm4rec.names import dataset_files
from recbole_mmm4rec.quick_start.ray_files import (
    Post,
    Sender,
    lay_down,
    node_folder,
    remove_node_folders,
    stored,
)
from recbole_mmm4rec.quick_start.ray_session import RaySession
from recbole_mmm4rec.tuning.search import CHECKPOINTS, Search

TRIES = 3
"""How often a trial is begun whose nodes leave."""

DATA, PRETRAINED = "data", "pretrained"


@dataclass(frozen=True)
class Parcel:
    """What a trial gets on a node.

    Attributes:
        files: references of data, weights and begun trials by their paths there.
        weights: path of the pre-trained weights there; empty where the search has none.
        queue: for what goes home.
    """

    files: dict[str, Any]
    weights: str
    queue: Any

    def open(self, search: Search) -> Search:
        """Lay the files down, and return the search as it is on the node."""
        folder = node_folder()
        lay_down(self.files, folder)
        weights = {PRETRAINED: str(folder / self.weights)} if self.weights else {}
        return replace(search, folder=folder, data_path=folder / DATA, given=search.given | weights)

    def sender(self, search: Search, key: str) -> Sender:
        """Sends the checkpoints of a trial."""
        return Sender(self.queue, search.folder, search.checkpoints(key))


class Away:
    """A search's side on this machine.

    Args:
        session: of Ray.
        search: its files are stored now.
    """

    def __init__(self, session: RaySession, search: Search) -> None:
        self.session, self.post = session, Post(session, search.folder)
        data = search.data_path / search.dataset
        files = {f"{DATA}/{search.dataset}/{path.name}": path for path in dataset_files(data, search.dataset)}
        begun = [path for path in (search.folder / CHECKPOINTS).rglob("*") if path.is_file()]
        files |= {str(path.relative_to(search.folder)): path for path in begun if path.name[0] != "."}
        weights = search.given.get(PRETRAINED) or ""
        if weights:
            weights, files[f"weights/{Path(weights).name}"] = f"weights/{Path(weights).name}", Path(weights)
        stored_files = {name: stored(session, path) for name, path in files.items()}
        self.parcel = Parcel(stored_files, weights, self.post.queue)

    def close(self) -> None:
        """Take what has arrived, and leave nothing on the nodes."""
        with suppress(self.session.ray.exceptions.RayError):  # where the cluster itself has gone
            self.post.receive()
            remove_node_folders(self.session)
