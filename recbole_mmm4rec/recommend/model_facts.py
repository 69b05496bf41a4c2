"""What the process that hands out shards knows of a model: no weight and no feature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recbole_mmm4rec.quick_start.run_key import file_hash, short_hash
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.loading import read_catalogue
from recbole_mmm4rec.recommend.recommender import Recommender


@dataclass(frozen=True)
class ModelFacts:
    """A model by its checkpoint.

    Attributes:
        path, index: as :func:`~recbole_mmm4rec.recommend.loading.load` takes them.
        catalogue: its items; their features may be left out.
        leaves_out_seen: whether evaluation left out what a user had seen.
    """

    path: str
    index: str | None
    catalogue: Catalogue
    leaves_out_seen: bool

    @classmethod
    def of(cls, recommender: Recommender) -> ModelFacts:
        """Of a recommender in this process."""
        path, index = recommender.blueprint.path, recommender.index
        return cls(path, index, recommender.catalogue, recommender.exclude_seen)

    @classmethod
    def read(cls, path: str, index: str | None = None) -> ModelFacts:
        """Of a checkpoint; raises UserError for one that cannot recommend."""
        catalogue, settings = read_catalogue(path)
        return cls(path, index, catalogue, settings["rank_seen"] is False)

    def checkpoint_hash(self) -> str:
        """Hash of the content of the checkpoint, or of all files of an exported folder."""
        path = Path(self.path)
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        return short_hash([file_hash(file) for file in files])
