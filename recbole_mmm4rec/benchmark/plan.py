"""One run of a benchmark, before it is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunPlan:
    """What a run is given, and what it is called.

    Attributes:
        key: 16 hexadecimal digits, :func:`recbole_mmm4rec.host.run_key.run_key`.
        setting: the label of the setting that it belongs to.
        values: what its configuration is given over the property files, the seed among them.
        changes: those of them that differ from the model's defaults.
        config: final values, as JSON has them.
        pretrain: the run whose weights it starts from.
        task: :func:`recbole_mmm4rec.host.run_key.task_key`, which other code leaves as it is.
    """

    key: str
    model: str
    dataset: str
    setting: str
    seed: int
    stage: str
    values: dict[str, Any]
    changes: dict[str, Any]
    config: dict[str, Any]
    pretrain: RunPlan | None = None
    task: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> RunPlan:
        """The inverse of :meth:`to_dict`."""
        before = plain.get("pretrain")
        return cls(**{**plain, "pretrain": cls.from_dict(before) if before else None})

    def __str__(self) -> str:
        return f"{self.setting} · {self.dataset} · {self.seed}"


def with_pretraining(plans: Iterable[RunPlan]) -> list[RunPlan]:
    """Every run once, each after the one it starts from."""
    found: dict[str, RunPlan] = {}
    for plan in plans:
        for part in (plan.pretrain, plan):
            if part is not None:
                found.setdefault(part.key, part)
    return list(found.values())
