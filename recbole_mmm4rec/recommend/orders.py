"""What a batch is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = (".parquet", ".csv", ".jsonl")
"""Endings of an output that is one file; any other output is a folder."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every user's list is asked for: arguments of ``Recommender.recommend``, for whole files.

    Attributes:
        k, exclude_seen, on_unknown: as there.
        allow, deny: ids for all users, or None.
        categories, per_category: as there.
    """

    k: int = 10
    exclude_seen: bool | None = None
    allow: list[str] | None = None
    deny: list[str] | None = None
    on_unknown: str = "warn"
    categories: Mapping[str, str] | None = None
    per_category: int | None = None

    @property
    def lists(self) -> dict[str, Any]:
        """Who may be recommended what: further arguments of ``Recommender.recommend`` and ``filters``."""
        names = ("exclude_seen", "allow", "deny", "categories", "per_category")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Order(Asked):
    """Lists for the users of some files.

    Attributes:
        users: CSV, Parquet or JSON lines file of histories, or a folder or a pattern of several.
        output: Parquet, CSV or JSON Lines file with the columns user, rank, item, score; or, without such an
            ending, a folder of Parquet files with them.
        shard_users: users per shard, where there is one file.
    """

    users: Path
    output: Path
    shard_users: int = 20_000

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.output.with_name(f".{self.output.name}.parts") if self.is_file else self.output

    @property
    def is_file(self) -> bool:
        """Whether the output is one file."""
        return self.output.suffix in FILES
