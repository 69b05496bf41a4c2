"""A run of a benchmark before it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from recbole_mmm4rec.quick_start.run_key import short_hash


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
        trial: values that the run tries in a search; None for a run whose result counts: it alone is tested.
        versions: of the code it is planned with, :func:`recbole_mmm4rec.quick_start.run_key.code_versions`.
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
    trial: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> RunPlan:
        """The inverse of :meth:`to_dict`."""
        before = plain.get("pretrain")
        return cls(**{**plain, "pretrain": cls.from_dict(before) if before else None})

    def __str__(self) -> str:
        tried = "" if self.trial is None else f" · {self.trial}"
        return f"{self.setting} · {self.dataset} · {self.seed}{tried}"

    def as_trial(self, values: dict[str, Any], kept: Mapping[str, str]) -> RunPlan:
        """The same run as a trial of these values, which is another one, as it is not tested.

        Args:
            values: what it tries.
            kept: keys by task of results that count as a trial's, whatever code they are of.
        """
        key, task = (short_hash(["trial", self.setting, name]) for name in (self.key, self.task))
        return replace(self, key=kept.get(task, key), task=task, trial=values)


def with_pretraining(plans: Iterable[RunPlan]) -> list[RunPlan]:
    """Every run once, each after the run it starts from."""
    found: dict[str, RunPlan] = {}
    for plan in plans:
        for part in (plan.pretrain, plan):
            if part is not None:
                found.setdefault(part.key, part)
    return list(found.values())
