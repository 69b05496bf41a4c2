"""A run of a benchmark before it is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunPlan:
    """What a run consists of.

    Attributes:
        key: 16 hexadecimal digits, :func:`recbole_mmm4rec.quick_start.run_key.run_key`.
        setting: the label of the run's setting.
        values: keys of the configuration that are set on top of the property files, including the seed.
        changes: the values that differ from the model's defaults.
        config: the final values, as JSON types.
        pretrain: the run whose weights this run starts from.
        task: :func:`recbole_mmm4rec.quick_start.run_key.task_key`, which does not change with the code.
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
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> RunPlan:
        """The inverse of :meth:`to_dict`."""
        before = plain.get("pretrain")
        return cls(**{**plain, "pretrain": cls.from_dict(before) if before else None})

    def __str__(self) -> str:
        return f"{self.setting} · {self.dataset} · {self.seed}"


def with_pretraining(plans: Iterable[RunPlan]) -> list[RunPlan]:
    """Every run once, each after the run it starts from."""
    found: dict[str, RunPlan] = {}
    for plan in plans:
        for part in (plan.pretrain, plan):
            if part is not None:
                found.setdefault(part.key, part)
    return list(found.values())
