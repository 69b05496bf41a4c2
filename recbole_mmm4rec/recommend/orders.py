"""What a batch is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = (".parquet", ".csv", ".jsonl")
"""Endings of an output that is one file; any other output is a folder."""
LISTS = ("exclude_seen", "allow", "deny", "categories", "per_category")
"""What decides who may be recommended what: names of attributes, and of arguments of a recommender."""


@dataclass(frozen=True)
class Order:
    """What to recommend: the arguments of ``Recommender.recommend`` for whole files.

    Attributes:
        users: CSV, Parquet or JSON lines file of histories, or a folder or a pattern of several.
        output: Parquet, CSV or JSON Lines file with the columns user, rank, item, score; or, without such an
            ending, a folder of Parquet files with them.
        k, exclude_seen, on_unknown: as there.
        allow, deny: ids for all users, or None.
        categories, per_category: as there.
        shard_users: users per shard, where there is one file.
    """

    users: Path
    output: Path
    k: int = 10
    exclude_seen: bool | None = None
    allow: list[str] | None = None
    deny: list[str] | None = None
    on_unknown: str = "warn"
    categories: Mapping[str, str] | None = None
    per_category: int | None = None
    shard_users: int = 20_000

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.output.with_name(f".{self.output.name}.parts") if self.is_file else self.output

    @property
    def is_file(self) -> bool:
        """Whether the output is one file."""
        return self.output.suffix in FILES
