"""From a benchmark to its runs: every configuration is made and checked before the first run starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from recbole.utils import ModelType

from recbole_mmm4rec.benchmark.data_availability import (
    how_to_make,
    is_there,
    missing_features,
    shared_modalities,
)
from recbole_mmm4rec.benchmark.report.plan import report_choices
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.spec import SAME, Benchmark, Pretraining, Setting, refuse_own
from recbole_mmm4rec.benchmark.tuned_values import Chosen
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model, near
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.config_checks import documented_keys, known_keys
from recbole_mmm4rec.host.datasets import make_dataset
from recbole_mmm4rec.host.flags import typed_values
from recbole_mmm4rec.host.value_checks import OF_SEQUENTIAL, check_seed, evaluated_metrics
from recbole_mmm4rec.quick_start.run_key import WEIGHT_KEYS, code_versions, run_key, settings_of, task_key
from recbole_mmm4rec.training.plain import plain_config
from recbole_mmm4rec.tuning.space import fitting, refuse_measures

PRETRAIN = "pretrain."
_OF_PRETRAINING = {"stage": "pretrain", "eval_interval_steps": 0}
"""Values of a pre-training, whose curve nobody compares: a finer curve of what follows does not repeat it."""
_NOT_INHERITED = frozenset({"pretrained", "load_item_tables", "stage", "hold_out", "epochs"})
"""Keys of a setting that apply to its fine-tuning and not to its pre-training."""


@dataclass
class Expansion:
    """The runs of a benchmark.

    Args:
        benchmark: what is to be run.
        flags: raw values by key, for every run whose model knows the key; the values of a setting take
            precedence. Keys with the prefix ``pretrain.`` apply to every pre-training.
        kept: keys by task of results that count as a run's, whatever code they are of.
        chosen: what a search found for some settings.

    Attributes:
        skipped: a line per setting that cannot run on a dataset, which says what to do.
        twins: a line per run of the last plans that is left out because it is the same as another one.
    """

    benchmark: Benchmark
    flags: dict[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    chosen: Chosen = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)

    def plans(self) -> list[RunPlan]:
        """Every run; each contains the plan of its pre-training.

        Raises:
            UserError: a key that no model knows, a value that a model refuses, nothing to run, or a metric
                of the report that no run measures.
        """
        self._refuse_unknown()
        for seed in self.benchmark.seeds:
            check_seed(seed)
        found: dict[str, RunPlan] = {}
        self.twins.clear()
        for plan in (plan for setting, dataset in self._pairs() for plan in self._of(setting, dataset)):
            first = found.setdefault(plan.key, plan)
            if first is not plan:
                self.twins.append(f"skipped: '{plan}' is the same run as '{first}'")
        if not found:
            raise UserError("; ".join([f"{self.benchmark.origin}: nothing to run", *self.skipped]))
        self._refuse_unmeasured(list(found.values()))
        return list(found.values())

    def trials(self) -> list[RunPlan]:
        """The search of every setting on every dataset, with the first seed; none without ``tune``.

        Raises:
            UserError: a key that no model knows or that a flag sets, or a value that a model refuses.
        """
        if self.benchmark.tuning is None:
            return []
        self._refuse_unknown()
        refuse_measures(f"{self.benchmark.origin}: tune", self.benchmark.tuning.space)
        return [plan for setting, dataset in self._pairs() for plan in self._search(setting, dataset)]

    def _search(self, setting: Setting, dataset: str) -> Iterator[RunPlan]:
        seed, tuning = self.benchmark.seeds[0], self.benchmark.tuning if setting.tuned else None
        keys = _known(setting.model, dataset) - setting.values.keys()
        for proposal in tuning.proposals(keys, seed) if tuning else ():
            params = fitting(proposal, setting.model, dataset)
            made = self._made(setting, dataset, params)
            if made is not None:
                yield self._seeded(setting, made, seed).as_trial(params, self.kept)

    def _pairs(self) -> Iterator[tuple[Setting, str]]:
        for dataset in self.benchmark.datasets:
            for setting in self.benchmark.settings:
                folder = self._data_path(setting)
                if not is_there(folder, dataset):
                    self._skip(how_to_make(folder, dataset))
                elif setting.runs_on(dataset):
                    yield setting, dataset

    def _skip(self, line: str) -> None:
        if f"skipped: {line}" not in self.skipped:
            self.skipped.append(f"skipped: {line}")

    def _of(self, setting: Setting, dataset: str) -> Iterator[RunPlan]:
        """Runs of a setting on a dataset; if something is missing, no run and a line in ``skipped``."""
        made = self._made(setting, dataset, self.chosen.get((setting.name, dataset), {}))
        if made is not None:
            yield from (self._seeded(setting, made, seed) for seed in self.benchmark.seeds)

    def _made(
        self, setting: Setting, dataset: str, tuned: dict[str, Any]
    ) -> "tuple[_Made, _Made | None] | None":
        """The configurations of a setting and of its pre-training, if it has one."""
        values = self._shared(setting.model, dataset) | setting.values | tuned
        if setting.pretrain is not None and values.get("pretrained"):
            raise UserError(f"'pretrained' for all runs, but '{setting.name}' has its own pre-training")
        config = self._config(setting, setting.model, dataset, values)
        why_not = missing_features(config)
        before = None
        if why_not is None and setting.pretrain is not None:
            before, why_not = self._pretraining(setting, setting.pretrain, dataset)
        if why_not is not None:
            self._skip(f"'{setting.name}' on {dataset}: {why_not}")
            return None
        return _Made(config, values), before

    def _seeded(self, setting: Setting, made: "tuple[_Made, _Made | None]", seed: int) -> RunPlan:
        own, before = made
        source = self._plan(before, f"{setting.model}, pre-training", seed) if before else None
        return self._plan(own, setting.name, seed, source)

    def _plan(self, made: "_Made", label: str, seed: int, before: RunPlan | None = None) -> RunPlan:
        config, values = made.config, dict(made.values)
        config["seed"] = values["seed"] = values.get("seed", seed)
        task = task_key(config, before.task if before else None)
        return RunPlan(
            key=self.kept.get(task) or run_key(config, before.key if before else None),
            model=config["model"],
            dataset=config["dataset"],
            setting=label,
            seed=values["seed"],
            stage=config["stage"],
            values=values,
            changes=_changes(config, values),
            config=_shown(config),
            pretrain=before,
            task=task,
            versions=code_versions(config),
        )

    def _pretraining(
        self, setting: Setting, pretrain: Pretraining, target: str
    ) -> tuple["_Made | None", str | None]:
        """The configuration of a setting's pre-training, or the reason why there is none."""
        wanted = [target if name == SAME else name for name in pretrain.datasets]
        usable = [name for name in wanted if name != target or SAME in pretrain.datasets]
        folder = self._data_path(setting)
        there = [name for name in usable if is_there(folder, name)]
        if not there:
            return None, f"nothing to pre-train on: no other dataset of {', '.join(wanted)} exists"
        source = there[0]
        inherited = {key: value for key, value in setting.values.items() if key not in _NOT_INHERITED}
        values = self._shared(setting.model, source) | inherited | _OF_PRETRAINING | pretrain.values
        values |= self._typed(self.pretrain_flags, setting.model, source)
        if "modalities" not in values:
            folders = [Path(folder) / name for name in (source, target)]
            chosen = shared_modalities(find_model(setting.model), folders)
            values |= {} if chosen is None else {"modalities": chosen}
            if chosen == []:
                return None, f"no feature file of {source} is from the same encoder"
        self._hold_out(setting, values, source == target)
        config = self._config(setting, setting.model, source, values)
        return _Made(config, values), missing_features(config)

    def _hold_out(self, setting: Setting, values: dict[str, Any], same: bool) -> None:
        """Refuse to pre-train on interactions that will be tested."""
        if same and values.setdefault("hold_out", True) is not True:
            place = f"{self.benchmark.origin}: pretrain of '{setting.name}'"
            raise UserError(f"{place}: hold_out must be True on the dataset that is tested")

    def _config(self, setting: Setting, model: str, dataset: str, values: Mapping[str, Any]) -> RunConfig:
        origin = f"{self.benchmark.origin}, setting '{setting.name}'"
        config = RunConfig(model, dataset, config_dict=dict(values), origin=origin)
        make_dataset(config)
        return config

    def _shared(self, model: str, dataset: str) -> dict[str, Any]:
        """Values common to all runs whose keys the model knows; flags take precedence over the file."""
        known = _known(model, dataset)
        common = {key: value for key, value in self.benchmark.common.items() if key in known}
        return common | self._typed(self.run_flags, model, dataset)

    def _typed(self, flags: Mapping[str, str], model: str, dataset: str) -> dict[str, Any]:
        known = _known(model, dataset)
        return typed_values({key: raw for key, raw in flags.items() if key in known}, model, dataset)

    def _refuse_unknown(self) -> None:
        """Refuse common keys that no model knows, and keys that the benchmark sets itself."""
        refuse_own("command line", "--pretrain", self.pretrain_flags, allowed={"seed"})
        models = sorted({setting.model for setting in self.benchmark.settings})
        known = set().union(*(_known(model, name) for model in models for name in self.benchmark.datasets))
        # what changes nothing may stand beside models that do not have it
        known |= {pair[0] for pair in self.benchmark.common.items() if pair in OF_SEQUENTIAL.items()}
        flags = [*self.run_flags, *self.pretrain_flags]
        searched = [*self.benchmark.tuning.space] if self.benchmark.tuning else []
        for key in searched:
            if key in self.run_flags or key in self.benchmark.common:
                where = self.benchmark.origin
                raise UserError(f"{where}: '{key}' is searched over and given at the same time")
        own = [*self.benchmark.common, *searched]
        for origin, keys in ((self.benchmark.origin, own), ("command line", flags)):
            for key in keys:
                if key not in known:
                    hint = near(key, sorted(known))
                    raise UserError(f"{origin}: unknown key '{key}' for {', '.join(models)}{hint}")
        if self.pretrain_flags and not any(setting.pretrain for setting in self.benchmark.settings):
            raise UserError(f"--{PRETRAIN}{next(iter(self.pretrain_flags))}: no setting is pre-trained")

    def _refuse_unmeasured(self, plans: list[RunPlan]) -> None:
        measured = dict.fromkeys(name for plan in plans for name in evaluated_metrics(plan.config))
        for metric in report_choices(self.benchmark.origin, self.benchmark.report).metrics:
            if metric not in measured:
                known = ", ".join(measured)
                raise UserError(f"{self.benchmark.origin}: report: no run measures '{metric}', only {known}")

    @cached_property
    def run_flags(self) -> dict[str, str]:
        """Flags for every run."""
        return {key: raw for key, raw in self.flags.items() if not key.startswith(PRETRAIN)}

    @cached_property
    def pretrain_flags(self) -> dict[str, str]:
        """Flags for every pre-training: ``--pretrain.epochs=3``; they win over the file."""
        named = {key: raw for key, raw in self.flags.items() if key.startswith(PRETRAIN)}
        return {key.removeprefix(PRETRAIN): raw for key, raw in named.items()}

    def _data_path(self, setting: Setting) -> str:
        path = (self._shared(setting.model, "") | setting.values).get("data_path")
        return str(path or documented_keys(setting.model, "")["data_path"].default)


