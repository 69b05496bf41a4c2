"""The folder of the parts, and which of them need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import recbole_mmm4rec
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.quick_start.run_key import short_hash
from recbole_mmm4rec.recommend.model_facts import ModelFacts
from recbole_mmm4rec.recommend.orders import Order
from recbole_mmm4rec.recommend.parts import SUFFIX, read_part
from recbole_mmm4rec.recommend.shards import Shard, is_one_file

MANIFEST = "manifest.json"


def plan_of(facts: ModelFacts, order: Order) -> dict[str, Any]:
    """What all parts depend on, as JSON types: the content of the checkpoint, the settings."""
    leaves_out = facts.leaves_out_seen if order.exclude_seen is None else order.exclude_seen
    plan: dict[str, Any] = {
        "version": recbole_mmm4rec.__version__,
        "checkpoint": facts.checkpoint_hash(),
        "items": _hash_of(facts.catalogue.tokens.tolist()),
        "index": facts.index is not None,
        "k": order.k,
        "exclude_seen": leaves_out,
        "allow": None if order.allow is None else _hash_of(order.allow),
        "deny": None if order.deny is None else _hash_of(order.deny),
        "categories": None if order.categories is None else _hash_of(sorted(order.categories.items())),
        "per_category": order.per_category,
    }
    if is_one_file(order.users):  # which users a part has depends on the whole file
        status = order.users.stat()
        plan["users"] = [str(order.users), status.st_size, status.st_mtime_ns, order.shard_users]
    return plan


def _hash_of(ids: list[Any]) -> str:
    return hashlib.sha256("\0".join(map(str, ids)).encode()).hexdigest()[:16]


class PartFolder:
    """Parts of one plan.

    Args:
        order: names the folder.
        plan: of :func:`plan_of`.
    """

    def __init__(self, order: Order, plan: dict[str, Any]) -> None:
        self.order, self.plan, self.path = order, plan, order.parts
        self.plan_hash = short_hash(plan)

    def part(self, shard: Shard) -> Path:
        """The part of a shard."""
        return self.path / f"{shard.name}{SUFFIX}"

    def is_done(self, shard: Shard) -> bool:
        """Whether its part is there, by this plan and of the file as it is now."""
        part = read_part(self.part(shard))
        return part is not None and (part.plan, part.state) == (self.plan_hash, shard.state)

    def check(self, shards: Sequence[Shard]) -> None:
        """Refuse to mix the lists of two runs in a folder that people read.

        Raises:
            UserError: names what differs, or a file that does not belong there.
        """
        if self.order.is_file or not self.path.exists():
            return
        if not self.path.is_dir():
            raise UserError(f"{self.path}: a file; an output that is one file ends in .parquet, .csv, .jsonl")
        known = self._known_plan()
        if known is None and any(path.name[0] != "." for path in self.path.iterdir()):
            raise UserError(f"{self.path}: exists and is not a folder of recommendations")
        if known is not None and known != self.plan:
            differing = sorted(key for key in {*known, *self.plan} if known.get(key) != self.plan.get(key))
            raise UserError(
                f"{self.path}: holds the lists of another run ({', '.join(differing)} differs); "
                "name another folder or remove it"
            )
        parts = {self.part(shard).name for shard in shards}
        others = sorted(path.name for path in self.path.glob(f"*{SUFFIX}") if path.name not in parts)
        if others:
            raise UserError(f"{self.path / others[0]}: of no file of {self.order.users}; remove it")

    def take_up(self) -> None:
        """Write the manifest; beside an output file, remove the parts of another run."""
        if self._known_plan() != self.plan:
            for part in self.path.glob(f"*{SUFFIX}"):
                part.unlink()
        self.tidy()
        write_json(self.path / MANIFEST, {"plan": self.plan})

    def tidy(self) -> None:
        """Remove what processes that were ended have left half written."""
        for path in self.path.glob(f".*{SUFFIX}.*.tmp"):
            path.unlink(missing_ok=True)

    def complete(self, numbers: dict[str, int]) -> None:
        """Say in the manifest that all parts are there."""
        write_json(self.path / MANIFEST, {"plan": self.plan, "complete": numbers})

    def _known_plan(self) -> dict[str, Any] | None:
        try:
            plan = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))["plan"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return plan if isinstance(plan, dict) else None