@dataclass
class _Made:
    """A checked configuration and the values it was made from."""

    config: RunConfig
    values: dict[str, Any]


def _changes(config: RunConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    """Given values that differ from the model's defaults."""
    final, usual = settings_of(config), _defaults(config["model"], config["dataset"], values.get("data_path"))
    changed = (key for key in values if key in final and final[key] != usual.get(key))
    return {key: final[key] for key in changed if key != "seed"} | _weights(config)


def _shown(config: RunConfig) -> dict[str, Any]:
    """Final values as a record has them."""
    plain = plain_config(config.final_config_dict) | _weights(config)
    plain.pop("checkpoint_dir", None)
    return plain


def _weights(config: RunConfig) -> dict[str, str]:
    """The files of weights that a run is given to start from; a pre-training of the benchmark is none."""
    return {key: str(config[key]) for key in WEIGHT_KEYS if config[key]}


@lru_cache(maxsize=256)
def _known(model: str, dataset: str) -> frozenset[str]:
    kind: Any = find_model(model)
    foreign = () if kind.type == ModelType.SEQUENTIAL else OF_SEQUENTIAL
    return frozenset(known_keys(kind, documented_keys(model, dataset))).difference(foreign)


@lru_cache(maxsize=256)
def _defaults(model: str, dataset: str, data_path: str | None) -> dict[str, Any]:
    given = {"data_path": data_path} if data_path else {}
    return settings_of(RunConfig(model, dataset, config_dict=given))
